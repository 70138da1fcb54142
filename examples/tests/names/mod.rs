//! What the twins in PyTorch (`twins/`) call their parameters.

use crate::networks::vit;
use formwork::pytorch::Import;

/// The names of a twin; those that are not listed have the network's own.
pub fn of(twin: &str) -> Import {
    let names = Import::new();
    match twin {
        "attention_reverser" => {
            names.renames([("letters", "0.0"), ("positions", "0.2.0.1"), ("encoder", "0.2.0.2"), ("questions", "1"), ("look", "2"), ("fc", "3")])
        }
        "lstm_adding_lstm" | "lstm_adding_rnn" => names.rename("rnn", "0").rename("fc", "1"),
        "lstm_reader" | "lstm_writer" => names.renames([("embedding", "0"), ("lstm", "1"), ("fc", "2")]),
        "transformer_writer" => names.renames([("letters", "0"), ("positions", "1"), ("encoder.layers", "2"), ("encoder.norm", "3"), ("fc", "4")]),
        "unet_unet" | "unet_upscaler" => names.renames([
            ("first", "0"),
            ("down1", "1.0.1"),
            ("down2", "1.0.2.0.1"),
            ("up2", "1.0.2.0.3"),
            ("conv2", "1.0.2.1"),
            ("up1", "1.0.3"),
            ("conv1", "1.1"),
            ("last", "2"),
        ]),
        "vanishing_skips" => names.rename("0.*.body", "0.*"),
        "vit_reader" => vit::names(),
        "translator" => names.renames([
            ("source", "encoder.0"),
            ("transformer.encoder.layers", "encoder.3"),
            ("transformer.encoder.norm", "encoder.4"),
            ("target", "embedding"),
            ("transformer.decoder.layers", "decoder"),
            ("transformer.decoder.norm", "norm"),
        ]),
        "alexnet" => names.renames([("features.0", "0"), ("features.3", "3"), ("classifier.1", "9"), ("classifier.4", "12"), ("classifier.6", "14")]),
        "resnet" => names.strip_prefix("module."),
        "tied" | "tied_listed_twice" => names.renames([("embedding", "0"), ("hidden", "1.0"), ("fc", "2")]),
        "shared" => names.rename("block", ""),
        "gpt2" => names
            .renames([("wte", "0"), ("wpe", "1"), ("h.*.ln_1", "2.*.norm1"), ("h.*.ln_2", "2.*.norm2"), ("ln_f", "3")])
            .renames([("h.*.attn.c_attn.weight", "2.*.self_attn.in_proj_weight"), ("h.*.attn.c_attn.bias", "2.*.self_attn.in_proj_bias")])
            .renames([("h.*.attn.c_proj", "2.*.self_attn.out_proj"), ("h.*.mlp.c_fc", "2.*.linear1"), ("h.*.mlp.c_proj", "2.*.linear2")])
            .transposed("h.*.attn.c_attn.weight")
            .transposed("h.*.attn.c_proj.weight")
            .transposed("h.*.mlp"),
        "by_hand" => names.renames([("norm", "0.0"), ("attention", "0.1"), ("fc", "1")]).projections(["query", "key", "value"]),
        "numbered" => names.by_order(),
        _ => names,
    }
}
