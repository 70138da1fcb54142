//! Single layers of many sizes, for `sweep.py`, which reads from this list what to measure on the other side.
//!
//! Each is one step of training of `(Relu, Layer)`, so that the layer has to give the gradient with respect to its input, with
//! the mean square error to random targets and SGD.

#[expect(dead_code, reason = "of the workloads only their way to take a step is of use here")]
#[path = "../../../workloads/mod.rs"]
mod workloads;

use formwork::prelude::*;
use formwork_peers::{Options, Outcome, Step, answer, exit};
use serde_json::{Value, json};
use std::process::ExitCode;
use workloads::How;

fn main() -> ExitCode {
    exit(run())
}

fn run() -> Outcome<()> {
    let Some(options) = Options::parse()? else { return Ok(()) };
    let settings = settings();
    if options.list {
        println!("{}", Value::from(settings.iter().map(Setting::data).collect::<Vec<_>>()));
        return Ok(());
    }
    let names: Vec<String> = settings.iter().map(Setting::name).collect();
    let make = |name: &str, options: &Options| {
        let at = names.iter().position(|known| known == name).ok_or_else(|| format!("no setting is called {name}"))?;
        Ok(Some((settings[at].step)(settings[at].samples, options.threads)?))
    };
    answer("formwork", &names.iter().map(String::as_str).collect::<Vec<_>>(), make, &options)
}

/// A layer with its arguments, on an input of this shape.
struct Setting {
    kind: &'static str,
    arguments: &'static [(&'static str, usize)],
    samples: usize,
    step: fn(usize, Option<usize>) -> Result<Step, Error>,
}

impl Setting {
    /// `conv in=3 out=16 k=3 ..`.
    fn name(&self) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} b={}", self.kind, arguments.join(" "), self.samples)
    }

    fn data(&self) -> Value {
        let arguments: serde_json::Map<String, Value> = self.arguments.iter().map(|&(name, value)| (name.to_owned(), value.into())).collect();
        json!({ "name": self.name(), "kind": self.kind, "arguments": arguments, "samples": self.samples })
    }
}

/// A step of training of `(Relu, L)`.
fn step<L: Layer, I: Plain + Sample<Numbers<f32> = Vec<f32>>, O: Plain>(samples: usize, threads: Option<usize>) -> Result<Step, Error>
where
    Net<(Relu, L), I, O>: Network<Input = I, Output = O>,
{
    workloads::train::<Net<(Relu, L), I, O>, Values<O>, _, _>("", samples, Mse, || Sgd::new(1e-3)).step(How { threads, ..How::default() })
}

/// `inputs outputs, kernel stride padding dilation groups, side of the image, samples`.
macro_rules! convs {
    ($($i:literal $o:literal, $k:literal $s:literal $p:literal $d:literal $g:literal, $side:literal, $b:literal;)*) => {
        [$(Setting {
            kind: "conv",
            arguments: &[("in", $i), ("out", $o), ("k", $k), ("stride", $s), ("pad", $p), ("dil", $d), ("groups", $g), ("side", $side)],
            samples: $b,
            step: step::<
                Conv2d<$i, $o, $k, $s, $p, $d, $g>,
                Rank3<$i, $side, $side>,
                Rank3<$o, { ($side + 2 * $p - $d * ($k - 1) - 1) / $s + 1 }, { ($side + 2 * $p - $d * ($k - 1) - 1) / $s + 1 }>,
            >,
        }),*]
    };
}

/// `inputs outputs, samples`.
macro_rules! linears {
    ($($i:literal $o:literal, $b:literal;)*) => {
        [$(Setting {
            kind: "linear",
            arguments: &[("in", $i), ("out", $o)],
            samples: $b,
            step: step::<Linear<$i, $o>, Rank1<$i>, Rank1<$o>>,
        }),*]
    };
}

/// `features state, steps, samples`.
macro_rules! recurrent {
    ($kind:literal $Layer:ident: $($i:literal $h:literal, $t:literal, $b:literal;)*) => {
        [$(Setting {
            kind: $kind,
            arguments: &[("in", $i), ("hidden", $h), ("steps", $t)],
            samples: $b,
            step: step::<$Layer<$i, $h>, Rank2<$t, $i>, Rank2<$t, $h>>,
        }),*]
    };
}

/// `features heads, tokens, samples`.
macro_rules! attention {
    ($($d:literal $h:literal, $t:literal, $b:literal;)*) => {
        [$(Setting {
            kind: "attention",
            arguments: &[("features", $d), ("heads", $h), ("tokens", $t)],
            samples: $b,
            step: step::<SelfAttention<$d, $h>, Rank2<$t, $d>, Rank2<$t, $d>>,
        }),*]
    };
}

#[rustfmt::skip]
fn settings() -> Vec<Setting> {
    let convs = convs![
        // Few channels, as in the first layers of networks.
        1 8, 3 1 0 1 1, 28, 1;
        1 8, 3 1 0 1 1, 28, 64;
        1 6, 5 1 2 1 1, 28, 33;
        1 16, 7 1 3 1 1, 28, 7;
        1 16, 3 2 1 1 1, 64, 7;
        1 1, 3 1 1 1 1, 28, 33;
        1 1, 7 1 3 1 1, 64, 7;
        3 16, 3 1 1 1 1, 32, 7;
        3 16, 3 1 1 1 1, 32, 33;
        3 32, 5 1 2 1 1, 32, 33;
        3 32, 7 2 3 1 1, 64, 7;
        3 64, 7 2 3 1 1, 64, 1;
        3 5, 3 1 0 1 1, 33, 7;
        2 3, 5 2 0 1 1, 31, 33;
        // Odd channels.
        5 7, 3 1 1 1 1, 28, 7;
        5 7, 3 1 1 1 1, 28, 33;
        7 13, 3 1 0 1 1, 19, 33;
        9 17, 5 1 2 1 1, 15, 7;
        13 1, 1 1 0 1 1, 28, 33;
        13 11, 3 2 1 1 1, 27, 7;
        17 19, 3 1 1 1 1, 14, 33;
        31 33, 3 1 1 1 1, 14, 7;
        33 31, 1 1 0 1 1, 28, 7;
        63 65, 3 1 1 1 1, 14, 7;
        127 3, 3 1 1 1 1, 14, 7;
        101 103, 1 1 0 1 1, 13, 7;
        // Sizes that are usual.
        8 8, 3 1 1 1 1, 28, 33;
        8 16, 3 1 0 1 1, 13, 64;
        8 16, 5 1 2 1 1, 28, 7;
        8 16, 7 1 3 1 1, 28, 7;
        16 16, 3 1 1 1 1, 64, 1;
        16 16, 3 1 1 1 1, 64, 7;
        16 32, 3 1 1 1 1, 32, 7;
        16 32, 3 2 1 1 1, 32, 33;
        16 32, 5 2 2 1 1, 32, 7;
        32 32, 3 1 1 1 1, 32, 7;
        32 32, 3 1 1 1 1, 7, 33;
        32 64, 3 1 1 1 1, 16, 1;
        32 64, 3 1 1 1 1, 16, 33;
        32 64, 3 2 1 1 1, 32, 7;
        32 64, 5 1 2 1 1, 14, 7;
        64 64, 3 1 1 1 1, 8, 33;
        64 64, 3 1 1 1 1, 32, 1;
        64 64, 3 1 1 1 1, 32, 7;
        64 64, 7 1 3 1 1, 14, 1;
        64 128, 3 1 1 1 1, 14, 7;
        64 128, 3 2 1 1 1, 16, 33;
        128 128, 3 1 1 1 1, 7, 1;
        128 128, 3 1 1 1 1, 7, 33;
        128 128, 3 1 1 1 1, 14, 7;
        128 64, 3 1 1 1 1, 16, 7;
        128 1, 3 1 1 1 1, 16, 7;
        // One pixel.
        16 2, 1 1 0 1 1, 64, 7;
        32 128, 1 1 0 1 1, 14, 33;
        64 64, 1 1 0 1 1, 28, 1;
        64 64, 1 2 0 1 1, 28, 7;
        128 32, 1 1 0 1 1, 14, 33;
        128 128, 1 1 0 1 1, 28, 7;
        // Holes in the kernel.
        8 16, 3 1 2 2 1, 28, 7;
        16 16, 3 1 4 4 1, 32, 7;
        32 32, 3 1 2 2 1, 16, 33;
        64 64, 3 2 2 2 1, 28, 1;
        16 16, 5 1 4 2 1, 28, 7;
        // Groups.
        16 32, 3 1 1 1 2, 28, 7;
        32 32, 3 1 1 1 4, 28, 7;
        24 48, 3 2 1 1 3, 28, 7;
        64 64, 3 1 1 1 8, 14, 33;
        128 128, 3 1 1 1 32, 14, 7;
        64 128, 1 1 0 1 4, 14, 7;
        // A channel each.
        8 8, 3 1 1 1 8, 28, 33;
        17 17, 3 1 1 1 17, 28, 7;
        32 32, 3 1 1 1 32, 32, 7;
        32 32, 5 1 2 1 32, 28, 7;
        64 64, 3 2 1 1 64, 28, 7;
        64 64, 7 1 3 1 64, 14, 7;
        128 128, 3 1 1 1 128, 14, 1;
        128 128, 3 1 1 1 128, 14, 33;
        16 32, 3 1 1 1 16, 28, 7;
    ];
    let linears = linears![
        1 1, 1;
        1 1, 256;
        1 64, 33;
        64 1, 33;
        1 2048, 64;
        2048 1, 64;
        2048 1, 1;
        10 10, 7;
        13 17, 33;
        17 3, 256;
        32 32, 1;
        64 64, 64;
        100 100, 33;
        128 10, 64;
        128 128, 1;
        128 128, 256;
        255 257, 7;
        256 256, 33;
        400 64, 128;
        500 300, 64;
        512 512, 1;
        512 512, 64;
        512 128, 256;
        784 128, 1;
        784 128, 64;
        784 1000, 33;
        1024 1024, 1;
        1024 1024, 64;
        1000 10, 256;
        2048 2048, 1;
        2048 2048, 7;
        2048 2048, 64;
        2048 512, 256;
        512 2048, 256;
    ];
    let lstms = recurrent!["lstm" Lstm:
        1 16, 1, 1;
        1 16, 50, 7;
        8 16, 200, 1;
        16 32, 28, 33;
        28 128, 28, 32;
        32 64, 100, 7;
        32 64, 200, 32;
        50 100, 50, 1;
        64 128, 10, 64;
        128 128, 1, 33;
        128 256, 28, 7;
        256 256, 50, 1;
        256 256, 20, 32;
        512 512, 1, 7;
        512 512, 10, 32;
        512 512, 50, 1;
    ];
    let grus = recurrent!["gru" Gru:
        1 16, 1, 1;
        1 16, 50, 7;
        8 16, 200, 1;
        16 32, 28, 33;
        28 128, 28, 32;
        32 64, 100, 7;
        32 64, 200, 32;
        50 100, 50, 1;
        64 128, 10, 64;
        128 128, 1, 33;
        128 256, 28, 7;
        256 256, 50, 1;
        256 256, 20, 32;
        512 512, 1, 7;
        512 512, 10, 32;
        512 512, 50, 1;
    ];
    let attention = attention![
        16 1, 8, 1;
        32 2, 8, 33;
        32 4, 16, 64;
        48 4, 17, 32;
        64 1, 32, 16;
        64 4, 64, 1;
        64 8, 33, 7;
        128 4, 64, 16;
        128 8, 100, 7;
        128 4, 128, 8;
        128 4, 256, 4;
        128 4, 512, 1;
        256 8, 64, 8;
        256 8, 128, 4;
        256 8, 512, 2;
        256 4, 8, 64;
        512 8, 32, 8;
        512 8, 128, 1;
    ];
    convs.into_iter().chain(linears).chain(lstms).chain(grus).chain(attention).collect()
}
