//! The bundle of the documentation, checked by the program and by the verifier beside it, which shares no line with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::run::{voxledger, with_key};

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/docs/bundle")
}

/// How both verifiers end, and the verdict of each.
fn judged(bundle: &Path, key: &str) -> Result<[(Option<i32>, Value); 2]> {
    let path = bundle.display().to_string();
    let ours = voxledger(&["audit", "verify-export", &path, "--key", key, "--json"], &with_key())?;
    let verdict = ours.out.lines().last().with_context(|| format!("{ours:#?}"))?;
    let mut python = Command::new("python3");
    let theirs = python.arg(documentation().join("verify.py")).arg(&path).arg(key).output()?;
    let told = String::from_utf8(theirs.stdout)? + &String::from_utf8(theirs.stderr)?;
    let other = serde_json::from_str(&told).with_context(|| told.clone())?;
    Ok([(ours.code, serde_json::from_str(verdict)?), (theirs.status.code(), other)])
}

#[test]
fn the_bundle_of_the_documentation_is_proven_by_both_verifiers_and_no_change_of_it_is() -> Result<()> {
    let folder = documentation();
    let (bundle, key) = (folder.join("number.jsonl"), folder.join("key.txt").display().to_string());
    let printed = voxledger(
        &["audit", "verify-export", &bundle.display().to_string(), "--key", &key, "--json"],
        &with_key(),
    )?;
    let expected = std::fs::read_to_string(folder.join("verdict.jsonl"))?;
    ensure!(printed.succeeded().out == expected, "the documentation shows another verdict");
    let [(ours, proven), (theirs, other)] = judged(&bundle, &key)?;
    ensure!((ours, theirs) == (Some(0), Some(0)), "{proven} {other}");
    for field in ["verdict", "log", "tree_size", "events"] {
        ensure!(proven[field] == other[field] && !other[field].is_null(), "{field}: {proven} {other}");
    }

    let text = std::fs::read_to_string(&bundle)?;
    let spoilt = tempfile::NamedTempFile::new()?;
    for (what, from, to) in [
        ("the format", "voxledger-export/1", "voxledger-export/2"),
        ("the log", "\"log\":\"01a2", "\"log\":\"01a3"),
        ("the signed size", "fdf37\\n7\\n", "fdf37\\n8\\n"),
        ("the signed root", "\\n7\\nh/QN", "\\n7\\nh/QM"),
        ("the signature", "wMfN+LEh", "wMfN+LEi"),
        (
            "what was asked for",
            "\"filter\":{\"stream\":\"number-01a2",
            "\"filter\":{\"stream\":\"number-01a3",
        ),
        ("the range", "\"first\":1,\"last\":7", "\"first\":1,\"last\":5"),
        (
            "no filter",
            "\"filter\":{\"stream\":\"number-01a228a4-7d75-71db-a35e-4bed88bd4335\"}",
            "\"filter\":{}",
        ),
        ("a hash of a gap", "1sgCfa99", "1sgCfa98"),
        ("where a gap ends", "\"from\":5,\"to\":5", "\"from\":5,\"to\":6"),
        ("a position", "\"position\":4", "\"position\":5"),
        ("a version", "\"version\":2", "\"version\":3"),
        ("a type", "number.added", "number.addee"),
        ("a schema", "\"schema\":1", "\"schema\":2"),
        ("a client", "8000-000000000001\",\"recorded_at", "8000-000000000002\",\"recorded_at"),
        ("a time", "18:49:58.407535Z", "18:49:58.407536Z"),
        ("who did it", "api_key", "api_kez"),
        ("what happened", "\"payload\":\"hKZu", "\"payload\":\"hKZv"),
        ("a leaf", "\"leaf\":\"XAIr", "\"leaf\":\"XAIs"),
        ("the count", "\"events\":2", "\"events\":3"),
    ] {
        ensure!(text.contains(from), "{what} is not in it");
        std::fs::write(spoilt.path(), text.replacen(from, to, 1))?;
        for (code, verdict) in judged(spoilt.path(), &key)? {
            ensure!((code, &verdict["verdict"]) == (Some(2), &"proves_nothing".into()), "{what}: {verdict}");
        }
    }
    let lines: Vec<_> = text.lines().collect();
    for at in 0..lines.len() {
        let left: Vec<_> =
            lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| *line).collect();
        std::fs::write(spoilt.path(), left.join("\n") + "\n")?;
        for (code, verdict) in judged(spoilt.path(), &key)? {
            ensure!(code == Some(2), "without line {at}: {verdict}");
        }
    }
    // another log's key
    let other = domain::merkle::NoteSigner::new(format!("voxledger/log/{}", uuid::Uuid::nil()), &[1; 32]);
    for (code, verdict) in judged(&bundle, &other.verifier().to_string())? {
        ensure!(code == Some(2), "{verdict}");
    }
    Ok(())
}
