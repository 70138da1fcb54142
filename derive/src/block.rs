//! `#[block]`: a type alias whose sizes are computed.

use crate::layers::{ends, is_like_a_constant, source_text};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{BinOp, Error, Expr, ExprBinary, GenericArgument, GenericParam, Ident, Item, ItemType, PathArguments, Result, Stmt, Type, TypePath};

pub fn expand(arguments: TokenStream, item: &Item) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "#[block] takes no arguments"));
    }
    let Item::Type(alias) = item else {
        let (first, _) = ends(item.to_token_stream());
        return Err(Error::new(first, "a block is a type alias; a struct becomes a layer with #[derive(Layer)]"));
    };
    let mut block = Block::new(alias)?;
    let layers = block.layer(&alias.ty)?;
    Ok(block.write(alias, &layers))
}

/// What is known of a block.
struct Block<'a> {
    params: Vec<Param<'a>>,
    computed: Vec<Computed>,
}

enum Param<'a> {
    Size(&'a Ident),
    Layer(&'a Ident),
}

impl<'a> Param<'a> {
    fn name(&self) -> &'a Ident {
        let (Param::Size(name) | Param::Layer(name)) = self;
        name
    }
}

/// A size that is computed from others: a type of its own.
struct Computed {
    name: Ident,
    /// An `Option<usize>`: not every sum of sizes is a size.
    value: TokenStream,
    /// What to say where it is `None`.
    problem: String,
}

impl<'a> Block<'a> {
    fn new(item: &'a ItemType) -> Result<Self> {
        let param = |param: &'a GenericParam| match param {
            GenericParam::Const(size) => Ok(Param::Size(&size.ident)),
            GenericParam::Type(layer) => Ok(Param::Layer(&layer.ident)),
            GenericParam::Lifetime(lifetime) => Err(Error::new_spanned(lifetime, "layers have no lifetimes")),
        };
        Ok(Block { params: item.generics.params.iter().map(param).collect::<Result<_>>()?, computed: Vec::new() })
    }

    fn sizes(&self) -> Vec<&'a Ident> {
        self.params.iter().filter_map(|param| if let Param::Size(size) = param { Some(*size) } else { None }).collect()
    }

    fn is_size(&self, ident: &Ident) -> bool {
        self.sizes().contains(&ident)
    }

    /// Whether a path without braces is a constant, and not one of the block's layers.
    fn is_constant(&self, path: &TypePath) -> bool {
        let is_layer = |ident: &Ident| self.params.iter().any(|param| matches!(param, Param::Layer(layer) if *layer == ident));
        is_like_a_constant(path) && !path.path.get_ident().is_some_and(is_layer)
    }

    /// The layer with its sizes as types.
    fn layer(&mut self, layer: &Type) -> Result<TokenStream> {
        match layer {
            Type::Paren(inner) => self.layer(&inner.elem),
            Type::Group(inner) => self.layer(&inner.elem),
            Type::Tuple(tuple) => {
                let items = tuple.elems.iter().map(|item| self.layer(item)).collect::<Result<Vec<_>>>()?;
                Ok(quote!((#(#items,)*)))
            }
            Type::Path(named) => self.named(named),
            other => Err(Error::new_spanned(other, "expected a layer, or a tuple of layers")),
        }
    }

    fn named(&mut self, named: &TypePath) -> Result<TokenStream> {
        let Some(PathArguments::AngleBracketed(arguments)) = named.path.segments.last().map(|last| &last.arguments) else {
            return Ok(quote!(#named));
        };
        let arguments = arguments.args.iter().map(|argument| self.argument(argument)).collect::<Result<Vec<_>>>()?;
        // The same path, with something in the place of each argument.
        let mut path = named.clone();
        if let Some(last) = path.path.segments.last_mut() {
            last.arguments = PathArguments::None;
        }
        if arguments.iter().all(|argument| matches!(argument, Argument::Layer(_))) {
            return Ok(quote!(#path<#(#arguments),*>));
        }
        let places = arguments.iter().map(|argument| if matches!(argument, Argument::Layer(_)) { quote!(()) } else { quote!(0) });
        Ok(quote!(<#path<#(#places),*> as ::formwork::types::Resize<(#(#arguments,)*)>>::Layer))
    }

    fn argument(&mut self, argument: &GenericArgument) -> Result<Argument> {
        match argument {
            GenericArgument::Type(Type::Path(path)) if path.path.get_ident().is_some_and(|ident| self.is_size(ident)) => {
                Ok(Argument::Size(quote!(#path)))
            }
            GenericArgument::Type(Type::Path(path)) if self.is_constant(path) => Ok(Argument::Size(quote!(::formwork::prelude::Const<{ #path }>))),
            GenericArgument::Type(layer) => Ok(Argument::Layer(self.layer(layer)?)),
            GenericArgument::Const(size) => Ok(Argument::Size(self.size(size)?)),
            other => Err(Error::new_spanned(other, "expected a layer or a size")),
        }
    }

    /// A size as a type.
    fn size(&mut self, size: &Expr) -> Result<TokenStream> {
        match bare(size)? {
            Expr::Path(path) if path.path.get_ident().is_some_and(|ident| self.is_size(ident)) => Ok(quote!(#path)),
            number @ (Expr::Lit(_) | Expr::Path(_)) => Ok(quote!(::formwork::prelude::Const<{ #number }>)),
            Expr::Binary(binary) => self.computed(binary),
            other => {
                let message = format!("`{}` is not a size: expected a parameter, a number, or `+`, `-`, `*`, `/` of them", source_text(other));
                Err(Error::new_spanned(other, message))
            }
        }
    }

    fn computed(&mut self, binary: &ExprBinary) -> Result<TokenStream> {
        let (operation, fails) = match binary.op {
            BinOp::Add(_) => (quote!(checked_add), "is too large"),
            BinOp::Sub(_) => (quote!(checked_sub), "is below zero"),
            BinOp::Mul(_) => (quote!(checked_mul), "is too large"),
            BinOp::Div(_) => (quote!(checked_div), "divides by zero"),
            _ => return Err(Error::new_spanned(binary.op, "sizes are computed with `+`, `-`, `*` and `/`")),
        };
        let (a, b) = (self.size(&binary.left)?, self.size(&binary.right)?);
        let size = quote!(::formwork::types::Size);
        let computed = Computed {
            name: format_ident!("Size{}", self.computed.len()),
            value: quote!(<#a as #size>::SIZE.#operation(<#b as #size>::SIZE)),
            problem: format!("computes `{}`, which {fails}", source_text(binary)),
        };
        let (name, sizes) = (&computed.name, self.sizes());
        let tokens = quote!(#name<#(#sizes),*>);
        self.computed.push(computed);
        Ok(tokens)
    }

    fn write(&self, item: &ItemType, layers: &TokenStream) -> TokenStream {
        let (attributes, visibility, ident, generics) = (&item.attrs, &item.vis, &item.ident, &item.generics);
        let carrier = format_ident!("{ident}Block");
        let names: Vec<&Ident> = self.params.iter().map(Param::name).collect();
        let bounds = self.params.iter().map(|param| match param {
            Param::Size(_) => quote!(::formwork::types::Size),
            Param::Layer(_) => quote!(::formwork::types::Layer),
        });
        let given = self.params.iter().map(|param| match param {
            Param::Size(name) => quote!(::formwork::prelude::Const<#name>),
            Param::Layer(name) => quote!(#name),
        });
        let sizes = self.sizes();
        let others: Vec<Ident> = names.iter().map(|name| format_ident!("{name}Other")).collect();
        let (name, doc) = (ident.to_string(), format!("[`{ident}`] with its sizes as types."));
        let (computed, body) = (self.computed.iter().map(|size| size.write(&sizes)), self.body(&name, layers));
        quote! {
            #(#attributes)*
            #visibility type #ident #generics = #carrier<#(#given),*>;

            #[doc = #doc]
            #visibility struct #carrier<#(#names),*>(::core::marker::PhantomData<fn() -> (#(#names,)*)>);

            const _: () = {
                #(#computed)*

                impl<#(#names: #bounds),*> ::formwork::types::Layer for #carrier<#(#names),*> {
                    const SPEC: &'static ::formwork::types::Spec = &::formwork::types::Spec::Named {
                        name: #name,
                        args: &[#(<#sizes as ::formwork::types::Size>::SIZE),*],
                        body: #body,
                    };
                }
            };

            impl<#(#names,)* #(#others),*> ::formwork::types::Resize<(#(#others,)*)> for #carrier<#(#names),*> {
                type Layer = #carrier<#(#others),*>;
            }
        }
    }

    /// The layers; or, where a size cannot be computed, a layer that says so.
    fn body(&self, name: &str, layers: &TokenStream) -> TokenStream {
        let values = self.computed.iter().map(|size| &size.value);
        let problems = self.computed.iter().map(|size| &size.problem);
        quote! {{
            #(if #values.is_none() {
                &::formwork::types::Spec::Misfit { wrapper: #name, problem: #problems }
            } else)* {
                <#layers as ::formwork::types::Layer>::SPEC
            }
        }}
    }
}

impl Computed {
    /// The size as a type that is generic over the sizes of the block.
    fn write(&self, sizes: &[&Ident]) -> TokenStream {
        let Computed { name, value, .. } = self;
        quote! {
            struct #name<#(#sizes),*>(::core::marker::PhantomData<fn() -> (#(#sizes,)*)>);

            impl<#(#sizes: ::formwork::types::Size),*> ::formwork::types::Size for #name<#(#sizes),*> {
                // Where there is no such size the layers are not looked at.
                const SIZE: usize = match #value {
                    Some(size) => size,
                    None => 0,
                };
            }
        }
    }
}

/// The expression without parentheses and braces around it.
fn bare(size: &Expr) -> Result<&Expr> {
    match size {
        Expr::Paren(inner) => bare(&inner.expr),
        Expr::Group(inner) => bare(&inner.expr),
        Expr::Block(block) => match block.block.stmts.as_slice() {
            [Stmt::Expr(inner, None)] => bare(inner),
            _ => Err(Error::new_spanned(block, "expected one expression")),
        },
        other => Ok(other),
    }
}

enum Argument {
    Size(TokenStream),
    Layer(TokenStream),
}

impl ToTokens for Argument {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (Argument::Size(argument) | Argument::Layer(argument)) = self;
        argument.to_tokens(tokens);
    }
}
