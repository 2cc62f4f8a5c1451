//! The real binary as a child process: started, killed, started again on the same folder.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a node may take to say that it listens, also on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Settings of a node under test. The folder outlives the process, so that it can be started again.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// `VOXLEDGER_…` variables without the prefix.
    pub env: BTreeMap<String, String>,
    /// Variables under their own names.
    environment: BTreeMap<String, String>,
    patience: Duration,
    program: Option<PathBuf>,
}

impl ServerOptions {
    #[must_use]
    pub fn bare() -> Self {
        let (env, environment) = Default::default();
        Self { env, environment, patience: START_LIMIT, program: None }
    }

    /// A node on embedded stores in `data_dir`, on a free port.
    #[must_use]
    pub fn embedded(data_dir: &Path) -> Self {
        let env = [
            ("BIND", "127.0.0.1:0".to_owned()),
            ("DATA_DIR", data_dir.display().to_string()),
            ("BOOTSTRAP_KEY", crate::client::TEST_KEY.to_owned()),
            ("TELNYX_PUBLIC_KEY", crate::webhook::public_key()),
            // nobody balances here: whoever is told to stop need not wait until they noticed
            ("HTTP_DRAIN_MS", "1".to_owned()),
            // an unoptimised node beside other tests is slow, and no less right
            ("HTTP_QUEUE_WAIT_MS", if cfg!(debug_assertions) { "10000" } else { "1000" }.to_owned()),
            // the same rules on every machine
            ("ZONEINFO", "bundled".to_owned()),
            ("LOG", "warn".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        Self { env, ..Self::bare() }
    }

    /// The same node with both stores in PostgreSQL.
    #[must_use]
    pub fn postgres(data_dir: &Path, url: &str) -> Self {
        Self::embedded(data_dir).set("EVENT_STORE", url).set("READ_MODELS", url)
    }

    /// A node that may take its time to start, as one with a long log and no views.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// A variable that is no setting of Voxledger's.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Started from another binary than the one under test; `None` for that one.
    #[must_use]
    pub fn program(self, program: Option<PathBuf>) -> Self {
        Self { program, ..self }
    }

    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A running node. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    printed: Arc<Mutex<String>>,
    /// `http://127.0.0.1:PORT`.
    pub base: String,
    /// From the start of the process until it listened.
    pub started_in: Duration,
}

/// The binary under test: `VOXLEDGER_BIN`, or the one beside this test's own.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("VOXLEDGER_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(3);
    let found = folders.map(|folder| folder.join("voxledger")).find(|path| path.is_file());
    found.context("no voxledger binary beside the tests: build it with `cargo build`, or run ./tests/run")
}

impl Server {
    /// Starts `voxledger serve` and waits until it listens.
    pub fn start(options: &ServerOptions) -> Result<Self> {
        let begun = Instant::now();
        // a write beyond a limit of `limit_files` is to be an error, as on a full disk, and not the end
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"trap '' XFSZ; exec "$@""#, "sh"])
            .arg(options.program.clone().map_or_else(binary, Ok)?);
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(options.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)));
        command.envs(&options.environment);
        let mut child = command.spawn().context("start voxledger")?;
        let (lines, printed) = mpsc::channel();
        let kept = Arc::new(Mutex::new(String::new()));
        for pipe in [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn std::io::Read + Send>),
        ]
        .into_iter()
        .flatten()
        {
            let (lines, kept) = (lines.clone(), kept.clone());
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if std::env::var_os("SHOW_SERVER").is_some() {
                        eprintln!("server: {line}");
                    }
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push_str(&line);
                    kept.push('\n');
                    // after the start nobody listens any more, and the pipe must still be drained
                    let _ = lines.send(line);
                }
            });
        }
        drop(lines);
        let mut said = String::new();
        while let Ok(line) = printed.recv_timeout(options.patience.saturating_sub(begun.elapsed())) {
            if let Some((_, base)) = line.split_once("listening on ") {
                let base = base.split(['"', ' ']).next().unwrap_or(base).to_owned();
                return Ok(Self { child, printed: kept, base, started_in: begun.elapsed() });
            }
            said.push_str(&line);
            said.push('\n');
        }
        let _ = child.kill();
        let status = child.wait()?;
        bail!("voxledger did not start ({status}):\n{said}")
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Everything it printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on no file can be written beyond so many bytes, as if the disk were full; without a
    /// number, all can again.
    pub fn limit_files(&self, bytes: Option<u64>) -> Result<()> {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.pid().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:")]).status()?;
        anyhow::ensure!(status.success(), "prlimit failed");
        Ok(())
    }

    /// Resident memory in bytes, from the kernel.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most memory that was ever resident, in bytes.
    pub fn peak_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, which: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with(which)).context("no such line")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kib * 1024)
    }

    /// Seconds of CPU the process has used so far, in user and kernel mode together.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // the name of the program, in brackets, may have blanks
        let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
        let ticks = |field: usize| -> Result<f64> {
            Ok(fields.split(' ').nth(field).context("no such field")?.parse()?)
        };
        // fields 14 and 15 of proc(5); Linux counts in hundredths for programs
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    /// `kill -9`.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// `kill -TERM`; it goes on until what is under way is finished.
    pub fn ask_to_stop(&self) -> Result<()> {
        Command::new("kill").arg(self.pid().to_string()).status()?;
        Ok(())
    }

    /// `kill -STOP`: the process stands still, its connections stay.
    pub fn freeze(&self) -> Result<()> {
        Command::new("kill").args(["-STOP", &self.pid().to_string()]).status()?;
        Ok(())
    }

    /// `kill -CONT`, after [`Server::freeze`].
    pub fn thaw(&self) -> Result<()> {
        Command::new("kill").args(["-CONT", &self.pid().to_string()]).status()?;
        Ok(())
    }

    /// `kill -TERM`, and its exit status.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.ask_to_stop()?;
        let (ended, waiting) = mpsc::channel::<()>();
        let pid = self.pid().to_string();
        let watchdog = std::thread::spawn(move || {
            let overdue =
                waiting.recv_timeout(Duration::from_secs(30)) == Err(mpsc::RecvTimeoutError::Timeout);
            if overdue {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
            overdue
        });
        let status = self.child.wait()?;
        drop(ended);
        let overdue = watchdog.join().unwrap_or(true);
        anyhow::ensure!(!overdue, "voxledger did not stop within 30 s of SIGTERM");
        Ok(status)
    }
}

/// A node that is killed and started again on the same folder and address.
#[derive(Debug)]
pub struct Node {
    /// How it is started.
    pub options: ServerOptions,
    server: Option<Server>,
}

impl Node {
    /// Starts it.
    pub fn start(options: ServerOptions) -> Result<Self> {
        let server = Some(Server::start(&options)?);
        Ok(Self { options, server })
    }

    /// The running process.
    pub fn server(&self) -> Result<&Server> {
        self.server.as_ref().context("the node does not run")
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.server.take().context("the node does not run")?.kill()
    }

    /// `kill -TERM`, and its exit status.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.server.take().context("the node does not run")?.terminate()
    }

    /// How it ended, if it did so by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.server.as_mut().context("the node does not run")?.child.try_wait()?;
        if ended.is_some() {
            self.server = None;
        }
        Ok(ended)
    }

    /// Starts it again.
    pub fn resume(&mut self) -> Result<()> {
        self.server = Some(Server::start(&self.options)?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
