//! Reads a folder of time zones: TZif files as `zic` writes them and systems' `tzdata` packages install them.
//!
//! Only the operator names the folder, and only names found in the folder become paths. Depth, number and size of
//! the files are bounded.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use domain::zones::{BadZoneRelease, BadZones, ZoneRelease, Zones};

/// Where operating systems keep the folder.
pub const SYSTEM_FOLDER: &str = "/usr/share/zoneinfo";

/// The deepest path: `America/Argentina/Buenos_Aires`.
const DEPTH: usize = 3;
/// The most files and folders visited; a release has about 600 zones, and some systems add copies.
const MOST_ENTRIES: usize = 4_000;
/// The most bytes of a zone's file; the largest known has 4 kB.
const MOST_BYTES: u64 = 64 << 10;
/// Bytes read of a text to find the line with the release.
const FIRST_BYTES: u64 = 64;
/// The first bytes of every TZif file.
const MAGIC: &[u8] = b"TZif";
/// Names to skip: copies of the zones with another meaning of seconds, and files that are no place.
const PASSED_OVER: [&str; 4] = ["posix", "right", "posixrules", "localtime"];

/// Why a folder is not a folder of time zones.
#[derive(Debug, thiserror::Error)]
pub enum ZoneFolderError {
    /// The folder does not exist, or one of its files cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// Neither `+VERSION` nor `tzdata.zi` names the IANA release.
    #[error("{} does not say which IANA release it is: put a file +VERSION there, with a line like 2026f", .0.display())]
    Unnamed(PathBuf),
    /// The name of the release is malformed.
    #[error("the release that {} names", .0.display())]
    BadRelease(PathBuf, #[source] BadZoneRelease),
    /// The folder has more files than a release, or one that is too large.
    #[error("{} has {what}", .path.display())]
    TooMuch {
        /// The folder or the file.
        path: PathBuf,
        /// What there is too much of, for the message.
        what: &'static str,
    },
    /// Its files are damaged, or there are none.
    #[error("{} is no folder of time zones", .0.display())]
    Zones(PathBuf, #[source] BadZones),
}

/// The release of the zones in `folder`, from its file `+VERSION` or the first line of `tzdata.zi`. Fails
/// when neither names one.
pub fn release(folder: &Path) -> Result<ZoneRelease, ZoneFolderError> {
    fs::read_dir(folder).map_err(|error| ZoneFolderError::Unreadable(folder.to_owned(), error))?;
    for (name, prefix) in [("+VERSION", ""), ("tzdata.zi", "# version ")] {
        let file = folder.join(name);
        let Some(text) = first_bytes(&file)? else { continue };
        let line = text.lines().next().unwrap_or_default().trim();
        let Some(named) = line.strip_prefix(prefix) else { continue };
        return named.parse().map_err(|error| ZoneFolderError::BadRelease(file, error));
    }
    Err(ZoneFolderError::Unnamed(folder.to_owned()))
}

/// Reads the zones in `folder`. Fails when it names no release, one of its zones is damaged, or it has no
/// zones or too many.
pub fn read(folder: &Path) -> Result<Zones, ZoneFolderError> {
    let release = release(folder)?;
    let mut walk = Walk { root: folder, files: Vec::new(), entries: 0 };
    walk.folder("", 1)?;
    Zones::from_files(release, walk.files).map_err(|error| ZoneFolderError::Zones(folder.to_owned(), error))
}

fn first_bytes(file: &Path) -> Result<Option<String>, ZoneFolderError> {
    if !file.is_file() {
        return Ok(None);
    }
    bounded(file, FIRST_BYTES).map(|bytes| Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn bounded(file: &Path, most: u64) -> Result<Vec<u8>, ZoneFolderError> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| ZoneFolderError::Unreadable(file.to_owned(), error))?;
    Ok(bytes)
}

struct Walk<'a> {
    root: &'a Path,
    files: Vec<(String, Vec<u8>)>,
    entries: usize,
}

impl Walk<'_> {
    fn folder(&mut self, prefix: &str, depth: usize) -> Result<(), ZoneFolderError> {
        let folder = self.root.join(prefix);
        let unreadable = |error| ZoneFolderError::Unreadable(folder.clone(), error);
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                let (path, what) = (self.root.to_owned(), "more files than a release");
                return Err(ZoneFolderError::TooMuch { path, what });
            }
            let entry = entry.map_err(unreadable)?;
            let Some(name) =
                entry.file_name().to_str().filter(|name| is_part_of_a_name(name)).map(str::to_owned)
            else {
                continue;
            };
            if depth == 1 && PASSED_OVER.contains(&name.as_str()) {
                continue;
            }
            let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let path = entry.path();
            // links are followed: packages use them for old names
            let kind =
                fs::metadata(&path).map_err(|error| ZoneFolderError::Unreadable(path.clone(), error))?;
            if kind.is_dir() && depth < DEPTH {
                self.folder(&name, depth + 1)?;
            } else if kind.is_file() {
                self.file(name, &path)?;
            }
        }
        Ok(())
    }

    /// Reads one zone; skips files that are none, such as `leapseconds`.
    fn file(&mut self, name: String, path: &Path) -> Result<(), ZoneFolderError> {
        let bytes = bounded(path, MOST_BYTES + 1)?;
        if !bytes.starts_with(MAGIC) && !Zones::is_bundled(&name) {
            return Ok(());
        }
        if bytes.len() as u64 > MOST_BYTES {
            let (path, what) = (path.to_owned(), "more bytes than a zone");
            return Err(ZoneFolderError::TooMuch { path, what });
        }
        self.files.push((name, bytes));
        Ok(())
    }
}

fn is_part_of_a_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::os::unix::fs::symlink;

    use domain::testing::zones::fixed_zone;
    use tempfile::TempDir;

    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn wall(zones: &Zones, name: &str) -> String {
        zones.find(name).unwrap().local("2026-11-10T12:00:00Z".parse().unwrap()).time().to_string()
    }

    #[test]
    fn a_folder_as_packages_lay_it_down_is_read() {
        let (zone, other) = (fixed_zone("<-03>3"), fixed_zone("<+05>-5"));
        let folder = folder(&[
            ("tzdata.zi", b"# version 2099b\n# This zic input file is in the public domain.\n"),
            ("America/Vancouver", &zone),
            ("America/Argentina/New_Town", &other),
            ("Etc/GMT+12", &zone),
            ("right/America/Vancouver", &other),
            ("posixrules", &other),
            ("leapseconds", b"#\n"),
            ("zone.tab", b"#\n"),
            ("SECURITY", b"Please see\n"),
        ]);
        symlink("Vancouver", folder.path().join("America/Old_Name")).unwrap();
        let zones = read(folder.path()).unwrap();
        assert_eq!(zones.release().to_string(), "2099b");
        assert_eq!(wall(&zones, "America/Vancouver"), "09:00:00");
        assert_eq!(wall(&zones, "America/Old_Name"), "09:00:00");
        assert_eq!(wall(&zones, "America/Argentina/New_Town"), "17:00:00");
        assert_eq!(wall(&zones, "Europe/Berlin"), "13:00:00", "by the program's own rules");
        for none in ["right/America/Vancouver", "posixrules", "leapseconds", "zone.tab", "SECURITY"] {
            assert!(zones.find(none).is_none(), "{none}");
        }
    }

    #[test]
    fn the_release_stands_in_either_of_two_files() {
        let zone = fixed_zone("UTC0");
        for (file, text) in [("+VERSION", "2099a\n"), ("tzdata.zi", "# version 2099a\nR ...")] {
            let folder = folder(&[(file, text.as_bytes()), ("UTC", &zone)]);
            assert_eq!(release(folder.path()).unwrap().to_string(), "2099a");
        }
    }

    #[test]
    fn a_broken_folder_is_refused_and_the_message_says_why() {
        let zone = fixed_zone("UTC0");
        let named = ("+VERSION", b"2099a\n".as_slice());
        let said = |files: &[(&str, &[u8])]| {
            let folder = folder(files);
            let error = read(folder.path()).unwrap_err();
            let text = match error.source() {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            };
            text.replace(&folder.path().display().to_string(), "FOLDER")
        };
        assert_eq!(
            said(&[("UTC", &zone)]),
            "FOLDER does not say which IANA release it is: put a file +VERSION there, with a line like 2026f"
        );
        assert_eq!(
            said(&[("+VERSION", b"newest\n"), ("UTC", &zone)]),
            "the release that FOLDER/+VERSION names: must be an IANA release like 2026f"
        );
        assert_eq!(said(&[named]), "FOLDER is no folder of time zones: there are no time zones");
        // cut off, empty, or the page of a proxy
        for damaged in [&zone[..50], b"", b"<!doctype html>"] {
            assert_eq!(
                said(&[named, ("UTC", &zone), ("America/Vancouver", damaged)]),
                "FOLDER is no folder of time zones: the file of America/Vancouver is not a time zone (TZif)"
            );
        }
        let long = [zone.as_slice(), &vec![b'\n'; 70_000]].concat();
        assert_eq!(said(&[named, ("UTC", &long)]), "FOLDER/UTC has more bytes than a zone");
        let missing = read(Path::new("does/not/exist")).unwrap_err();
        assert!(missing.to_string().contains("does/not/exist cannot be read"), "{missing}");
    }

    #[test]
    fn a_folder_that_leads_to_itself_has_an_end() {
        let zone = fixed_zone("UTC0");
        let folder = folder(&[("+VERSION", b"2099a\n"), ("Loop/UTC", &zone)]);
        symlink(".", folder.path().join("Loop/Loop")).unwrap();
        assert!(read(folder.path()).unwrap().find("Loop/UTC").is_some());
    }
}
