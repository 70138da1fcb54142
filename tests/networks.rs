//! Networks of every kind compile, and what is known of them in constants is right.

use formwork::cpu::Static;
use formwork::engine::Engine;
use formwork::portable::Portable;
use formwork::prelude::*;
use formwork::types::NamedParam;
use typenum::{Prod, U4, U8};

fn names<N: Network>() -> Vec<String> {
    N::parameters().into_iter().map(|param| param.name).collect()
}

fn dims_of<N: Network>(name: &str) -> Vec<usize> {
    let is_named = |param: &NamedParam| param.name == name;
    N::parameters().into_iter().find(is_named).unwrap_or_else(|| panic!("no parameter {name}")).dims.sizes().to_vec()
}

/// Runs the network once on zeros: the plans of a network go the same way as its proof.
fn runs<N: Network<Input: Sample<Numbers<f32> = Vec<f32>>>>() {
    let zeros = vec![0.0; 2 * N::Input::WIDTH];
    let data = Dataset::<N::Input, Class<1>>::new(zeros, vec![0, 0]).unwrap();
    let outputs = Model::<N>::new(0).predict(&data.all()).unwrap();
    assert_eq!(outputs.len(), 2 * N::Output::WIDTH);
    assert!(outputs.iter().all(|y| y.is_finite()));
}

#[derive(Layer)]
struct Body<const I: usize, const O: usize, const S: usize> {
    conv1: NoBias<Conv2d<I, O, 3, S, 1>>,
    relu: Relu,
    conv2: NoBias<Conv2d<O, O, 3, 1, 1>>,
}

type Down<const I: usize, const O: usize> = (NoBias<Conv2d<I, O, 1, 2>>, Relu);

#[derive(Layer)]
struct Same<const C: usize> {
    #[layer(flatten)]
    body: Residual<Body<C, C, 1>>,
    relu: Relu,
}

#[derive(Layer)]
struct Strided<const I: usize, const O: usize> {
    #[layer(flatten)]
    body: Residual<Body<I, O, 2>, Down<I, O>>,
    relu: Relu,
}

#[network([3, 32, 32] => [10])]
struct ResNet {
    conv1: Conv2d<3, 8, 7, 2, 3>,
    relu: Relu,
    layer1: (Same<8>, Same<8>),
    layer2: (Strided<8, 16>, Same<16>),
    avgpool: GlobalAvgPool2d,
    fc: Linear<16, 10>,
}

#[test]
fn parameters_are_named_as_in_pytorch() {
    let expected = [
        "conv1.weight",
        "conv1.bias",
        "layer1.0.conv1.weight",
        "layer1.0.conv2.weight",
        "layer1.1.conv1.weight",
        "layer1.1.conv2.weight",
        "layer2.0.conv1.weight",
        "layer2.0.conv2.weight",
        "layer2.0.downsample.0.weight",
        "layer2.1.conv1.weight",
        "layer2.1.conv2.weight",
        "fc.weight",
        "fc.bias",
    ];
    assert_eq!(names::<ResNet>(), expected);
    assert_eq!(dims_of::<ResNet>("layer2.0.downsample.0.weight"), [16, 8, 1, 1]);
    runs::<ResNet>();
}

#[test]
fn parameters_lie_one_behind_the_other() {
    let parameters = ResNet::parameters();
    let ends = parameters.iter().map(|param| param.range().end);
    let starts = parameters.iter().skip(1).map(|param| param.offset).chain([ResNet::SCALARS]);
    assert!(ends.eq(starts));
}

#[network([1, 28, 28] => [10])]
type LeNet = (Conv2d<1, 6, 5>, Relu, MaxPool2d<2>, Flatten, Linear<864, 10>);

#[test]
fn costs_are_those_of_pencil_and_paper() {
    let (conv, relu, pool, linear) = (6 * 24 * 24 * (2 * 25 + 1), 6 * 24 * 24, 6 * 12 * 12 * 4, 10 * (2 * 864 + 1));
    assert_eq!(LeNet::FLOPS, conv + relu + pool + linear);
    assert_eq!(LeNet::SCALARS, (6 * 25 + 6) + (864 * 10 + 10));
    assert_eq!(LeNet::ACTIVATIONS, 6 * 24 * 24 + 6 * 24 * 24 + 6 * 12 * 12 + 10); // Flatten writes nothing
}

#[network([4, 8, 8] => [8, 8, 8])]
type Branches = (Residual<(NoBias<Conv2d<4, 4, 3, 1, 1>>, Relu), NoBias<Conv2d<4, 4, 1>>>, SkipConcat<Relu>);

#[test]
fn branches_cost_what_their_parts_and_their_join_cost() {
    let image = 4 * 8 * 8;
    let (body, shortcut, sum) = (image * 2 * 36 + image, image * 2 * 4, image);
    let relu = image;
    assert_eq!(Branches::FLOPS, body + shortcut + sum + relu); // to concatenate is no arithmetic
    assert_eq!(Branches::ACTIVATIONS, (2 * image + image + image) + (image + 2 * image));
    assert_eq!(Branches::SCALARS, 4 * 4 * 9 + 4 * 4);
    runs::<Branches>();
}

#[network([16] => [16])]
type Tower = Repeat<(Linear<16, 16>, Relu), 5>;

#[test]
fn a_repetition_costs_its_body_each_time() {
    assert_eq!(Tower::SCALARS, 5 * (16 * 16 + 16));
    assert_eq!(Tower::FLOPS, 5 * (16 * (2 * 16 + 1) + 16));
    assert_eq!(Tower::ACTIVATIONS, 5 * (16 + 16));
    assert_eq!(names::<Tower>()[8..], ["4.0.weight", "4.0.bias"]);
}

#[network([3, 32, 32] => [8, 15, 15])]
type Windows = (Conv2d<3, 8, 3>, Relu, MaxPool2d<2>, Conv2d<8, 8, 3, 1, 1>);

#[network([3, 32, 32] => [3, 28, 28])]
type Dilated = Conv2d<3, 3, 3, 1, 0, 2>;

#[network([3, 32, 32] => [3, 32, 32])]
type Around = Residual<Conv2d<3, 3, 5, 1, 2>, Conv2d<3, 3, 3, 1, 1>>;

#[network([3, 32, 32] => [3])]
type Whole = (Relu, GlobalAvgPool2d);

#[network([3, 4, 4] => [3, 4, 4])]
type Wider = Repeat<Conv2d<3, 3, 3, 1, 1>, 4>;

/// A number of the finer image sees what one of the coarser image does, and lies half a step further.
#[network([3, 32, 32] => [3, 32, 32])]
type Finer = (MaxPool2d<2>, Upsample2d<2>, Conv2d<3, 3, 3, 1, 1>);

#[network([3, 32, 32] => [3, 128, 128])]
type Finest = (Upsample2d<2>, ConvTranspose2d<3, 3, 3, 2, 1, 1>, Conv2d<3, 3, 3, 1, 1>);

#[test]
fn the_receptive_field_grows_with_each_window() {
    assert_eq!(Windows::RECEPTIVE_FIELD, Some([8, 8])); // 3, pool: + 1, then 2 pixels a step: + 2 * 2
    assert_eq!(Dilated::RECEPTIVE_FIELD, Some([5, 5]));
    assert_eq!(Around::RECEPTIVE_FIELD, Some([5, 5]));
    assert_eq!(Whole::RECEPTIVE_FIELD, Some([32, 32]));
    assert_eq!(Wider::RECEPTIVE_FIELD, Some([4, 4])); // 9 pixels, and the image has 4
    assert_eq!(Tower::RECEPTIVE_FIELD, None);
    assert_eq!(Finer::RECEPTIVE_FIELD, Some([4, 4])); // 2 pixels, and two steps of 2 / 2
    assert_eq!(Finest::RECEPTIVE_FIELD, Some([3, 3])); // 1; two numbers half a pixel apart; three a quarter of a pixel apart
}

#[test]
fn a_summary_is_a_table() {
    let expected = [
        "name  layer            output       parameters    FLOPs  memory",
        "---------------------------------------------------------------",
        "      input            [1, 28, 28]",
        "0     Conv2d<1, 6, 5>  [6, 24, 24]         156  176 256  13 824",
        "1     Relu             [6, 24, 24]           0    3 456  13 824",
        "2     MaxPool2d<2>     [6, 12, 12]           0    3 456   3 456",
        "3     Flatten          [864]                 0        0       0",
        "4     Linear<864, 10>  [10]              8 650   17 290      40",
        "---------------------------------------------------------------",
        "      LeNet            [10]              8 806  200 458  31 144",
        "for one sample, forward: 200 458 FLOPs, 31 144 bytes written",
    ];
    let shown = LeNet::summary().to_string();
    assert!(shown.lines().map(str::trim_end).take(expected.len()).eq(expected), "{shown}");
}

/// Two values of 8 numbers and one of 3, and a gradient for each and for the 4 of the input.
#[test]
fn a_summary_says_what_a_step_of_training_needs() {
    #[network([4] => [3])]
    type Iris = (Linear<4, 8>, Relu, Linear<8, 3>);
    let summary = Iris::summary();
    assert_eq!(summary.workspace, (8 + 8 + 3 + 4 + 8 + 8 + 3) * size_of::<f32>());
    let last = summary.to_string().lines().last().map(str::to_owned);
    assert_eq!(last.as_deref(), Some("a step of training on the CPU: 168 bytes for each sample of the batch"));
}

#[test]
fn a_summary_names_layers_as_the_source_does() {
    let rows = ResNet::summary().rows;
    let shown: Vec<(&str, &str)> = rows.iter().map(|row| (row.name.as_str(), row.layer.as_str())).collect();
    assert_eq!(shown[0], ("conv1", "Conv2d<3, 8, 7, 2, 3>"));
    assert_eq!(shown[3], ("layer2", "(2 layers)"));
    let rows = Encoder::summary().rows;
    assert_eq!(rows[0].layer, "FeedForward<16>");
}

#[block]
type FeedForward<const D: usize> = Residual<(Linear<D, { 4 * D }>, Gelu, Linear<{ 4 * D }, D>)>;

#[network([5, 16] => [5, 3])]
type Encoder = (FeedForward<16>, Repeat<FeedForward<16>, 2>, Linear<16, 3>);

#[test]
fn a_block_computes_sizes() {
    assert_eq!(Encoder::SCALARS, 3 * (16 * 64 + 64 + 64 * 16 + 16) + 16 * 3 + 3);
    assert_eq!(dims_of::<Encoder>("1.1.2.weight"), [16, 64]);
    runs::<Encoder>();
}

#[block]
type Double<const C: usize> = (Conv2d<C, { 2 * C }, 3, 1, 1>, Relu);

#[block]
type Deepen<const C: usize> = (Double<C>, MaxPool2d<2>, Double<{ 2 * C }>, Conv2d<{ 2 * (C + C) }, { (4 * C) / 2 - C }, 1>);

#[network([3, 8, 8] => [3, 4, 4])]
struct Pyramid {
    deepen: Deepen<3>,
    same: Residual<(Deepen<3>, Reshape<Rank1<12>>, Linear<12, 48>, Reshape<Rank3<3, 4, 4>>)>,
}

#[test]
fn blocks_are_made_of_blocks() {
    assert_eq!(dims_of::<Pyramid>("deepen.0.0.weight"), [6, 3, 3, 3]);
    assert_eq!(dims_of::<Pyramid>("deepen.2.0.weight"), [12, 6, 3, 3]);
    assert_eq!(dims_of::<Pyramid>("deepen.3.weight"), [3, 12, 1, 1]);
    assert_eq!(dims_of::<Pyramid>("same.2.weight"), [48, 12]);
    runs::<Pyramid>();
}

#[block]
type Around2<F, const D: usize> = (Linear<D, { D / 2 }>, Residual<F>, Linear<{ D / 2 }, D>);

#[block]
type Nested<F, const D: usize> = Around2<(Around2<F, { D / 2 }>, Relu), D>;

#[network([8] => [8])]
type Sandwich = Nested<Linear<2, 2>, 8>;

#[test]
fn a_block_takes_layers() {
    assert_eq!(names::<Sandwich>().len(), 2 * 5);
    assert_eq!(dims_of::<Sandwich>("1.0.1.weight"), [2, 2]);
    assert_eq!(dims_of::<Sandwich>("1.0.0.weight"), [2, 4]);
    runs::<Sandwich>();
}

const HIDDEN: usize = 6;

#[block]
type Named<const D: usize> = (Linear<D, { HIDDEN * 2 }>, Relu, Linear<12, HIDDEN>);

#[network([2 * 2] => [HIDDEN])]
type WithNumbers = Named<4>;

#[test]
fn sizes_may_be_constants() {
    assert_eq!(dims_of::<WithNumbers>("0.weight"), [12, 4]);
}

/// The body of a residual layer whose sizes are typenum's.
type Wide<D> = (generic::Linear<D, Prod<D, U4>>, Gelu, generic::Linear<Prod<D, U4>, D>);
type WideNet = Net<(Wide<U8>, Residual<Wide<U8>>), Rank1<8>, Rank1<8>>;
formwork::check!(WideNet);

#[test]
fn sizes_may_be_typenum_integers() {
    assert_eq!(WideNet::SCALARS, 2 * (8 * 32 + 32 + 32 * 8 + 8));
    runs::<WideNet>();
}

#[rustfmt::skip]
#[network([4] => [4])]
type Long = (
    Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu,
    Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu,
    Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu,
);

#[rustfmt::skip]
#[network([4] => [4])]
struct LongParts {
    features: (
        Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu,
        Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu,
        Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu, Linear<4, 4>, Relu,
    ),
    fc: Linear<4, 4>,
}

#[test]
fn a_network_has_any_number_of_layers() {
    assert_eq!(Long::SCALARS, 15 * 20);
    assert_eq!(names::<LongParts>()[28..], ["features.28.weight", "features.28.bias", "fc.weight", "fc.bias"]);
    runs::<Long>();
}

#[network([4] => [4])]
type Nothing = ();

/// As deep as it goes: 32 levels below the network's own.
type Ten<L> = Residual<Residual<Residual<Residual<Residual<Residual<Residual<Residual<Residual<Residual<L>>>>>>>>>>;

#[network([4] => [4])]
type Deep = (Ten<Ten<Ten<Residual<Linear<4, 4>>>>>,);

#[test]
fn a_network_is_flat_or_deep() {
    assert_eq!((Nothing::SCALARS, Nothing::FLOPS), (0, 0));
    assert_eq!(Deep::SCALARS, 20);
    runs::<Deep>();
}

type Twice<const I: usize, const O: usize> = (Conv2d<I, O, 3, 1, 1>, Relu, Conv2d<O, O, 3, 1, 1>, Relu);

#[rustfmt::skip]
#[network([1, 24, 32] => [2, 24, 32])]
type UNet = (
    Twice<1, 4>,
    SkipConcat<(
        MaxPool2d<2>, Twice<4, 8>,                                    // [8, 12, 16]
        SkipConcat<(
            MaxPool2d<2>, Twice<8, 16>,                               // [16, 6, 8]
            SkipConcat<(
                MaxPool2d<2>, Twice<16, 32>, Upsample2d<2, Bilinear>, // [32, 6, 8]
            )>,
            Twice<48, 16>, Upsample2d<2>,                             // [16, 12, 16]
        )>,
        Twice<24, 8>, ConvTranspose2d<8, 4, 2, 2>,                    // [4, 24, 32]
    )>,
    Conv2d<8, 2, 1>,
);

/// What happens at one level of a U-Net, around what happens below it.
#[block]
type Level<const C: usize, Below> = (
    SkipConcat<(MaxPool2d<2>, Conv2d<C, { 2 * C }, 3, 1, 1>, Relu, Below, ConvTranspose2d<{ 2 * C }, C, 2, 2>)>,
    Conv2d<{ 2 * C }, C, 3, 1, 1>,
    Relu,
);

#[block]
type ThreeLevels<const C: usize> = Level<C, Level<{ 2 * C }, Level<{ 4 * C }, ()>>>;

#[network([1, 24, 32] => [2, 24, 32])]
type UNetOfBlocks = (Conv2d<1, 4, 3, 1, 1>, Relu, ThreeLevels<4>, Conv2d<4, 2, 1>);

#[test]
fn a_u_net_is_skips_in_skips() {
    assert_eq!(dims_of::<UNet>("1.2.3.0.weight"), [16, 48, 3, 3]);
    assert_eq!(dims_of::<UNet>("1.4.weight"), [8, 4, 2, 2]);
    runs::<UNet>();
}

#[test]
fn a_u_net_of_any_depth_is_one_block_in_itself() {
    assert_eq!(dims_of::<UNetOfBlocks>("2.0.4.weight"), [8, 4, 2, 2]);
    assert_eq!(dims_of::<UNetOfBlocks>("2.0.3.0.3.0.1.weight"), [32, 16, 3, 3]);
    runs::<UNetOfBlocks>();
}

/// Reads one sequence and writes another: two inputs, each with padding of its own.
#[network({ x: [ids < 7; 4], padding: [4], memory: [ids < 9; 6], memory_padding: [6] } => [4, 7])]
struct Translator {
    encoder: Encode<(Embedding<9, 8>, SinusoidalPositions, Repeat<TransformerEncoderLayer<8, 2, 12>, 2>)>,
    embedding: Embedding<7, 8>,
    positions: LearnedPositions<4, 8>,
    decoder: Repeat<TransformerDecoderLayer<8, 2, 12, PreNorm, Gelu>, 2>,
    fc: Linear<8, 7>,
}

#[test]
fn an_encoder_and_a_decoder_are_one_network() {
    assert_eq!(names::<Translator>()[1], "encoder.2.0.self_attn.in_proj_weight");
    assert_eq!(dims_of::<Translator>("decoder.1.multihead_attn.in_proj_weight"), [24, 8]);
    let translated = |read: [usize; 6], padding: [f32; 6]| {
        let inputs = (vec![1, 2, 3, 0], vec![0.0, 0.0, 0.0, 1.0], read.to_vec(), padding.to_vec());
        let data = Dataset::<<Translator as Network>::Input, Class<1>>::new(inputs, vec![0]).unwrap();
        let model = Model::<Translator>::new(0);
        let maps: Vec<[usize; 3]> = model.attention(&data.all()).unwrap().iter().map(|map| [map.heads, map.queries, map.keys]).collect();
        assert_eq!(maps, [[2, 6, 6], [2, 6, 6], [2, 4, 4], [2, 4, 6], [2, 4, 4], [2, 4, 6]]);
        model.predict(&data.all()).unwrap()
    };
    let padding = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0];
    let expected = translated([8, 5, 1, 3, 0, 0], padding);
    assert_eq!(translated([8, 5, 1, 3, 7, 6], padding), expected, "padding is not read");
    assert_ne!(translated([8, 5, 2, 3, 0, 0], padding), expected, "what is no padding is read");
}

#[network({ x: [3, 4], padding: [3] } => [3, 4])]
type Alone = SelfAttention<4, 2>;

/// What the layer makes of padding alone, on an engine.
fn of_padding_alone<G: Engine<f32, Cpu>>() {
    let numbers = (vec![0.5; 12], vec![1.0; 3]);
    let data = Dataset::<<Alone as Network>::Input, Values<Rank2<3, 4>>>::new(numbers, vec![0.0; 12]).unwrap();
    let mut model = Model::<Alone, f32, Cpu, G>::try_new(&Cpu::default(), 0, Scheme::default()).unwrap();
    let mut parameters = model.parameters();
    let (_, bias) = parameters.split_at_mut(Alone::SCALARS - 4);
    bias.copy_from_slice(&[1.0, 2.0, 3.0, 4.0]);
    model.set_parameters(&parameters).unwrap();
    assert_eq!(model.predict(&data.all()).unwrap(), [1.0, 2.0, 3.0, 4.0].repeat(3));
    assert!(model.attention(&data.all()).unwrap()[0].weights.iter().all(|&weight| weight == 0.0));
    let gradients = model.gradients(&data.all(), &Mse).unwrap();
    assert!(gradients.inputs.iter().all(|&d| d == 0.0));
    let (before, bias) = gradients.parameters.split_at(Alone::SCALARS - 4);
    assert!(before.iter().all(|&d| d == 0.0) && bias.iter().all(|&d| d > 0.0));
}

#[test]
fn a_place_with_nobody_to_attend_to_is_the_bias_alone() {
    of_padding_alone::<Static<f32>>();
    of_padding_alone::<Portable<f32, Cpu>>();
}

#[block]
type Broad<const D: usize> = (TransformerEncoderLayer<D, 4, { 4 * D }, PreNorm, Gelu>, CausalSelfAttention<{ D / 2 * 2 }, 4>);

#[network([5, 16] => [5, 16])]
type OfBlocks = Broad<16>;

#[test]
fn a_block_computes_the_sizes_of_transformers() {
    assert_eq!(dims_of::<OfBlocks>("0.linear1.weight"), [64, 16]);
    runs::<OfBlocks>();
}

const TIMES: usize = 3;

#[network([4] => [4])]
type RepeatedByAConstant = Repeat<(Linear<4, 4>, Tanh), TIMES>;

#[test]
fn a_constant_says_how_often() {
    assert_eq!(RepeatedByAConstant::SCALARS, TIMES * 20);
    runs::<RepeatedByAConstant>();
}

#[network([2, 8, 8] => [3, 8, 8])]
type Stem = (Conv2d<2, 3, 3, 1, 1>, BatchNorm2d<3>, Relu);

#[network([2, 8, 8] => [4])]
struct WholeOfStem {
    stem: Stem,
    pool: GlobalAvgPool2d,
    fc: Linear<3, 4>,
}

#[test]
fn a_network_is_a_layer_of_another() {
    assert_eq!(names::<WholeOfStem>()[..4], ["stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias"]);
    assert_eq!(WholeOfStem::buffers()[0].name, "stem.1.running_mean");
    runs::<WholeOfStem>();
}
