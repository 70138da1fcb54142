use formwork::layers::custom::Rule;

const TYPO: Rule = formwork::rule!([c, h, w] => [c * hw]);

fn main() {}
