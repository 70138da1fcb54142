//! The networks of the examples beside their twins in PyTorch.

mod networks;

use formwork::prelude::{Model, Network};
use networks::Visitor;

/// Saves a model, and loads it into another.
struct RoundTrip<'a> {
    folder: &'a std::path::Path,
}

impl Visitor for RoundTrip<'_> {
    fn visit<N: Network>(&mut self, name: &'static str) {
        let file = self.folder.join(name).with_extension("safetensors");
        let (model, mut other) = (Model::<N>::new(1), Model::<N>::new(2));
        model.save(&file).unwrap();
        other.load(&file).unwrap();
        assert_eq!(other.parameters(), model.parameters(), "{name}");
        assert_eq!(other.buffers(), model.buffers(), "{name}");
    }
}

#[test]
fn what_was_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    networks::visit(&mut RoundTrip { folder: folder.path() });
}
