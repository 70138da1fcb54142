//! What holds for every chapter: nothing is typed that could be compiled or printed, what is included is there, and nothing
//! is too long to read in one go.

use std::collections::BTreeSet;
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

/// The words of all Rust in a folder that name something: behind `struct`, `fn` and so on, or in the prelude.
fn names(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            names.append(&mut self::names(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = read_to_string(&path).expect("it can be read");
            let words: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty()).collect();
            let is_name = |before| ["struct", "enum", "trait", "type", "fn", "const", "mod"].contains(&before) || path.ends_with("prelude.rs");
            names.extend(words.windows(2).filter(|pair| is_name(pair[0])).map(|pair| pair[1].to_owned()));
        }
    }
    names
}

/// In a table whose last column is what things are called here, the words that are names of types and methods.
fn promised(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().skip_while(|line| !line.ends_with("| formwork |")).filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once("| ")).map(|(_, cell)| cell);
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let parts = code.flat_map(|code| code.split_inclusive(|letter: char| !letter.is_alphanumeric() && letter != '_'));
    // A sign stands behind each word, so that of the word before says whether this one is a method.
    let (mut promised, mut sign) = (BTreeSet::new(), ' ');
    for part in parts {
        let word = part.trim_end_matches(|letter: char| !letter.is_alphanumeric() && letter != '_');
        if word.len() > 2 && (word.starts_with(char::is_uppercase) || sign == '.') {
            promised.insert(word);
        }
        sign = part.chars().last().unwrap_or(' ');
    }
    promised
}

#[test]
fn what_things_are_called_here_they_are_called_here() {
    let book = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = names(&book.join("../src"));
    let text = read_to_string(book.join("src/coming-from.md")).expect("the chapter is there");
    // Names of networks, which are the reader's; and a file.
    let theirs = ["Input", "Level", "Mlp", "Target", "safetensors"];
    let unknown: Vec<&str> = promised(&text).into_iter().filter(|word| !theirs.contains(word) && !names.contains(*word)).collect();
    assert!(unknown.is_empty() && promised(&text).len() > 50, "not in this crate: {unknown:?}");
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
