//! Programs in Python that tests run: vendors' SDKs in a virtual environment of their own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

/// Runs `tests/vendors/PROGRAM` with what `tests/vendors/requirements.txt` names; what it printed.
///
/// The environment is made by the first run, in the target folder, from the package registries.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let vendors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendors");
    let python = environment(&vendors.join("requirements.txt"))?;
    let mut command = Command::new(python);
    output(command.arg(vendors.join(program)).args(arguments))
}

/// A program that runs beside a test. It is told to end, by the end of its input, when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The first line that it printed.
    pub told: String,
}

impl Running {
    /// Starts `tests/vendors/PROGRAM`, and waits for its first line.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let vendors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendors");
        let mut command = Command::new(environment(&vendors.join("requirements.txt"))?);
        command.arg(vendors.join(program)).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("a python program")?;
        let mut told = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut told)?;
        Ok(Self { child, told: told.trim().to_owned() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn environment(requirements: &Path) -> Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let own = std::env::current_exe()?;
    let target = own.ancestors().find(|folder| folder.join("deps").is_dir()).context("a target folder")?;
    let wanted = fs::read_to_string(requirements)?;
    let folder = target.join("vendors");
    let (python, made_for) = (folder.join("bin/python"), folder.join("made-for.txt"));
    if fs::read_to_string(&made_for).is_ok_and(|made_for| made_for == wanted) {
        return Ok(python);
    }
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    output(Command::new(&python).args(pip).arg(requirements))?;
    fs::write(made_for, wanted)?;
    Ok(python)
}

fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().context(shown.clone())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(status.success(), "{shown}: {status}\n{}{}", text(&stdout), text(&stderr));
    Ok(text(&stdout))
}
