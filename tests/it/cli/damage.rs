//! Damaged pages are found and named with the remedy; files are their owner's alone.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use serde_json::json;
use tests::client::Api;
use tests::folders::copy_folder;
use tests::server::{Server, ServerOptions, binary};

use super::run::voxledger;

fn copy(from: &Path, to: &Path) -> Result<ServerOptions> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o700))?;
    copy_folder(from, to)?;
    Ok(ServerOptions::embedded(to))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_damaged_pages_of_every_store_and_names_the_remedy() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let server = tokio::task::block_in_place(|| Server::start(&node))?;
    let api = Api::new(&server.base)?;
    for n in 0..40 {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "reject"}});
        ensure!(api.post("/api/v1/numbers", number).await?.status == 201);
    }
    tokio::task::block_in_place(|| server.terminate())?;
    let doctor = |options: &ServerOptions, deep: bool| {
        let arguments: &[&str] = if deep { &["doctor", "--deep"] } else { &["doctor"] };
        tokio::task::block_in_place(|| voxledger(arguments, options))
    };
    let well = doctor(&node, true)?.succeeded();
    for store in ["log", "seals", "keys", "views"] {
        ensure!(well.out.contains(&format!("pages of the {store}")), "{}", well.out);
    }
    for (store, file, remedy) in [
        ("log", "events.db", "voxledger restore"),
        ("seals", "events.seals.db", "the log makes them again"),
        ("keys", "keys.db", "voxledger restore"),
        ("views", "views.db", "the log makes them again"),
    ] {
        let options = copy(&data, &folder.path().join(store))?;
        let path = folder.path().join(store).join(file);
        let damaged = OpenOptions::new().write(true).open(&path)?;
        let pages = damaged.metadata()?.len() / 4096;
        for page in pages / 2..pages {
            damaged.write_all_at(&[0xa5; 4096], page * 4096)?;
        }
        let found = doctor(&options, false)?.failed();
        let found = found.says(&format!("pages of the {store}")).says("is damaged").says(remedy);
        ensure!(!found.out.contains("code:"), "{}", found.out);
    }
    // and the remedy helps
    let views = folder.path().join("views");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(views.join(format!("views.db{suffix}")));
    }
    let server = tokio::task::block_in_place(|| Server::start(&ServerOptions::embedded(&views)))?;
    let api = Api::new(&server.base)?;
    tests::until::until("the views", tests::until::SOON, async || {
        Ok((api.list_all("/api/v1/numbers").await?.len() == 40).then_some(()))
    })
    .await
}

fn modes(folder: &Path) -> Result<Vec<(String, u32)>> {
    let mut modes = vec![(".".to_owned(), fs::metadata(folder)?.permissions().mode() & 0o777)];
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        modes.push((name, file.metadata()?.permissions().mode() & 0o777));
    }
    Ok(modes)
}

fn are_private(folder: &Path) -> Result<usize> {
    let modes = modes(folder)?;
    let open = modes.iter().find(|(_, mode)| mode & 0o077 != 0);
    ensure!(open.is_none(), "{open:?} of {modes:?}");
    Ok(modes.len())
}

#[test]
fn stores_are_their_owners_alone_whatever_the_umask_and_old_ones_are_closed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let made = Command::new("sh")
        .args(["-c", "umask 000; exec \"$0\" migrate up"])
        .arg(binary()?)
        .stdin(Stdio::null())
        .env_clear()
        .envs(node.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)))
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    ensure!(are_private(&data)? > 4);

    // a folder of before
    fs::set_permissions(&data, Permissions::from_mode(0o755))?;
    for file in fs::read_dir(&data)? {
        fs::set_permissions(file?.path(), Permissions::from_mode(0o644))?;
    }
    voxledger(&["doctor"], &node)?.failed().says("others can read").says("chmod 700").says("chmod 600");
    let server = Server::start(&node)?;
    ensure!(are_private(&data)? > 8, "locks, journals and the master key, too: {:?}", modes(&data)?);
    ensure!(server.printed().contains("others could use the data folder"), "{}", server.printed());
    let there = node.clone().set("BIND", server.address());
    voxledger(&["doctor"], &there)?.succeeded().says("is its owner's alone");
    server.terminate()?;
    are_private(&data)?;

    // not a folder of its own: told, and left alone
    let shared = folder.path().join("shared");
    fs::create_dir(&shared)?;
    fs::set_permissions(&shared, Permissions::from_mode(0o755))?;
    fs::write(shared.join("somebody-elses"), "")?;
    let node = ServerOptions::embedded(&shared);
    let server = Server::start(&node)?;
    ensure!(fs::metadata(&shared)?.permissions().mode() & 0o777 == 0o755);
    let other = fs::metadata(shared.join("somebody-elses"))?.permissions().mode() & 0o777;
    ensure!(other & 0o044 != 0, "{other:o}");
    let there = node.clone().set("BIND", server.address());
    voxledger(&["doctor"], &there)?.succeeded().says("a folder of its own");
    Ok(())
}
