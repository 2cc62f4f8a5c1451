//! Files of the console, prepared for serving.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// Name of the page that loads all other files.
pub(super) const PAGE: &str = "index.html";
/// Files smaller than this, in bytes, are not compressed: headers cost more than it saves.
const WORTH_COMPRESSING: usize = 256;

#[derive(RustEmbed)]
#[folder = "../console/"]
struct Files;

#[derive(Debug)]
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) etag: String,
    pub(super) plain: Bytes,
    packed: OnceLock<Option<Bytes>>,
}

impl Asset {
    fn new(path: &str, content: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", hex(&Sha256::digest(&content), 32));
        Self { content_type: content_type(path), etag, plain: content.into(), packed: OnceLock::new() }
    }

    /// The file compressed with gzip, on first use; `None` when that does not make it smaller.
    pub(super) fn packed(&self) -> Option<Bytes> {
        self.packed.get_or_init(|| pack(&self.plain)).clone()
    }
}

/// All files of the console, by their path.
#[derive(Debug)]
pub(super) struct Assets {
    /// Path segment that changes with every change of a file, so that browsers may cache the files for ever.
    pub(super) build: String,
    files: BTreeMap<String, Asset>,
}

/// The files embedded in this binary.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let served = Files::iter().filter(|path| !path.ends_with(".md"));
    Assets::of(served.filter_map(|path| Some((path.to_string(), Files::get(&path)?.data.into_owned()))))
});

impl Assets {
    fn of(files: impl Iterator<Item = (String, Vec<u8>)>) -> Self {
        let mut files: BTreeMap<String, Vec<u8>> = files.collect();
        let mut all = Sha256::new();
        for (path, content) in &files {
            all.update(path);
            all.update(Sha256::digest(content));
        }
        let build = hex(&all.finalize(), 12);
        let preload = preloads(files.keys(), &build);
        if let Some(page) = files.get_mut(PAGE) {
            let text = String::from_utf8_lossy(page);
            *page = text.replace("{build}", &build).replace("<!-- preload -->", &preload).into_bytes();
        }
        let files = files.into_iter().map(|(path, content)| {
            let asset = Asset::new(&path, content);
            (path, asset)
        });
        Self { build, files: files.collect() }
    }

    pub(super) fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }
}

/// Modules import each other: preload links for all of them save the browser from finding out step by step.
fn preloads<'a>(paths: impl Iterator<Item = &'a String>, build: &str) -> String {
    let modules = paths.filter(|path| path.ends_with("js") && !path.contains(".iife."));
    modules.fold(String::new(), |mut lines, path| {
        let _ = writeln!(lines, "<link rel=\"modulepreload\" href=\"/console/{build}/{path}\">");
        lines
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn pack(content: &[u8]) -> Option<Bytes> {
    if content.len() < WORTH_COMPRESSING {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < content.len()).then(|| packed.into())
}

fn hex(bytes: &[u8], digits: usize) -> String {
    bytes.iter().take(digits / 2).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_console_stays_below_300_kib_compressed() {
        let size: usize = ASSETS
            .files
            .values()
            .map(|file| file.packed().map_or(file.plain.len(), |packed| packed.len()))
            .sum();
        assert!((10_000..300 << 10).contains(&size), "{size}");
    }

    #[test]
    fn every_module_that_is_imported_is_there_and_none_comes_from_elsewhere() {
        for (path, file) in ASSETS.files.iter().filter(|(path, _)| path.ends_with("js")) {
            let text = std::str::from_utf8(&file.plain).unwrap();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for target in text.split("from").skip(1).filter_map(quoted) {
                assert!(target.starts_with('.'), "{path} imports {target}");
                assert!(ASSETS.get(&resolve(folder, target)).is_some(), "{path} imports {target}");
            }
        }
    }

    /// The name at the beginning of `text`, if it is one in quotation marks.
    fn quoted(text: &str) -> Option<&str> {
        let text = text.trim_start();
        let mark = text.chars().next().filter(|mark| matches!(mark, '"' | '\''))?;
        let name = text[1..].split(mark).next()?;
        (!name.is_empty() && !name.contains(' ')).then_some(name)
    }

    fn resolve(folder: &str, target: &str) -> String {
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in target.split('/') {
            match part {
                "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }

    #[test]
    fn a_change_of_any_file_gives_all_of_them_another_place() {
        let files = |content: &str| {
            let files = [(PAGE.to_owned(), b"{build}".to_vec()), ("a.js".to_owned(), content.into())];
            Assets::of(files.into_iter())
        };
        let (one, other) = (files("1"), files("2"));
        assert_ne!(one.build, other.build);
        assert_eq!(one.get(PAGE).unwrap().plain, one.build.as_bytes());
        assert_ne!(one.get(PAGE).unwrap().etag, other.get(PAGE).unwrap().etag);
    }
}
