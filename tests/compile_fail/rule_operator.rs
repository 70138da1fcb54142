use formwork::layers::custom::Rule;

const ODD: Rule = formwork::rule!([c, h, w] => [c, h % 2, w]);

fn main() {}
