//! A Python to compare with, where there is one.

use std::io::Write;
use std::process::Command;

const VARIABLE: &str = "FORMWORK_PYTHON";

/// The Python that `FORMWORK_PYTHON` names, or `python3`, if it has some modules; says so where there is none.
///
/// # Panics
/// If the variable names one that has them not.
pub fn find(modules: &str) -> Option<String> {
    let named = std::env::var(VARIABLE).ok();
    let program = named.clone().unwrap_or_else(|| "python3".to_owned());
    let why = match Command::new(&program).args(["-c", &format!("import {modules}")]).output() {
        Ok(output) if output.status.success() => return Some(program),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason given").to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(named.is_none(), "{VARIABLE}={program}: {why}");
    // Not by `eprintln!`, which is heard of tests that fail alone.
    let _ = writeln!(std::io::stderr(), "SKIPPED, nothing was compared: {program}: {why} (set {VARIABLE} to a Python with {modules})");
    None
}
