//! One installation in a folder of its own.

use super::git::words;
use super::{Format, Git, Person, Policy, Repo, Trail, chmod};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// The programs as installed, and where cargo built them.
const PROGRAMS: [(&str, &str); 5] = [
    ("refwarden", env!("CARGO_BIN_EXE_refwarden")),
    ("pre-receive", env!("CARGO_BIN_EXE_pre-receive")),
    ("update", env!("CARGO_BIN_EXE_update")),
    ("post-receive", env!("CARGO_BIN_EXE_post-receive")),
    ("door", env!("CARGO_BIN_EXE_door")),
];

/// A server: programs with their site file, policy, state, log and repositories.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    git: Git,
    people: AtomicUsize,
}

/// The end of a command on the server.
#[derive(Debug)]
pub struct Run {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Run {
    /// It ended with this code and said this.
    #[track_caller]
    pub fn ends(&self, code: i32, words: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let said = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(said, "should say `{words}`: {self:#?}");
        self
    }
}

impl Site {
    /// A site whose policy is this one, applied.
    pub fn new(policy: &Policy) -> Self {
        let site = Self::unapplied(policy, &Git::default());
        site.apply();
        site
    }

    /// The same with another git, on both sides.
    pub fn with_git(policy: &Policy, git: &Git) -> Self {
        let site = Self::unapplied(policy, git);
        site.apply();
        site
    }

    /// A site whose policy was never applied.
    pub fn unapplied(policy: &Policy, git: &Git) -> Self {
        let folder = tempfile::Builder::new().prefix("refwarden-it-").tempdir().unwrap();
        chmod(folder.path(), 0o755);
        let site = Self { folder, git: git.clone(), people: AtomicUsize::new(0) };
        for name in ["lib/refwarden", "root", "people"] {
            std::fs::create_dir_all(site.path(name)).unwrap();
        }
        for name in ["state", "log"] {
            std::fs::create_dir(site.path(name)).unwrap();
            chmod(&site.path(name), 0o700);
        }
        for (name, built) in PROGRAMS {
            install(Path::new(built), &site.programs().join(name));
        }
        site.write_site_file(&own_account(), rustix::process::geteuid().as_raw());
        site.write_policy(policy);
        site
    }

    /// Names the hosting account.
    pub fn write_site_file(&self, account: &str, account_uid: u32) {
        let [policy, state, root] =
            ["policy.toml", "state", "root"].map(|name| self.path(name).display().to_string());
        let text = format!(
            "version = 1\npolicy = \"{policy}\"\nstate = \"{state}\"\nroot = \"{root}\"\n\
             account = \"{account}\"\naccount-uid = {account_uid}\n"
        );
        std::fs::write(self.programs().join("site.toml"), text).unwrap();
    }

    /// Edits the policy's file; that alone changes nothing.
    pub fn write_policy(&self, policy: &Policy) {
        self.write_policy_text(&policy.text());
    }

    /// The same with the text as it stands.
    pub fn write_policy_text(&self, text: &str) {
        let [state, log] = ["state", "log"].map(|name| self.path(name).display().to_string());
        let name = self.folder.path().file_name().unwrap().to_string_lossy();
        let text = text.replace("{state}", &state).replace("{log}", &log).replace("{site}", &name);
        std::fs::write(self.policy(), text).unwrap();
        chmod(&self.policy(), 0o644);
    }

    /// Makes the policy's file count.
    #[track_caller]
    pub fn apply(&self) {
        let run = self.refwarden(&["policy", "apply"]);
        assert_eq!(run.code, Some(0), "policy apply: {run:#?}");
    }

    /// Runs the admin command as whoever runs the tests.
    pub fn refwarden(&self, arguments: &[&str]) -> Run {
        self.refwarden_command(arguments).stdin(Stdio::null()).output().unwrap().into()
    }

    /// The admin command, to be run.
    pub fn refwarden_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs().join("refwarden"));
        command.args(arguments).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("HOME", self.folder.path()).env("LC_ALL", "C").current_dir(self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The git of both sides.
    pub fn git(&self) -> &Git {
        &self.git
    }

    /// A path below the site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the installed programs.
    pub fn programs(&self) -> PathBuf {
        self.path("lib/refwarden")
    }

    /// The policy's file.
    pub fn policy(&self) -> PathBuf {
        self.path("policy.toml")
    }

    /// The trail.
    pub fn trail(&self) -> Trail {
        Trail { path: self.path("log/audit.jsonl") }
    }

    /// A bare repository `root/NAME.git`.
    pub fn repo(&self, name: &str) -> Repo {
        self.repo_of(name, Format::Plain)
    }

    /// The same, of a kind.
    pub fn repo_of(&self, name: &str, format: Format) -> Repo {
        let path = self.path("root").join(format!("{name}.git"));
        Repo::create(path, &self.git, format, &self.programs())
    }

    /// Somebody with an empty clone of `repo`.
    pub fn person(&self, name: &str, repo: &Repo) -> Person {
        let number = self.people.fetch_add(1, Ordering::Relaxed);
        let path = self.path("people").join(format!("{name}{number}"));
        let sha256 = repo.run(&["rev-parse", "--show-object-format"]) == "sha256";
        Person::create(name, path, repo, sha256)
    }

    /// A repository `app` in which `main` has one commit, and alice who made it.
    pub fn started(&self) -> (Repo, Person) {
        let repo = self.repo("app");
        let alice = self.person("alice", &repo);
        alice.commit("README", "hello\n");
        repo.seed(&alice.path, &["main:main"]);
        (repo, alice)
    }

    /// A default site with [`Site::started`].
    pub fn standard() -> (Self, Repo, Person) {
        let site = Self::new(&Policy::default());
        let (repo, alice) = site.started();
        (site, repo, alice)
    }

    /// The trail's chain is whole.
    #[track_caller]
    pub fn trail_verifies(&self) {
        let run = self.refwarden(&["audit", "verify"]);
        assert_eq!(run.code, Some(0), "audit verify: {run:#?}");
    }

    /// Gives everything in the site to another account of the host, the programs aside: they are
    /// second names of the built ones, which stay whose they are.
    pub fn give_to(&self, account: &str, uid: u32) {
        let owner = format!("{account}:");
        let all = std::fs::read_dir(self.folder.path()).unwrap();
        let given = all.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with("lib"));
        let chown = Command::new("chown").args(["-R", &owner]).args(given).output();
        words(&chown.unwrap(), "chown");
        std::os::unix::fs::chown(self.folder.path(), Some(uid), None).unwrap();
        self.write_site_file(account, uid);
        std::os::unix::fs::chown(self.programs().join("site.toml"), Some(uid), Some(uid)).unwrap();
    }
}

/// The name of the account that the tests run as, and so by default of the hosting account.
pub fn own_account() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    words(&id, "id")
}

/// A second name where the file system allows it, else a copy.
///
/// A copy made while another thread forks would be "text file busy" for it: hence the link first.
fn install(built: &Path, to: &Path) {
    if std::fs::hard_link(built, to).is_err() {
        let copy = Command::new("cp").arg(built).arg(to).output().unwrap();
        words(&copy, "cp");
    }
}
