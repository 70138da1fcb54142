//! Small networks in which every layer is, for tests of all of them.

use dfdx::prelude::{BroadcastTo, TryMul};
use dfdx::shapes::Axis;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;
use formwork::layers::Leaf;
use formwork::layers::custom::*;
use formwork::onnx::{Graph, Samples, Tensor};
use formwork::prelude::{Float, Layer, Spec};
use formwork::types::{Branch, Chain};
use std::collections::BTreeSet;

/// Calls a macro with a list of layers, each with a name and the shapes that it is used on.
macro_rules! each_layer {
    ($with:ident) => {
        $with! {
            linear: Linear<4, 3>, [4] => [3];
            linear_on_rows: Linear<4, 3>, [2, 5, 4] => [2, 5, 3];
            linear_without_bias: NoBias<Linear<4, 3>>, [4] => [3];
            conv2d: Conv2d<2, 3, 3>, [2, 5, 6] => [3, 3, 4];
            conv2d_stride_padding: Conv2d<2, 3, 3, 2, 1>, [2, 5, 6] => [3, 3, 3];
            conv2d_dilation: Conv2d<2, 3, 3, 1, 2, 2>, [2, 5, 6] => [3, 5, 6];
            conv2d_groups: Conv2d<4, 6, 3, 1, 1, 1, 2>, [4, 4, 5] => [6, 4, 5];
            conv2d_depthwise_without_bias: NoBias<Conv2d<3, 3, 3, 2, 1, 1, 3>>, [3, 5, 4] => [3, 3, 2];
            conv2d_pointwise: Conv2d<3, 5, 1>, [3, 4, 4] => [5, 4, 4];
            conv2d_not_square: generic::Conv2d<Const<2>, Const<3>, (Const<3>, Const<1>), (Const<2>, Const<1>), (Const<1>, Const<0>)>, [2, 6, 3] => [3, 3, 3];
            conv1d: Conv1d<2, 3, 3>, [2, 7] => [3, 5];
            conv1d_stride_padding_dilation: Conv1d<2, 3, 3, 2, 2, 2>, [2, 7] => [3, 4];
            conv1d_groups_without_bias: NoBias<Conv1d<4, 6, 3, 1, 1, 1, 2>>, [4, 6] => [6, 6];
            conv_transpose2d: ConvTranspose2d<3, 2, 2, 2>, [3, 3, 2] => [2, 6, 4];
            conv_transpose2d_output_padding: ConvTranspose2d<2, 3, 3, 2, 1, 1>, [2, 3, 4] => [3, 6, 8];
            conv_transpose2d_groups_dilation: NoBias<ConvTranspose2d<4, 6, 3, 1, 1, 0, 2, 2>>, [4, 3, 4] => [6, 5, 6];
            conv_transpose2d_padding_beyond_the_stride: ConvTranspose2d<1, 2, 2, 1, 0, 1, 1, 2>, [1, 3, 3] => [2, 6, 6];
            conv_transpose1d: ConvTranspose1d<2, 3, 4, 2, 1>, [2, 5] => [3, 10];
            upsample2d: Upsample2d<2>, [2, 3, 4] => [2, 6, 8];
            upsample2d_not_square: generic::Upsample2d<(Const<1>, Const<3>)>, [2, 3, 2] => [2, 3, 6];
            upsample2d_bilinear: Upsample2d<3, Bilinear>, [2, 3, 2] => [2, 9, 6];
            upsample2d_bilinear_aligned: generic::Upsample2d<(Const<3>, Const<2>), BilinearAligned>, [2, 2, 3] => [2, 6, 6];
            zero_pad2d: ZeroPad2d<1, 2, 0, 3>, [2, 3, 2] => [2, 6, 5];
            reflection_pad2d: ReflectionPad2d<1, 2, 0, 3>, [2, 4, 3] => [2, 7, 6];
            crop2d: Crop2d<1, 2, 0, 3>, [2, 5, 4] => [2, 2, 1];
            zero_pad1d: ZeroPad1d<2, 0>, [2, 3] => [2, 5];
            reflection_pad1d: ReflectionPad1d<2>, [2, 3] => [2, 7];
            crop1d: Crop1d<1, 2>, [2, 5] => [2, 2];
            pixel_shuffle: PixelShuffle<2>, [8, 2, 3] => [2, 4, 6];
            pixel_unshuffle: PixelUnshuffle<2>, [2, 4, 6] => [8, 2, 3];
            max_pool2d: MaxPool2d<2>, [2, 5, 6] => [2, 2, 3];
            max_pool2d_overlapping: MaxPool2d<3, 2, 1>, [2, 5, 6] => [2, 3, 3];
            avg_pool2d: AvgPool2d<2>, [2, 5, 6] => [2, 2, 3];
            avg_pool2d_padding: AvgPool2d<3, 1, 1>, [2, 4, 5] => [2, 4, 5];
            avg_pool2d_ignoring_padding: generic::AvgPool2d<Const<3>, Const<1>, Const<1>, IgnorePadding>, [2, 4, 5] => [2, 4, 5];
            max_pool1d: MaxPool1d<3, 2, 1>, [2, 8] => [2, 4];
            avg_pool1d: AvgPool1d<3, 2, 1>, [2, 8] => [2, 4];
            avg_pool1d_ignoring_padding: generic::AvgPool1d<Const<3>, Const<1>, Const<1>, IgnorePadding>, [2, 6] => [2, 6];
            adaptive_avg_pool2d: AdaptiveAvgPool2d<2, 3>, [2, 5, 7] => [2, 2, 3];
            global_avg_pool2d: GlobalAvgPool2d, [3, 4, 5] => [3];
            batch_norm1d: BatchNorm1d<3>, [3] => [3];
            batch_norm1d_of_signals: (BatchNorm1d<3>, Tanh), [3, 5] => [3, 5];
            batch_norm2d: (Conv2d<1, 3, 3>, BatchNorm2d<3>, Tanh, BatchNorm2d<3>), [1, 5, 4] => [3, 3, 2];
            batch_norm_in_branches: Parallel<(BatchNorm1d<3>, (Linear<3, 3>, BatchNorm1d<3>, Dropout<30>)), Sum>, [3] => [3];
            filter_mean: Filter<Zeros, Mean<3>>, [2, 4, 5] => [2, 4, 5];
            filter_gaussian: Filter<Reflect, Gaussian<2, 3>>, [2, 4, 5] => [2, 4, 5];
            filter_sobel: Residual<Filter<Nearest, Sobel<X>>, Filter<Mirror, Sobel<Y>>>, [2, 4, 5] => [2, 4, 5];
            filter_laplace: (Filter<Mirror, Laplace>, Tanh), [2, 4, 5] => [2, 4, 5];
            filter_larger_than_the_image: Filter<Nearest, Mean<7>>, [1, 2, 1] => [1, 2, 1];
            flatten: Flatten, [2, 3, 2] => [12];
            reshape: Reshape<Rank2<3, 4>>, [2, 3, 2] => [3, 4];
            dropout: (Linear<4, 40>, Dropout<30>, Linear<40, 2>), [4] => [2];
            dropout_alone: Dropout<1, 3>, [4, 5] => [4, 5];
            relu: Relu, [3, 7] => [3, 7];
            leaky_relu: LeakyRelu<20>, [3, 7] => [3, 7];
            sigmoid: Sigmoid, [3, 7] => [3, 7];
            tanh: Tanh, [3, 7] => [3, 7];
            gelu: Gelu, [3, 7] => [3, 7];
            gelu_tanh: GeluTanh, [3, 7] => [3, 7];
            silu: Silu, [3, 7] => [3, 7];
            softmax: Softmax, [3, 7] => [3, 7];
            softmax_over_channels: Softmax<0>, [3, 2, 2] => [3, 2, 2];
            log_softmax: LogSoftmax, [3, 7] => [3, 7];
            log_softmax_over_channels: LogSoftmax<0>, [3, 2, 2] => [3, 2, 2];
            layer_norm: LayerNorm<7>, [3, 7] => [3, 7];
            layer_norm_over_two_axes: generic::LayerNorm<(Const<3>, Const<4>)>, [2, 3, 4] => [2, 3, 4];
            layer_norm_without_affine: NoAffine<LayerNorm<7>>, [3, 7] => [3, 7];
            layer_norm_with_another_epsilon: generic::LayerNorm<Const<7>, Eps<1, 2>>, [3, 7] => [3, 7];
            layer_norm_within: (Linear<4, 5>, Residual<LayerNorm<5>>, Tanh), [4] => [5];
            group_norm: GroupNorm<2, 6>, [6, 2, 3] => [6, 2, 3];
            group_norm_of_features: GroupNorm<2, 6>, [6] => [6];
            group_norm_of_a_sequence: GroupNorm<1, 4>, [4, 5] => [4, 5];
            group_norm_without_affine: NoAffine<GroupNorm<2, 4>>, [4, 3, 3] => [4, 3, 3];
            instance_norm: GroupNorm<3, 3>, [3, 4, 4] => [3, 4, 4];
            patch_embedding: PatchEmbedding<2, 3, 4>, [2, 6, 3] => [2, 4];
            transpose: (Transpose, Linear<3, 2>), [3, 7] => [7, 2];
            sinusoidal_positions: (SinusoidalPositions, Tanh), [3, 5] => [3, 5];
            learned_positions: (LearnedPositions<4, 5>, Tanh), [3, 5] => [3, 5];
            scale: (Scale<1, 3>, Tanh), [3, 5] => [3, 5];
            sqrt_scale: (SqrtScale<5>, Tanh), [3, 5] => [3, 5];
            last_step_without_padding: LastStep, [4, 3] => [3];
            nothing: (), [3] => [3];
            sequence: (Linear<4, 5>, Tanh, Linear<5, 2>), [4] => [2];
            residual: Residual<(Linear<4, 5>, Tanh, Linear<5, 4>)>, [4] => [4];
            residual_of_nothing: (Linear<4, 4>, Residual<()>), [4] => [4];
            residual_with_shortcut: Residual<(Linear<4, 5>, Tanh), NoBias<Linear<4, 5>>>, [4] => [5];
            residual_of_skips: Residual<Residual<Tanh>, Residual<Sigmoid>>, [4] => [4];
            skip_concat: SkipConcat<(Conv2d<2, 3, 3, 1, 1>, Tanh)>, [2, 4, 4] => [5, 4, 4];
            skip_concat_of_nothing: (Tanh, SkipConcat<()>), [3] => [6];
            skip_concat_of_skips: (Conv2d<1, 2, 3, 1, 1>, SkipConcat<(Tanh, SkipConcat<Conv2d<2, 1, 3, 1, 1>>)>), [1, 4, 4] => [5, 4, 4];
            repeat: Repeat<(Linear<4, 4>, Tanh), 3>, [4] => [4];
            repeat_shared: RepeatShared<(Linear<4, 4>, Tanh), 3>, [4] => [4];
            parallel: (Parallel<(Conv2d<2, 3, 3, 1, 1>, Conv2d<2, 1, 1>, ())>, Tanh), [2, 4, 4] => [6, 4, 4];
            parallel_sum: (Parallel<(Linear<4, 3>, (Linear<4, 5>, Tanh, Linear<5, 3>), Linear<4, 3>), Sum>, Tanh), [4] => [3];
            a_layer_of_ones_own: (Linear<3, 3>, Jitter<3>, Tanh), [5, 3] => [5, 3];
            rnn: Rnn<3, 4>, [5, 3] => [5, 4];
            rnn_of_one_step: Rnn<3, 4>, [1, 3] => [1, 4];
            lstm: Lstm<3, 4>, [5, 3] => [5, 4];
            gru: Gru<3, 4>, [5, 3] => [5, 4];
            rnn_stacked: Rnn<3, 4, 2>, [5, 3] => [5, 4];
            lstm_stacked: Lstm<3, 4, 3>, [4, 3] => [4, 4];
            gru_stacked: NoBias<Gru<3, 4, 2>>, [4, 3] => [4, 4];
            rnn_both_ways: Bidirectional<Rnn<3, 4>>, [5, 3] => [5, 8];
            lstm_both_ways: Bidirectional<Lstm<3, 2, 2>>, [4, 3] => [4, 4];
            gru_both_ways: Bidirectional<Gru<3, 2, 2>>, [4, 3] => [4, 4];
            rnn_last: (Last<Rnn<3, 4>>, Linear<4, 2>), [5, 3] => [2];
            lstm_last: (Tanh, Last<Bidirectional<Lstm<3, 2, 2>>>, Tanh), [4, 3] => [4];
            gru_last: Last<Gru<3, 4, 2>>, [4, 3] => [4];
            recurrent_within_a_skip: (Residual<Gru<4, 4>>, SkipConcat<Lstm<4, 4>>), [5, 4] => [10, 4];
            recurrent_shared: RepeatShared<Lstm<4, 4>, 2>, [5, 4] => [5, 4];
            cnn: (Conv2d<1, 3, 3, 1, 1>, Gelu, AvgPool2d<2>, Conv2d<3, 4, 3>, Tanh, Flatten, Linear<16, 3>, LogSoftmax), [1, 8, 8] => [3];
        }
    };
}
pub(crate) use each_layer;

/// The same for networks that read token ids, or look at what is beside their input.
macro_rules! each_network {
    ($with:ident) => {
        $with! {
            stack_of_one_convolution: Conv2d<2, 3, 3>, [2, 5, 7] => [3, 3, 5];
            stack_of_pooled_convolutions: (
                Conv2d<2, 4, 3>, Relu, MaxPool2d<2>, Conv2d<4, 3, 2, 1, 1>, MaxPool2d<2>, Relu, Conv2d<3, 5, 1>, Flatten, Linear<10, 3>,
            ), [2, 7, 8] => [3];
            stack_behind_a_layer: (Tanh, NoBias<Conv2d<2, 4, 3, 2, 1, 1, 2>>, Relu, Conv2d<4, 2, 3, 1, 2, 2>), [2, 9, 11] => [2, 5, 6];
            embedding: (Embedding<5, 3>, Tanh), [ids < 5; 4] => [4, 3];
            embedding_of_one_id: Embedding<5, 3>, [ids < 5] => [3];
            embedding_with_a_row_for_padding: (Embedding<6, 3, 5>, Tanh), [ids < 5; 4] => [4, 3];
            tied: Tied<Embedding<5, 3>, (Linear<3, 3>, Tanh), NoBias<Linear<3, 5>>>, [ids < 5; 4] => [4, 5];
            self_attention: SelfAttention<6, 2>, [5, 6] => [5, 6];
            self_attention_on_padding: NoBias<SelfAttention<6, 3>>, { x: [5, 6], padding: [5] } => [5, 6];
            causal_self_attention: CausalSelfAttention<4, 2>, [19, 4] => [19, 4];
            causal_self_attention_on_padding: CausalSelfAttention<4, 1>, { x: [18, 4], padding: [18] } => [18, 4];
            cross_attention: CrossAttention<6, 2>, { x: [4, 6], memory: [5, 6], memory_padding: [5] } => [4, 6];
            cross_attention_to_another_width: NoBias<generic::CrossAttention<Const<4>, Const<2>, Const<3>>>, { x: [17, 4], memory: [5, 3] } => [17, 4];
            cross_attention_to_keys_beside_values: generic::CrossAttention<Const<4>, Const<2>, Const<4>, Const<4>>, { x: [3, 4], memory: [5, 8] } => [3, 4];
            scaled_dot_product: ScaledDotProductAttention, { x: [2, 4, 3], memory: [2, 5, 7], memory_padding: [5], attention_mask: [2, 4, 5] } => [2, 4, 4];
            scaled_dot_product_of_one_head: (Linear<3, 3>, ScaledDotProductAttention<1, 3>), { x: [4, 3], memory: [5, 5] } => [4, 2];
            causal_scaled_dot_product: CausalScaledDotProductAttention, { x: [17, 2], memory: [3, 3], attention_mask: [17, 3] } => [17, 1];
            causal_scaled_dot_product_of_few_queries: CausalScaledDotProductAttention, { x: [3, 2], memory: [7, 3], memory_padding: [7] } => [3, 1];
            transformer_encoder_layer: TransformerEncoderLayer<4, 2, 5>, { x: [3, 4], padding: [3] } => [3, 4];
            transformer_encoder_layer_with_dropout: TransformerEncoderLayer<4, 1, 3, PreNorm, Gelu, Causal, Dropout<30>>, [3, 4] => [3, 4];
            transformer_decoder_layer: TransformerDecoderLayer<4, 2, 3, PreNorm, Gelu>, { x: [3, 4], memory: [2, 4], memory_padding: [2] } => [3, 4];
            translator: (
                Encode<(Embedding<6, 4>, SinusoidalPositions, TransformerEncoderLayer<4, 2, 3, PostNorm, Gelu>)>,
                Embedding<5, 4>,
                LearnedPositions<4, 4>,
                TransformerDecoderLayer<4, 2, 3, PostNorm, Gelu>,
                Linear<4, 5>,
            ), { x: [ids < 5; 3], padding: [3], memory: [ids < 6; 4], memory_padding: [4] } => [3, 5];
            mean_over_time: MeanOverTime, { x: [5, 3], padding: [5] } => [3];
            last_step: (LastStep, Tanh), { x: [5, 3], padding: [5] } => [3];
            vision_transformer: (
                PatchEmbedding<2, 2, 4>, LearnedPositions<6, 4>, TransformerEncoderLayer<4, 2, 3, PreNorm, Tanh>, LayerNorm<4>, MeanOverTime, Linear<4, 3>,
            ), [2, 4, 6] => [3];
            encode: (Encode<(Embedding<5, 3>, Tanh)>, Linear<2, 2>), { x: [4, 2], memory: [ids < 5; 3] } => { x: [4, 2], memory: [3, 3] };
            rnn_with_state: WithState<Rnn<3, 4>>, { x: [5, 3], hidden: [1, 4] } => { x: [5, 4], hidden: [1, 4] };
            lstm_with_state: WithState<Lstm<3, 4>>, { x: [5, 3], hidden: [1, 4], cell: [1, 4] } => { x: [5, 4], hidden: [1, 4], cell: [1, 4] };
            lstm_with_state_of_one_step: (Embedding<7, 3>, WithState<Lstm<3, 2, 2>>), { x: [ids < 7; 1], hidden: [2, 2], cell: [2, 2] } => { x: [1, 2], hidden: [2, 2], cell: [2, 2] };
            gru_with_state: WithState<Bidirectional<Gru<3, 2, 2>>>, { x: [4, 3], hidden: [4, 2] } => { x: [4, 4], hidden: [4, 2] };
            gru_with_state_that_is_not_returned: WithState<Gru<3, 4>>, { x: [5, 3], hidden: [1, 4] } => [5, 4];
            gru_of_which_the_state_alone_is_learned: (WithState<Gru<3, 4>>, Dropout<99>), { x: [5, 3], hidden: [1, 4] } => { x: [5, 4], hidden: [1, 4] };
            states_that_go_through_two_layers: (WithState<Gru<3, 4>>, WithState<Rnn<4, 4>>), { x: [5, 3], hidden: [1, 4] } => { x: [5, 4], hidden: [1, 4] };
            lstm_last_with_state: Last<WithState<Bidirectional<Lstm<3, 2>>>>, { x: [4, 3], hidden: [2, 2], cell: [2, 2] } => { x: [4], hidden: [2, 2], cell: [2, 2] };
            rnn_with_padding: Rnn<3, 4>, { x: [6, 3], padding: [6] } => [6, 4];
            lstm_with_padding: (Tanh, Bidirectional<Lstm<3, 2, 2>>), { x: [6, 3], padding: [6] } => [6, 4];
            gru_with_padding: Last<Bidirectional<Gru<3, 4>>>, { x: [6, 3], padding: [6] } => [8];
            lstm_with_padding_and_state: WithState<Lstm<3, 4>>, { x: [6, 3], hidden: [1, 4], cell: [1, 4], padding: [6] } => { x: [6, 4], hidden: [1, 4], cell: [1, 4] };
            encode_within_a_skip: Residual<(Encode<Linear<3, 3>>, Linear<2, 2>)>, { x: [4, 2], memory: [6, 3] } => { x: [4, 2], memory: [6, 3] };
        }
    };
}
pub(crate) use each_network;

/// A layer of one's own: a factor for each feature, which in training is a little off at random.
pub struct Jitter<const D: usize>;

impl<const D: usize> Layer for Jitter<D> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Jitter",
        args: &[D],
        rule: formwork::rule!([t, d] => [t, d]),
        params: &[Param::weight("weight", &[D], 1, 1)],
        meaning: &Factors,
    });
}

struct Factors;

impl Meaning for Factors {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
        let (samples, d) = (x.samples(), y.size(1));
        let shape = (samples * y.size(0), d);
        let factor = |i: usize| E::of(site.noise().map_or(1.0, |(noise, first)| noise.uniform((first * y.numel() + i) as u64)));
        let factors = site.constant((0..samples * y.numel()).map(factor).collect(), shape)?;
        let weight = site.param(0, &(d,))?.try_broadcast_like::<_, Axis<0>>(&shape)?;
        Var::new(x.view(&shape)?.try_mul(weight)?.try_mul(factors)?, samples, y) // [B T, D]
    }

    fn onnx(&self, graph: &mut Graph, x: Samples, _y: Dims) -> Option<Tensor> {
        Some(graph.node("Mul", &[x.tensor, graph.param(0)], &[]))
    }
}

/// The kinds of layers that are in none of these.
pub fn missing<'a>(specs: impl Iterator<Item = &'a &'static Spec>) -> Vec<&'static str> {
    let mut found = BTreeSet::new();
    specs.for_each(|spec| kinds(spec, &mut found));
    Leaf::KINDS.iter().copied().filter(|kind| !found.contains(kind)).collect()
}

/// Which kinds of layers are in `spec`.
fn kinds(spec: &Spec, found: &mut BTreeSet<&'static str>) {
    match spec {
        Spec::Leaf(leaf) => _ = found.insert(leaf.kind()),
        Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => fields.iter().for_each(|field| kinds(field.spec, found)),
        Spec::Tied(tied) => tied.fields.iter().for_each(|field| kinds(field.spec, found)),
        Spec::Repeat(repeat) => kinds(repeat.body, found),
        Spec::Encode { body } | Spec::Named { body, .. } => kinds(body, found),
        Spec::Misfit { .. } => {}
    }
}
