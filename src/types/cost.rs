//! What networks cost, and what they see: known before they run.

use super::{Branch, Chain, Dims, Field, Join, Parts, Reach, Spec, Tied, infer};
use crate::layers::groups::common;

/// How many numbers the parameters of `spec` have together.
pub const fn scalars(spec: &Spec) -> usize {
    numbers(spec, true)
}

/// The same of its parameters, or else of its buffers.
pub(crate) const fn numbers(spec: &Spec, trained: bool) -> usize {
    match spec.unnamed() {
        Spec::Leaf(leaf) => {
            let (mut sum, mut i) = (0, 0);
            while let Some(param) = leaf.param(i) {
                if param.is_trained() == trained {
                    sum += param.dims.numel();
                }
                i += 1;
            }
            sum
        }
        Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => {
            let (mut sum, mut i) = (0, 0);
            while i < fields.len() {
                sum += numbers(fields[i].spec, trained);
                i += 1;
            }
            sum
        }
        Spec::Tied(Tied { fields: [first, body, _] }) => numbers(first.spec, trained) + numbers(body.spec, trained),
        Spec::Repeat(repeat) => numbers(repeat.body, trained) * if repeat.shared { 1 } else { repeat.times },
        Spec::Encode { body } => numbers(body, trained),
        Spec::Named { .. } | Spec::Misfit { .. } => 0,
    }
}

/// What one sample costs on its way through a layer, forward.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The shapes that come out.
    pub output: Parts<Dims>,
    /// Floating-point operations: a multiplication and an addition count one each, a function such as `exp` one.
    pub flops: usize,
    /// Numbers that the layers write, and that training keeps for the way back.
    pub activations: usize,
}

/// What `spec` costs on samples of shape `x`, which fits it.
pub const fn cost(spec: &Spec, x: Parts<Dims>) -> Cost {
    let nothing = Cost { output: x, flops: 0, activations: 0 };
    match spec.unnamed() {
        Spec::Leaf(leaf) => match leaf.infer(x) {
            Ok(y) => Cost { output: y, flops: leaf.flops(x, y), activations: if leaf.is_view() { 0 } else { y.x.numel() } },
            Err(_) => nothing,
        },
        Spec::Chain(Chain { fields }) => cost_of_chain(fields, x),
        Spec::Tied(tied) => cost_of_chain(tied.fields, x),
        Spec::Branch(branch) => {
            let (mut sum, mut i) = (nothing, 0);
            while i < branch.fields.len() {
                sum = sum.then(cost(branch.fields[i].spec, x));
                i += 1;
            }
            let Ok(y) = infer(spec, x) else { return nothing };
            let adds = if matches!(branch.join, Join::Add) { y.x.numel() } else { 0 };
            sum.then(Cost { output: y, flops: adds, activations: y.x.numel() })
        }
        Spec::Repeat(repeat) => {
            let (mut sum, mut i) = (nothing, 0);
            while i < repeat.times {
                sum = sum.then(cost(repeat.body, sum.output));
                i += 1;
            }
            sum
        }
        Spec::Encode { body } => {
            let (Some(memory), Ok(y)) = (x.memory(), infer(spec, x)) else { return nothing };
            nothing.then(Cost { output: y, ..cost(body, memory) })
        }
        Spec::Named { .. } | Spec::Misfit { .. } => nothing,
    }
}

const fn cost_of_chain(fields: &[Field], x: Parts<Dims>) -> Cost {
    let (mut sum, mut i) = (Cost { output: x, flops: 0, activations: 0 }, 0);
    while i < fields.len() {
        sum = sum.then(cost(fields[i].spec, sum.output));
        i += 1;
    }
    sum
}

impl Cost {
    const fn then(self, next: Cost) -> Cost {
        Cost { output: next.output, flops: self.flops + next.flops, activations: self.activations + next.activations }
    }
}

/// The part of an image that one number behind some layers sees: `size` pixels, and `jump / per` pixels from one number to
/// the next; without a size it is the whole image.
#[derive(Clone, Copy)]
pub(crate) struct Field2d {
    pub size: Option<[usize; 2]>,
    jump: [usize; 2],
    per: [usize; 2],
}

impl Field2d {
    pub(crate) const POINT: Field2d = Field2d { size: Some([1, 1]), jump: [1, 1], per: [1, 1] };

    const fn behind(self, reach: Reach) -> Field2d {
        let Some(field) = self.size else { return self };
        let (window, stride, factor) = match reach {
            Reach::Point => return self,
            Reach::All => return Field2d { size: None, ..self },
            Reach::Window { size, stride } => (size, stride, [1, 1]),
            Reach::Enlarged { size, factor } => (size, [1, 1], factor),
        };
        let (mut size, mut jump, mut per, mut axis) = (field, self.jump, self.per, 0);
        while axis < 2 {
            size[axis] += ((window[axis] - 1) * jump[axis]).div_ceil(per[axis]);
            let (numerator, denominator) = (jump[axis] * stride[axis], per[axis] * factor[axis]);
            let divisor = common(numerator, denominator);
            (jump[axis], per[axis]) = (numerator / divisor, denominator / divisor);
            axis += 1;
        }
        Field2d { size: Some(size), jump, per }
    }

    /// What one sum over two branches sees.
    const fn joined(self, other: Field2d) -> Field2d {
        let (Some([h, w]), Some([k, l])) = (self.size, other.size) else { return Field2d { size: None, ..self } };
        Field2d { size: Some([if h > k { h } else { k }, if w > l { w } else { l }]), ..self }
    }
}

/// What `spec` sees of what lies before it.
pub(crate) const fn receptive_field(spec: &Spec, field: Field2d) -> Field2d {
    match spec.unnamed() {
        Spec::Leaf(leaf) => field.behind(leaf.reach()),
        Spec::Chain(Chain { fields }) => receptive_field_of_chain(fields, field),
        Spec::Tied(tied) => receptive_field_of_chain(tied.fields, field),
        Spec::Branch(branch) => {
            let mut joined = receptive_field(branch.fields[0].spec, field);
            let mut i = 1;
            while i < branch.fields.len() {
                joined = joined.joined(receptive_field(branch.fields[i].spec, field));
                i += 1;
            }
            joined
        }
        Spec::Repeat(repeat) => {
            let (mut field, mut i) = (field, 0);
            while i < repeat.times {
                field = receptive_field(repeat.body, field);
                i += 1;
            }
            field
        }
        Spec::Encode { .. } | Spec::Named { .. } | Spec::Misfit { .. } => field,
    }
}

const fn receptive_field_of_chain(fields: &[Field], field: Field2d) -> Field2d {
    let (mut field, mut i) = (field, 0);
    while i < fields.len() {
        field = receptive_field(fields[i].spec, field);
        i += 1;
    }
    field
}
