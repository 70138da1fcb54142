//! Weights from PyTorch, and back.
//!
//! Parameters have the names and shapes that they have in a PyTorch `state_dict`, so that [`Model::load`](crate::Model::load) reads
//! what PyTorch has saved, and PyTorch reads what [`Model::save`](crate::Model::save) has, with `strict=True`, wherever the modules
//! have the names of the layers. Where they do not, an [`Import`] says how they differ, for both ways.
//!
//! # From PyTorch
//!
//! Files are [safetensors](https://huggingface.co/docs/safetensors), which hold numbers and nothing else. In Python:
//!
//! ```python
//! from safetensors.torch import save_model
//! save_model(model, "model.safetensors")  # or save_file(model.state_dict(), "model.safetensors")
//! ```
//!
//! What `torch.save` has written (`.pt`, `.pth`, `.bin`) is a program in disguise, and is not read: `torch.load` it there, and
//! save it again so.
//!
//! A network with fields named like the modules needs no more:
//!
//! ```no_run
//! use formwork::prelude::*;
//!
//! // self.conv1 = nn.Conv2d(1, 8, 3)
//! // self.fc = nn.Linear(8 * 13 * 13, 10)
//! #[network([1, 28, 28] => [10])]
//! struct Reader {
//!     conv1: Conv2d<1, 8, 3>,
//!     relu: Relu,
//!     pool: MaxPool2d<2>,
//!     flatten: Flatten,
//!     fc: Linear<1352, 10>,
//! }
//!
//! let mut model = Model::<Reader>::new(0);
//! model.load("model.safetensors").unwrap();
//! ```
//!
//! A tuple numbers its layers as `nn.Sequential` does. Where it stands for modules with names, they are told:
//!
//! ```no_run
//! use formwork::prelude::*;
//! use formwork::pytorch::Import;
//!
//! #[network([1, 28, 28] => [10])]
//! type Reader = (Conv2d<1, 8, 3>, Relu, MaxPool2d<2>, Flatten, Linear<1352, 10>);
//!
//! let names = Import::new().rename("conv1", "0").rename("fc", "4");
//! let mut model = Model::<Reader>::new(0);
//! println!("{}", model.load_with("model.safetensors", &names).unwrap());
//! ```
//!
//! The [`Report`] that is printed says of each parameter where it came from. Where something does not match, the error lists all of
//! it, with the renames that may be missing.
//!
//! # To PyTorch
//!
//! The same [`Import`] writes what it reads:
//!
//! ```no_run
//! # use formwork::prelude::*;
//! # use formwork::pytorch::Import;
//! # #[network([1, 28, 28] => [10])]
//! # type Reader = (Conv2d<1, 8, 3>, Relu, MaxPool2d<2>, Flatten, Linear<1352, 10>);
//! # let (model, names) = (Model::<Reader>::new(0), Import::new().rename("conv1", "0").rename("fc", "4"));
//! model.save_with("model.safetensors", &names).unwrap();
//! ```
//! ```python
//! from safetensors.torch import load_file
//! model.load_state_dict(load_file("model.safetensors"), strict=True)
//! ```
//!
//! # Which module is which layer
//!
//! | PyTorch | formwork | names |
//! | --- | --- | --- |
//! | `nn.Sequential` | a tuple | `0.`, `1.`, .. |
//! | a module with attributes | a struct | those of its fields |
//! | `nn.ModuleList` of equal modules | `Repeat<L, N>` | `0.`, `1.`, .. |
//! | one module, applied several times | `RepeatShared<L, N>` | its own, once |
//! | `x + f(x)` | `Residual<F>` | those of `F` |
//! | `downsample` of torchvision's blocks | `Residual<F, Shortcut>` | those of `F`, and `downsample.` |
//! | `nn.Linear` | `Linear` | `weight`, `bias` |
//! | `nn.Conv1d`, `nn.Conv2d` | `Conv1d`, `Conv2d` | `weight`, `bias` |
//! | `nn.ConvTranspose1d`, `nn.ConvTranspose2d` | `ConvTranspose1d`, `ConvTranspose2d` | `weight` as `[I, O, ..]`, `bias` |
//! | `bias=False` | `NoBias<L>` | without `bias` |
//! | `nn.BatchNorm1d`, `nn.BatchNorm2d` | `BatchNorm1d`, `BatchNorm2d` | `weight`, `bias`; buffers `running_mean`, `running_var`, `num_batches_tracked` |
//! | `nn.LayerNorm`, `nn.GroupNorm` | `LayerNorm`, `GroupNorm` | `weight`, `bias` |
//! | `affine=False`, `elementwise_affine=False` | `NoAffine<L>` | without these two |
//! | `nn.Embedding` | `Embedding` | `weight` |
//! | a learned `nn.Embedding` or `nn.Parameter` of positions | `LearnedPositions` | `weight` |
//! | `nn.Conv2d(C, D, P, stride=P)` of patches | `PatchEmbedding<C, P, D>` | `weight`, `bias` |
//! | `nn.RNN`, `nn.LSTM`, `nn.GRU` | `Rnn`, `Lstm`, `Gru` | `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, then `l1`; gates in PyTorch's order |
//! | `bidirectional=True` | `Bidirectional<L>` | also with `_reverse` |
//! | `nn.MultiheadAttention` | `SelfAttention`, `CausalSelfAttention`, `CrossAttention` | `in_proj_weight`, `in_proj_bias`, `out_proj.weight`, `out_proj.bias` |
//! | `kdim` and `vdim` | `generic::CrossAttention<D, H, K, V>` | `q_proj_weight`, `k_proj_weight`, `v_proj_weight` instead of `in_proj_weight` |
//! | `nn.TransformerEncoderLayer` | `TransformerEncoderLayer` | `self_attn.`, `linear1.`, `linear2.`, `norm1.`, `norm2.` |
//! | `nn.TransformerDecoderLayer` | `TransformerDecoderLayer` | also `multihead_attn.` and `norm3.` |
//! | `nn.TransformerEncoder(layer, N, norm)` | `Repeat<TransformerEncoderLayer<..>, N>, LayerNorm<D>` | `layers.0.` there and `0.` here: a rename |
//! | `head.weight = embedding.weight` | `Tied<First, Body, Last>` | both names in a `state_dict`; one of them is enough |
//!
//! # What differs
//!
//! - **Attention with a layer for each projection**: [`Import::projections`]. Found by itself where they are called `q_proj`,
//!   `k_proj` and `v_proj`.
//! - **Rows as columns**, as in the GPT-2 of Hugging Face's transformers: [`Import::transposed`].
//! - **Ones around a shape**, such as `[1, T, D]` for positions: read as it is; [`Import::shape`] to write it.
//! - **Buffers that are not numbers of the network**, such as `pe` of a positional encoding or the mask of hand-written attention:
//!   [`Import::ignore`]. To load a file of formwork strictly into such a module make them `persistent=False` there.
//! - **Numbers of half precision**: `F16` and `BF16` are read as they are; what is saved has the precision of the model.
//! - **States of recurrent layers** are `[layers, features]` for each sample here, and `[layers, batch, features]` there. Sequences
//!   are `batch_first=True`.
//! - **`weight_norm` and `spectral_norm`** have other parameters: remove them before saving.
//! - **Training**: PyTorch drops weights of attention too, and draws other random numbers. What tests hold against PyTorch is what
//!   comes out behind `model.eval()`, in single precision within `1e-5` (`examples/tests/pytorch.rs`).

mod import;
mod near;
mod order;
mod pattern;
mod read;
mod report;
mod write;

pub use import::Import;
pub use report::{Found, Loaded, Report};
