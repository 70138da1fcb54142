use formwork::layers::custom::Rule;

const SPLIT: Rule = formwork::rule!([c, h, w] => [c, h / 4, 4, w / 4, 2, 2]);

fn main() {}
