//! Parameters, as data: their names, shapes and how they begin.

use super::Dims;

/// One tensor of parameters that a layer has.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name in the layer, as in a PyTorch `state_dict`: `weight`, `bias`.
    pub name: &'static str,
    /// Its shape, PyTorch's too.
    pub dims: Dims,
    /// How it begins.
    pub init: Init,
    /// Whether it is learned.
    pub role: Role,
}

/// What becomes of a tensor while a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A parameter: an optimizer moves it.
    Trained,
    /// A buffer, which the layer itself writes: running statistics.
    Buffer,
    /// A buffer that counts: one whole number.
    Counter,
}

/// What a parameter begins with; the [`Scheme`](crate::learn::Scheme) a model is made with says how weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Drawn at random, with a variance that follows from how many numbers go into a sum and how many come out.
    Weight {
        /// How many inputs one output sums over.
        fan_in: usize,
        /// How many outputs one input takes part in.
        fan_out: usize,
    },
    /// Drawn from the standard normal distribution: PyTorch's `nn.Embedding`.
    Normal,
    /// Drawn uniformly between `±bound`: PyTorch's recurrent layers.
    Uniform {
        /// The largest it can be.
        bound: f64,
    },
    /// The same number everywhere.
    Constant(f64),
}

impl Param {
    /// A weight whose sums run over `fan_in` inputs; each input takes part in `fan_out` of them.
    pub const fn weight(name: &'static str, dims: &[usize], fan_in: usize, fan_out: usize) -> Self {
        Param { name, dims: Dims::new(dims), init: Init::Weight { fan_in, fan_out }, role: Role::Trained }
    }

    /// A parameter that begins as zeros.
    pub const fn zeros(name: &'static str, dims: &[usize]) -> Self {
        Self::constant(name, dims, 0.0)
    }

    /// A parameter that begins as ones.
    pub const fn ones(name: &'static str, dims: &[usize]) -> Self {
        Self::constant(name, dims, 1.0)
    }

    const fn constant(name: &'static str, dims: &[usize], x: f64) -> Self {
        Param { name, dims: Dims::new(dims), init: Init::Constant(x), role: Role::Trained }
    }

    /// The same tensor in another role.
    pub const fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Whether an optimizer moves it.
    pub const fn is_trained(&self) -> bool {
        matches!(self.role, Role::Trained)
    }
}

/// What part of its input one number of a layer's output sees; the receptive field is made of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The number in the same place.
    Point,
    /// A window of the image, `[height, width]`, and the step from one window to the next.
    Window {
        /// How far the window reaches, dilation counted in.
        size: [usize; 2],
        /// The stride.
        stride: [usize; 2],
    },
    /// A window of the image, `[height, width]`, of which an image so many times larger is made.
    Enlarged {
        /// How far the window reaches.
        size: [usize; 2],
        /// How many numbers stand where one was.
        factor: [usize; 2],
    },
    /// The whole image.
    All,
}
