//! What holds for every chapter: nothing is typed that could be compiled or printed, what is included is there, and nothing
//! is too long to read in one go.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

const WORDS: std::ops::RangeInclusive<usize> = 800..=2500;

/// The chapters, with their text.
fn chapters() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let summary = read_to_string(folder.join("SUMMARY.md")).expect("the book has a summary");
    let files = summary.split("](").skip(1).map(|rest| folder.join(rest.split(')').next().expect("a link ends")));
    let read = |file: PathBuf| (read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())), file);
    files.map(read).map(|(text, file)| (file, text)).collect()
}

/// The blocks of code in a chapter: what is said behind the three ticks, and the lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            blocks.push((kind, lines.by_ref().take_while(|line| line.trim() != "```").collect()));
        }
    }
    blocks
}

fn includes(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next())
}

#[test]
fn no_listing_and_no_output_is_typed() {
    for (file, text) in chapters() {
        for (kind, lines) in blocks(&text) {
            let is_typed = lines.iter().any(|line| !line.trim().is_empty() && !line.trim().starts_with("{{#include "));
            let may_be = ["sh", "toml"].contains(&kind);
            assert!(!kind.is_empty(), "{}: a block of code says what it is", file.display());
            assert!(may_be || !is_typed, "{}: a block of `{kind}` has lines that no test sees: {:?}", file.display(), lines.first());
        }
    }
}

#[test]
fn what_is_included_is_there() {
    for (file, text) in chapters() {
        for include in includes(&text) {
            let (path, anchor) = include.split_once(':').map_or((include, None), |(path, anchor)| (path, Some(anchor)));
            let path = file.parent().expect("it has a folder").join(path);
            let included = read_to_string(&path).unwrap_or_else(|error| panic!("{}: {}: {error}", file.display(), path.display()));
            for mark in anchor.into_iter().flat_map(|anchor| [format!("ANCHOR: {anchor}"), format!("ANCHOR_END: {anchor}")]) {
                assert!(included.lines().any(|line| line.trim_end().ends_with(&mark)), "{}: {include}: no `{mark}`", file.display());
            }
        }
    }
}

/// A golden file or a picture that no chapter shows is left from one that did.
#[test]
fn what_is_printed_and_drawn_is_shown() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shown: String = chapters().into_iter().map(|(_, text)| text).collect();
    let files =
        |folder: &Path| std::fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("it can be read").path()).collect::<Vec<_>>();
    let outputs = files(&book.join("listings")).into_iter().filter(|path| path.is_dir()).flat_map(|folder| files(&folder));
    for path in outputs.chain(files(&book.join("src/pictures"))) {
        let name: PathBuf = path.iter().skip(path.iter().count() - 2).collect();
        assert!(shown.contains(&name.display().to_string()), "no chapter shows {}", path.display());
    }
}

#[test]
fn pictures_are_there() {
    for (file, text) in chapters() {
        for picture in text.split("](pictures/").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = file.parent().expect("it has a folder").join("pictures").join(picture);
            assert!(path.exists(), "{}: no {}", file.display(), path.display());
        }
    }
}

#[test]
fn chapters_are_read_in_one_go() {
    for (file, text) in chapters() {
        let code: usize = blocks(&text).iter().flat_map(|(_, lines)| lines).map(|line| line.split_whitespace().count()).sum();
        let words = text.split_whitespace().count() - code;
        assert!(WORDS.contains(&words), "{}: {words} words", file.display());
    }
}

#[test]
fn every_chapter_is_in_the_summary() {
    let listed: Vec<PathBuf> = chapters().into_iter().map(|(file, _)| file).collect();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("the book has a folder") {
        let path = entry.expect("it can be read").path();
        let is_chapter = path.extension().is_some_and(|end| end == "md") && !path.ends_with("SUMMARY.md");
        assert!(!is_chapter || listed.contains(&path), "{} is in no table of contents", path.display());
    }
}
