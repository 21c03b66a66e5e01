//! What a run, or two of them, tell: text for terminals, a page for browsers.
//!
//! Invariants: everything shown stands in the document of the run ([`crate::result::Run`]), so a report can be made
//! again later and elsewhere; texts of servers and plans are shown as text, never as markup.

pub mod compare;
pub mod html;
pub mod text;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::result::Run;

/// A document larger than this is none of ours: a day of seconds takes a tenth of it.
const DOCUMENT_BYTES_MAX: u64 = 1 << 30;

/// Reads the document of a run.
///
/// # Errors
/// The file cannot be read, or is not the result of a run; the file is named.
pub fn read(path: &Path) -> Result<Run> {
    let about = || path.display().to_string();
    let size = fs::metadata(path).with_context(about)?.len();
    anyhow::ensure!(
        size <= DOCUMENT_BYTES_MAX,
        "{}: too large for the result of a run",
        path.display()
    );
    Run::from_json(&fs::read_to_string(path).with_context(about)?).with_context(about)
}

/// Fails if a file cannot be written: better before a run than after it. Leaves the file as it is, or empty.
pub fn check(path: &Path) -> Result<()> {
    let open = fs::OpenOptions::new().append(true).create(true).open(path);
    open.map(drop)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file; the error names it.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The page of a run that was kept, into a file.
pub fn page_of(run: &Path, page: &Path) -> Result<()> {
    write(page, &html::page(&read(run)?))
}

/// Two runs that were kept: gives the table, and writes the page if one is wanted.
pub fn compare_files(first: &Path, second: &Path, page: Option<&Path>) -> Result<String> {
    let (one, other) = (read(first)?, read(second)?);
    let names = names(first, second);
    let names = [names[0].as_str(), names[1].as_str()];
    if let Some(page) = page {
        write(page, &html::compare(&one, &other, names))?;
    }
    Ok(compare::text(&one, &other, names))
}

/// What to call them: by the name of the file without its ending, or by the whole path if that is the same.
fn names(first: &Path, second: &Path) -> [String; 2] {
    let short = |path: &Path| {
        path.file_stem()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    match short(first) == short(second) {
        true => [first, second].map(|path| path.display().to_string()),
        false => [first, second].map(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn runs_that_were_kept_are_compared() {
        let folder = std::env::temp_dir().join(format!("loadgen-report-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (one, other, page) = (folder.join("a.json"), folder.join("b.json"), folder.join("page.html"));
        write(&one, &fixture::run("chat", 1.0).to_json()).unwrap();
        write(&other, &fixture::run("chat", 2.0).to_json()).unwrap();
        let table = compare_files(&one, &other, Some(&page)).unwrap();
        assert!(
            table.starts_with("first   a: chat against Crosspoint 0.1.0 at 127"),
            "{table}"
        );
        assert!(fs::read_to_string(&page).unwrap().contains("Throughput: b"));
        page_of(&one, &page).unwrap();
        assert!(fs::read_to_string(&page).unwrap().contains("<h1>chat</h1>"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_is_no_run_is_named() {
        let error = format!("{:#}", read(Path::new("Cargo.toml")).unwrap_err());
        assert!(
            error.contains("Cargo.toml") && error.contains("not the result of a run"),
            "{error}"
        );
        assert!(format!("{:#}", check(Path::new("no/such/file")).unwrap_err()).contains("cannot write no/such/file"));
        assert!(format!("{:#}", read(Path::new("no/such/file")).unwrap_err()).contains("no/such/file"));
    }

    #[test]
    fn runs_are_called_by_their_files() {
        assert_eq!(names(Path::new("x/a.json"), Path::new("y/b.json")), ["a", "b"]);
        assert_eq!(
            names(Path::new("x/a.json"), Path::new("y/a.json")),
            ["x/a.json", "y/a.json"]
        );
    }
}
