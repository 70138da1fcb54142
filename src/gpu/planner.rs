//! A network as calls, there and back.

use super::call::{Arg, Call, Matrix, Place, Product, Space, THREADS};
use super::criterion::Scored;
use crate::engine::{Architecture, Precision};
use crate::layers::Leaf;
use crate::types::{Branch, Chain, Dims, Join, Parts, Slot, Spec, Tied};

/// Numbers that some calls write and others read, of all samples of a batch: the input, or what a layer makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    id: usize,
    /// The shape for one sample. Views of one value have shapes of their own.
    pub dims: Dims,
}

impl Value {
    /// The same numbers as samples of another shape.
    pub(crate) fn with_dims(self, dims: Dims) -> Self {
        Value { dims, ..self }
    }
}

/// A parameter of the layer that is being lowered, and its gradient, to which calls add.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    pub at: Place,
    pub d: Place,
}

impl Parameter {
    /// What lies so many numbers behind its beginning.
    pub(crate) fn behind(self, numbers: usize) -> Self {
        Parameter { at: self.at.behind(numbers), d: self.d.behind(numbers) }
    }
}

/// The gradient of a value that a layer reads.
#[derive(Clone, Copy)]
pub(crate) struct Gradient {
    pub at: Place,
    /// Whether another layer has written it already, so that it is added to.
    pub add: bool,
}

/// Where a value lies.
struct Room {
    at: Place,
    numel: usize,
    /// Where its gradient lies, once somebody has written it.
    d: Option<Place>,
}

/// Adds the calls of a layer's way back, given the gradients of what it made, one of which is there.
type Back = Box<dyn FnOnce(&mut Planner, &[Option<Place>])>;

/// What a step is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Purpose {
    pub samples: usize,
    /// Whether numbers are dropped, and normalized by the statistics of the batch.
    pub training: bool,
    /// Whether somebody wants the gradient of the input.
    pub d_input: bool,
    /// Whether somebody wants to look at the weights of attention.
    pub shows: bool,
    /// How numbers of 32 bits are multiplied.
    pub precision: Precision,
}

impl Purpose {
    /// To know what some samples become.
    pub fn outputs(samples: usize, precision: Precision) -> Self {
        Purpose { samples, training: false, d_input: false, shows: false, precision }
    }
}

/// The numbers at the front of the table, which each step is given: the seed of its noise, and the number of its first sample.
pub(crate) const SEED: usize = 4;

/// Lowers layers to calls, in order.
pub(crate) struct Planner {
    purpose: Purpose,
    calls: Vec<Call>,
    values: Vec<Room>,
    back: Vec<(Vec<usize>, Back)>,
    /// The parameters and buffers of the layer that is being lowered, and how many lie behind.
    params: Vec<Parameter>,
    buffers: Vec<Place>,
    at: [usize; 2],
    stream: u64,
    given: usize,
    work: usize,
    table: Vec<i32>,
    constants: Vec<f64>,
    shown: Vec<Shown>,
    largest: usize,
}

/// Weights of attention that somebody wants to look at: where they are, and how many heads, queries and keys there are.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub at: Place,
    pub sizes: [usize; 3],
}

/// The calls of a network and a batch, and how much memory they need.
pub(crate) struct Plan {
    pub forward: Vec<Call>,
    pub backward: Vec<Call>,
    pub output: Place,
    pub d_output: Place,
    pub d_input: Option<Place>,
    pub scored: Scored,
    pub given: usize,
    pub work: usize,
    pub table: Vec<i32>,
    pub constants: Vec<f64>,
    pub shown: Vec<Shown>,
    /// The most numbers that lie in one row: kernels count them with an `int`.
    pub largest: usize,
}

impl Planner {
    /// A planner that has lowered nothing.
    pub(crate) fn new(purpose: Purpose) -> Self {
        Planner {
            purpose,
            calls: Vec::new(),
            values: Vec::new(),
            back: Vec::new(),
            params: Vec::new(),
            buffers: Vec::new(),
            at: [0; 2],
            stream: 0,
            given: 0,
            work: 0,
            table: vec![0; SEED],
            constants: Vec::new(),
            shown: Vec::new(),
            largest: 0,
        }
    }

    /// The way of a network there, and its output; none where a layer has no kernels.
    pub(crate) fn network(&mut self, network: &Architecture) -> Option<Value> {
        let at = self.give(network.input.numel() * self.purpose.samples);
        self.values.push(Room { at, numel: network.input.numel(), d: None });
        let x = self.inputs(network.input);
        let y = self.lower(network.spec, x)?;
        Some(self.outputs(y, network.output))
    }

    /// The plan: the way back begins with the gradient of the output.
    pub(crate) fn finish(mut self, output: Value) -> Plan {
        let forward = core::mem::take(&mut self.calls);
        let (y, numel) = (self.at(output), output.dims.numel());
        let outputs = self.purpose.samples * numel;
        let d_output = self.room(outputs);
        let scored = Scored { outputs, targets: self.room(outputs), sums: self.room(Scored::sums(outputs)), loss: self.room(1) };
        self.values[output.id].d = Some(d_output);
        while let Some((made, back)) = self.back.pop() {
            let d: Vec<Option<Place>> = made.into_iter().map(|id| self.values[id].d).collect();
            // Nothing that is looked at was made of values without a gradient.
            if d.iter().any(Option::is_some) {
                back(&mut self, &d);
            }
        }
        let d_input = self.values[0].d;
        let Planner { calls: backward, given, work, table, constants, shown, largest, .. } = self;
        Plan { forward, backward, output: y, d_output, d_input, scored, given, work, table, constants, shown, largest }
    }

    /// How many samples there are.
    pub(crate) fn samples(&self) -> usize {
        self.purpose.samples
    }

    /// How numbers of 32 bits are multiplied.
    pub(crate) fn precision(&self) -> Precision {
        self.purpose.precision
    }

    /// Whether the network is being trained.
    pub(crate) fn is_training(&self) -> bool {
        self.purpose.training
    }

    /// Where weights of attention go, of so many heads, queries and keys, if somebody wants to look at them.
    pub(crate) fn show(&mut self, sizes: [usize; 3]) -> Option<Place> {
        if !self.purpose.shows {
            return None;
        }
        let at = self.room(self.purpose.samples * sizes.iter().product::<usize>());
        self.shown.push(Shown { at, sizes });
        Some(at)
    }

    /// Tells apart the random numbers of the layers.
    pub(crate) fn stream(&self) -> u64 {
        self.stream
    }

    /// The layer's parameter number `i`.
    pub(crate) fn param(&self, i: usize) -> Parameter {
        self.params[i]
    }

    /// The layer's buffer number `i`.
    pub(crate) fn buffer(&self, i: usize) -> Place {
        self.buffers[i]
    }

    /// Where a value lies.
    pub(crate) fn at(&self, value: Value) -> Place {
        self.values[value.id].at
    }

    /// Room for numbers that a step is given.
    pub(crate) fn give(&mut self, numbers: usize) -> Place {
        self.given += numbers;
        self.largest = self.largest.max(numbers);
        Place { space: Space::Given, begin: self.given - numbers }
    }

    /// Room for so many numbers.
    pub(crate) fn room(&mut self, numbers: usize) -> Place {
        self.work += numbers;
        self.largest = self.largest.max(numbers);
        Place { space: Space::Work, begin: self.work - numbers }
    }

    /// A table of whole numbers, each of at most 32 bits.
    pub(crate) fn table(&mut self, words: impl IntoIterator<Item = usize>) -> Arg {
        let begin = self.table.len();
        self.table.extend(words.into_iter().map(|word| word as u32 as i32));
        Arg::Table(begin)
    }

    /// Numbers that are the same in every step.
    pub(crate) fn constants(&mut self, numbers: impl IntoIterator<Item = f64>) -> Place {
        let begin = self.constants.len();
        self.constants.extend(numbers);
        Place { space: Space::Constants, begin }
    }

    /// A value that the calls to come will write.
    pub(crate) fn value(&mut self, dims: Dims) -> Value {
        let numel = dims.numel();
        let at = self.room(self.purpose.samples * numel);
        self.values.push(Room { at, numel, d: None });
        Value { id: self.values.len() - 1, dims }
    }

    /// A kernel that does something for each of `count` things, each with a thread of its own; `count` is its first argument.
    pub(crate) fn each(&mut self, name: &'static str, count: usize, args: &[Arg]) {
        let args = core::iter::once(count.into()).chain(args.iter().copied()).collect();
        self.call(Call::Kernel { name, blocks: count.div_ceil(THREADS), args });
    }

    /// A kernel in so many blocks.
    pub(crate) fn blocks(&mut self, name: &'static str, blocks: usize, args: &[Arg]) {
        self.call(Call::Kernel { name, blocks, args: args.to_vec() });
    }

    /// A product of matrices.
    pub(crate) fn product(&mut self, product: Product) {
        self.call(Call::Product(product, self.precision()));
    }

    /// `C = A B` of `sizes` `[M, N, K]`, or added to `C`, whose rows follow one another.
    pub(crate) fn multiply(&mut self, sizes: [usize; 3], a: Matrix, b: Matrix, c: Place, add: bool) {
        self.product(Product { sizes, a, b, c: Matrix::new(c, sizes[1]), batch: 1, add });
    }

    /// Numbers that become zero.
    pub(crate) fn zero(&mut self, at: Place, count: usize) {
        self.call(Call::Zero { at, count });
    }

    fn call(&mut self, call: Call) {
        let does_nothing = match &call {
            Call::Kernel { blocks, .. } => *blocks == 0,
            Call::Zero { count, .. } => *count == 0,
            Call::Product(..) => false,
        };
        if !does_nothing {
            self.calls.push(call);
        }
    }

    /// What a layer does on the way back, if anybody wants to know: `back` is given the gradient of `y`.
    pub(crate) fn back(&mut self, y: Value, back: impl FnOnce(&mut Planner, Place) + 'static) {
        self.back_of_several(&[y], move |p, d| {
            if let &[Some(d)] = d {
                back(p, d);
            }
        });
    }

    /// The same for a layer that makes several values, of whose gradients some may not be there.
    pub(crate) fn back_of_several(&mut self, made: &[Value], back: impl FnOnce(&mut Planner, &[Option<Place>]) + 'static) {
        self.back.push((made.iter().map(|value| value.id).collect(), Box::new(back)));
    }

    /// Where the gradient of a value goes; none where nobody wants it.
    pub(crate) fn d(&mut self, x: Value) -> Option<Gradient> {
        if x.id == 0 && !self.purpose.d_input {
            return None;
        }
        if let Some(at) = self.values[x.id].d {
            return Some(Gradient { at, add: true });
        }
        let at = self.room(self.purpose.samples * self.values[x.id].numel);
        self.values[x.id].d = Some(at);
        Some(Gradient { at, add: false })
    }

    /// `y = f(x)` number by number: `name` is the kernel that computes it, and `back` the one that computes the gradient of `x`. Both
    /// are given the coefficient `a`.
    pub(crate) fn map(&mut self, [name, back]: [&'static str; 2], x: Value, a: f64) -> Value {
        let y = self.value(x.dims);
        let (x_at, y_at, count) = (self.at(x), self.at(y), self.samples() * x.dims.numel());
        self.each(name, count, &[x_at.into(), y_at.into(), a.into()]);
        self.back(y, move |p, dy| {
            let Some(dx) = p.d(x) else { return };
            p.each(back, count, &[x_at.into(), y_at.into(), dy.into(), dx.at.into(), dx.add.into(), a.into()]);
        });
        y
    }

    /// Copies runs of `run` numbers, one for each sample, between rows that are `widths` numbers wide: number `i` of sample `b`
    /// from `from + b * widths[0] + i` to `to + b * widths[1] + i`.
    pub(crate) fn copy(&mut self, from: Place, to: Place, run: usize, widths: [usize; 2], add: bool) {
        let [from_width, to_width] = widths;
        let count = self.samples() * run;
        self.each("copy_runs", count, &[from.into(), to.into(), run.into(), from_width.into(), to_width.into(), add.into()]);
    }

    /// Some numbers of each sample of a value.
    pub(crate) fn part(&mut self, of: Value, begin: usize, dims: Dims) -> Value {
        let (y, run, width) = (self.value(dims), dims.numel(), of.dims.numel());
        self.copy(self.at(of).behind(begin), self.at(y), run, [width, run], false);
        self.back(y, move |p, dy| {
            let samples = p.samples();
            let Some(d) = p.d(of) else { return };
            if !d.add {
                p.zero(d.at, samples * width);
            }
            p.copy(dy, d.at.behind(begin), run, [run, width], true);
        });
        y
    }

    /// Some columns of a value that is rows of numbers: `[T, W] -> [T, D]`, with `D` columns from `begin` on.
    pub(crate) fn columns(&mut self, of: Value, begin: usize, dims: Dims) -> Value {
        let (width, run) = (of.dims.size(1), dims.size(1));
        let index: Vec<usize> = (0..dims.size(0)).flat_map(|row| (0..run).map(move |column| row * width + begin + column)).collect();
        self.sparse(of, dims, &super::steps::Lists::gather(of.dims.numel(), &index))
    }

    /// Values one behind the other, sample by sample.
    pub(crate) fn concat(&mut self, parts: &[Value], dims: Dims) -> Value {
        let (y, width) = (self.value(dims), dims.numel());
        let mut begin = 0;
        for &part in parts {
            let run = part.dims.numel();
            self.copy(self.at(part), self.at(y).behind(begin), run, [run, width], false);
            begin += run;
        }
        let parts = parts.to_vec();
        self.back(y, move |p, dy| {
            let mut begin = 0;
            for part in parts {
                let run = part.dims.numel();
                if let Some(d) = p.d(part) {
                    p.copy(dy.behind(begin), d.at, run, [width, run], d.add);
                }
                begin += run;
            }
        });
        y
    }

    /// `a + b`
    pub(crate) fn add(&mut self, a: Value, b: Value, dims: Dims) -> Value {
        let y = self.value(dims);
        let count = self.samples() * dims.numel();
        self.each("add", count, &[self.at(a).into(), self.at(b).into(), self.at(y).into()]);
        self.back(y, move |p, dy| {
            for x in [a, b] {
                if let Some(d) = p.d(x) {
                    let run = dims.numel();
                    p.copy(dy, d.at, run, [run, run], d.add);
                }
            }
        });
        y
    }

    /// The parts of a sample.
    fn inputs(&mut self, input: Parts<Dims>) -> Parts<Value> {
        let all = Value { id: 0, dims: Dims::new(&[input.numel()]) };
        if input.numel() == input.x.numel() {
            return Parts::alone(all.with_dims(input.x));
        }
        let mut parts = Parts::alone(self.part(all, 0, input.x));
        for slot in Slot::ALL.into_iter().filter(|&slot| input.beside(slot).is_some()) {
            let (begin, dims) = input.place(Some(slot));
            parts.put(slot, Some(self.part(all, begin, dims)));
        }
        parts
    }

    /// The declared parts of the output, one behind the other; the input itself is copied, so that an output is no input.
    fn outputs(&mut self, y: Parts<Value>, declared: Parts<Dims>) -> Value {
        let sides = Slot::ALL.into_iter().filter(|&slot| declared.beside(slot).is_some()).filter_map(|slot| y.beside(slot).copied());
        let parts: Vec<Value> = core::iter::once(y.x).chain(sides).collect();
        if parts.len() == 1 && y.x.id != 0 { y.x } else { self.concat(&parts, Dims::new(&[declared.numel()])) }
    }

    fn lower(&mut self, spec: &Spec, x: Parts<Value>) -> Option<Parts<Value>> {
        match spec.unnamed() {
            Spec::Leaf(leaf) => self.lower_leaf(leaf, x),
            Spec::Chain(Chain { fields }) => fields.iter().try_fold(x, |x, field| self.lower(field.spec, x)),
            Spec::Branch(branch) => self.lower_branch(branch, x),
            Spec::Repeat(repeat) => {
                let begin = self.at;
                (0..repeat.times).try_fold(x, |x, _| {
                    if repeat.shared {
                        self.at = begin;
                    }
                    self.lower(repeat.body, x)
                })
            }
            Spec::Tied(Tied { fields: [first, body, last] }) => {
                let begin = self.at;
                let x = self.lower(first.spec, x)?;
                let x = self.lower(body.spec, x)?;
                let end = core::mem::replace(&mut self.at, begin);
                let y = self.lower(last.spec, x)?;
                self.at = end;
                Some(y)
            }
            Spec::Encode { body } => {
                let encoded = self.lower(body, x.memory()?)?;
                Some(x.with(Slot::Memory, encoded.x))
            }
            Spec::Named { .. } | Spec::Misfit { .. } => unreachable!("a network is checked before it is lowered"),
        }
    }

    fn lower_leaf(&mut self, leaf: &Leaf, x: Parts<Value>) -> Option<Parts<Value>> {
        self.params.clear();
        self.buffers.clear();
        for param in (0..).map_while(|i| leaf.param(i)) {
            let (at, numel) = (self.at[usize::from(!param.is_trained())], param.dims.numel());
            self.at[usize::from(!param.is_trained())] += numel;
            if param.is_trained() {
                let [at, d] = [Space::Parameters, Space::Gradients].map(|space| Place { space, begin: at });
                self.params.push(Parameter { at, d });
            } else {
                self.buffers.push(Place { space: Space::Buffers, begin: at });
            }
        }
        self.stream += 1;
        let dims = x.map_ref(|x| x.dims);
        let Ok(y) = leaf.infer(dims) else { unreachable!("a network is checked before it is lowered") };
        leaf.fused(self, x, y)
    }

    fn lower_branch(&mut self, branch: &Branch, x: Parts<Value>) -> Option<Parts<Value>> {
        let parts: Vec<Value> = branch.fields.iter().map(|field| Some(self.lower(field.spec, x)?.x)).collect::<Option<_>>()?;
        let mut joined = parts[0];
        for part in &parts[1..] {
            let Ok(dims) = branch.join.infer(("", joined.dims), ("", part.dims)) else { unreachable!("a network is checked before it is lowered") };
            joined = match branch.join {
                Join::Add => self.add(joined, *part, dims),
                Join::Concat => self.concat(&[joined, *part], dims),
            };
        }
        Some(x.with_x(joined))
    }
}
