//! Beginnings of names.

/// A beginning of names in the network, and what stands in its place in a file.
pub(super) struct Rename {
    theirs: String,
    ours: Vec<String>,
}

/// Stands for any one part of a name.
const ANY: &str = "*";

impl Rename {
    pub(super) fn new(theirs: String, ours: String) -> Self {
        let ours = ours.trim_end_matches('.');
        let ours = if ours.is_empty() { Vec::new() } else { ours.split('.').map(str::to_owned).collect() };
        Rename { theirs: theirs.trim_end_matches('.').to_owned(), ours }
    }

    /// The beginning of names in the network.
    pub(super) fn ours(&self) -> String {
        self.ours.join(".")
    }

    /// Of several renames the one with the most parts counts, and of these the one with the fewest stars.
    pub(super) fn precedence(&self) -> (usize, usize) {
        (self.ours.len(), self.ours.iter().filter(|part| *part != ANY).count())
    }

    /// The name in the file, if this is the rename for it.
    pub(super) fn apply(&self, name: &str) -> Option<String> {
        let parts: Vec<&str> = name.split('.').collect();
        let rest = parts.get(self.ours.len()..)?;
        let mut any = Vec::new();
        for (ours, &part) in self.ours.iter().zip(&parts) {
            match ours.as_str() {
                ANY => any.push(part),
                ours if ours != part => return None,
                _ => {}
            }
        }
        let mut any = any.into_iter();
        let theirs = self.theirs.split('.').filter(|part| !part.is_empty());
        let theirs = theirs.map(|part| if part == ANY { any.next().unwrap_or(ANY) } else { part });
        Some(theirs.chain(rest.iter().copied()).collect::<Vec<_>>().join("."))
    }
}
