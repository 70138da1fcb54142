//! `#[derive(Layer)]`: a struct of layers as a layer.

use crate::layers::{ends, field, spec};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Fields, Ident, Item, Result};

pub fn expand(item: &Item) -> Result<TokenStream> {
    let Item::Struct(item) = item else {
        let (first, _) = ends(item.to_token_stream());
        return Err(Error::new(first, "#[derive(Layer)] is for structs with named fields"));
    };
    let Fields::Named(fields) = &item.fields else {
        return Err(Error::new_spanned(&item.ident, "#[derive(Layer)] is for structs with named fields; a tuple type is a layer by itself"));
    };
    let (ident, name) = (&item.ident, item.ident.to_string());
    let (impl_generics, type_generics, _) = item.generics.split_for_impl();
    let sizes: Vec<&Ident> = item.generics.const_params().map(|param| &param.ident).collect();
    let bounds = item.generics.where_clause.iter().flat_map(|clause| &clause.predicates).map(ToTokens::to_token_stream);
    let types = fields.named.iter().map(|part| &part.ty);
    let is_generic = !item.generics.params.is_empty();
    // Where nothing is generic, the bound would be reported in place of the field that breaks it.
    let layers = types.filter(|_| is_generic).map(|layer| quote!(#layer: ::formwork::types::Layer));
    let bounds: Vec<TokenStream> = bounds.chain(layers).collect();
    let parts = fields.named.iter().map(|part| field(part, &spec(&part.ty))).collect::<Result<Vec<_>>>()?;
    let names: Vec<&Option<Ident>> = fields.named.iter().map(|part| &part.ident).collect();
    Ok(quote! {
        const _: () = {
            impl #impl_generics ::formwork::types::Layer for #ident #type_generics where #(#bounds),* {
                const SPEC: &'static ::formwork::types::Spec = &::formwork::types::Spec::Named {
                    name: #name,
                    args: &[#(#sizes),*],
                    body: &::formwork::types::Spec::Chain(::formwork::types::Chain { fields: &[#(#parts),*] }),
                };
            }

            // The struct is there for its type: without this the compiler would call its fields unused.
            #[allow(dead_code)]
            fn used #impl_generics (layer: #ident #type_generics) -> #ident #type_generics {
                let #ident { #(#names),* } = layer;
                #ident { #(#names),* }
            }
        };
    })
}
