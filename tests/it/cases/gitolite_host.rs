//! A real gitolite whose repositories have our hooks: its shell says who pushes, its `update` stays.
#![expect(clippy::disallowed_methods, reason = "starts what an admin would start")]

use crate::support::{find_program, script, skip};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where Debian has it.
const SHELL: &str = "/usr/share/gitolite3/gitolite-shell";

/// A gitolite of its own, with `alice` and `bob` known to it and `testing.git` open to all.
struct Host {
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Option<Self> {
        if find_program("gitolite").is_none() || !Path::new(SHELL).exists() {
            skip("gitolite3 is not installed");
            return None;
        }
        let host = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(host.at("home")).unwrap();
        // Where sshd would run the forced command of a key.
        script(
            &host.at("ssh"),
            &format!(
                "shift\nexec env -i HOME='{}' PATH='{}' SSH_CONNECTION='127.0.0.1 1 127.0.0.1 22' \
                 SSH_ORIGINAL_COMMAND=\"$*\" {SHELL} \"$WHO\"",
                host.at("home").display(),
                std::env::var("PATH").unwrap()
            ),
        );
        for name in ["alice", "bob"] {
            let key = host.at(name);
            host.run(Command::new("ssh-keygen").args(["-qted25519", "-N", "", "-f"]).arg(&key));
        }
        let key = host.at("alice.pub");
        host.run(Command::new("gitolite").arg("setup").arg("-pk").arg(key));
        host.git("alice", Path::new("."), &["clone", "-q", "git@h:gitolite-admin", "admin"]);
        let admin = host.at("admin");
        std::fs::copy(host.at("bob.pub"), admin.join("keydir/bob.pub")).unwrap();
        host.git("alice", &admin, &["add", "."]);
        host.git("alice", &admin, &["commit", "-qm", "bob"]);
        host.git("alice", &admin, &["push", "-q"]);
        Some(host)
    }

    fn at(&self, name: &str) -> PathBuf {
        std::fs::canonicalize(self.folder.path()).unwrap().join(name)
    }

    fn command(&self, command: &mut Command) -> Output {
        let identity = [("GIT_AUTHOR_NAME", "t"), ("GIT_AUTHOR_EMAIL", "t@t")];
        let identity = identity.into_iter().chain([
            ("GIT_COMMITTER_NAME", "t"),
            ("GIT_COMMITTER_EMAIL", "t@t"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("LC_ALL", "C"),
            ("GIT_SSH_VARIANT", "simple"),
        ]);
        command.env("HOME", self.at("home")).env("GIT_SSH", self.at("ssh")).envs(identity);
        command.output().unwrap()
    }

    #[track_caller]
    fn run(&self, command: &mut Command) -> String {
        let done = self.command(command);
        assert!(done.status.success(), "{command:?}: {}", said(&done));
        said(&done)
    }

    #[track_caller]
    fn git(&self, who: &str, folder: &Path, arguments: &[&str]) -> String {
        self.run(
            Command::new("git")
                .current_dir(self.at("").join(folder))
                .env("WHO", who)
                .args(arguments),
        )
    }

    fn push(&self, who: &str, arguments: &[&str]) -> Output {
        let mut git = Command::new("git");
        let git = git.current_dir(self.at("work")).env("WHO", who).args(["push", "origin"]);
        self.command(git.args(arguments))
    }

    /// Installs as the README says, from built programs that lie beside `install.sh`.
    fn install(&self) {
        let release = self.at("release");
        std::fs::create_dir_all(release.join("bin")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
        std::fs::copy(source, release.join("install.sh")).unwrap();
        for (name, program) in [
            ("refwarden", env!("CARGO_BIN_EXE_refwarden")),
            ("pre-receive", env!("CARGO_BIN_EXE_pre-receive")),
            ("update", env!("CARGO_BIN_EXE_update")),
            ("post-receive", env!("CARGO_BIN_EXE_post-receive")),
            ("door", env!("CARGO_BIN_EXE_door")),
        ] {
            std::fs::copy(program, release.join("bin").join(name)).unwrap();
        }
        let prefix = self.at("prefix");
        std::fs::write(self.at("policy.toml"), policy(&prefix)).unwrap();
        let mut install = Command::new("sh");
        install.arg(release.join("install.sh")).arg("--prefix").arg(&prefix);
        install.arg("--policy").arg(self.at("policy.toml"));
        install.arg("--root").arg(self.at("home/repositories")).args(["--host", "gitolite"]);
        self.run(install.arg(self.at("home/repositories/testing.git")));
    }
}

fn policy(prefix: &Path) -> String {
    let prefix = prefix.display();
    format!(
        "version = 1\n\
         [store]\npath = \"{prefix}/var/lib/refwarden\"\n\
         [audit]\nfile = \"{prefix}/var/log/refwarden/audit.jsonl\"\n\
         [identity]\nsources = [\"gitolite\"]\n\
         [users.alice]\n[users.bob]\n\
         [schemes.default]\n\
         [[schemes.default.permit]]\npermissions = [\"write\"]\nto = [\"alice\"]\n\
         [[schemes.default.permit]]\npermissions = [\"push\"]\nbranches = [\"feature/**\"]\nto = [\"bob\"]\n\
         [projects.ALL]\nrepositories = [\"**\"]\n"
    )
}

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn under_a_real_gitolite_its_shell_says_who_pushes_and_its_own_rules_stay() {
    let Some(host) = Host::new() else { return };
    host.install();
    host.git("alice", Path::new("."), &["clone", "-q", "git@h:testing", "work"]);
    let work = host.at("work");
    host.git("alice", &work, &["commit", "-q", "--allow-empty", "-m", "one"]);
    let done = host.push("alice", &["HEAD:master"]);
    assert!(done.status.success(), "{}", said(&done));
    host.git("alice", &work, &["commit", "-q", "--allow-empty", "-m", "two"]);
    // gitolite lets everybody write there; the policy does not.
    let done = host.push("bob", &["HEAD:master"]);
    assert!(
        said(&done).contains("RW201") && said(&done).contains("you are bob (gitolite)"),
        "{}",
        said(&done)
    );
    assert!(host.push("bob", &["HEAD:feature/x"]).status.success());
    // What the policy allows, gitolite's own `update` may still refuse.
    let conf = host.at("admin/conf/gitolite.conf");
    let text = std::fs::read_to_string(&conf)
        .unwrap()
        .replace("repo testing", "repo testing\n    -   refs/heads/feature/closed = bob");
    std::fs::write(&conf, text).unwrap();
    host.git("alice", &host.at("admin"), &["commit", "-qam", "closed"]);
    host.git("alice", &host.at("admin"), &["push", "-q"]);
    let done = host.push("bob", &["HEAD:feature/closed"]);
    assert!(
        !done.status.success() && said(&done).contains("DENIED by refs/heads/feature/closed"),
        "{}",
        said(&done)
    );
    // And gitolite that sets itself up again leaves our hooks where they are.
    host.run(Command::new("gitolite").arg("setup"));
    assert!(said(&host.push("bob", &["HEAD:master"])).contains("RW201"));
    let mut verify = Command::new(host.at("prefix/bin/refwarden"));
    host.run(verify.args(["audit", "verify"]));
}
