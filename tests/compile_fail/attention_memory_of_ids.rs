use formwork::prelude::*;

#[network({ x: [ids < 20; 5], memory: [ids < 30; 7] } => [5, 8])]
type Translator = (
    Embedding<20, 8>,
    TransformerDecoderLayer<8, 2, 16>,
);

fn main() {}
