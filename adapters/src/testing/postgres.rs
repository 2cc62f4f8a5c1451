//! A throwaway PostgreSQL server: runs in a temporary folder, durable like a real one, and disappears afterwards
//! even if the test process is killed.
//!
//! Needs the server's programs: from `pg_config --bindir`, or the newest of `/usr/lib/postgresql/*/bin`.

#![expect(clippy::expect_used, clippy::panic, reason = "a test without its server fails at once")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use super::ports::free_port;
use crate::database::SecretUrl;

/// How long the server may take to start, stop or recover.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name of the superuser role.
const SUPERUSER: &str = "postgres";
/// Name of the role that owns the tests' databases: an ordinary role, as in production.
const ROLE: &str = "voxledger";
/// Creates the role; several tests may do so at once.
const ADD_ROLE: &str = "DO $$ BEGIN CREATE ROLE voxledger LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE; \
                        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";

/// A script that stops the server and removes its folder once its standard input ends: when the cluster is dropped,
/// or when the process that started it dies in any way. A process group of its own keeps it alive through Ctrl-C.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP
cat > /dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    for _ in $(seq 500); do kill -0 "$pid" 2>/dev/null || break; sleep 0.02; done
fi
rm -rf "$1"
"#;

/// A PostgreSQL server of the test's own, on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// The user to run as when the test runs as root: PostgreSQL refuses to run as root.
    user: Option<&'static str>,
    port: u16,
    databases: AtomicU32,
    watchdog: Child,
}

impl Cluster {
    /// The server that all tests of this binary share. Panics when PostgreSQL is not installed or does not start.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Cluster::start)
    }

    /// A server of its own, for tests that stop or kill it. Panics as [`Cluster::shared`].
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("voxledger-postgres-").expect("a temporary folder").keep();
        let user = (owner(&folder) == 0).then_some("postgres");
        if let Some(user) = user {
            run(Command::new("chown").args([user, &folder.to_string_lossy()]));
        }
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &folder.to_string_lossy()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell");
        let cluster = Cluster {
            port: free_port().expect("a free port"),
            folder,
            programs: programs(),
            user,
            databases: AtomicU32::new(0),
            watchdog,
        };
        let superuser = format!("--username={SUPERUSER}");
        run(cluster.command("initdb").args([&superuser, "--auth=trust", "--encoding=UTF8", "--no-locale"]));
        cluster.resume();
        cluster
    }

    /// A fresh, empty database. It belongs to an ordinary role, and so does the address: row-level security applies
    /// to everything a test does with it, as in production. Panics when the server cannot be reached.
    pub async fn database(&self) -> SecretUrl {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let maintenance = self.url(SUPERUSER, "postgres").options().expect("a URL made here is well formed");
        let mut connection = maintenance.connect().await.expect("the server is up");
        for sql in [ADD_ROLE.to_owned(), format!("CREATE DATABASE {name} OWNER {ROLE}")] {
            connection.execute(AssertSqlSafe(sql)).await.expect("a new database");
        }
        connection.close().await.expect("a clean goodbye");
        self.url(ROLE, &name)
    }

    /// The same database with a superuser's address: for tests that change settings of the server, or bypass
    /// row-level security. Panics when the address names no database.
    #[must_use]
    pub fn as_superuser(&self, database: &SecretUrl) -> SecretUrl {
        let options = database.options().expect("an address of a database here");
        self.url(SUPERUSER, options.get_database().expect("an address that names its database"))
    }

    /// Shuts the server down in good order, disconnecting its clients.
    pub fn stop(&self) {
        run(self.command("pg_ctl").args(["stop", "-w", "-m", "fast"]));
    }

    /// Kills every process of the server at once, as a power cut would. Panics when the server is not running.
    pub fn kill(&self) {
        let all = self.signal("-KILL");
        let deadline = Instant::now() + PATIENCE;
        while all.iter().any(|pid| alive(pid)) {
            assert!(Instant::now() < deadline, "the server survives being killed");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Suspends every process of the server: connections stay open, and nothing answers. Panics when the
    /// server is not running.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Resumes the server after [`Cluster::freeze`]. Panics when the server is not running.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Sends a signal to every process of the server; answers their process ids.
    fn signal(&self, signal: &str) -> Vec<String> {
        let pid = self.pid().expect("the server is running");
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid]).output().expect("ps");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        let children = children.split_whitespace().map(str::to_owned);
        let all: Vec<String> = std::iter::once(pid).chain(children).collect();
        // a child process may have ended by itself meanwhile
        let _ = Command::new("kill").arg(signal).args(&all).output();
        all
    }

    /// Starts the server after [`Cluster::stop`] or [`Cluster::kill`], and returns once it accepts connections.
    /// Panics when the server does not start.
    pub fn resume(&self) {
        let settings = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c max_connections=300 -c fsync=on",
            self.port,
            self.folder.display()
        );
        let log = self.folder.join("log");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut start = self.command("pg_ctl");
            start.args(["start", "-w", "-s", "-t", "60", "-o", &settings, "-l"]).arg(&log);
            // the server inherits these, and must not hold the test's own output open
            start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if start.status().expect("pg_ctl").success() {
                return;
            }
            // after a kill the kernel may still be releasing the old server's memory
            let text = fs::read_to_string(&log).unwrap_or_default();
            assert!(Instant::now() < deadline, "the server does not start: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn url(&self, role: &str, database: &str) -> SecretUrl {
        let url = format!("postgres://{role}@127.0.0.1:{}/{database}", self.port);
        url.parse().expect("a URL made here is well formed")
    }

    fn pid(&self) -> Option<String> {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        file.lines().next().map(str::to_owned)
    }

    /// A command of PostgreSQL's, run as the server's user on the server's data.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(&self.folder).env("PGDATA", self.folder.join("data")).env_remove("PGHOST");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // the watchdog has done its work, or has been killed; either way nothing is left to do here
        let _ = self.watchdog.wait();
    }
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).map_or(u32::MAX, |metadata| metadata.uid())
}

fn alive(pid: &str) -> bool {
    // a killed process whose parent has not reaped it yet is dead all the same
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn programs() -> PathBuf {
    let told = Command::new("pg_config").arg("--bindir").output();
    let told =
        told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())).unwrap_or_default();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = installed.map(|version| version.path().join("bin")).collect();
    // numbers of one width sort as text; 9.x is long gone
    found.sort();
    found.push(told);
    let usable = found.into_iter().rev().find(|folder| folder.join("initdb").exists());
    usable.expect("PostgreSQL's server programs; install the package `postgresql`")
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
