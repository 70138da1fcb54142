//! The macros of formwork.
//!
//! They write constants that formwork's `const fn`s evaluate, and place each check on the tokens of the layer it is about.
//! What they are for is documented where formwork exports them.

mod block;
mod layer;
mod layers;
mod network;
mod rule;

use proc_macro::TokenStream;
use syn::{Error, parse_macro_input};

/// Declares a network: layers, the shape of an input sample and the shape of what it becomes.
///
/// On a type alias it makes a unit struct of that name; on a struct with named fields the fields are the layers and name
/// its parameters. Either becomes a [`Network`](../formwork/types/trait.Network.html). The layers are proved at
/// `cargo check`, and a fault is shown on the layer that has it.
#[proc_macro_attribute]
pub fn network(shapes: TokenStream, item: TokenStream) -> TokenStream {
    let shapes = parse_macro_input!(shapes as network::Shapes);
    let item = parse_macro_input!(item as syn::Item);
    network::expand(&shapes, item).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a struct with named fields a layer, for use inside networks: its fields, one behind the other.
///
/// The fields name the parameters; `#[layer(flatten)]` on a field leaves its name out.
#[proc_macro_derive(Layer, attributes(layer))]
pub fn derive_layer(item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::Item);
    layer::expand(&item).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a type alias with sizes a layer, with arithmetic on the sizes where the layers take theirs.
///
/// Stable Rust has no arithmetic in the arguments of a type. The block is generic over sizes as types instead, and `4 * D`
/// becomes such a type; the block's name stands for it with numbers. Sizes that cannot be computed, such as `D - 8` where
/// `D` is 4, are reported as a fault of the block.
#[proc_macro_attribute]
pub fn block(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::Item);
    block::expand(arguments.into(), &item).unwrap_or_else(Error::into_compile_error).into()
}

/// A shape rule for a layer of one's own: `rule!([c, h, w] => [4 * c, h / 2, w / 2])`.
///
/// The sizes on the left are names; those on the right are made of the names and of numbers with `+`, `-`, `*` and `/`.
#[proc_macro]
pub fn rule(rule: TokenStream) -> TokenStream {
    let rule = parse_macro_input!(rule as rule::Rule);
    rule.expand().unwrap_or_else(Error::into_compile_error).into()
}
