//! What a file calls the parameters of a network.

use super::pattern::Rename;
use crate::error::Error;
use std::path::Path;

/// How the tensors of a `state_dict` become parameters: other names, other layouts, and what may be left out.
///
/// It works both ways: [`Model::load_with`](crate::Model::load_with) reads a file by it, and
/// [`Model::save_with`](crate::Model::save_with) writes one that PyTorch reads under its own names.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// use formwork::pytorch::Import;
///
/// #[network([5, 16] => [5, 3])]
/// type Tagger = (Repeat<TransformerEncoderLayer<16, 2, 32>, 2>, LayerNorm<16>, Linear<16, 3>);
///
/// // self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2, norm=nn.LayerNorm(16))
/// // self.fc = nn.Linear(16, 3)
/// let names = Import::new().rename("encoder.layers", "0").rename("encoder.norm", "1").rename("fc", "2");
///
/// let file = std::env::temp_dir().join("formwork-tagger.safetensors");
/// let model = Model::<Tagger>::new(1);
/// model.save_with(&file, &names).unwrap(); // encoder.layers.0.self_attn.in_proj_weight, ..
/// let mut other = Model::<Tagger>::new(2);
/// let report = other.load_with(&file, &names).unwrap();
/// assert_eq!(report.loaded[0].from, ["encoder.layers.0.self_attn.in_proj_weight"]);
/// assert_eq!(report.loaded[0].to, "0.0.self_attn.in_proj_weight");
/// assert_eq!(model.parameters(), other.parameters());
/// ```
#[derive(Default)]
pub struct Import {
    renames: Vec<Rename>,
    prefix: String,
    named: Option<Box<Named>>,
    ignored: Vec<Rename>,
    transposed: Vec<Rename>,
    shapes: Vec<(Rename, Vec<usize>)>,
    projections: Option<[String; 3]>,
    pub(super) lenient: bool,
    pub(super) by_order: bool,
}

/// The name in the file of a parameter of the network.
type Named = dyn Fn(&str) -> String;

/// What the three projections are called where each is a layer, unless told otherwise.
const PROJECTIONS: [&str; 3] = ["q_proj", "k_proj", "v_proj"];

impl Import {
    /// Every tensor of the file belongs to the parameter of its name, and none is too many or too few.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the file calls `theirs` is `ours` in the network: a whole name or the beginning of some, up to a dot.
    ///
    /// `*` stands for any one part of a name: `.rename("blocks.*.attn.qkv.weight", "1.*.self_attn.in_proj_weight")`. Of several
    /// renames that are for a parameter the one with the longest `ours` counts; no other is applied to it.
    pub fn rename(mut self, theirs: impl Into<String>, ours: impl Into<String>) -> Self {
        self.renames.push(Rename::new(theirs.into(), ours.into()));
        self
    }

    /// [`Import::rename`] for each pair `(theirs, ours)` of a list.
    pub fn renames<A: Into<String>, B: Into<String>>(self, pairs: impl IntoIterator<Item = (A, B)>) -> Self {
        pairs.into_iter().fold(self, |import, (theirs, ours)| import.rename(theirs, ours))
    }

    /// What a function says the file calls a parameter, whose name it is given as the renames have left it.
    ///
    /// # Examples
    /// ```
    /// use formwork::pytorch::Import;
    /// // fc0 and fc1 in the file are 0 and 1 in the network.
    /// let names = Import::new().named(|ours| format!("fc{ours}"));
    /// ```
    pub fn named(mut self, theirs: impl Fn(&str) -> String + 'static) -> Self {
        self.named = Some(Box::new(theirs));
        self
    }

    /// All names in the file begin with this: `module.` where `nn.DataParallel` was saved, `_orig_mod.` behind `torch.compile`,
    /// `model.` where the network is an attribute of something else.
    pub fn strip_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Tensors of the file that are not read: buffers such as the `pe` of a positional encoding, or a head that is not wanted.
    /// A whole name or the beginning of some, with `*` as in [`Import::rename`].
    pub fn ignore(mut self, theirs: impl Into<String>) -> Self {
        self.ignored.push(Rename::new(String::new(), theirs.into()));
        self
    }

    /// Matrices that the file holds with rows as columns: the `Conv1D` of GPT-2 in Hugging Face's transformers. A whole name or
    /// the beginning of some in the file, with `*` as in [`Import::rename`]; it is an error if nothing there is called so.
    pub fn transposed(mut self, theirs: impl Into<String>) -> Self {
        self.transposed.push(Rename::new(String::new(), theirs.into()));
        self
    }

    /// A tensor that the file has in another shape, with the same numbers in the same order: `[1, 16, 48]` for `[16, 48]`. Its
    /// whole name in the file, with `*` as in [`Import::rename`].
    ///
    /// Ones before or behind the sizes are read without this; with it [`Model::save_with`](crate::Model::save_with) writes this
    /// shape.
    pub fn shape(mut self, theirs: impl Into<String>, shape: &[usize]) -> Self {
        self.shapes.push((Rename::new(String::new(), theirs.into()), shape.to_vec()));
        self
    }

    /// Attention in the file has three layers of these names, beside which `in_proj_weight` would be, one for queries, one for
    /// keys and one for values.
    ///
    /// Layers called `q_proj`, `k_proj` and `v_proj` are found without this; with it [`Model::save_with`](crate::Model::save_with)
    /// writes three layers too.
    pub fn projections(mut self, names: [&str; 3]) -> Self {
        self.projections = Some(names.map(str::to_owned));
        self
    }

    /// Whether it is an error if the file has tensors that the network has not, or the other way round, as it is at first.
    /// Otherwise they are left out, and parameters that the file does not have stay as they are.
    ///
    /// Tensors of another shape are an error in any case, as in PyTorch.
    pub fn strict(mut self, strict: bool) -> Self {
        self.lenient = !strict;
        self
    }

    /// What has no name in common is matched by its shapes: layers of the file with layers of the network that have tensors of
    /// the same names and shapes behind the last dot, those of the same shapes one by one in order.
    ///
    /// The order is that of the names in the file, with numbers in them counted as numbers, since safetensors keeps no other.
    /// Where there are not as many of one kind in the file as in the network nothing is guessed. It is a guess: look at the
    /// [`Report`](super::Report).
    pub fn by_order(mut self) -> Self {
        self.by_order = true;
        self
    }

    /// What the file calls a parameter.
    pub(super) fn theirs(&self, ours: &str) -> String {
        let renamed =
            self.renames.iter().filter_map(|rename| Some((rename.precedence(), rename.apply(ours)?))).max_by_key(|(precedence, _)| *precedence);
        let name = renamed.map_or_else(|| ours.to_owned(), |(_, name)| name);
        let name = self.named.as_ref().map_or_else(|| name.clone(), |named| named(&name));
        format!("{}{name}", self.prefix)
    }

    pub(super) fn is_ignored(&self, theirs: &str) -> bool {
        self.ignored.iter().any(|ignored| ignored.apply(theirs).is_some())
    }

    pub(super) fn is_transposed(&self, theirs: &str) -> bool {
        self.transposed.iter().any(|transposed| transposed.apply(theirs).is_some())
    }

    /// Holds the names of a file against what is to be transposed: of square matrices nobody would see that they are not.
    pub(super) fn check<'a>(&self, path: &Path, names: impl Iterator<Item = &'a String> + Clone) -> Result<(), Error> {
        let idle = self.transposed.iter().find(|transposed| !names.clone().any(|name| transposed.apply(name).is_some()));
        idle.map_or(Ok(()), |idle| {
            let expected = format!("a tensor {} to transpose", idle.ours());
            Err(Error::Format { file: path.display().to_string(), expected, given: "none".to_owned() })
        })
    }

    /// The shape of a tensor in the file, if it is said.
    pub(super) fn shape_of(&self, theirs: &str) -> Option<&[usize]> {
        self.shapes.iter().find(|(name, _)| name.apply(theirs).is_some_and(|rest| rest.is_empty())).map(|(_, shape)| shape.as_slice())
    }

    /// The three tensors that may stand in the place of `in_proj_weight` or `in_proj_bias` in the file.
    pub(super) fn parts(&self, theirs: &str) -> Option<[String; 3]> {
        let (beside, kind) = theirs.rsplit_once("in_proj_")?;
        let names = self.projections.clone().unwrap_or(PROJECTIONS.map(str::to_owned));
        Some(names.map(|name| format!("{beside}{name}.{kind}")))
    }

    /// Whether attention is to be written as three layers.
    pub(super) fn splits(&self) -> bool {
        self.projections.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_is_for_whole_parts_of_names() {
        let names = Import::new().rename("fc1.", "1.").rename("fc", "2.").rename("scale", "3.weight");
        assert_eq!(names.theirs("1.weight"), "fc1.weight");
        assert_eq!(names.theirs("10.weight"), "10.weight");
        assert_eq!(names.theirs("2.bias"), "fc.bias");
        assert_eq!(names.theirs("3.weight"), "scale");
    }

    #[test]
    fn the_longest_rename_counts() {
        let names = Import::new().renames([("net", ""), ("blocks.*.attn.qkv.weight", "1.*.self_attn.in_proj_weight"), ("blocks", "1")]);
        assert_eq!(names.theirs("0.weight"), "net.0.weight");
        assert_eq!(names.theirs("1.7.linear1.weight"), "blocks.7.linear1.weight");
        assert_eq!(names.theirs("1.7.self_attn.in_proj_weight"), "blocks.7.attn.qkv.weight");
        assert_eq!(Import::new().rename("", "net").theirs("net.0.weight"), "0.weight");
    }

    #[test]
    fn a_function_and_a_prefix_come_last() {
        let names = Import::new().rename("fc", "0").named(|name| name.replace("fc", "dense")).strip_prefix("module.");
        assert_eq!(names.theirs("0.weight"), "module.dense.weight");
    }

    #[test]
    fn projections_stand_where_the_whole_would() {
        let parts = Import::new().parts("0.self_attn.in_proj_bias");
        assert_eq!(parts, Some(["0.self_attn.q_proj.bias", "0.self_attn.k_proj.bias", "0.self_attn.v_proj.bias"].map(str::to_owned)));
        assert_eq!(Import::new().parts("0.self_attn.out_proj.bias"), None);
    }
}
