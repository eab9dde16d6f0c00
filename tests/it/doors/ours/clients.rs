//! Other clients than git's own, through the door with a key: they clone, push what is allowed, and
//! show their user why the rest was refused.

use super::{Lab, lab};
use crate::doors::clients::library;
use crate::doors::http_door::clients::{JGIT_LACKS, isomorphic};
use crate::support::{find_program, script, skip};
use std::path::Path;
use std::process::Command;

const MAIN: &str = "refs/heads/main";
const FEATURE: &str = "refs/heads/feature/x";

/// Clones with `ssh` as its own program, pushes `main` to each ref, and prints what the server says.
const DULWICH: &str = r#"
import sys, shlex, subprocess
from dulwich import porcelain
from dulwich.client import SSHGitClient, SubprocessWrapper
from dulwich.repo import Repo
work, target, ssh, host = sys.argv[1:5]
class Vendor:
    def run_command(self, host, command, username=None, port=None, **more):
        words = shlex.split(ssh) + [host, command if isinstance(command, str) else command.decode()]
        return SubprocessWrapper(subprocess.Popen(words, stdin=-1, stdout=-1, bufsize=0))
client = SSHGitClient(host, vendor=Vendor())
try:
    client.clone("/app.git", target, mkdir=True)
    print("cloned", flush=True)
except Exception as error:
    print("failed", error, flush=True)
repo = Repo(work)
for ref in sys.argv[5:]:
    try:
        refs = lambda old: {ref.encode(): repo.refs[b"refs/heads/main"]}
        result = client.send_pack(b"/app.git", refs, repo.generate_pack_data, progress=sys.stdout.buffer.write)
        refused = (result.ref_status or {}).get(ref.encode())
        print("refused" if refused else "pushed", ref, refused, flush=True)
    except Exception as error:
        print("refused", ref, error, flush=True)
"#;

/// The same by libgit2, which has an ssh of its own.
const PYGIT2: &str = r#"
import sys, pygit2
work, target, key, url = sys.argv[1:5]
class Callbacks(pygit2.RemoteCallbacks):
    def credentials(self, url, username, allowed):
        return pygit2.Keypair(username, key + ".pub", key, "")
    def certificate_check(self, certificate, valid, host):
        return host == b"127.0.0.1" or host == "127.0.0.1"
    def sideband_progress(self, words):
        sys.stdout.write(words)
    def push_update_reference(self, ref, words):
        print("refused" if words else "pushed", ref, words)
pygit2.option(pygit2.enums.Option.SET_OWNER_VALIDATION, False)
try:
    pygit2.clone_repository(url, target, callbacks=Callbacks())
    print("cloned")
except Exception as error:
    print("failed", type(error).__name__, error)
remote = pygit2.Repository(work).remotes.create_anonymous(url)
for ref in sys.argv[5:]:
    try:
        remote.push(["refs/heads/main:" + ref], callbacks=Callbacks())
    except Exception as error:
        print("refused", ref, error)
"#;

/// Runs a client whose arguments are our clone, the place of its own, and `more`.
fn run(lab: &Lab, mut client: Command, key: &str, more: &[&str], refs: &[&str]) -> String {
    let target = lab.site.path("people").join(format!("other-{key}"));
    client.arg(&lab.person.path).arg(target).args(more).args(refs);
    let done = client.env("HOME", lab.site.path("people")).output().unwrap();
    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
}

/// What every client must show: `client` is run as somebody, with these refs to push.
fn judged(lab: &Lab, client: &dyn Fn(&str, &[&str]) -> String) {
    let new = lab.person.commit("a", "1\n");
    let words = client("bob", &[MAIN, FEATURE]);
    assert!(words.contains("cloned"), "{words}");
    assert!(words.contains("RW201 no permit") && words.contains("you are bob (ssh"), "{words}");
    assert!(words.contains(&format!("refused {MAIN}")), "{words}");
    assert_ne!(lab.repo.id(MAIN), new);
    assert!(words.contains(&format!("pushed {FEATURE}")), "{words}");
    assert_eq!(lab.repo.id(FEATURE), new, "{words}");
    let words = client("carol", &["refs/heads/feature/y"]);
    assert!(!words.contains("cloned") && !words.contains("pushed"), "{words}");
    assert!(words.contains("there is no repository"), "{words}");
    assert!(words.contains("that carol may read"), "{words}");
    let words = client("stranger", &["refs/heads/feature/z"]);
    assert!(!words.contains("cloned") && !words.contains("pushed"), "{words}");
    assert_eq!(lab.repo.refs().keys().filter(|name| name.contains("feature")).count(), 1);
}

#[test]
fn dulwich_clones_and_pushes_with_a_key() {
    let Some(path) = library("dulwich", "dulwich.client") else {
        return skip("no Python, or pip can't install dulwich");
    };
    let Some(lab) = lab("") else { return skip("no sshd") };
    judged(&lab, &|key, refs| {
        let mut command = Command::new("python3");
        command.args(["-c", DULWICH]).env("PYTHONPATH", &path);
        let ssh = format!("ssh {}", lab.door.options(key, &format!("-p {}", lab.door.port)));
        run(&lab, command, key, &[&ssh, &format!("{}@127.0.0.1", lab.door.account)], refs)
    });
}

#[test]
fn libgit2_clones_and_pushes_with_a_key() {
    let Some(path) = library("pygit2", "pygit2") else {
        return skip("no Python, or pip can't install pygit2");
    };
    let Some(lab) = lab("") else { return skip("no sshd") };
    judged(&lab, &|key, refs| {
        let mut command = Command::new("python3");
        command.args(["-c", PYGIT2]).env("PYTHONPATH", &path);
        let file = lab.door.folder.join(key);
        run(&lab, command, key, &[file.to_str().unwrap(), &lab.door.url("app.git")], refs)
    });
}

#[test]
fn jgit_clones_and_pushes_with_a_key() {
    let Some(jgit) = find_program("jgit") else { return skip("no jgit") };
    let Some(lab) = lab("") else { return skip("no sshd") };
    let home = lab.site.path("people");
    let url = lab.door.url("app.git");
    let jgit = |key: &str, folder: &Path, arguments: &[&str]| {
        // Its own ssh (JSch 0.1.54) has no ed25519; who needs that names OpenSSH's.
        let wrapper = lab.site.path("jgit-ssh");
        script(&wrapper, &format!("exec ssh {} \"$@\"", lab.door.options(key, "")));
        let lacks = JGIT_LACKS.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        let mut command = Command::new(&jgit);
        command.args(arguments).current_dir(folder).env("GIT_SSH", &wrapper);
        command.env("HOME", &home).env("JGIT_CLASSPATH", lacks);
        let done = command.env("JAVA_TOOL_OPTIONS", format!("-Duser.home={}", home.display()));
        let done = done.output().unwrap();
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    };
    judged(&lab, &|key, refs| {
        let target = format!("jgit-{key}");
        let mut words = jgit(key, &home, &["clone", &url, &target]);
        if home.join(&target).join("README").is_file() {
            words.push_str("cloned\n");
        }
        for name in refs {
            let refspec = format!("refs/heads/main:{name}");
            let said = jgit(key, &lab.person.path, &["push", &url, &refspec]);
            let new = said.contains("[new branch]") && !said.contains("rejected");
            words.push_str(&said);
            words.push_str(&format!("{} {name}\n", if new { "pushed" } else { "refused" }));
        }
        words
    });
}

/// It runs in browsers too, and speaks HTTP alone: its users come by the other door.
#[test]
fn isomorphic_git_has_no_ssh() {
    let Some(folder) = isomorphic() else {
        return skip("no npm, or it can't install isomorphic-git");
    };
    let asked = "const git = require('isomorphic-git'), http = require('isomorphic-git/http/node');\n\
        git.getRemoteInfo({ http, url: 'ssh://git@127.0.0.1:1/app.git' })\n\
        .then(() => console.log('served'), (error) => console.log(error.code));\n";
    let script = folder.join("no-ssh.js");
    std::fs::write(&script, asked).unwrap();
    let done = Command::new("node").arg(&script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "UnknownTransportError");
}
