//! The listings of the chapter `own-layer`: layers put together of others, and one that is new.

use dfdx::prelude::{BroadcastTo, HasErr, TryAdd, TryMul, TrySub};
use dfdx::shapes::Axes2;
use formwork::layers::custom::*;
use formwork::metrics;
use formwork::plot::Curves;
use formwork::prelude::*;
use formwork::trainer::Progress;
use formwork::types::Init;
use formwork_book::{Result, picture};
use std::process::ExitCode;

fn main() -> ExitCode {
    formwork_book::sections(&[
        ("composed", composed),
        ("proved", proved),
        ("checked", checked),
        ("broken", broken),
        ("trained", trained),
        ("saved", saved),
        ("exercise-1", exercise_1),
        ("exercise-2", exercise_2),
        ("exercise-3", exercise_3),
    ])
}

// ANCHOR: composed
/// A way down to `R` features and back, with names.
#[derive(Layer)]
struct Adapter<const D: usize, const R: usize> {
    down: Linear<D, R>, // [R]
    act: Gelu,
    up: Linear<R, D>, // [D]
}

/// The same without names, with a size that is computed: an eighth of the features inside.
#[block]
type Adapted<const D: usize> = Residual<(Linear<D, { D / 8 }>, Gelu, Linear<{ D / 8 }, D>)>;

#[network([5, 64] => [5, 3])]
struct Tagger {
    first: Residual<Adapter<64, 8>>,
    second: Adapted<64>,
    head: Linear<64, 3>, // [T, 3]
}
// ANCHOR_END: composed

fn composed() -> Result {
    for parameter in Tagger::parameters() {
        println!("{:18}  {}", parameter.name, parameter.dims);
    }
    Ok(())
}

// ANCHOR: layer
/// The parametric rectifier on images of `C` channels: `y = max(0, x) - a max(0, -x)`, with an `a` for each channel.
struct Prelu<const C: usize>;

impl<const C: usize> Layer for Prelu<C> {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Prelu",
        args: &[C],
        // The first size is C where c is C, and 0 everywhere else, which is no size.
        rule: formwork::rule!([c, h, w] => [C * (c / C) * (C / c), h, w]),
        params: &[Param { init: Init::Constant(0.25), ..Param::ones("weight", &[C]) }],
        meaning: &Rectified,
    });
}

struct Rectified;

impl Meaning for Rectified {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Answer<E, D, T> {
        let shape = (x.samples(), y.size(0), y.size(1) * y.size(2)); // [B, C, H W]
        let slopes = site.param(0, &(y.size(0),))?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?; // [C] -> [B, C, H W]
        let samples = x.samples();
        let above = x.fork().view(&shape)?.try_relu()?;
        let below = x.view(&shape)?.try_negate()?.try_relu()?;
        Var::new(above.try_sub(below.try_mul(slopes)?)?, samples, y) // [B, C, H, W]
    }
}

/// What a layer makes of a batch, or the error of the device.
type Answer<E, D, T> = std::result::Result<Var<E, D, T>, <D as HasErr>::Err>;
// ANCHOR_END: layer

// ANCHOR: network
/// A reader of digits with this behind its convolution: its shapes are proved with the rule of `Prelu`.
type Reader<Activation> = Net<(Conv2d<1, 8, 3, 1, 1>, Activation, MaxPool2d<2>, Flatten, Linear<128, 10>), Rank3<1, 8, 8>, Rank1<10>>;

formwork::check!(Reader<Prelu<8>>);
// ANCHOR_END: network

fn proved() -> Result {
    println!("{}", Reader::<Prelu<8>>::summary());
    Ok(())
}

// ANCHOR: checked
/// Small, because each number of it is moved by a little, twice.
#[network([2, 3, 3] => [2])]
type Tiny = (Conv2d<2, 3, 2>, Prelu<3>, Flatten, Linear<12, 2>);

fn checked() -> Result {
    formwork::gradient_check::<Tiny>(0)?;
    println!("{} parameters and 18 inputs of each sample: all gradients agree", Tiny::SCALARS);
    Ok(())
}
// ANCHOR_END: checked

// ANCHOR: broken
/// The same with a mistake: numbers that were read and put back are on no tape.
struct Frozen;

impl Meaning for Frozen {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Answer<E, D, T> {
        let (samples, shape) = (x.samples(), (x.samples(), y.size(0), y.size(1) * y.size(2))); // [B, C, H W]
        let slopes = site.param(0, &(y.size(0),))?.as_vec();
        let slopes = site.constant(slopes, (y.size(0),))?.try_broadcast_like::<_, Axes2<0, 2>>(&shape)?;
        let above = x.fork().view(&shape)?.try_relu()?;
        let below = x.view(&shape)?.try_negate()?.try_relu()?;
        Var::new(above.try_sub(below.try_mul(slopes)?)?, samples, y)
    }
}
// ANCHOR_END: broken

struct FrozenPrelu;

impl Layer for FrozenPrelu {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "FrozenPrelu",
        args: &[],
        rule: formwork::rule!([c, h, w] => [c, h, w]),
        params: &[Param::ones("weight", &[3])],
        meaning: &Frozen,
    });
}

#[network([2, 3, 3] => [2])]
type TinyFrozen = (Conv2d<2, 3, 2>, FrozenPrelu, Flatten, Linear<12, 2>);

fn broken() -> Result {
    if let Err(error) = formwork::gradient_check::<TinyFrozen>(0) {
        println!("{error}");
    }
    Ok(())
}

// ANCHOR: trained
fn train<N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>>() -> std::result::Result<(Model<N>, f64), Error> {
    let (train, test) = formwork::data::digits::load()?.split_stratified(0.2, 0);
    let mut model = Model::<N>::new(0);
    Trainer::new(CrossEntropy::default(), Adam::new(0.005)).epochs(4).progress(Progress::Silent).fit(&mut model, &train)?;
    let accuracy = model.measure(&test, metrics::accuracy())?.matrix().accuracy();
    Ok((model, accuracy))
}

fn trained() -> Result {
    let (_, relu) = train::<Reader<Relu>>()?;
    let (model, prelu) = train::<Reader<Prelu<8>>>()?;
    println!("test accuracy: Relu {relu:.3}, Prelu<8> {prelu:.3}");
    let parameter = &Reader::<Prelu<8>>::parameters()[2];
    let slopes = &model.parameters()[parameter.range()];
    println!("{}, from 0.25 everywhere: {slopes:.2?}", parameter.name);
    draw(slopes)
}
// ANCHOR_END: trained

/// What each channel has made of its rectifier.
fn draw(slopes: &[f32]) -> Result {
    let Some(file) = picture("own-layer-slopes.svg") else { return Ok(()) };
    let mut curves = Curves::new("x", "y");
    for (channel, &slope) in slopes.iter().enumerate() {
        let value = |x: f64| if x > 0.0 { x } else { f64::from(slope) * x };
        let points = [-2.0, 0.0, 1.0].map(|x| (x, value(x)));
        curves = curves.curve(&format!("channel {channel}"), points);
    }
    Ok(curves.save(file)?)
}

// ANCHOR: saved
fn saved() -> Result {
    let mut model = Model::<Reader<Prelu<8>>>::new(1);
    let bytes = model.to_bytes();
    model.set_parameters(&vec![0.0; Reader::<Prelu<8>>::SCALARS])?;
    model.load_bytes(&bytes)?;
    println!("as before: {}", model.parameters() == Model::<Reader<Prelu<8>>>::new(1).parameters());
    Ok(())
}
// ANCHOR_END: saved

// ANCHOR: exercise-1
/// The gated linear unit: the first half of the features, each times the sigmoid of its partner in the second.
struct Glu;

impl Layer for Glu {
    const SPEC: &'static Spec = &Spec::custom(CustomSpec {
        name: "Glu",
        args: &[],
        // Half of an even d; 0 for an odd one.
        rule: formwork::rule!([d] => [d / 2 * (1 - (d - d / 2 * 2))]),
        params: &[],
        meaning: &Gated,
    });
}

struct Gated;

impl Meaning for Gated {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, _: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Answer<E, D, T> {
        let samples = x.samples();
        let value = x.fork().columns(0, y)?; // [B, D / 2]
        let gate = x.columns(y.numel(), y)?.flat().try_sigmoid()?;
        Var::new(value.flat().try_mul(gate)?, samples, y)
    }
}

#[network([6] => [2])]
type Gate = (Linear<6, 8>, Glu, Linear<4, 2>);
// ANCHOR_END: exercise-1

fn exercise_1() -> Result {
    formwork::gradient_check::<Gate>(0)?;
    println!("{}", Gate::summary().rows[1].output);
    Ok(())
}

// ANCHOR: exercise-2
/// Adds numbers between `-P` and `P` hundredths to its input while the network is trained.
struct Shaken<const P: usize>;

impl<const P: usize> Layer for Shaken<P> {
    const SPEC: &'static Spec =
        &Spec::custom(CustomSpec { name: "Shaken", args: &[P], rule: formwork::rule!([d] => [d]), params: &[], meaning: &AddNoise::<P> });
}

struct AddNoise<const P: usize>;

impl<const P: usize> Meaning for AddNoise<P> {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Answer<E, D, T> {
        let Some((noise, first)) = site.noise() else { return Ok(x) };
        let numel = x.samples() * y.numel();
        let at = |i: usize| E::of(P as f64 / 100.0 * (2.0 * noise.uniform((first * y.numel() + i) as u64) - 1.0));
        let added = site.constant((0..numel).map(at).collect(), (numel,))?;
        x.map(|x| x.try_add(added))
    }
}

#[network([4] => [2])]
type Shaky = (Shaken<10>, Linear<4, 2>);
// ANCHOR_END: exercise-2

fn exercise_2() -> Result {
    formwork::gradient_check::<Shaky>(0)?;
    let data = Dataset::<Rank1<4>, Class<2>>::new(vec![1.0; 8], vec![0, 1])?;
    let mut model = Model::<Shaky>::new(0);
    let before = model.predict(&data.all())?;
    println!("as a predictor it is still: {}", before == model.predict(&data.all())?);
    let two = [model.gradients(&data.all(), &CrossEntropy::default())?.loss, model.evaluate(&data, &CrossEntropy::default())?];
    println!("loss in training {:.3}, in evaluation {:.3}", two[0], two[1]);
    Ok(())
}

// ANCHOR: exercise-3
/// Halves an image: the new layer among old ones.
#[derive(Layer)]
struct Halved<const I: usize, const O: usize> {
    conv: NoBias<Conv2d<I, O, 3, 2, 1>>, // [O, H / 2, W / 2]
    norm: BatchNorm2d<O>,
    act: Prelu<O>,
}

#[network([1, 8, 8] => [10])]
struct Deep {
    stages: (Halved<1, 8>, Halved<8, 16>), // [16, 2, 2]
    flatten: Flatten,
    fc: Linear<64, 10>,
}
// ANCHOR_END: exercise-3

fn exercise_3() -> Result {
    let (_, accuracy) = train::<Deep>()?;
    println!("{} parameters, {} among them; test accuracy {accuracy:.3}", Deep::SCALARS, Deep::parameters()[3].name);
    Ok(())
}
