//! Attention and the layers of transformers: outputs, weights of attention, and the gradients of `sum(y * dy)`.
//!
//! For every case:
//! ```python
//! y = layer(..)
//! y.backward(dy)  # dx = x.grad, dmem = mem.grad, dweight = layer.weight.grad
//! ```

use super::family::{Family, Subject};
use super::layers::WeightedSum;
use super::reference::{Comparison, Golden};
use core::marker::PhantomData;
use formwork::engine::{Architecture, Engine, Objective, State};
use formwork::prelude::*;

/// What a part of a sample is in the case.
#[derive(Clone, Copy)]
enum Part {
    /// Tensors side by side along their last dimension.
    Numbers(&'static [&'static str]),
    /// A tensor that is not differentiated with respect to.
    Fixed(&'static str),
    /// Marks that are 1 where nobody attends.
    Padding(&'static str),
    /// Marks that are 1 where somebody may attend.
    Allowed(&'static str),
}
use Part::{Allowed, Fixed, Numbers, Padding};

impl Part {
    /// The numbers of all samples.
    fn read<E: Float>(self, golden: &Golden) -> Vec<E> {
        match self {
            Numbers(names) => beside(&names.iter().map(|name| (golden.numbers(name), last(golden, name))).collect::<Vec<_>>()),
            Fixed(name) => golden.numbers(name),
            Padding(name) => golden.marks(name),
            Allowed(name) => golden.marks(name).into_iter().map(|mark: E| E::one() - mark).collect(),
        }
    }

    /// Compares the gradients of all samples, if there are any in the case.
    fn compare<E: Float>(self, golden: &Golden, comparison: &mut Comparison<'_>, gradients: &[E]) {
        match self {
            Numbers(names) => {
                let widths: Vec<usize> = names.iter().map(|name| last(golden, name)).collect();
                let columns = split(gradients, &widths);
                names.iter().zip(columns).for_each(|(name, numbers)| comparison.tensor(&format!("d{name}"), &numbers));
            }
            Padding(_) | Allowed(_) => assert!(gradients.iter().all(|&d| d == E::zero()), "nothing is learned of padding"),
            Fixed(_) => {}
        }
    }
}

fn last(golden: &Golden, tensor: &str) -> usize {
    golden.shape(tensor).last().copied().unwrap_or(1)
}

/// Tables with rows of so many numbers, side by side.
fn beside<E: Float>(tables: &[(Vec<E>, usize)]) -> Vec<E> {
    let rows = tables.first().map_or(0, |(numbers, width)| numbers.len() / width);
    let row = |i: usize| tables.iter().flat_map(move |(numbers, width)| &numbers[i * width..(i + 1) * width]).copied();
    (0..rows).flat_map(row).collect()
}

/// The opposite: columns of so many numbers of a table.
fn split<E: Float>(table: &[E], widths: &[usize]) -> Vec<Vec<E>> {
    let width: usize = widths.iter().sum();
    let begins = widths.iter().scan(0, |end, width| {
        *end += width;
        Some(*end - width)
    });
    begins.zip(widths).map(|(begin, own)| table.chunks_exact(width).flat_map(|row| &row[begin..begin + own]).copied().collect()).collect()
}

/// A network of one layer, and what its parts are in the case, in the order of formwork's slots.
struct Attentive<N> {
    parts: &'static [Part],
    network: PhantomData<fn() -> N>,
}

impl<N: Network> Subject for Attentive<N> {
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error> {
        let params = N::parameters();
        let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        let state = State { parameters: golden.flat(&params, &names), buffers: Vec::new() };
        let mut engine = G::new(device, Architecture::of::<N>(), state)?;
        let samples = golden.shape("y")[0];
        let read = |part: &Part| part.read::<E>(golden);
        let parts: Vec<(Vec<E>, usize)> = self.parts.iter().map(read).map(|numbers| (numbers.clone(), numbers.len() / samples)).collect();
        let inputs = beside(&parts);
        let tensor = || device.tensor_from_vec(inputs.clone(), (inputs.len(),));

        comparison.tensor("y", &engine.infer(tensor(), samples)?.as_vec());
        if golden.has("attn_weights") {
            let [map] = &engine.attention(tensor(), samples)?[..] else { panic!("there is one layer of attention") };
            comparison.tensor("attn_weights", &(0..samples).flat_map(|sample| map.mean(sample)).collect::<Vec<E>>());
        }
        let objective = WeightedSum::new(golden.numbers("dy"), samples);
        let gradients = engine.gradients(&inputs, samples, None, Objective::ByParts(&objective))?;
        let widths: Vec<usize> = parts.iter().map(|(_, width)| *width).collect();
        for (part, gradients) in self.parts.iter().zip(split(&gradients.inputs, &widths)) {
            part.compare(golden, comparison, &gradients);
        }
        for param in &params {
            comparison.tensor(&format!("d{}", param.name), &gradients.parameters[param.range()]);
        }
        Ok(())
    }
}

/// Cases, each with its network and what the parts of a sample are in the case.
macro_rules! cases {
    ($family:ident: $($name:literal: $Layer:ty, $input:tt => $output:tt, $parts:expr;)*) => { $({
        #[network($input => $output)]
        type Alone = $Layer;
        $family.check($name, &Attentive { parts: $parts, network: PhantomData::<fn() -> Alone> });
    })* };
}

const QKV: &[Part] = &[Numbers(&["q"]), Numbers(&["k", "v"])];

/// ```python
/// y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, is_causal=is_causal, scale=scale)
/// ```
pub fn scaled_dot_product(family: &mut Family) {
    cases!(family:
        "sdpa_plain": ScaledDotProductAttention, { x: [2, 5, 4], memory: [2, 5, 8] } => [2, 5, 4], QKV;
        "sdpa_cross": ScaledDotProductAttention, { x: [3, 4], memory: [6, 9] } => [3, 5], QKV;
        "sdpa_causal": CausalScaledDotProductAttention, { x: [2, 6, 3], memory: [2, 6, 6] } => [2, 6, 3], QKV;
        "sdpa_keypad": ScaledDotProductAttention, { x: [2, 4, 4], memory: [2, 6, 8], memory_padding: [6] } => [2, 4, 4],
            &[Numbers(&["q"]), Numbers(&["k", "v"]), Allowed("attn_mask")];
        "sdpa_float_mask": ScaledDotProductAttention, { x: [2, 4, 3], memory: [2, 5, 6], attention_mask: [2, 4, 5] } => [2, 4, 3],
            &[Numbers(&["q"]), Numbers(&["k", "v"]), Fixed("attn_mask")];
        "sdpa_scale": ScaledDotProductAttention<1, 2>, { x: [1, 4, 5], memory: [1, 4, 10] } => [1, 4, 5], QKV;
        "sdpa_one_key": ScaledDotProductAttention, { x: [1, 3, 4], memory: [1, 1, 8] } => [1, 3, 4], QKV;
        "sdpa_large_logits": ScaledDotProductAttention, { x: [2, 4, 4], memory: [2, 4, 8] } => [2, 4, 4], QKV;
        "sdpa_causal_h4": CausalScaledDotProductAttention, { x: [4, 8, 2], memory: [4, 8, 4] } => [4, 8, 2], QKV;
    );
}

const X: &[Part] = &[Numbers(&["x"])];
const X_MEMORY: &[Part] = &[Numbers(&["x"]), Numbers(&["mem"])];

/// ```python
/// layer = torch.nn.MultiheadAttention(embed_dim, num_heads, bias=bias, batch_first=True, kdim=kdim, vdim=vdim)
/// y, attn_weights = layer(x, x, x, key_padding_mask=key_padding_mask, attn_mask=attn_mask)  # or (x, mem, mem), (x, key, value)
/// ```
pub fn multihead(family: &mut Family) {
    type KeysBesideValues = generic::CrossAttention<Const<6>, Const<2>, Const<5>, Const<7>>;

    cases!(family:
        "mha_self_h1": SelfAttention<6, 1>, [5, 6] => [5, 6], X;
        "mha_self_h4": SelfAttention<8, 4>, [4, 8] => [4, 8], X;
        "mha_self_h4_causal": CausalSelfAttention<8, 4>, [6, 8] => [6, 8], X;
        "mha_self_h2_keypad": SelfAttention<6, 2>, { x: [5, 6], padding: [5] } => [5, 6], &[Numbers(&["x"]), Padding("key_padding_mask")];
        "mha_cross_h1": CrossAttention<4, 1>, { x: [3, 4], memory: [5, 4] } => [3, 4], X_MEMORY;
        "mha_cross_h4": CrossAttention<8, 4>, { x: [4, 8], memory: [7, 8] } => [4, 8], X_MEMORY;
        "mha_cross_h4_keypad": CrossAttention<8, 4>, { x: [3, 8], memory: [6, 8], memory_padding: [6] } => [3, 8],
            &[Numbers(&["x"]), Numbers(&["mem"]), Padding("key_padding_mask")];
        "mha_cross_h2_kdim": KeysBesideValues, { x: [3, 6], memory: [4, 12] } => [3, 6], &[Numbers(&["x"]), Numbers(&["key", "value"])];
        "mha_self_h4_nobias": NoBias<SelfAttention<8, 4>>, [4, 8] => [4, 8], X;
        "mha_self_h1_one_token": SelfAttention<4, 1>, [1, 4] => [1, 4], X;
        "mha_self_h4_causal_t12": CausalSelfAttention<12, 4>, [12, 12] => [12, 12], X;
    );
}

/// ```python
/// layer = torch.nn.TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout=0.0, activation=activation,
///                                          batch_first=True, norm_first=norm_first)
/// y = layer(x, src_mask=attn_mask, src_key_padding_mask=key_padding_mask)
/// ```
pub fn encoder_layer(family: &mut Family) {
    const PADDED: &[Part] = &[Numbers(&["x"]), Padding("key_padding_mask")];

    cases!(family:
        "encoderlayer_post_relu": TransformerEncoderLayer<8, 2, 12>, [5, 8] => [5, 8], X;
        "encoderlayer_pre_relu": TransformerEncoderLayer<8, 2, 12, PreNorm>, [5, 8] => [5, 8], X;
        "encoderlayer_post_gelu": TransformerEncoderLayer<8, 4, 16, PostNorm, Gelu>, [4, 8] => [4, 8], X;
        "encoderlayer_pre_gelu": TransformerEncoderLayer<8, 4, 16, PreNorm, Gelu>, [4, 8] => [4, 8], X;
        "encoderlayer_pre_gelu_causal": TransformerEncoderLayer<8, 1, 10, PreNorm, Gelu, Causal>, [6, 8] => [6, 8], X;
        "encoderlayer_post_relu_keypad": TransformerEncoderLayer<6, 2, 9>, { x: [5, 6], padding: [5] } => [5, 6], PADDED;
        "encoderlayer_pre_gelu_keypad": TransformerEncoderLayer<8, 2, 12, PreNorm, Gelu>, { x: [6, 8], padding: [6] } => [6, 8], PADDED;
        "encoderlayer_post_relu_causal": TransformerEncoderLayer<12, 4, 24, PostNorm, Relu, Causal>, [7, 12] => [7, 12], X;
    );
}

/// ```python
/// layer = torch.nn.TransformerDecoderLayer(d_model, nhead, dim_feedforward, dropout=0.0, activation=activation,
///                                          batch_first=True, norm_first=norm_first)
/// y = layer(x, mem, tgt_mask=tgt_mask, memory_key_padding_mask=memory_key_padding_mask)
/// ```
pub fn decoder_layer(family: &mut Family) {
    type SeesAll = TransformerDecoderLayer<8, 2, 12, PostNorm, Relu, Full>;

    cases!(family:
        "decoderlayer_post_relu": SeesAll, { x: [4, 8], memory: [5, 8] } => [4, 8], X_MEMORY;
        "decoderlayer_pre_gelu_causal": TransformerDecoderLayer<8, 4, 10, PreNorm, Gelu>, { x: [5, 8], memory: [4, 8] } => [5, 8], X_MEMORY;
        "decoderlayer_post_relu_causal_mempad": TransformerDecoderLayer<8, 2, 12>, { x: [4, 8], memory: [6, 8], memory_padding: [6] } => [4, 8],
            &[Numbers(&["x"]), Numbers(&["mem"]), Padding("memory_key_padding_mask")];
    );
}
