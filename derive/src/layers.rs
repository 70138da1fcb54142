//! Layers as they stand in the source.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Error, GenericArgument, Ident, PathArguments, Result, Type, TypePath, TypeTuple};

/// The layers around others, whose arguments have places of their own in a trace.
const AROUND: [&str; 7] = ["Residual", "SkipConcat", "Repeat", "RepeatShared", "Parallel", "Tied", "Encode"];

/// The one of them whose argument is a tuple of branches, each with a place of its own.
const BRANCHES: &str = "Parallel";

/// The way to a layer: formwork's `Step`s.
type Path = Vec<u16>;

/// formwork's `ARGUMENT` and `OUTPUT`.
const ARGUMENT: u16 = 0x8000;
const OUTPUT: u16 = 0xFFFF;

/// Reads layers, and notes where in the source each of them is.
#[derive(Default)]
pub struct Reader {
    sites: Vec<(Path, Span, Span)>,
    names: Vec<TokenStream>,
}

impl Reader {
    /// The layer as data. Its tuples may have any number of items, and where it is no layer the compiler says so of the
    /// tokens in the source: no type is put around them.
    pub fn spec(&mut self, layer: &Type, path: &Path) -> TokenStream {
        match layer {
            Type::Paren(inner) => self.spec(&inner.elem, path),
            Type::Group(inner) => self.spec(&inner.elem, path),
            Type::Tuple(tuple) => {
                self.site(path, layer);
                let items = tuple.elems.iter().enumerate().map(|(i, item)| self.spec(item, &below(path, i as u16)));
                let items: Vec<TokenStream> = items.collect();
                quote! {
                    &::formwork::types::Spec::Chain(::formwork::types::Chain { fields: &[#(::formwork::types::Field::item(#items)),*] })
                }
            }
            Type::Path(named) if !is_around(named) => {
                self.site(path, layer);
                let (name, text, body) = (last_name(named), source_text(named), spec(layer));
                quote!(&::formwork::types::Spec::called(#name, #text, #body))
            }
            _ => spec(&self.layer(layer, path)),
        }
    }

    /// The layer as a type that also carries the names that the source gives its parts.
    fn layer(&mut self, layer: &Type, path: &Path) -> TokenStream {
        self.site(path, layer);
        match layer {
            Type::Paren(inner) => self.layer(&inner.elem, path),
            Type::Group(inner) => self.layer(&inner.elem, path),
            Type::Tuple(tuple) => {
                let items = tuple.elems.iter().enumerate().map(|(i, item)| self.layer(item, &below(path, i as u16)));
                let items: Vec<TokenStream> = items.collect();
                quote_spanned!(tuple.paren_token.span.join()=> (#(#items,)*))
            }
            Type::Path(named) => self.named(named, path),
            other => quote!(#other),
        }
    }

    fn named(&mut self, named: &TypePath, path: &Path) -> TokenStream {
        if is_around(named) {
            let mut named = named.clone();
            let has_branches = last_name(&named) == BRANCHES;
            if let Some(PathArguments::AngleBracketed(arguments)) = named.path.segments.last_mut().map(|last| &mut last.arguments) {
                for (i, argument) in arguments.args.iter_mut().enumerate() {
                    match argument {
                        GenericArgument::Type(Type::Tuple(branches)) if has_branches && i == 0 => self.branches(branches, path),
                        // How the branches are joined is no layer, and neither is a constant.
                        GenericArgument::Type(_) if has_branches => {}
                        GenericArgument::Type(Type::Path(path)) if is_like_a_constant(path) => {}
                        GenericArgument::Type(layer) => *layer = Type::Verbatim(self.layer(layer, &below(path, ARGUMENT + i as u16))),
                        _ => {}
                    }
                }
            }
            return quote!(#named);
        }
        let marker = Ident::new(&format!("Name{}", self.names.len()), Span::call_site());
        let (name, text) = (last_name(named), source_text(named));
        self.names.push(quote! {
            struct #marker;
            impl ::formwork::types::SourceName for #marker {
                const NAME: &'static str = #name;
                const TEXT: &'static str = #text;
            }
        });
        // That the layer is none is an error on its own tokens.
        let (first, last) = ends(named.to_token_stream());
        let (open, close) = (quote_spanned!(first=> ::formwork::types::Called<), quote_spanned!(last=> >));
        quote!(#open #named, #marker #close)
    }

    fn branches(&mut self, branches: &mut TypeTuple, path: &Path) {
        for (i, branch) in branches.elems.iter_mut().enumerate() {
            *branch = Type::Verbatim(self.layer(branch, &below(path, ARGUMENT + i as u16)));
        }
    }

    fn site(&mut self, path: &Path, layer: &Type) {
        let (first, last) = ends(layer.to_token_stream());
        self.sites.push((path.clone(), first, last));
    }

    /// Notes where the output is declared.
    pub fn output(&mut self, declared: &TokenStream) {
        let (first, last) = ends(declared.clone());
        self.sites.push((vec![OUTPUT], first, last));
    }

    /// The markers that carry names.
    pub fn names(&self) -> TokenStream {
        self.names.iter().cloned().collect()
    }

    /// A constant that checks `network`, with one arm for each place in the source.
    pub fn check(&self, network: &Ident) -> TokenStream {
        let paths = self.sites.iter().map(|(path, ..)| quote!(&[#(#path),*]));
        let arms = self.sites.iter().enumerate().map(|(i, &(_, first, last))| {
            // A call reaches from its first token to its last, and so does the compiler's caret.
            let callee = quote_spanned!(first=> ::formwork::types::check::<#network>);
            let arguments = quote_spanned!(last=> ());
            quote!(#i => #callee #arguments,)
        });
        quote! {
            const _: () = match ::formwork::types::site::<#network>(&[#(#paths),*]) {
                #(#arms)*
                _ => (),
            };
        }
    }
}

/// The name of a type without its arguments.
fn last_name(layer: &TypePath) -> String {
    layer.path.segments.last().map_or_else(String::new, |last| last.ident.to_string())
}

/// Whether a path without braces has the name of a constant. Only that tells: `WIDTH` is one, `Relu` is a layer.
pub fn is_like_a_constant(path: &TypePath) -> bool {
    path.path.segments.last().is_some_and(|last| last.arguments.is_none() && !last.ident.to_string().contains(char::is_lowercase))
}

fn is_around(layer: &TypePath) -> bool {
    AROUND.contains(&last_name(layer).as_str())
}

fn below(path: &Path, step: u16) -> Path {
    let mut path = path.clone();
    path.push(step);
    path
}

/// The spans of the first and the last token.
pub fn ends(tokens: TokenStream) -> (Span, Span) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let first = trees.first().map_or_else(Span::call_site, |tree| match tree {
        TokenTree::Group(group) => group.span_open(),
        tree => tree.span(),
    });
    let last = trees.last().map_or_else(Span::call_site, |tree| match tree {
        TokenTree::Group(group) => group.span_close(),
        tree => tree.span(),
    });
    (first, last)
}

/// Tokens as a person would write them: `Conv2d<1, 6, 5>`.
pub fn source_text(tokens: &impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let pairs = [(" < ", "<"), ("< ", "<"), (" <", "<"), (" >", ">"), (" ,", ","), (" :: ", "::"), ("( ", "("), (" )", ")")];
    pairs.iter().fold(spaced, |text, (from, to)| text.replace(from, to))
}

/// Whether `#[layer(flatten)]` is on a field.
pub fn is_flat(attributes: &[Attribute]) -> Result<bool> {
    let mut flat = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("layer")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("flatten") {
                flat = true;
                Ok(())
            } else {
                Err(meta.error("expected `flatten`"))
            }
        })?;
    }
    Ok(flat)
}

/// The data of a layer, from its type.
pub fn spec(layer: &impl ToTokens) -> TokenStream {
    quote!(<#layer as ::formwork::types::Layer>::SPEC)
}

/// A named field of a struct as formwork's `Field`.
pub fn field(field: &syn::Field, spec: &TokenStream) -> Result<TokenStream> {
    let Some(ident) = &field.ident else { return Err(Error::new_spanned(field, "a layer's fields have names; or write a tuple type")) };
    let name = ident.to_string();
    let prefix = if is_flat(&field.attrs)? { quote!(Flat) } else { quote!(Name) };
    Ok(quote! {
        ::formwork::types::Field::named(#name, #spec).prefixed(::formwork::types::Prefix::#prefix)
    })
}
