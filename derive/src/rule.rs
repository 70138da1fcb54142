//! `rule!`: a shape rule as data.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{BinOp, Error, Expr, Ident, Result, Token, bracketed};

pub struct Rule {
    input: Vec<Ident>,
    output: Vec<Expr>,
}

impl Parse for Rule {
    fn parse(stream: ParseStream<'_>) -> Result<Self> {
        let (input, output);
        bracketed!(input in stream);
        stream.parse::<Token![=>]>()?;
        let brackets = bracketed!(output in stream);
        let rule = Rule {
            input: Punctuated::<Ident, Token![,]>::parse_terminated(&input)?.into_iter().collect(),
            output: Punctuated::<Expr, Token![,]>::parse_terminated(&output)?.into_iter().collect(),
        };
        if rule.input.len() > 5 || rule.output.len() > 5 {
            return Err(Error::new(brackets.span.join(), "a sample has at most 5 dimensions; the batch is not one of them"));
        }
        Ok(rule)
    }
}

impl Rule {
    pub fn expand(&self) -> Result<TokenStream> {
        let names: Vec<String> = self.input.iter().map(Ident::to_string).collect();
        let (input, rank) = (format!("[{}]", names.join(", ")), names.len());
        let output = self.output.iter().map(|size| self.size(size)).collect::<Result<Vec<_>>>()?;
        Ok(quote! {
            ::formwork::layers::custom::Rule { input: #input, rank: #rank, output: &[#(#output),*] }
        })
    }

    fn size(&self, size: &Expr) -> Result<TokenStream> {
        let expr = quote!(::formwork::layers::custom::Expr);
        match size {
            Expr::Paren(inner) => self.size(&inner.expr),
            Expr::Lit(number) => Ok(quote!(#expr::Number(#number))),
            Expr::Binary(binary) => {
                let (a, b) = (self.size(&binary.left)?, self.size(&binary.right)?);
                let operation = match binary.op {
                    BinOp::Add(_) => quote!(Add),
                    BinOp::Sub(_) => quote!(Sub),
                    BinOp::Mul(_) => quote!(Mul),
                    BinOp::Div(_) => quote!(Div),
                    _ => return Err(Error::new_spanned(binary.op, "a shape rule has `+`, `-`, `*` and `/`")),
                };
                Ok(quote!(#expr::#operation(&#a, &#b)))
            }
            Expr::Path(path) => match self.input.iter().position(|name| path.path.is_ident(name)) {
                Some(axis) => Ok(quote!(#expr::Input(#axis))),
                None => Ok(quote!(#expr::Number(#path))),
            },
            _ => Err(Error::new_spanned(size, "expected a size of the input, a number, or `+`, `-`, `*`, `/` of them")),
        }
    }
}
