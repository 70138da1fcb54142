use formwork::prelude::*;

#[derive(Layer)]
struct Body<const I: usize, const O: usize, const S: usize> {
    conv1: NoBias<Conv2d<I, O, 3, S, 1>>,
    relu: Relu,
    conv2: NoBias<Conv2d<O, O, 3, 1, 1>>,
}

type Down<const I: usize, const O: usize> = (NoBias<Conv2d<I, O, 1, 2>>, Relu);

#[derive(Layer)]
struct Strided<const I: usize, const O: usize> {
    #[layer(flatten)]
    body: Residual<Body<I, O, 2>, Down<I, O>>,
    relu: Relu,
}

#[network([3, 64, 64] => [10])]
struct ResNet {
    conv1: NoBias<Conv2d<3, 64, 7, 2, 3>>,
    relu: Relu,
    layer1: (Strided<64, 128>, Strided<128, 256>),
    layer2: Strided<128, 512>,
    avgpool: GlobalAvgPool2d,
    fc: Linear<512, 10>,
}

fn main() {}
