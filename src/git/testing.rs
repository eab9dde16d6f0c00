//! Real repositories for tests, made by the real git, with a fixed clock and nobody's configuration.

#![allow(
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests start git and read the environment"
)]

use super::objects::Objects;
use super::{GitEnv, Limits, Reader};
use crate::push::{RefName, RefUpdate, line};
use gix::ObjectId;
use gix::hash::Kind;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A bare repository in a folder of its own.
pub struct Repo {
    pub root: tempfile::TempDir,
    pub dir: PathBuf,
    pub format: Kind,
}

/// A git that reads nobody's configuration and whose time stands still.
pub fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", "/nonexistent").env("LC_ALL", "C");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "T").env(format!("GIT_{role}_EMAIL"), "t@t");
        command.env(format!("GIT_{role}_DATE"), "1700000000 +0000");
    }
    command.args([
        "-c",
        "init.defaultBranch=main",
        "-c",
        "gc.auto=0",
        "-c",
        "protocol.file.allow=always",
    ]);
    command.current_dir(dir);
    command
}

fn run(mut command: Command, input: &[u8]) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Runs git in `dir` and gives its output.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = git_command(dir);
    command.args(args);
    run(command, b"")
}

/// Whether this git can make a repository with reftables.
pub fn has_reftable() -> bool {
    let root = tempfile::tempdir().unwrap();
    let mut command = git_command(root.path());
    command.args(["init", "-q", "--bare", "--ref-format=reftable", "x"]);
    command.stderr(Stdio::null()).status().unwrap().success()
}

impl Repo {
    pub fn new() -> Self {
        Self::with(&["--object-format=sha1"])
    }

    pub fn sha256() -> Self {
        Self::with(&["--object-format=sha256"])
    }

    pub fn with(options: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("r.git");
        let mut args = vec!["init", "-q", "--bare"];
        args.extend(options);
        args.push("r.git");
        git(root.path(), &args);
        let sha256 = options.iter().any(|option| option.ends_with("sha256"));
        Self { root, dir, format: if sha256 { Kind::Sha256 } else { Kind::Sha1 } }
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(&self.dir, args)
    }

    pub fn git_in(&self, args: &[&str], input: impl AsRef<[u8]>) -> String {
        let mut command = git_command(&self.dir);
        command.args(args);
        run(command, input.as_ref())
    }

    pub fn id(&self, args: &[&str]) -> ObjectId {
        ObjectId::from_hex(self.git(args).as_bytes()).unwrap()
    }

    pub fn rev(&self, name: &str) -> ObjectId {
        self.id(&["rev-parse", "--verify", name])
    }

    pub fn blob(&self, text: impl AsRef<[u8]>) -> ObjectId {
        ObjectId::from_hex(self.git_in(&["hash-object", "-w", "--stdin"], text).as_bytes()).unwrap()
    }

    /// A tree of `mode path text`; the text of a `160000` entry is an id.
    pub fn tree(&self, files: &[(&str, &str, &str)]) -> ObjectId {
        let index = self.root.path().join("index");
        let _ = std::fs::remove_file(&index);
        let mut lines = String::new();
        for (mode, path, text) in files {
            let id = if *mode == "160000" { text.to_string() } else { self.blob(text).to_string() };
            lines += &format!("{mode} {id}\t{path}\0");
        }
        let mut command = git_command(&self.dir);
        command.env("GIT_INDEX_FILE", &index).args(["update-index", "-z", "--index-info"]);
        run(command, lines.as_bytes());
        let mut command = git_command(&self.dir);
        command.env("GIT_INDEX_FILE", &index).arg("write-tree");
        ObjectId::from_hex(run(command, b"").as_bytes()).unwrap()
    }

    /// A commit of plain files.
    pub fn commit(&self, files: &[(&str, &str)], parents: &[ObjectId]) -> ObjectId {
        let files: Vec<_> = files.iter().map(|(path, text)| ("100644", *path, *text)).collect();
        self.commit_tree(self.tree(&files), parents, 1_700_000_000)
    }

    pub fn commit_tree(&self, tree: ObjectId, parents: &[ObjectId], date: i64) -> ObjectId {
        let mut command = git_command(&self.dir);
        command.env("GIT_COMMITTER_DATE", format!("@{date} +0000"));
        command.args(["commit-tree", "-m", "m", &tree.to_string()]);
        for parent in parents {
            command.args(["-p", &parent.to_string()]);
        }
        ObjectId::from_hex(run(command, b"").as_bytes()).unwrap()
    }

    /// A chain of so many tags, the one of `target` itself first.
    pub fn tags(&self, target: ObjectId, count: usize) -> Vec<ObjectId> {
        let mut all: Vec<ObjectId> = Vec::new();
        for _ in 0..count {
            let (at, kind) = all.last().map_or((target, "commit"), |tag| (*tag, "tag"));
            let text = format!("object {at}\ntype {kind}\ntag t\ntagger T <t@t> 1 +0000\n\n");
            let id = self.git_in(&["mktag"], text);
            all.push(ObjectId::from_hex(id.as_bytes()).unwrap());
        }
        all
    }

    pub fn set(&self, name: &str, id: ObjectId) {
        self.git(&["update-ref", name, &id.to_string()]);
    }

    pub fn reader(&self) -> Reader {
        self.reader_with(&[])
    }

    pub fn reader_with(&self, variables: &[(&str, &str)]) -> Reader {
        Reader::open(&self.dir, &env(variables), uid(&self.dir)).unwrap()
    }

    pub fn objects(&self) -> Objects {
        Objects::new(&self.dir, &env(&[]), self.format)
    }

    /// The line of a push, parsed.
    pub fn update(&self, old: Option<ObjectId>, new: Option<ObjectId>, name: &str) -> RefUpdate {
        let show = |id: Option<ObjectId>| id.unwrap_or(self.format.null()).to_string();
        let text = format!("{} {} {name}\n", show(old), show(new));
        line::parse(text.as_bytes(), self.format, 1).unwrap().remove(0)
    }
}

pub fn uid(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().uid()
}

/// The environment of a hook: hermetic, with `variables` added.
pub fn env(variables: &[(&str, &str)]) -> GitEnv {
    let fixed = [("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")];
    let path = std::env::var_os("PATH").map(|path| ("PATH".into(), path));
    let pairs = fixed.iter().chain(variables);
    GitEnv::new(pairs.map(|(n, v)| (OsString::from(n), OsString::from(v))).chain(path))
}

pub fn name(text: &str) -> RefName {
    RefName::new(text)
}

/// Limits that no test reaches.
pub const WIDE: Limits<'static> = Limits {
    max_commits: 100_000,
    max_paths: 100_000,
    max_path_bytes: 1 << 26,
    expired: &|| false,
};
