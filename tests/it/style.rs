//! What readers of the code are promised, held by a look at it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The Rust files of these folders, without their tests. Fails on a folder that is missing or holds none:
/// a look at nothing finds nothing.
pub fn sources_of(folders: &[&str]) -> Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
    let mut files = Vec::new();
    for folder in folders {
        let before = files.len();
        collect(&root.join(folder), &mut files)?;
        ensure!(files.len() > before, "no source in {folder}");
    }
    Ok(files)
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !matches!(name, "tests" | "target") {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

#[test]
fn a_doc_comment_says_what_the_name_cannot() -> Result<()> {
    let files = sources_of(&["domain", "actors", "projections", "adapters", "api"])?;
    assert!(files.len() > 500, "only {} files", files.len());
    let mut empty_words = Vec::new();
    for file in files {
        for (line, text) in (1..).zip(std::fs::read_to_string(&file)?.lines()) {
            let Some(words) = text.trim_start().strip_prefix("///") else { continue };
            let words = words.trim();
            if (1..4).contains(&words.split_whitespace().count()) && starts_a_sentence(words) {
                empty_words.push(format!("{}:{line}: {words}", file.display()));
            }
        }
    }
    let found = empty_words.join("\n");
    assert!(found.is_empty(), "give meaning, unit, range or errors, or leave the comment out:\n{found}");
    Ok(())
}

/// A short line that begins otherwise is the end of a wrapped sentence.
fn starts_a_sentence(words: &str) -> bool {
    words.starts_with(|first: char| first.is_uppercase() || first == '`' || first == '#')
}
