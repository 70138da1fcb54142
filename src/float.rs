//! The number types that networks compute with.

use crate::group::{Compute, Group};
use crate::kernels::exp::Exp;
use crate::kernels::gemm::Element;
use dfdx::shapes::Dtype;

/// `f32` or `f64`: what a model's numbers are.
pub trait Float:
    Dtype + num_traits::Float + Exp + Element + rand::distributions::uniform::SampleUniform + core::fmt::Display + sealed::Sealed
{
    /// The processor, as a dfdx device for numbers of this type.
    type Host: dfdx::tensor_ops::Device<Self>;

    /// The name of this type in a safetensors file.
    const DTYPE: safetensors::Dtype;

    /// The nearest number of this type.
    fn of(x: f64) -> Self;

    /// The same number as `f64`.
    fn f64(self) -> f64;

    /// Replaces numbers by their sums over all ranks of a group.
    fn sum_over(group: &dyn Group, numbers: &mut [Self]);

    /// The same part by part, as [`Group::sum_parts_f32`] does it.
    fn sum_parts_over(group: &dyn Group, numbers: &mut [Self], begins: &[usize], compute: &mut Compute<'_, Self>);

    /// The bytes of these numbers, little-endian.
    fn to_le_bytes(numbers: &[Self]) -> Vec<u8>;

    /// The numbers that little-endian bytes hold.
    fn from_le_bytes(bytes: &[u8]) -> Vec<Self>;
}

/// `f64`: the engine for the CPU is compiled for it in the crates that use it, and not with this one.
pub trait OnDemand: Float {}
impl OnDemand for f64 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

macro_rules! float {
    ($Float:ident, $DTYPE:ident, $sum:ident, $sum_parts:ident) => {
        impl Float for $Float {
            type Host = dfdx::tensor::Cpu;

            const DTYPE: safetensors::Dtype = safetensors::Dtype::$DTYPE;

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $Float
            }

            #[inline(always)]
            fn f64(self) -> f64 {
                self as f64
            }

            fn sum_over(group: &dyn Group, numbers: &mut [Self]) {
                group.$sum(numbers);
            }

            fn sum_parts_over(group: &dyn Group, numbers: &mut [Self], begins: &[usize], compute: &mut Compute<'_, Self>) {
                group.$sum_parts(numbers, begins, compute);
            }

            fn to_le_bytes(numbers: &[Self]) -> Vec<u8> {
                numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
            }

            fn from_le_bytes(bytes: &[u8]) -> Vec<Self> {
                let (chunks, _) = bytes.as_chunks();
                chunks.iter().map(|chunk| $Float::from_le_bytes(*chunk)).collect()
            }
        }
    };
}
float!(f32, F32, sum_f32, sum_parts_f32);
float!(f64, F64, sum_f64, sum_parts_f64);
