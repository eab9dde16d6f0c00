//! A bare repository on the server.

use super::{Git, Refs, script};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// How a repository stores objects and refs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// SHA-1 and loose or packed ref files.
    #[default]
    Plain,
    /// SHA-256.
    Sha256,
    /// Refs in a reftable: git 2.45 and later.
    Reftable,
}

/// A bare repository with our hooks linked in.
#[derive(Debug, Clone)]
pub struct Repo {
    /// Its folder.
    pub path: PathBuf,
    /// The git that serves it.
    pub git: Git,
    programs: PathBuf,
}

impl Repo {
    /// Makes one; `programs` is the folder of the installed hooks.
    pub(super) fn create(path: PathBuf, git: &Git, format: Format, programs: &Path) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let format = match format {
            Format::Plain => vec![],
            Format::Sha256 => vec!["--object-format=sha256"],
            Format::Reftable => vec!["--ref-format=reftable"],
        };
        let base = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main"];
        git.run(&path, &[&base[..], &format[..]].concat());
        std::fs::create_dir_all(path.join("hooks")).unwrap();
        let repo = Self { path, git: git.clone(), programs: programs.to_owned() };
        repo.link(&["pre-receive", "update", "post-receive"]);
        repo
    }

    /// Links these of our hooks.
    pub fn link(&self, hooks: &[&str]) {
        for hook in hooks {
            symlink(self.programs.join(hook), self.hook(hook)).unwrap();
        }
    }

    /// Takes a hook away.
    pub fn unlink(&self, hook: &str) {
        std::fs::remove_file(self.hook(hook)).unwrap();
    }

    /// Where a hook lies.
    pub fn hook(&self, name: &str) -> PathBuf {
        self.path.join("hooks").join(name)
    }

    /// Puts a foreign hook where the installation keeps those that were there before.
    pub fn foreign(&self, hook: &str, body: &str) {
        script(&self.hook(&format!("{hook}.before-refwarden")), body);
    }

    /// Runs git in it.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.git.run(&self.path, arguments)
    }

    /// Sets a setting.
    pub fn config(&self, key: &str, value: &str) {
        self.run(&["config", key, value]);
    }

    /// What a ref points to.
    pub fn id(&self, name: &str) -> String {
        self.run(&["rev-parse", "--verify", name])
    }

    /// All refs, and `HEAD` as text.
    pub fn refs(&self) -> Refs {
        let format = "--format=%(refname) %(objectname) %(symref)";
        let output = self.git.command(&self.path).args(["for-each-ref", format]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Its address for a client on this machine.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Copies all refs and objects of a person's clone in, past every hook.
    pub fn seed(&self, from: &Path, refspecs: &[&str]) {
        let from = from.display().to_string();
        let base = ["fetch", "--quiet", "--force", "--update-head-ok", from.as_str()];
        self.run(&[&base[..], refspecs].concat());
    }
}
