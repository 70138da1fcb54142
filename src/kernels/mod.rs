//! Numeric kernels that know nothing of layers: slices in, slices out.

pub(crate) mod gemm;
pub(crate) mod im2col;
pub(crate) mod windows;
