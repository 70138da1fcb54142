//! `#[block]`: a type alias whose sizes are computed.

use crate::layers::source_text;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{BinOp, Error, Expr, GenericArgument, GenericParam, Ident, ItemType, PathArguments, Result, Stmt, Type, TypePath};

pub fn expand(arguments: TokenStream, item: &ItemType) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "#[block] takes no arguments"));
    }
    let block = Block::new(item)?;
    let layers = block.layer(&item.ty)?;
    Ok(block.write(item, &layers))
}

/// The parameters of a block.
struct Block<'a> {
    params: Vec<Param<'a>>,
}

enum Param<'a> {
    Size(&'a Ident),
    Layer(&'a Ident),
}

impl<'a> Block<'a> {
    fn new(item: &'a ItemType) -> Result<Self> {
        let param = |param: &'a GenericParam| match param {
            GenericParam::Const(size) => Ok(Param::Size(&size.ident)),
            GenericParam::Type(layer) => Ok(Param::Layer(&layer.ident)),
            GenericParam::Lifetime(lifetime) => Err(Error::new_spanned(lifetime, "layers have no lifetimes")),
        };
        Ok(Block { params: item.generics.params.iter().map(param).collect::<Result<_>>()? })
    }

    fn is_size(&self, ident: &Ident) -> bool {
        self.params.iter().any(|param| matches!(param, Param::Size(size) if *size == ident))
    }

    /// The layer with its sizes as types.
    fn layer(&self, layer: &Type) -> Result<TokenStream> {
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

    fn named(&self, named: &TypePath) -> Result<TokenStream> {
        let Some(PathArguments::AngleBracketed(arguments)) = named.path.segments.last().map(|last| &last.arguments) else {
            return Ok(quote!(#named));
        };
        let arguments = arguments.args.iter().map(|argument| self.argument(argument)).collect::<Result<Vec<_>>>()?;
        let types = arguments.iter().map(Argument::tokens);
        // The same path, with something in the place of each argument.
        let mut path = named.clone();
        if let Some(last) = path.path.segments.last_mut() {
            last.arguments = PathArguments::None;
        }
        if arguments.iter().all(|argument| matches!(argument, Argument::Layer(_))) {
            return Ok(quote!(#path<#(#types),*>));
        }
        let places = arguments.iter().map(|argument| if matches!(argument, Argument::Layer(_)) { quote!(()) } else { quote!(0) });
        Ok(quote!(<#path<#(#places),*> as ::formwork::types::Resize<(#(#types,)*)>>::Layer))
    }

    fn argument(&self, argument: &GenericArgument) -> Result<Argument> {
        match argument {
            GenericArgument::Type(Type::Path(path)) if path.path.get_ident().is_some_and(|ident| self.is_size(ident)) => Ok(Argument::Size(quote!(#path))),
            GenericArgument::Type(layer) => Ok(Argument::Layer(self.layer(layer)?)),
            GenericArgument::Const(size) => Ok(Argument::Size(self.size(size)?)),
            other => Err(Error::new_spanned(other, "expected a layer or a size")),
        }
    }

    /// A size as a type.
    fn size(&self, size: &Expr) -> Result<TokenStream> {
        match size {
            Expr::Paren(inner) => self.size(&inner.expr),
            Expr::Group(inner) => self.size(&inner.expr),
            Expr::Block(block) => match block.block.stmts.as_slice() {
                [Stmt::Expr(inner, None)] => self.size(inner),
                _ => Err(Error::new_spanned(block, "expected one expression")),
            },
            Expr::Path(path) if path.path.get_ident().is_some_and(|ident| self.is_size(ident)) => Ok(quote!(#path)),
            Expr::Lit(_) | Expr::Path(_) => Ok(quote!(::formwork::prelude::Const<{ #size }>)),
            Expr::Binary(binary) => {
                let (a, b) = (self.size(&binary.left)?, self.size(&binary.right)?);
                let operation = match binary.op {
                    BinOp::Add(_) => quote!(Plus),
                    BinOp::Sub(_) => quote!(Minus),
                    BinOp::Mul(_) => quote!(Times),
                    BinOp::Div(_) => quote!(Over),
                    _ => return Err(Error::new_spanned(binary.op, "sizes are computed with `+`, `-`, `*` and `/`")),
                };
                Ok(quote!(::formwork::types::#operation<#a, #b>))
            }
            other => Err(Error::new_spanned(other, format!("`{}` is not a size: expected a parameter, a number, or `+`, `-`, `*`, `/` of them", source_text(other)))),
        }
    }

    fn write(&self, item: &ItemType, layers: &TokenStream) -> TokenStream {
        let (attributes, visibility, ident, generics) = (&item.attrs, &item.vis, &item.ident, &item.generics);
        let carrier = format_ident!("{ident}Block");
        let names: Vec<&Ident> = self.params.iter().map(|param| match param { Param::Size(name) | Param::Layer(name) => *name }).collect();
        let bounds = self.params.iter().map(|param| match param {
            Param::Size(_) => quote!(::formwork::types::Size),
            Param::Layer(_) => quote!(::formwork::types::Layer),
        });
        let given = self.params.iter().map(|param| match param {
            Param::Size(name) => quote!(::formwork::prelude::Const<#name>),
            Param::Layer(name) => quote!(#name),
        });
        let sizes = self.params.iter().filter_map(|param| match param {
            Param::Size(name) => Some(quote!(<#name as ::formwork::types::Size>::SIZE)),
            Param::Layer(_) => None,
        });
        let others: Vec<Ident> = names.iter().map(|name| format_ident!("{name}Other")).collect();
        let (name, doc) = (ident.to_string(), format!("[`{ident}`] with its sizes as types."));
        quote! {
            #(#attributes)*
            #visibility type #ident #generics = #carrier<#(#given),*>;

            #[doc = #doc]
            #visibility struct #carrier<#(#names),*>(::core::marker::PhantomData<fn() -> (#(#names,)*)>);

            impl<#(#names: #bounds),*> ::formwork::types::Layer for #carrier<#(#names),*> {
                const SPEC: &'static ::formwork::types::Spec = &::formwork::types::Spec::Named {
                    name: #name,
                    args: &[#(#sizes),*],
                    body: <#layers as ::formwork::types::Layer>::SPEC,
                };
            }

            impl<#(#names,)* #(#others),*> ::formwork::types::Resize<(#(#others,)*)> for #carrier<#(#names),*> {
                type Layer = #carrier<#(#others),*>;
            }
        }
    }
}

enum Argument {
    Size(TokenStream),
    Layer(TokenStream),
}

impl Argument {
    fn tokens(&self) -> &TokenStream {
        let (Argument::Size(tokens) | Argument::Layer(tokens)) = self;
        tokens
    }
}
