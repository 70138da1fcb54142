//! Layers: outputs, and the gradients of `sum(y * dy)` with respect to inputs and parameters.
//!
//! For every case:
//! ```python
//! y = layer(x)
//! y.backward(dy)  # dx = x.grad, dweight = layer.weight.grad, dbias = layer.bias.grad
//! ```

use super::family::{Family, Subject};
use super::reference::{Comparison, Given, Golden};
use core::marker::PhantomData;
use core::ops::Range;
use formwork::engine::{Architecture, ByParts, Engine, Objective, State};
use formwork::prelude::*;
use std::sync::Mutex;

/// A network of one layer.
struct Alone<N>(PhantomData<fn() -> N>);

impl<N: Network<Input: Given>> Subject for Alone<N> {
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error> {
        assert!(golden.shape("x").ends_with(N::Input::PARTS.x.sizes()) && golden.shape("y").ends_with(N::Output::PARTS.x.sizes()));
        let params = N::parameters();
        let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        let state = State { parameters: golden.flat(&params, &names), buffers: Vec::new() };
        let mut engine = G::new(device, Architecture::of::<N>(), state)?;
        let samples = golden.shape("x").iter().product::<usize>() / N::Input::WIDTH;
        let inputs = N::Input::rows::<E>(N::Input::given(golden, "x"), samples)?;

        let outputs = engine.infer(device.tensor_from_vec(inputs.clone(), (inputs.len(),)), samples)?;
        comparison.tensor("y", &outputs.as_vec());
        let objective = WeightedSum::new(golden.numbers("dy"), samples);
        let gradients = engine.gradients(&inputs, samples, None, Objective::ByParts(&objective))?;
        // Ids have no gradient.
        if golden.has("dx") {
            comparison.tensor("dx", &gradients.inputs);
        }
        for param in &params {
            comparison.tensor(&format!("d{}", param.name), &gradients.parameters[param.range()]);
        }
        Ok(())
    }
}

/// `sum(y * dy)`, whose gradient with respect to the outputs is `dy`; keeps the outputs.
pub struct WeightedSum<E> {
    weights: Vec<E>,
    samples: usize,
    outputs: Mutex<Vec<E>>,
}

impl<E: Float> WeightedSum<E> {
    pub fn new(weights: Vec<E>, samples: usize) -> Self {
        let outputs = Mutex::new(vec![E::nan(); weights.len()]);
        WeightedSum { weights, samples, outputs }
    }

    /// What the network has made of the batch.
    pub fn outputs(self) -> Vec<E> {
        self.outputs.into_inner().expect("nothing panics while the outputs are kept")
    }
}

impl<E: Float> ByParts<E> for WeightedSum<E> {
    fn part(&self, samples: Range<usize>, outputs: &[E], d_outputs: &mut [E]) -> E {
        let width = self.weights.len() / self.samples;
        let places = samples.start * width..samples.end * width;
        let weights = &self.weights[places.clone()];
        d_outputs.copy_from_slice(weights);
        self.outputs.lock().expect("nothing panics while the outputs are kept")[places].copy_from_slice(outputs);
        outputs.iter().zip(weights).fold(E::zero(), |sum, (&y, &w)| sum + y * w)
    }
}

impl Family {
    fn layer<L: Layer + 'static, I: Given, O: Sample>(&mut self, name: &str) {
        const { formwork::types::check::<Net<L, I, O>>() };
        self.check(name, &Alone::<Net<L, I, O>>(PhantomData));
    }
}

/// ```python
/// layer = torch.nn.Linear(in_features, out_features, bias=bias)
/// ```
pub fn linear(family: &mut Family) {
    family.layer::<Linear<1, 1>, Rank1<1>, Rank1<1>>("linear_1x1_b1");
    family.layer::<Linear<1, 4>, Rank1<1>, Rank1<4>>("linear_1x4_b5");
    family.layer::<Linear<4, 1>, Rank1<4>, Rank1<1>>("linear_4x1_b3");
    family.layer::<Linear<3, 5>, Rank1<3>, Rank1<5>>("linear_3x5_b7");
    family.layer::<Linear<16, 16>, Rank1<16>, Rank1<16>>("linear_16x16_b1");
    family.layer::<Linear<33, 17>, Rank1<33>, Rank1<17>>("linear_33x17_b8");
    family.layer::<NoBias<Linear<64, 10>>, Rank1<64>, Rank1<10>>("linear_64x10_b4_nobias");
    family.layer::<Linear<5, 3>, Rank2<6, 5>, Rank2<6, 3>>("linear_5x3_b2x6");
    family.layer::<Linear<128, 32>, Rank1<128>, Rank1<32>>("linear_128x32_b16");
    family.layer::<NoBias<Linear<2, 2>>, Rank1<2>, Rank1<2>>("linear_2x2_b9_nobias");
    family.layer::<Linear<10, 1>, Rank1<10>, Rank1<1>>("linear_10x1_b20");
}

/// ```python
/// layer = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
/// ```
pub fn conv2d(family: &mut Family) {
    type Tall = generic::Conv2d<Const<2>, Const<3>, (Const<3>, Const<1>), (Const<2>, Const<1>), (Const<1>, Const<0>)>;
    type Wide = generic::Conv2d<Const<2>, Const<2>, (Const<1>, Const<5>), Const<1>, (Const<0>, Const<2>)>;
    type Uneven = generic::Conv2d<Const<2>, Const<2>, Const<3>, (Const<1>, Const<2>), (Const<2>, Const<0>)>;

    family.layer::<Conv2d<3, 4, 1>, Rank3<3, 5, 4>, Rank3<4, 5, 4>>("conv2d_k1");
    family.layer::<Conv2d<2, 3, 1, 2>, Rank3<2, 5, 6>, Rank3<3, 3, 3>>("conv2d_k1_s2");
    family.layer::<Conv2d<1, 2, 3>, Rank3<1, 6, 7>, Rank3<2, 4, 5>>("conv2d_k3_p0");
    family.layer::<Conv2d<2, 3, 3, 1, 1>, Rank3<2, 7, 5>, Rank3<3, 7, 5>>("conv2d_k3_p1");
    family.layer::<Conv2d<2, 2, 3, 1, 2>, Rank3<2, 4, 6>, Rank3<2, 6, 8>>("conv2d_k3_p2");
    family.layer::<Conv2d<2, 4, 3, 2, 1>, Rank3<2, 9, 7>, Rank3<4, 5, 4>>("conv2d_k3_s2_p1");
    family.layer::<Conv2d<2, 3, 3, 2>, Rank3<2, 8, 10>, Rank3<3, 3, 4>>("conv2d_k3_s2_nodiv");
    family.layer::<Conv2d<2, 2, 3, 3, 1>, Rank3<2, 10, 8>, Rank3<2, 4, 3>>("conv2d_k3_s3_p1");
    family.layer::<Conv2d<1, 3, 3, 3>, Rank3<1, 11, 7>, Rank3<3, 3, 2>>("conv2d_k3_s3_nodiv");
    family.layer::<Conv2d<2, 2, 5, 1, 2>, Rank3<2, 8, 6>, Rank3<2, 8, 6>>("conv2d_k5_p2");
    family.layer::<Conv2d<2, 3, 5, 3, 2>, Rank3<2, 11, 13>, Rank3<3, 4, 5>>("conv2d_k5_s3_p2");
    family.layer::<Conv2d<1, 2, 5, 2, 1>, Rank3<1, 9, 12>, Rank3<2, 4, 5>>("conv2d_k5_s2_p1");
    family.layer::<Conv2d<2, 3, 3, 1, 2, 2>, Rank3<2, 7, 8>, Rank3<3, 7, 8>>("conv2d_k3_d2_p2");
    family.layer::<Conv2d<2, 2, 3, 2, 0, 2>, Rank3<2, 10, 9>, Rank3<2, 3, 3>>("conv2d_k3_d2_s2");
    family.layer::<Conv2d<4, 6, 3, 1, 1, 1, 2>, Rank3<4, 6, 5>, Rank3<6, 6, 5>>("conv2d_k3_g2");
    family.layer::<Conv2d<6, 4, 1, 1, 0, 1, 2>, Rank3<6, 4, 3>, Rank3<4, 4, 3>>("conv2d_k1_g2");
    family.layer::<Conv2d<4, 4, 3, 1, 1, 1, 4>, Rank3<4, 6, 7>, Rank3<4, 6, 7>>("conv2d_k3_depthwise");
    family.layer::<Conv2d<3, 6, 3, 2, 1, 1, 3>, Rank3<3, 7, 8>, Rank3<6, 4, 4>>("conv2d_k3_depthwise_x2_s2");
    family.layer::<Tall, Rank3<2, 8, 5>, Rank3<3, 4, 5>>("conv2d_k3x1_s2x1_p1x0");
    family.layer::<Wide, Rank3<2, 3, 9>, Rank3<2, 3, 9>>("conv2d_k1x5_p0x2");
    family.layer::<NoBias<Conv2d<2, 3, 3, 1, 1>>, Rank3<2, 5, 6>, Rank3<3, 5, 6>>("conv2d_k3_nobias");
    family.layer::<Conv2d<3, 4, 5>, Rank3<3, 5, 5>, Rank3<4, 1, 1>>("conv2d_k5_whole_image");
    family.layer::<Conv2d<8, 12, 3, 1, 1>, Rank3<8, 6, 6>, Rank3<12, 6, 6>>("conv2d_wide_k3");
    family.layer::<Uneven, Rank3<2, 6, 9>, Rank3<2, 8, 4>>("conv2d_k3_s1x2_p2x0");
    family.layer::<Conv2d<1, 2, 5, 1, 4, 2>, Rank3<1, 7, 9>, Rank3<2, 7, 9>>("conv2d_k5_d2_p4");
    family.layer::<Conv2d<2, 3, 3, 1, 1>, Rank3<2, 1, 1>, Rank3<3, 1, 1>>("conv2d_k3_one_pixel");
    family.layer::<Conv2d<4, 4, 3, 2, 2, 2, 2>, Rank3<4, 9, 8>, Rank3<4, 5, 4>>("conv2d_k3_s2_g2_d2");
    family.layer::<Conv2d<3, 2, 2, 2>, Rank3<3, 7, 6>, Rank3<2, 3, 3>>("conv2d_k2_s2");
}

/// ```python
/// layer = torch.nn.Conv1d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)
/// ```
pub fn conv1d(family: &mut Family) {
    family.layer::<Conv1d<2, 3, 3>, Rank2<2, 9>, Rank2<3, 7>>("conv1d_k3");
    family.layer::<Conv1d<3, 2, 1>, Rank2<3, 6>, Rank2<2, 6>>("conv1d_k1");
    family.layer::<Conv1d<2, 4, 5, 2, 2>, Rank2<2, 11>, Rank2<4, 6>>("conv1d_k5_s2_p2");
    family.layer::<Conv1d<1, 2, 3, 2>, Rank2<1, 10>, Rank2<2, 4>>("conv1d_k3_s2_nodiv");
    family.layer::<Conv1d<2, 2, 3, 1, 2, 2>, Rank2<2, 9>, Rank2<2, 9>>("conv1d_k3_d2_p2");
    family.layer::<Conv1d<4, 6, 3, 1, 1, 1, 2>, Rank2<4, 8>, Rank2<6, 8>>("conv1d_k3_g2");
    family.layer::<NoBias<Conv1d<3, 3, 3, 3, 1, 1, 3>>, Rank2<3, 10>, Rank2<3, 4>>("conv1d_k3_depthwise_s3");
    family.layer::<Conv1d<1, 2, 7, 1, 3>, Rank2<1, 9>, Rank2<2, 9>>("conv1d_k7_p3");
    family.layer::<Conv1d<3, 4, 2, 2>, Rank2<3, 7>, Rank2<4, 3>>("conv1d_k2_s2");
}

/// ```python
/// layer = torch.nn.ConvTranspose2d(in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation)
/// ```
pub fn conv_transpose2d(family: &mut Family) {
    type Pair<const H: usize, const W: usize> = (Const<H>, Const<W>);
    type Uneven = generic::ConvTranspose2d<Const<2>, Const<3>, Pair<3, 2>, Pair<2, 1>, Pair<1, 0>, Pair<1, 0>>;

    family.layer::<ConvTranspose2d<4, 2, 2, 2>, Rank3<4, 4, 3>, Rank3<2, 8, 6>>("convtranspose2d_k2_s2");
    family.layer::<ConvTranspose2d<2, 3, 3, 1, 1>, Rank3<2, 5, 4>, Rank3<3, 5, 4>>("convtranspose2d_k3_s1_p1");
    family.layer::<ConvTranspose2d<2, 3, 3>, Rank3<2, 3, 5>, Rank3<3, 5, 7>>("convtranspose2d_k3_s1_p0");
    family.layer::<ConvTranspose2d<3, 2, 3, 2, 1, 1>, Rank3<3, 4, 5>, Rank3<2, 8, 10>>("convtranspose2d_k3_s2_p1_op1");
    family.layer::<ConvTranspose2d<2, 2, 3, 2, 1>, Rank3<2, 5, 3>, Rank3<2, 9, 5>>("convtranspose2d_k3_s2_p1");
    family.layer::<ConvTranspose2d<3, 2, 4, 2, 1>, Rank3<3, 4, 4>, Rank3<2, 8, 8>>("convtranspose2d_k4_s2_p1");
    family.layer::<ConvTranspose2d<1, 3, 3, 2>, Rank3<1, 3, 4>, Rank3<3, 7, 9>>("convtranspose2d_k3_s2_p0");
    family.layer::<ConvTranspose2d<4, 6, 3, 2, 1, 1, 2>, Rank3<4, 3, 4>, Rank3<6, 6, 8>>("convtranspose2d_k3_s2_g2");
    family.layer::<ConvTranspose2d<2, 2, 3, 1, 1, 0, 1, 2>, Rank3<2, 4, 5>, Rank3<2, 6, 7>>("convtranspose2d_k3_d2_p1");
    family.layer::<NoBias<Uneven>, Rank3<2, 4, 5>, Rank3<3, 8, 6>>("convtranspose2d_k3x2_s2x1_nobias");
    family.layer::<ConvTranspose2d<3, 2, 2, 2>, Rank3<3, 1, 1>, Rank3<2, 2, 2>>("convtranspose2d_k2_s2_one_pixel");
    family.layer::<ConvTranspose2d<2, 2, 5, 2, 1, 1>, Rank3<2, 3, 4>, Rank3<2, 8, 10>>("convtranspose2d_k5_s2_p1_op1");
}

/// ```python
/// layer = torch.nn.Upsample(scale_factor=scale_factor, mode=mode, align_corners=align_corners)
/// ```
pub fn upsample(family: &mut Family) {
    family.layer::<Upsample2d<2>, Rank3<3, 4, 5>, Rank3<3, 8, 10>>("upsample_x2_nearest_4x5");
    family.layer::<Upsample2d<2>, Rank3<2, 1, 3>, Rank3<2, 2, 6>>("upsample_x2_nearest_1x3");
    family.layer::<Upsample2d<2, Bilinear>, Rank3<3, 4, 5>, Rank3<3, 8, 10>>("upsample_x2_bilinear_4x5");
    family.layer::<Upsample2d<2, Bilinear>, Rank3<2, 1, 3>, Rank3<2, 2, 6>>("upsample_x2_bilinear_1x3");
    family.layer::<Upsample2d<2, BilinearAligned>, Rank3<3, 4, 5>, Rank3<3, 8, 10>>("upsample_x2_bilinear_aligned_4x5");
    family.layer::<Upsample2d<2, BilinearAligned>, Rank3<2, 1, 3>, Rank3<2, 2, 6>>("upsample_x2_bilinear_aligned_1x3");
}

/// ```python
/// layer = torch.nn.MaxPool2d(kernel_size, stride, padding)
/// ```
pub fn max_pool2d(family: &mut Family) {
    type Uneven = generic::MaxPool2d<(Const<3>, Const<2>), (Const<2>, Const<1>), (Const<1>, Const<0>)>;

    family.layer::<MaxPool2d<2>, Rank3<3, 6, 8>, Rank3<3, 3, 4>>("maxpool2d_k2_s2");
    family.layer::<MaxPool2d<3, 2, 1>, Rank3<2, 7, 9>, Rank3<2, 4, 5>>("maxpool2d_k3_s2_p1");
    family.layer::<MaxPool2d<3, 1>, Rank3<2, 6, 5>, Rank3<2, 4, 3>>("maxpool2d_k3_s1");
    family.layer::<MaxPool2d<3, 1, 1>, Rank3<2, 5, 6>, Rank3<2, 5, 6>>("maxpool2d_k3_s1_p1");
    family.layer::<MaxPool2d<2, 3>, Rank3<2, 8, 9>, Rank3<2, 3, 3>>("maxpool2d_k2_s3");
    family.layer::<MaxPool2d<2>, Rank3<2, 7, 5>, Rank3<2, 3, 2>>("maxpool2d_k2_s2_nodiv");
    family.layer::<Uneven, Rank3<2, 7, 6>, Rank3<2, 4, 5>>("maxpool2d_k3x2_s2x1_p1x0");
    family.layer::<MaxPool2d<3, 2, 1>, Rank3<2, 6, 6>, Rank3<2, 3, 3>>("maxpool2d_k3_s2_p1_negative");
    family.layer::<MaxPool2d<2>, Rank3<2, 6, 6>, Rank3<2, 3, 3>>("maxpool2d_k2_s2_ties");
    family.layer::<MaxPool2d<3, 1, 1>, Rank3<2, 5, 7>, Rank3<2, 5, 7>>("maxpool2d_k3_s1_p1_ties");
    family.layer::<MaxPool2d<5, 1, 2>, Rank3<2, 6, 7>, Rank3<2, 6, 7>>("maxpool2d_k5_s1_p2");
    family.layer::<MaxPool2d<2, 1>, Rank3<2, 4, 5>, Rank3<2, 3, 4>>("maxpool2d_k2_s1");
}

/// ```python
/// layer = torch.nn.AvgPool2d(kernel_size, stride, padding, count_include_pad=count_include_pad)
/// ```
pub fn avg_pool2d(family: &mut Family) {
    type Uneven = generic::AvgPool2d<(Const<3>, Const<2>), (Const<2>, Const<1>), (Const<1>, Const<0>)>;
    type UnevenIgnorePadding = generic::AvgPool2d<(Const<3>, Const<2>), (Const<2>, Const<1>), (Const<1>, Const<0>), IgnorePadding>;

    family.layer::<AvgPool2d<2>, Rank3<3, 6, 8>, Rank3<3, 3, 4>>("avgpool2d_k2_s2");
    family.layer::<AvgPool2d<3, 2, 1>, Rank3<2, 7, 9>, Rank3<2, 4, 5>>("avgpool2d_k3_s2_p1");
    family.layer::<generic::AvgPool2d<Const<3>, Const<2>, Const<1>, IgnorePadding>, Rank3<2, 7, 9>, Rank3<2, 4, 5>>("avgpool2d_k3_s2_p1_exclpad");
    family.layer::<AvgPool2d<3, 1>, Rank3<2, 6, 5>, Rank3<2, 4, 3>>("avgpool2d_k3_s1");
    family.layer::<AvgPool2d<3, 1, 1>, Rank3<2, 5, 6>, Rank3<2, 5, 6>>("avgpool2d_k3_s1_p1");
    family.layer::<generic::AvgPool2d<Const<3>, Const<1>, Const<1>, IgnorePadding>, Rank3<2, 5, 6>, Rank3<2, 5, 6>>("avgpool2d_k3_s1_p1_exclpad");
    family.layer::<AvgPool2d<2, 3>, Rank3<2, 8, 9>, Rank3<2, 3, 3>>("avgpool2d_k2_s3");
    family.layer::<AvgPool2d<2>, Rank3<2, 7, 5>, Rank3<2, 3, 2>>("avgpool2d_k2_s2_nodiv");
    family.layer::<Uneven, Rank3<2, 7, 6>, Rank3<2, 4, 5>>("avgpool2d_k3x2_s2x1_p1x0");
    family.layer::<UnevenIgnorePadding, Rank3<2, 7, 6>, Rank3<2, 4, 5>>("avgpool2d_k3x2_s2x1_p1x0_exclpad");
    family.layer::<AvgPool2d<5, 1, 2>, Rank3<2, 6, 7>, Rank3<2, 6, 7>>("avgpool2d_k5_s1_p2");
    family.layer::<generic::AvgPool2d<Const<5>, Const<1>, Const<2>, IgnorePadding>, Rank3<2, 6, 7>, Rank3<2, 6, 7>>("avgpool2d_k5_s1_p2_exclpad");
    family.layer::<AvgPool2d<2, 1>, Rank3<2, 4, 5>, Rank3<2, 3, 4>>("avgpool2d_k2_s1");
}

/// ```python
/// layer = torch.nn.AdaptiveAvgPool2d(output_size)
/// ```
pub fn adaptive_avg_pool2d(family: &mut Family) {
    family.layer::<AdaptiveAvgPool2d<1>, Rank3<3, 5, 7>, Rank3<3, 1, 1>>("adaptiveavgpool2d_1x1_from_5x7");
    family.layer::<(GlobalAvgPool2d, Reshape<Rank3<3, 1, 1>>), Rank3<3, 5, 7>, Rank3<3, 1, 1>>("adaptiveavgpool2d_1x1_from_5x7");
    family.layer::<AdaptiveAvgPool2d<1>, Rank3<2, 1, 1>, Rank3<2, 1, 1>>("adaptiveavgpool2d_1x1_from_1x1");
    family.layer::<(GlobalAvgPool2d, Reshape<Rank3<2, 1, 1>>), Rank3<2, 1, 1>, Rank3<2, 1, 1>>("adaptiveavgpool2d_1x1_from_1x1");
    family.layer::<AdaptiveAvgPool2d<2, 3>, Rank3<2, 7, 5>, Rank3<2, 2, 3>>("adaptiveavgpool2d_2x3_from_7x5");
    family.layer::<AdaptiveAvgPool2d<3>, Rank3<2, 8, 6>, Rank3<2, 3, 3>>("adaptiveavgpool2d_3x3_from_8x6");
}

/// ```python
/// layer = torch.nn.ReLU()
/// ```
pub fn relu(family: &mut Family) {
    family.layer::<Relu, Rank1<7>, Rank1<7>>("relu_4x7");
    family.layer::<Relu, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("relu_2x3x4x5");
    family.layer::<Relu, Rank1<25>, Rank1<25>>("relu_extreme");
}

/// ```python
/// layer = torch.nn.LeakyReLU(negative_slope)
/// ```
pub fn leaky_relu(family: &mut Family) {
    family.layer::<LeakyRelu, Rank1<7>, Rank1<7>>("leakyrelu0.01_4x7");
    family.layer::<LeakyRelu, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("leakyrelu0.01_2x3x4x5");
    family.layer::<LeakyRelu, Rank1<25>, Rank1<25>>("leakyrelu0.01_extreme");
    family.layer::<LeakyRelu<20>, Rank1<7>, Rank1<7>>("leakyrelu0.2_4x7");
    family.layer::<LeakyRelu<20>, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("leakyrelu0.2_2x3x4x5");
    family.layer::<LeakyRelu<20>, Rank1<25>, Rank1<25>>("leakyrelu0.2_extreme");
}

/// ```python
/// layer = torch.nn.Sigmoid()
/// ```
pub fn sigmoid(family: &mut Family) {
    family.layer::<Sigmoid, Rank1<7>, Rank1<7>>("sigmoid_4x7");
    family.layer::<Sigmoid, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("sigmoid_2x3x4x5");
    family.layer::<Sigmoid, Rank1<25>, Rank1<25>>("sigmoid_extreme");
}

/// ```python
/// layer = torch.nn.Tanh()
/// ```
pub fn tanh(family: &mut Family) {
    family.layer::<Tanh, Rank1<7>, Rank1<7>>("tanh_4x7");
    family.layer::<Tanh, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("tanh_2x3x4x5");
    family.layer::<Tanh, Rank1<25>, Rank1<25>>("tanh_extreme");
}

/// ```python
/// layer = torch.nn.GELU(approximate=approximate)
/// ```
pub fn gelu(family: &mut Family) {
    family.layer::<Gelu, Rank1<7>, Rank1<7>>("gelu_erf_4x7");
    family.layer::<Gelu, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("gelu_erf_2x3x4x5");
    family.layer::<Gelu, Rank1<25>, Rank1<25>>("gelu_erf_extreme");
    family.layer::<GeluTanh, Rank1<7>, Rank1<7>>("gelu_tanh_4x7");
    family.layer::<GeluTanh, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("gelu_tanh_2x3x4x5");
    family.layer::<GeluTanh, Rank1<25>, Rank1<25>>("gelu_tanh_extreme");
}

/// ```python
/// layer = torch.nn.SiLU()
/// ```
pub fn silu(family: &mut Family) {
    family.layer::<Silu, Rank1<7>, Rank1<7>>("silu_4x7");
    family.layer::<Silu, Rank3<3, 4, 5>, Rank3<3, 4, 5>>("silu_2x3x4x5");
    family.layer::<Silu, Rank1<25>, Rank1<25>>("silu_extreme");
}

/// ```python
/// layer = torch.nn.Softmax(dim=dim)
/// ```
///
/// Axes of a type do not count the batch, so the cases with `dim=0` are a single sample here.
pub fn softmax(family: &mut Family) {
    family.layer::<Softmax, Rank1<7>, Rank1<7>>("softmax_plain");
    family.layer::<Softmax<0>, Rank2<5, 3>, Rank2<5, 3>>("softmax_dim1_of_3");
    family.layer::<Softmax<0>, Rank2<5, 3>, Rank2<5, 3>>("softmax_dim0");
    family.layer::<Softmax, Rank1<1>, Rank1<1>>("softmax_one_class");
    family.layer::<Softmax, Rank1<4>, Rank1<4>>("softmax_extreme");
}

/// ```python
/// layer = torch.nn.LogSoftmax(dim=dim)
/// ```
///
/// Axes of a type do not count the batch, so the cases with `dim=0` are a single sample here.
pub fn log_softmax(family: &mut Family) {
    family.layer::<LogSoftmax, Rank1<7>, Rank1<7>>("logsoftmax_plain");
    family.layer::<LogSoftmax<0>, Rank2<5, 3>, Rank2<5, 3>>("logsoftmax_dim1_of_3");
    family.layer::<LogSoftmax<0>, Rank2<5, 3>, Rank2<5, 3>>("logsoftmax_dim0");
    family.layer::<LogSoftmax, Rank1<1>, Rank1<1>>("logsoftmax_one_class");
    family.layer::<LogSoftmax, Rank1<4>, Rank1<4>>("logsoftmax_extreme");
}

/// ```python
/// layer = torch.nn.LayerNorm(normalized_shape, eps=eps, elementwise_affine=elementwise_affine)
/// ```
pub fn layer_norm(family: &mut Family) {
    family.layer::<LayerNorm<8>, Rank1<8>, Rank1<8>>("layernorm_8");
    family.layer::<LayerNorm<6>, Rank2<4, 6>, Rank2<4, 6>>("layernorm_3d");
    family.layer::<generic::LayerNorm<(Const<4>, Const<5>)>, Rank2<4, 5>, Rank2<4, 5>>("layernorm_two_axes");
    family.layer::<NoAffine<LayerNorm<7>>, Rank1<7>, Rank1<7>>("layernorm_noaffine");
    family.layer::<generic::LayerNorm<Const<6>, Eps<1, 100>>, Rank1<6>, Rank1<6>>("layernorm_eps");
    family.layer::<LayerNorm<1>, Rank1<1>, Rank1<1>>("layernorm_one_feature");
    family.layer::<LayerNorm<5>, Rank1<5>, Rank1<5>>("layernorm_constant_row");
    family.layer::<LayerNorm<32>, Rank1<32>, Rank1<32>>("layernorm_32");
}

/// ```python
/// layer = torch.nn.GroupNorm(num_groups, num_channels)
/// ```
pub fn group_norm(family: &mut Family) {
    family.layer::<GroupNorm<1, 4>, Rank3<4, 3, 5>, Rank3<4, 3, 5>>("groupnorm_g1");
    family.layer::<GroupNorm<2, 6>, Rank3<6, 4, 3>, Rank3<6, 4, 3>>("groupnorm_g2");
    family.layer::<GroupNorm<4, 4>, Rank3<4, 3, 3>, Rank3<4, 3, 3>>("groupnorm_instance");
    family.layer::<GroupNorm<3, 6>, Rank1<6>, Rank1<6>>("groupnorm_flat_g3");
}

/// ```python
/// layer = torch.nn.Embedding(num_embeddings, embedding_dim, padding_idx)
/// ```
pub fn embedding(family: &mut Family) {
    family.layer::<Embedding<7, 4>, Ids<7, Rank1<5>>, Rank2<5, 4>>("embedding_plain");
    family.layer::<Embedding<6, 3, 0>, Ids<6, Rank1<6>>, Rank2<6, 3>>("embedding_padding");
    family.layer::<Embedding<1, 2>, Ids<1, Rank0>, Rank1<2>>("embedding_one_row");
}
