//! Another client than git's own: dulwich, from the Python package index.

use crate::support::{Site, skip};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Pushes the file's ref as given and prints what the server says, then how each ref ended.
const SCRIPT: &str = r#"
import sys
from dulwich.client import SubprocessGitClient, HTTPUnauthorized
from dulwich.repo import Repo
work, server, ref = sys.argv[1:4]
repo = Repo(work)
said = []
def new_refs(refs):
    return {ref.encode(): repo.refs[b"refs/heads/main"]}
try:
    result = SubprocessGitClient().send_pack(server, new_refs, repo.generate_pack_data, progress=said.append)
    status = getattr(result, "ref_status", None) or {}
    print("status", {k.decode(): v for k, v in status.items()})
except Exception as error:
    print("failed", type(error).__name__, error)
sys.stdout.flush()
sys.stdout.buffer.write(b"".join(said))
"#;

/// A folder with a library of the Python package index in it, made once below `target`; `module` is
/// what it is imported by.
pub fn library(name: &str, module: &str) -> Option<PathBuf> {
    // Tests run side by side, and pip does not.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let works = || {
        let run = Command::new("python3")
            .args(["-c", &format!("import {module}")])
            .env("PYTHONPATH", &folder)
            .output();
        run.is_ok_and(|run| run.status.success())
    };
    if !works() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(&folder)
            .arg(name);
        let run = pip.output().ok()?;
        println!("{}", String::from_utf8_lossy(&run.stderr));
    }
    works().then_some(folder)
}

#[test]
fn dulwich_shows_the_refusal_and_can_push_what_is_allowed() {
    let Some(library) = library("dulwich", "dulwich.client") else {
        return skip("no Python, or pip can't install dulwich");
    };
    let (_site, repo, alice) = Site::standard();
    let new = alice.commit("a", "1\n");
    let push = |user: &str, name: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).arg(&alice.path).arg(&repo.path).arg(name);
        let git = alice.as_user(user).command();
        command.env_clear().envs(git.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let path = std::env::var("PATH").unwrap();
        command.env("PYTHONPATH", &library).env("PATH", path);
        let run = command.output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    let words = push("bob", "refs/heads/main");
    assert!(words.contains("RW201 no permit") && words.contains("you are bob"), "{words}");
    assert_ne!(repo.id("main"), new);
    let words = push("bob", "refs/heads/feature/x");
    assert!(!words.contains("RW"), "{words}");
    assert_eq!(repo.id("refs/heads/feature/x"), new);
}
