//! What readers of the code are promised, held by a look at it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The Rust files of the crates, without their tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !matches!(name, "tests" | "target") {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

#[test]
fn a_doc_comment_says_what_the_name_cannot() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?;
    let mut files = Vec::new();
    for crate_folder in ["domain", "actors", "projections", "adapters", "api"] {
        sources(&root.join(crate_folder), &mut files)?;
    }
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
