//! Sets `VOXLEDGER_RULES`, a hash over the sources of this crate: a build does not read snapshots
//! of another build's state.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    let mut hash = DefaultHasher::new();
    add(Path::new("src"), &mut hash)?;
    println!("cargo::rustc-env=VOXLEDGER_RULES={:016x}", hash.finish());
    Ok(())
}

/// Adds the names and contents of all files below a folder, in order.
fn add(folder: &Path, hash: &mut DefaultHasher) -> io::Result<()> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            add(&path, hash)?;
        } else {
            path.hash(hash);
            fs::read(&path)?.hash(hash);
        }
    }
    Ok(())
}
