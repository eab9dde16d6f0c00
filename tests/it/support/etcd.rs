//! Members of the real etcd on loopback (Debian: etcd-server), and what tests do to them.
//!
//! Knows processes and etcd's own gateway; nothing of refwarden, so that the store's own tests
//! (`src/store/etcd/tests`) and these here both use it.

use rustix::process::{Pid, Signal};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long members may take to find each other.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills what it started when its stdin ends: dropped, or because the test process died.
const KEEPER: &str =
    r#"log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!; read _; kill -9 $!; wait"#;

/// One member.
#[derive(Debug)]
pub struct Member {
    /// Its client URL.
    pub url: String,
    arguments: Vec<String>,
    keeper: Option<(Child, Pid)>,
}

/// Members, and the folder of their data.
#[derive(Debug)]
pub struct Cluster {
    /// In the order of their names.
    pub members: Vec<Member>,
    /// Of data, logs and what else a test lays there.
    pub folder: TempDir,
}

/// How members are started.
#[derive(Debug, Default, Clone)]
pub struct Setup {
    /// More arguments for all.
    pub arguments: Vec<String>,
    /// `https` for clients.
    pub tls: bool,
}

impl Member {
    /// Starts it, also again on the same data.
    pub fn start(&mut self, log: &Path) {
        assert!(Path::new("/usr/bin/etcd").exists(), "apt-get install etcd-server etcd-client");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(log).arg("/usr/bin/etcd").args(&self.arguments);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        let mut keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        self.keeper = Some((keeper, pid));
    }

    /// What its gateway says; `None` where it says nothing, or no, within a second.
    pub fn ask(&self, path: &str, body: &str) -> Option<serde_json::Value> {
        let config = ureq::Agent::config_builder().proxy(None);
        let agent = config.timeout_global(Some(Duration::from_secs(1))).build().new_agent();
        let mut answer = agent.post(format!("{}{path}", self.url)).send(body).ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    /// Whether it answers a linearizable read, which needs a majority.
    fn answers(&self) -> bool {
        self.ask("/v3/kv/range", r#"{"key":"eA=="}"#).is_some()
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        if let Some((mut keeper, _)) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    /// Stops it in its tracks, or lets it on: its sockets stay open.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        rustix::process::kill_process(self.keeper.as_ref().unwrap().1, signal).unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Cluster {
    /// Starts `count` members with `setup`, and waits until they answer.
    pub fn start(count: usize, setup: &Setup) -> Self {
        let mut cluster = Self::prepare(count, setup, tempfile::tempdir().unwrap());
        (0..count).for_each(|at| cluster.start_member(at));
        if !setup.tls {
            cluster.wait();
        }
        cluster
    }

    /// Members that are not started yet.
    pub fn prepare(count: usize, setup: &Setup, folder: TempDir) -> Self {
        let held: Vec<_> =
            (0..2 * count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port: Vec<u16> = held.iter().map(|one| one.local_addr().unwrap().port()).collect();
        let peer = |at: usize| format!("http://127.0.0.1:{}", port[count + at]);
        let all: Vec<String> = (0..count).map(|at| format!("m{at}={}", peer(at))).collect();
        let scheme = if setup.tls { "https" } else { "http" };
        let member = |at: usize| {
            let url = format!("{scheme}://127.0.0.1:{}", port[at]);
            let data = folder.path().join(format!("m{at}.data")).display().to_string();
            let mut arguments: Vec<String> = [
                ("--name", format!("m{at}")),
                ("--data-dir", data),
                ("--listen-client-urls", url.clone()),
                ("--advertise-client-urls", url.clone()),
                ("--listen-peer-urls", peer(at)),
                ("--initial-advertise-peer-urls", peer(at)),
                ("--initial-cluster", all.join(",")),
                ("--initial-cluster-token", "refwarden-test".to_owned()),
                ("--logger", "zap".to_owned()),
                ("--log-outputs", "stderr".to_owned()),
            ]
            .into_iter()
            .flat_map(|(key, value)| [key.to_owned(), value])
            .collect();
            arguments.extend(setup.arguments.iter().cloned());
            Member { url, arguments, keeper: None }
        };
        let members = (0..count).map(member).collect();
        Self { members, folder }
    }

    /// Starts one, also again.
    pub fn start_member(&mut self, at: usize) {
        let log = self.folder.path().join(format!("m{at}.log"));
        self.members[at].start(&log);
    }

    /// Where other members reach this one.
    pub fn peer(&self, at: usize) -> String {
        let all = &self.members[at].arguments;
        let key = all.iter().position(|one| one == "--listen-peer-urls").unwrap();
        all[key + 1].clone()
    }

    /// The URLs of all.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(|member| member.url.clone()).collect()
    }

    /// Waits until every member by itself answers what needs a majority.
    pub fn wait(&self) {
        let start = Instant::now();
        for member in &self.members {
            while !member.answers() {
                assert!(start.elapsed() < PATIENCE, "gave up waiting for {}", member.url);
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Which one leads.
    pub fn leader(&self) -> usize {
        let status = |member: &Member| member.ask("/v3/maintenance/status", "{}").unwrap();
        let leads = |one: serde_json::Value| one["leader"] == one["header"]["member_id"];
        self.members.iter().position(|member| leads(status(member))).unwrap()
    }
}

/// The cluster of all tests that harm no member.
pub fn common() -> &'static Cluster {
    static COMMON: OnceLock<Cluster> = OnceLock::new();
    COMMON.get_or_init(|| Cluster::start(3, &Setup::default()))
}
