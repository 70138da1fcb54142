//! `#[network]`: layers with declared shapes.

use crate::layers::{Reader, ends, field};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, ExprArray, Fields, Generics, Ident, Item, Result, Token, Visibility};

/// `[1, 28, 28] => [10]`
pub struct Shapes {
    input: ExprArray,
    output: ExprArray,
}

impl Parse for Shapes {
    fn parse(stream: ParseStream<'_>) -> Result<Self> {
        let incomplete = || Error::new(stream.span(), "expected the shapes of a sample and of what it becomes: #[network([1, 28, 28] => [10])]");
        let input = stream.parse().map_err(|_| incomplete())?;
        stream.parse::<Token![=>]>().map_err(|_| incomplete())?;
        let shapes = Shapes { input, output: stream.parse().map_err(|_| incomplete())? };
        for shape in [&shapes.input, &shapes.output] {
            if shape.elems.len() > 5 {
                return Err(Error::new_spanned(shape, "a sample has at most 5 dimensions; the batch is not one of them"));
            }
        }
        Ok(shapes)
    }
}

/// `[1, 28, 28]` as a type of dfdx.
fn shape(sizes: &ExprArray) -> TokenStream {
    let sizes = sizes.elems.iter().map(|size| quote!(::formwork::prelude::Const<{ #size }>));
    quote!((#(#sizes,)*))
}

pub fn expand(shapes: &Shapes, item: Item) -> Result<TokenStream> {
    let mut reader = Reader::default();
    let (attributes, visibility, ident, spec) = match item {
        Item::Type(alias) => {
            without_generics(&alias.generics)?;
            let spec = reader.spec(&alias.ty, &Vec::new());
            (alias.attrs, alias.vis, alias.ident, spec)
        }
        Item::Struct(parts) => {
            without_generics(&parts.generics)?;
            let Fields::Named(fields) = &parts.fields else {
                return Err(Error::new_spanned(&parts.ident, "a network is a type alias, or a struct with named fields"));
            };
            let fields = fields.named.iter().enumerate().map(|(i, part)| field(part, &reader.spec(&part.ty, &vec![i as u16])));
            let fields = fields.collect::<Result<Vec<_>>>()?;
            let spec = quote!(&::formwork::types::Spec::Chain(::formwork::types::Chain { fields: &[#(#fields),*] }));
            (parts.attrs, parts.vis, parts.ident, spec)
        }
        other => {
            let (first, _) = ends(other.to_token_stream());
            return Err(Error::new(first, "a network is a type alias, or a struct with named fields"));
        }
    };
    reader.output(&shapes.output.to_token_stream());
    Ok(write(&Declared { attributes, visibility, ident, spec }, shapes, &reader))
}

fn without_generics(generics: &Generics) -> Result<()> {
    if generics.params.is_empty() {
        return Ok(());
    }
    Err(Error::new_spanned(
        generics,
        "a network has no parameters of its own: write a generic part with #[block] or #[derive(Layer)], and use it here with its sizes",
    ))
}

struct Declared {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    ident: Ident,
    spec: TokenStream,
}

fn write(declared: &Declared, shapes: &Shapes, reader: &Reader) -> TokenStream {
    let Declared { attributes, visibility, ident, spec } = declared;
    let (input, output, name) = (shape(&shapes.input), shape(&shapes.output), ident.to_string());
    let (names, check) = (reader.names(), reader.check(ident));
    quote! {
        #(#attributes)*
        #[derive(Clone, Copy, Debug, Default)]
        #visibility struct #ident;

        const _: () = {
            #names
            impl ::formwork::types::Layer for #ident {
                const SPEC: &'static ::formwork::types::Spec = #spec;
            }
        };

        impl ::formwork::types::Network for #ident {
            const NAME: &'static str = #name;
            type Input = #input;
            type Output = #output;
        }

        #check
    }
}
