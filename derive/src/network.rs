//! `#[network]`: layers with declared shapes.

use crate::layers::{Reader, ends, field};
use proc_macro2::extra::DelimSpan;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, Fields, Generics, Ident, Item, Result, Token, Visibility, braced, bracketed, token};

/// `[1, 28, 28] => [10]`
pub struct Shapes {
    input: Sample,
    output: Sample,
}

/// `[1, 28, 28]`, `[ids < 65; 64]`, or `{ x: [5, 8], padding: [5] }`.
struct Sample {
    source: TokenStream,
    sample: TokenStream,
}

impl Parse for Shapes {
    fn parse(stream: ParseStream<'_>) -> Result<Self> {
        let incomplete = || Error::new(stream.span(), "expected the shapes of a sample and of what it becomes: #[network([1, 28, 28] => [10])]");
        if !is_sample(stream) {
            return Err(incomplete());
        }
        let input = stream.parse()?;
        stream.parse::<Token![=>]>().map_err(|_| incomplete())?;
        if !is_sample(stream) {
            return Err(incomplete());
        }
        Ok(Shapes { input, output: stream.parse()? })
    }
}

fn is_sample(stream: ParseStream<'_>) -> bool {
    stream.peek(token::Bracket) || stream.peek(token::Brace)
}

impl Parse for Sample {
    fn parse(stream: ParseStream<'_>) -> Result<Self> {
        if stream.peek(token::Brace) {
            return parts(stream);
        }
        let (content, brackets);
        brackets = bracketed!(content in stream);
        let source = delimited(Delimiter::Bracket, &content, brackets.span)?;
        Ok(Sample { source, sample: shape(&content, brackets.span)? })
    }
}

/// The tokens that are left, within their delimiter again, so that errors can point at them.
fn delimited(delimiter: Delimiter, content: ParseStream<'_>, span: DelimSpan) -> Result<TokenStream> {
    let mut group = Group::new(delimiter, content.fork().parse()?);
    group.set_span(span.join());
    Ok(TokenTree::Group(group).into())
}

/// What is between the brackets: sizes, or `ids < 65; 64`.
fn shape(content: ParseStream<'_>, brackets: DelimSpan) -> Result<TokenStream> {
    let is_ids = content.peek(Ident) && content.peek2(Token![<]);
    let vocabulary = if is_ids { Some(vocabulary(content)?) } else { None };
    if is_ids && !content.is_empty() {
        content.parse::<Token![;]>()?;
    }
    let sizes = Punctuated::<Expr, Token![,]>::parse_terminated(content)?;
    if sizes.len() > 5 {
        return Err(Error::new(brackets.join(), "a sample has at most 5 dimensions; the batch is not one of them"));
    }
    let sizes = sizes.iter().map(|size| quote!(::formwork::prelude::Const<{ #size }>));
    let shape = quote!((#(#sizes,)*));
    Ok(match vocabulary {
        Some(vocabulary) => quote!(::formwork::types::Ids<{ #vocabulary }, #shape>),
        None => shape,
    })
}

/// `ids < 65`
fn vocabulary(content: ParseStream<'_>) -> Result<Expr> {
    let ids: Ident = content.parse()?;
    if ids != "ids" {
        return Err(Error::new(ids.span(), "expected a size, or `ids < 65; 64` for token ids"));
    }
    content.parse::<Token![<]>()?;
    content.parse()
}

/// `{ x: [5, 8], padding: [5] }`
fn parts(stream: ParseStream<'_>) -> Result<Sample> {
    let content;
    let braces = braced!(content in stream);
    let source = delimited(Delimiter::Brace, &content, braces.span)?;
    let (mut x, mut sides) = (None, Vec::new());
    while !content.is_empty() {
        let name: Ident = content.parse()?;
        content.parse::<Token![:]>()?;
        let Sample { sample, .. } = content.parse()?;
        if name == "x" {
            x = Some(sample);
        } else {
            let side = side(&name)?;
            sides.push(quote!(::formwork::types::#side<#sample>));
        }
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    let Some(x) = x else { return Err(Error::new(braces.span.join(), "expected `x`, what the layers work on: { x: [5, 8], padding: [5] }")) };
    let sample = if sides.is_empty() { x } else { quote!(::formwork::types::With<#x, (#(#sides,)*)>) };
    Ok(Sample { source, sample })
}

/// The type of what is beside the input under this name.
fn side(name: &Ident) -> Result<Ident> {
    let sides = [
        ("padding", "Padding"),
        ("memory", "Memory"),
        ("memory_padding", "MemoryPadding"),
        ("attention_mask", "AttentionMask"),
        ("hidden", "Hidden"),
        ("cell", "Cell"),
    ];
    match sides.iter().find(|(known, _)| name == known) {
        Some((_, side)) => Ok(Ident::new(side, name.span())),
        None => Err(Error::new(
            name.span(),
            "expected `x`, or what is beside it: `padding`, `memory`, `memory_padding`, `attention_mask`, `hidden`, `cell`",
        )),
    }
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
    reader.output(&shapes.output.source);
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
    let (input, output, name) = (&shapes.input.sample, &shapes.output.sample, ident.to_string());
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
