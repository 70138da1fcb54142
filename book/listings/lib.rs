//! What the programs of the book share: each shows its sections one after the other, under their names.

use std::path::PathBuf;
use std::process::ExitCode;

/// What a section may end with: an error of any kind.
pub type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Shows the sections of a chapter, or those that the command line names.
pub fn sections(sections: &[(&str, fn() -> Result)]) -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|name| sections.iter().all(|(section, _)| section != name)) {
        let names: Vec<&str> = sections.iter().map(|(name, _)| *name).collect();
        eprintln!("error: no section {unknown}; there are: {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    for (name, show) in sections.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|asked| asked == name)) {
        println!("== {name}");
        if let Err(error) = show() {
            eprintln!("error: {name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Where to draw a picture of the book, while its pictures are drawn: `book/pictures` says where.
pub fn picture(name: &str) -> Option<PathBuf> {
    std::env::var_os("FORMWORK_PICTURES").map(|folder| PathBuf::from(folder).join(name))
}
