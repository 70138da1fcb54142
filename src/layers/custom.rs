//! Layers of users' own.

use super::Leaf;
use crate::cpu::steps::{Backward, Forward, Step};
use crate::cpu::{Planner, Value};
use crate::engine::Flat;
use crate::float::Float;
use crate::gpu;
use crate::noise::Noise;
use crate::onnx::{Graph, Samples, Tensor};
use crate::portable::Index;
pub use crate::portable::{Site, Var};
pub use crate::types::{Dims, Param};
use crate::types::{Label, MAX_RANK, Message, Problem, Reach, Spec};
use core::any::Any;
use core::marker::PhantomData;
use dfdx::prelude::{SumTo, TensorFromVec, Trace, TryMul};
use dfdx::shapes::Rank0;
pub use dfdx::tensor::Tape;
use dfdx::tensor::{Cpu, OwnedTape};
use dfdx::tensor_ops::Backward as _;
pub use dfdx::tensor_ops::Device;
use std::sync::{Arc, OnceLock};

/// What a layer of one's own computes, in dfdx operations: on any device, with or without a tape.
///
/// # Examples
/// A layer that scales each feature by a factor that is learned:
/// ```
/// use formwork::prelude::*;
/// use formwork::layers::custom::*;
/// use dfdx::prelude::*;
///
/// struct Scale<const D: usize>;
///
/// impl<const D: usize> formwork::types::Layer for Scale<D> {
///     const SPEC: &'static Spec = &Spec::custom(CustomSpec {
///         name: "Scale",
///         args: &[D],
///         rule: formwork::rule!([t, d] => [t, d]),
///         params: &[Param::weight("weight", &[D], 1, 1)],
///         meaning: &ScaleRows,
///     });
/// }
///
/// struct ScaleRows;
///
/// impl Meaning for ScaleRows {
///     fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
///         let (samples, d) = (x.samples(), y.size(1));
///         let shape = (samples * y.size(0), d);
///         let weight = site.param(0, &(d,))?.try_broadcast_like::<_, Axis<0>>(&shape)?;
///         Var::new(x.view(&shape)?.try_mul(weight)?, samples, y) // [B T, D]
///     }
/// }
///
/// #[network([5, 8] => [5, 3])]
/// type Scaled = (Scale<8>, Linear<8, 3>);
/// # fn main() {
/// let model = Model::<Scaled>::new(0);
/// formwork::gradient_check::<Scaled>(0).unwrap();
/// # }
/// ```
///
/// A dfdx module as a layer: its fields are lent to it, so that they are learned and saved like all other parameters.
/// ```
/// use dfdx::nn::modules;
/// use dfdx::prelude::*;
/// use formwork::layers::custom::*;
/// use formwork::prelude::{Float, Network, Spec, network};
///
/// struct Foreign;
///
/// impl formwork::types::Layer for Foreign {
///     const SPEC: &'static Spec = &Spec::custom(CustomSpec {
///         name: "Foreign",
///         args: &[],
///         rule: formwork::rule!([d] => [2]),
///         params: &[Param::weight("weight", &[2, 3], 3, 2), Param::zeros("bias", &[2])],
///         meaning: &OfDfdx,
///     });
/// }
///
/// struct OfDfdx;
///
/// impl Meaning for OfDfdx {
///     fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
///         let samples = x.samples();
///         let (weight, x) = site.lend(0, &(Const::<2>, Const::<3>), x)?;
///         let (bias, x) = site.lend(1, &(Const::<2>,), x)?;
///         let linear = modules::Linear::<3, 2, E, D> { weight, bias };
///         Var::new(linear.try_forward(x.view(&(samples, Const::<3>))?)?, samples, y)
///     }
/// }
///
/// #[network([3] => [2])]
/// type Line = Foreign;
/// # fn main() {
/// assert_eq!(Line::SCALARS, 8);
/// formwork::gradient_check::<Line>(0).unwrap();
/// # }
/// ```
pub trait Meaning: Send + Sync + 'static {
    /// Computes the layer; `y` is the shape that its rule says comes out.
    ///
    /// # Errors
    /// Those of the device.
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, site: &Site<'_, E, D, T>, x: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err>;

    /// The layer as nodes of an ONNX graph, if it can be exported: `None` unless said otherwise.
    ///
    /// # Examples
    /// That of the layer above, for which [`Graph::param`] is the parameter:
    /// ```
    /// use formwork::layers::custom::Dims;
    /// use formwork::onnx::{Graph, Samples, Tensor};
    ///
    /// fn onnx(graph: &mut Graph, x: Samples, _y: Dims) -> Option<Tensor> {
    ///     Some(graph.node("Mul", &[x.tensor, graph.param(0)], &[]))
    /// }
    /// ```
    fn onnx(&self, _graph: &mut Graph, _x: Samples, _y: Dims) -> Option<Tensor> {
        None
    }
}

/// A layer of one's own, as data: see [`Meaning`] for an example.
#[derive(Clone, Copy)]
pub struct CustomSpec {
    /// Its name.
    pub name: &'static str,
    /// The numbers behind the name: `Scale<8>`.
    pub args: &'static [usize],
    /// Its shape rule, written with [`rule!`](crate::rule).
    pub rule: Rule,
    /// Its parameters.
    pub params: &'static [Param],
    /// What it computes.
    pub meaning: &'static dyn ErasedMeaning,
}

impl Spec {
    /// A layer of one's own.
    pub const fn custom(spec: CustomSpec) -> Spec {
        Spec::Leaf(Leaf::Custom(spec))
    }
}

/// A shape rule as data, because a constant cannot call a function that it is given: `[c, h, w] => [4 * c, h / 2, w / 2]`.
#[derive(Clone, Copy)]
pub struct Rule {
    /// The input as it is written, for errors.
    pub input: &'static str,
    /// How many dimensions the input has.
    pub rank: usize,
    /// The sizes of the output.
    pub output: &'static [Expr],
}

/// An expression over the sizes of the input.
#[derive(Clone, Copy)]
pub enum Expr {
    /// The input's size along a dimension.
    Input(usize),
    /// A number.
    Number(usize),
    /// A sum.
    Add(&'static Expr, &'static Expr),
    /// A difference.
    Sub(&'static Expr, &'static Expr),
    /// A product.
    Mul(&'static Expr, &'static Expr),
    /// A quotient, rounded down.
    Div(&'static Expr, &'static Expr),
}

impl Expr {
    /// The value, where it is one: not below zero, nothing divided by zero.
    const fn eval(&self, x: Dims) -> Option<usize> {
        let (Expr::Add(a, b) | Expr::Sub(a, b) | Expr::Mul(a, b) | Expr::Div(a, b)) = self else {
            return match self {
                Expr::Input(axis) => Some(x.size(*axis)),
                Expr::Number(n) => Some(*n),
                _ => None,
            };
        };
        let (Some(a), Some(b)) = (a.eval(x), b.eval(x)) else { return None };
        match self {
            Expr::Add(..) => a.checked_add(b),
            Expr::Sub(..) => a.checked_sub(b),
            Expr::Mul(..) => a.checked_mul(b),
            _ => a.checked_div(b),
        }
    }
}

impl Rule {
    const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        if x.rank() != self.rank {
            let problem = Problem::rank(self.input, x);
            let is_image_for_features = self.rank == 1 && x.rank() == 3;
            let help = Message::new("Flatten or GlobalAvgPool2d before it turns an image into features");
            return Err(if is_image_for_features { problem.help(help) } else { problem });
        }
        let (mut sizes, mut i) = ([0; MAX_RANK], 0);
        while i < self.output.len() {
            match self.output[i].eval(x) {
                Some(size) if size > 0 => sizes[i] = size,
                _ => {
                    let message = Message::new("has no output for ").dims(x).str(": its size number ").num(i).str(" would not be positive");
                    return Err(Problem::new(message));
                }
            }
            i += 1;
        }
        Ok(Dims::new(sizes.split_at(i).0))
    }
}

impl CustomSpec {
    /// The name and its arguments.
    pub const fn label(&self) -> Label {
        Label::new(self.name, self.args)
    }

    /// What the rule says.
    pub const fn infer(&self, x: Dims) -> Result<Dims, Problem> {
        self.rule.infer(x)
    }

    /// Those that the user lists.
    pub const fn param(&self, i: usize) -> Option<Param> {
        if i < self.params.len() { Some(self.params[i]) } else { None }
    }

    /// Not known; one for each number that comes out.
    pub const fn flops(&self, _x: Dims, y: Dims) -> usize {
        y.numel()
    }

    /// Not known, so all of it.
    pub const fn reach(&self) -> Reach {
        Reach::All
    }

    pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D> + 'static>(
        &self,
        site: &Site<'_, E, D, T>,
        x: Var<E, D, T>,
        y: Dims,
    ) -> Result<Var<E, D, T>, D::Err> {
        let mut call = Call { site: site.to_owned(), x: Some(x), y, result: None };
        self.meaning.forward(&mut call);
        call.result.unwrap_or_else(|| unreachable!("`ErasedMeaning` knows every device of this crate"))
    }

    pub(crate) fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Option<Tensor> {
        self.meaning.onnx(graph, x, y)
    }

    pub(crate) fn plan<E: Float>(&self, planner: &mut Planner<E>, x: Value, y: Dims) -> Value {
        let params = self.params.iter().map(|param| param.dims.numel()).collect();
        planner.step(CustomStep { spec: *self, params, x: x.dims, y }, &[x], y)
    }

    /// None: its meaning is in dfdx operations.
    pub(crate) fn fused(&self, _planner: &mut gpu::Planner, _x: gpu::Value, _y: Dims) -> Option<gpu::Value> {
        None
    }
}

/// A [`Meaning`] that can be pointed to; every `Meaning` is one.
///
/// A network is data, and data cannot hold a generic function. It holds this, which finds out at run time which device,
/// number type and tape it is called with.
pub trait ErasedMeaning: Send + Sync {
    #[doc(hidden)]
    fn forward(&self, call: &mut dyn Any);

    #[doc(hidden)]
    fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Option<Tensor>;
}

/// One use of a layer of one's own.
struct Call<E: Float, D: Device<E>, T: 'static> {
    site: OwnedSite<E, D>,
    x: Option<Var<E, D, T>>,
    y: Dims,
    result: Option<Result<Var<E, D, T>, D::Err>>,
}

/// A [`Site`] that borrows nothing, since `Any` is for types that do not.
struct OwnedSite<E: Float, D: Device<E>> {
    params: Vec<Flat<E, D>>,
    noise: Option<(Noise, usize)>,
    device: D,
    index: Arc<OnceLock<Index<D>>>,
}

impl<E: Float, D: Device<E>, T> Site<'_, E, D, T> {
    fn to_owned(&self) -> OwnedSite<E, D> {
        OwnedSite { params: self.params.to_vec(), noise: self.noise, device: self.device.clone(), index: Arc::clone(self.index) }
    }
}

impl<E: Float, D: Device<E>, T: Tape<E, D>> Call<E, D, T> {
    fn run(&mut self, meaning: &impl Meaning) {
        let Some(x) = self.x.take() else { return };
        let OwnedSite { params, noise, device, index } = &self.site;
        let site = Site { params, buffers: &[], written: None, shown: None, noise: *noise, ranks: None, index, device, tape: PhantomData };
        self.result = Some(meaning.forward(&site, x, self.y));
    }
}

impl<M: Meaning> ErasedMeaning for M {
    fn forward(&self, call: &mut dyn Any) {
        fn try_device<E: Float, D: Device<E>>(meaning: &impl Meaning, call: &mut dyn Any) {
            if let Some(call) = call.downcast_mut::<Call<E, D, OwnedTape<E, D>>>() {
                call.run(meaning);
            }
        }
        try_device::<f32, Cpu>(self, call);
        try_device::<f64, Cpu>(self, call);
        #[cfg(feature = "cuda")]
        {
            try_device::<f32, dfdx::tensor::Cuda>(self, call);
            try_device::<f64, dfdx::tensor::Cuda>(self, call);
        }
    }

    fn onnx(&self, graph: &mut Graph, x: Samples, y: Dims) -> Option<Tensor> {
        Meaning::onnx(self, graph, x, y)
    }
}

/// A layer that has only its portable form, as a step on the CPU. It allocates: the tape does.
struct CustomStep {
    spec: CustomSpec,
    params: Vec<usize>,
    x: Dims,
    y: Dims,
}

impl CustomStep {
    /// Runs the layer on dfdx's tape.
    fn run<E: Float>(&self, samples: usize, (x, params): (&[E], &[E]), noise: Option<(Noise, usize)>) -> Ran<E> {
        let device = E::Host::default();
        let tensor = |numbers: &[E]| device.tensor_from_vec(numbers.to_vec(), (numbers.len(),));
        let mut rest = params;
        let split = self.params.iter().map(|&numel| {
            let (param, behind) = rest.split_at(numel);
            rest = behind;
            tensor(param)
        });
        let (params, x): (Vec<Flat<E, E::Host>>, _) = (split.collect(), tensor(x));
        let index = Arc::default();
        let site =
            Site { params: &params, buffers: &[], written: None, shown: None, noise, ranks: None, index: &index, device: &device, tape: PhantomData };
        let input = Var::new(x.leaky_trace(), samples, self.x);
        let y = input.and_then(|input| self.spec.portable(&site, input, self.y));
        let y = y.unwrap_or_else(|error| panic!("{}: {error}", self.spec.label()));
        Ran { x, params, y: y.flat() }
    }
}

/// What is left when a layer has run.
struct Ran<E: Float> {
    x: Flat<E, E::Host>,
    params: Vec<Flat<E, E::Host>>,
    y: Flat<E, E::Host, OwnedTape<E, E::Host>>,
}

impl<E: Float> Step<E> for CustomStep {
    fn forward(&self, at: Forward<'_, E>) {
        let ran = self.run(at.samples, (at.input(), at.params), at.noise);
        ran.y.copy_into(at.output);
    }

    fn backward(&self, mut at: Backward<'_, E>) {
        let ran = self.run(at.samples, (at.input, at.params), at.noise);
        let device = E::Host::default();
        let dy = device.tensor_from_vec(at.d_output.to_vec(), (at.d_output.len(),));
        let dot = ran.y.try_mul(dy).and_then(|y| y.try_sum::<Rank0, _>());
        let gradients = dot.and_then(|dot| dot.try_backward());
        let mut gradients = gradients.unwrap_or_else(|error| panic!("{}: {error}", self.spec.label()));
        let mut gradient = |of: &Flat<E, E::Host>| {
            gradients.try_alloc_for(of).unwrap_or_else(|error| panic!("{}: {error}", self.spec.label()));
            gradients.get(of).as_vec()
        };
        if let Some(mut dx) = at.d_input() {
            dx.put(gradient(&ran.x).into_iter());
        }
        let d_params = ran.params.iter().flat_map(&mut gradient);
        at.d_params.iter_mut().zip(d_params).for_each(|(sum, d)| *sum += d);
    }
}
