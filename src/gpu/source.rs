//! The kernels as one text.

/// All kernels, as CUDA's C++; `real` is the type of numbers.
pub(crate) fn source(real: &str) -> String {
    let tensor = if real == "float" { TENSOR } else { "" };
    format!("typedef {real} real;\n{}{tensor}", KERNELS.concat())
}

/// Those for tensor cores, which have no double numbers of the kind.
const TENSOR: &str = include_str!("kernels/tensor.cu");

/// The files, the ones first that others need.
const KERNELS: &[&str] = &[
    include_str!("kernels/block.cu"),
    include_str!("kernels/elementwise.cu"),
    include_str!("kernels/linear.cu"),
    include_str!("kernels/join.cu"),
    include_str!("kernels/sparse.cu"),
    include_str!("kernels/sums.cu"),
    include_str!("kernels/tiled.cu"),
    include_str!("kernels/conv.cu"),
    include_str!("kernels/pool.cu"),
    include_str!("kernels/normalize.cu"),
    include_str!("kernels/softmax.cu"),
    include_str!("kernels/recurrent.cu"),
    include_str!("kernels/attention.cu"),
    include_str!("kernels/loss.cu"),
    include_str!("kernels/adjust.cu"),
    include_str!("kernels/optimizer.cu"),
];

/// The names of all kernels that a text declares.
pub(crate) fn declared(source: &str) -> impl Iterator<Item = &str> {
    source.split("__global__ void ").skip(1).filter_map(|text| text.split_once('(')).map(|(name, _)| name)
}
