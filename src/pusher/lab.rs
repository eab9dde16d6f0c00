//! Real keys and real signed pushes for the tests.
#![expect(
    clippy::disallowed_methods,
    reason = "tests run ssh-keygen and git in a folder of theirs"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// A temporary folder in which programs run with nothing of the caller's environment.
pub struct Lab {
    dir: tempfile::TempDir,
}

/// A key pair made by `ssh-keygen`.
pub struct Key {
    /// The private key's file.
    pub path: PathBuf,
    /// The public key's line.
    pub line: String,
    /// What `ssh-keygen -l` says.
    pub fingerprint: String,
}

/// What pre-receive saw of one signed push.
pub struct Received {
    pub blob: Vec<u8>,
    pub stdin: Vec<u8>,
    pub service_dir: Vec<u8>,
    pub began: u64,
    pub now: u64,
}

const SAVE: &str = "#!/bin/sh
cd \"$GIT_DIR\" || exit 1
cat > stdin.saved
git cat-file blob \"$GIT_PUSH_CERT\" > cert.saved
tr '\\0' '\\n' < /proc/$PPID/cmdline | tail -n 1 > folder.saved
";

pub fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

impl Lab {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.dir.path());
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C")]);
        command.env("GNUPGHOME", self.path("gnupg"));
        command
    }

    pub fn run(&self, program: &str, args: &[&str]) -> Vec<u8> {
        let output = self.command(program, args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {stderr}");
        output.stdout
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn key(&self, name: &str, kind: &[&str]) -> Key {
        let path = self.path(name);
        let file = path.to_str().unwrap();
        let mut args = vec!["-q", "-N", "", "-C", name, "-f", file, "-t"];
        args.extend(kind);
        self.run("ssh-keygen", &args);
        let shown = String::from_utf8(self.run("ssh-keygen", &["-l", "-f", file])).unwrap();
        let line = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        Key {
            line: line.trim_end().to_owned(),
            fingerprint: shown.split(' ').nth(1).unwrap().to_owned(),
            path,
        }
    }

    /// An armored signature over `payload`, by `ssh-keygen -Y sign`.
    pub fn sign(&self, key: &Key, namespace: &str, payload: &[u8]) -> Vec<u8> {
        let file = self.write("payload", payload);
        fs::remove_file(self.path("payload.sig")).ok();
        let (key, file) = (key.path.to_str().unwrap(), file.to_str().unwrap());
        self.run("ssh-keygen", &["-q", "-Y", "sign", "-f", key, "-n", namespace, file]);
        fs::read(self.path("payload.sig")).unwrap()
    }

    /// A bare repository with a nonce seed, whose pre-receive saves what it sees.
    pub fn server(&self, name: &str, format: &str) {
        let object_format = format!("--object-format={format}");
        self.run("git", &["init", "-q", "--bare", &object_format, name]);
        for (key, value) in
            [("receive.certNonceSeed", "a seed"), ("receive.advertisePushOptions", "true")]
        {
            self.run("git", &["-C", name, "config", key, value]);
        }
        let hook = self.path(name).join("hooks/pre-receive");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, SAVE).unwrap();
        self.run("chmod", &["+x", hook.to_str().unwrap()]);
        let work = format!("{name}-work");
        self.run("git", &["init", "-q", &object_format, &work]);
        for (key, value) in [("user.name", "a"), ("user.email", "a@x")] {
            self.run("git", &["-C", &work, "config", key, value]);
        }
        self.run("git", &["-C", &work, "commit", "-q", "--allow-empty", "-m", "x"]);
    }

    /// `git push --signed`, with `config` (`key=value`) deciding how it signs.
    pub fn push(&self, server: &str, config: &[&str], args: &[&str]) -> Received {
        let work = format!("{server}-work");
        let bare = self.path(server);
        let mut all = vec!["-C", &work];
        config.iter().for_each(|pair| all.extend(["-c", pair]));
        all.extend(["push", "-q", "--signed", bare.to_str().unwrap()]);
        all.extend(args);
        let began = seconds();
        self.run("git", &all);
        let saved = |name: &str| fs::read(bare.join(name)).unwrap();
        let mut service_dir = saved("folder.saved");
        service_dir.pop();
        Received {
            blob: saved("cert.saved"),
            stdin: saved("stdin.saved"),
            service_dir,
            began,
            now: seconds(),
        }
    }

    /// `git push --signed` with an ssh key.
    pub fn ssh_push(&self, server: &str, key: &Key, args: &[&str]) -> Received {
        let signing_key = format!("user.signingKey={}", key.path.to_str().unwrap());
        self.push(server, &["gpg.format=ssh", &signing_key], args)
    }
}

pub fn exists(path: &str) -> bool {
    Path::new(path).is_file()
}
