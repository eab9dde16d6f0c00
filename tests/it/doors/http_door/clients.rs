//! Other clients than git's own, through the door with a token: they clone, push what is allowed,
//! and show their user why the rest was refused.

use super::{Door, policy};
use crate::doors::clients::library;
use crate::doors::web::Kind;
use crate::support::{find_program, skip};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Clones to `target`, pushes `main` of `work` to `refs`, and prints all that the server says.
const DULWICH: &str = r#"
import sys
from dulwich import porcelain
url, work, target, name, secret = sys.argv[1:6]
auth = dict(username=name, password=secret)
out = sys.stdout.buffer
try:
    porcelain.clone(url, target, errstream=out, **auth)
    print("cloned", flush=True)
    for ref in sys.argv[6:]:
        try:
            porcelain.push(work, url, "refs/heads/main:" + ref, outstream=out, errstream=out, **auth)
            print("pushed", ref, flush=True)
        except Exception as error:
            print("refused", ref, error, flush=True)
except Exception as error:
    print("failed", type(error).__name__, error)
"#;

const PYGIT2: &str = r#"
import sys, pygit2
url, work, target, name, secret = sys.argv[1:6]
class Callbacks(pygit2.RemoteCallbacks):
    def credentials(self, url, username, allowed):
        return pygit2.UserPass(name, secret)
    def sideband_progress(self, words):
        sys.stdout.write(words)
    def push_update_reference(self, ref, words):
        print("refused" if words else "pushed", ref, words)
pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, False)
try:
    pygit2.clone_repository(url, target, callbacks=Callbacks())
    print("cloned")
    remote = pygit2.Repository(work).remotes.create_anonymous(url)
    for ref in sys.argv[6:]:
        try:
            remote.push(["refs/heads/main:" + ref], callbacks=Callbacks())
        except Exception as error:
            print("refused", ref, error)
except Exception as error:
    print("failed", type(error).__name__, error)
"#;

const ISOMORPHIC: &str = r#"
const git = require('isomorphic-git'), http = require('isomorphic-git/http/node'), fs = require('fs');
const [url, work, target, username, password, ...refs] = process.argv.slice(2);
const common = { fs, http, url, onAuth: () => ({ username, password }), onMessage: (m) => process.stdout.write(m),
  onAuthFailure: () => ({ cancel: true }) };
(async () => {
  await git.clone({ ...common, dir: target });
  console.log('cloned');
  for (const remoteRef of refs) {
    try {
      await git.push({ ...common, dir: work, ref: 'refs/heads/main', remoteRef });
      console.log('pushed', remoteRef);
    } catch (error) { console.log('refused', remoteRef, error.message, JSON.stringify(error.data)); }
  }
})().catch((error) => console.log('failed', error.code, error.message, error.data && error.data.response));
"#;

/// The JavaScript client, from npm, in a folder below `target`.
pub fn isomorphic() -> Option<PathBuf> {
    static FOUND: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    FOUND.get_or_init(install_isomorphic).clone()
}

fn install_isomorphic() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("isomorphic-git");
    let there = folder.join("node_modules/isomorphic-git/package.json");
    if !there.is_file() {
        std::fs::create_dir_all(&folder).ok()?;
        std::fs::write(folder.join("package.json"), "{}").ok()?;
        let npm = ["install", "--silent", "--no-fund", "--no-audit", "isomorphic-git@1"];
        Command::new("npm").args(npm).current_dir(&folder).output().ok()?;
    }
    there.is_file().then_some(folder)
}

/// Runs a client as somebody; the arguments are those that the scripts above take.
fn run(door: &Door, mut command: Command, login: &str, refs: &[&str]) -> String {
    let (name, secret) = login.split_once(':').unwrap();
    let target = door.site.path("people").join(format!("other-{name}"));
    let _ = std::fs::remove_dir_all(&target);
    command.arg(door.web.url("", "app.git")).arg(&door.person.path).arg(&target);
    command.args([name, secret]).args(refs).env("HOME", &door.person.path);
    let done = command.output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

const MAIN: &str = "refs/heads/main";
const FEATURE: &str = "refs/heads/feature/x";

/// What every client must show; `door_words` is what carol, who may not read, is shown.
fn judged(client: &dyn Fn() -> Command, door_words: &str) {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    let new = door.person.commit("a", "1\n");
    let words = run(&door, client(), &door.login("bob"), &[MAIN, FEATURE]);
    assert!(words.contains("cloned"), "{words}");
    assert!(words.contains("RW201 no permit") && words.contains("you are bob (http"), "{words}");
    let refused = [format!("refused {MAIN}"), format!("ref {MAIN} failed")];
    assert!(refused.iter().any(|line| words.contains(line)), "{words}");
    assert_ne!(door.repo.id(MAIN), new);
    assert_eq!(door.repo.id(FEATURE), new, "{words}");
    let words = run(&door, client(), &door.login("carol"), &[]);
    assert!(!words.contains("cloned") && words.contains(door_words), "{words}");
    let words = run(&door, client(), "alice:wrong", &[]);
    assert!(!words.contains("cloned"), "{words}");
}

#[test]
fn dulwich_clones_and_pushes_by_the_door() {
    let Some(path) = library("dulwich", "dulwich.porcelain") else {
        return skip("no Python, or pip can't install dulwich");
    };
    let client = || {
        let mut command = Command::new("python3");
        command.args(["-c", DULWICH]).env("PYTHONPATH", &path);
        command
    };
    judged(&client, "403");
}

#[test]
fn libgit2_clones_and_pushes_by_the_door() {
    let Some(path) = library("pygit2", "pygit2") else {
        return skip("no Python, or pip can't install pygit2");
    };
    let client = || {
        let mut command = Command::new("python3");
        command.args(["-c", PYGIT2]).env("PYTHONPATH", &path);
        command
    };
    // It shows the status alone.
    judged(&client, "403");
}

#[test]
fn isomorphic_git_clones_and_pushes_by_the_door() {
    let Some(folder) = isomorphic() else {
        return skip("no npm, or it can't install isomorphic-git");
    };
    let script = folder.join("client.js");
    std::fs::write(&script, ISOMORPHIC).unwrap();
    let client = || {
        let mut command = Command::new("node");
        command.arg(&script);
        command
    };
    judged(&client, super::NOT_THERE);
}

/// What Debian's package needs at a start and does not name.
pub const JGIT_LACKS: [&str; 9] = [
    "org.eclipse.jgit.lfs",
    "org.eclipse.jgit.http.apache",
    "slf4j-api",
    "jsch",
    "JavaEWAH",
    "httpclient",
    "httpcore",
    "commons-logging",
    "gson",
];

#[test]
fn jgit_clones_and_pushes_by_the_door() {
    let Some(jgit) = find_program("jgit") else { return skip("no jgit") };
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    let home = door.site.path("jgit");
    std::fs::create_dir(&home).unwrap();
    // By its file of passwords where Java has a window system, else by the address.
    let run = |login: &str, folder: &Path, arguments: &[&str]| {
        let (name, secret) = login.split_once(':').unwrap();
        let netrc = format!("machine 127.0.0.1 login {name} password {secret}\n");
        std::fs::write(home.join(".netrc"), netrc).unwrap();
        let java = format!("-Duser.home={}", home.display());
        let lacks = JGIT_LACKS.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        let mut command = Command::new(&jgit);
        let url = door.web.url(login, "app.git");
        command.args(arguments.iter().map(|one| one.replace("URL", &url)));
        command.current_dir(folder).stdin(Stdio::null());
        command.env("JGIT_CLASSPATH", lacks).env("JAVA_TOOL_OPTIONS", java);
        let done = command.output().unwrap();
        let [out, err] = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
        format!("{out}{err}")
    };
    let [bob, carol] = ["bob", "carol"].map(|name| door.login(name));
    let people = door.site.path("people");
    let words = run(&bob, &people, &["clone", "URL", "jgit"]);
    assert!(people.join("jgit/README").is_file(), "{words}");
    let new = door.person.commit("a", "1\n");
    let words = run(&bob, &door.person.path, &["push", "URL", "refs/heads/main:refs/heads/main"]);
    assert!(words.contains("RW201 no permit") && words.contains("you are bob (http"), "{words}");
    let words =
        run(&bob, &door.person.path, &["push", "URL", "refs/heads/main:refs/heads/feature/x"]);
    assert_eq!(door.repo.id(FEATURE), new, "{words}");
    let words = run(&carol, &people, &["clone", "URL", "jgit-carol"]);
    assert!(!people.join("jgit-carol/README").is_file(), "{words}");
    // It shows no words of a door.
    assert!(words.contains("not permitted"), "{words}");
}
