use formwork::prelude::*;

#[network({ x: [16, 8], memory: [ids < 30; 9] } => [16, 8])]
type Translator = (Linear<8, 8>, Encode<(Embedding<30, 16>, Linear<8, 8>)>);

fn main() {}
