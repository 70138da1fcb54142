//! Numeric kernels that know nothing of layers: slices in, slices out.

pub(crate) mod conv;
mod dots;
pub(crate) mod exp;
pub(crate) mod frame;
pub(crate) mod gemm;
pub(crate) mod geometry;
pub(crate) mod lanes;
pub(crate) mod layer_norm;
pub(crate) mod moments;
pub(crate) mod numbers;
mod pack;
pub(crate) mod panels;
pub(crate) mod pool;
pub(crate) mod simd;
pub(crate) mod sum;
mod tile;
mod tiles;
pub(crate) mod transpose;
pub(crate) mod windows;
pub(crate) mod winograd;
