//! Tuples: layers one behind the other.
//!
//! `(Linear<784, 128>, Relu, Linear<128, 10>)` is a layer, with up to 24 of them; a network declared with `#[network]`
//! may have any number. `()` does nothing. Parameters are numbered: `0.weight`, `2.weight`, as in PyTorch's
//! `nn.Sequential`.
//!
//! ```
//! use formwork::prelude::*;
//!
//! #[network([784] => [10])]
//! type Mlp = (Linear<784, 128>, Relu, Linear<128, 10>);
//! assert_eq!(Mlp::parameters()[2].name, "2.weight");
//! ```

use crate::types::{Chain, Field, Layer, Spec};

macro_rules! tuple {
    ($($L:ident)*) => {
        impl<$($L: Layer),*> Layer for ($($L,)*) {
            const SPEC: &'static Spec = &Spec::Chain(Chain { fields: &[$(Field::item($L::SPEC)),*] });
        }
    };
}

macro_rules! tuples {
    ($($L:ident)*) => { tuples!(@ [] $($L)*); };
    (@ [$($Done:ident)*]) => { tuple!($($Done)*); };
    (@ [$($Done:ident)*] $Next:ident $($L:ident)*) => {
        tuple!($($Done)*);
        tuples!(@ [$($Done)* $Next] $($L)*);
    };
}
tuples!(A B C D E F G H I J K L M N O P Q R S T U V W X);
