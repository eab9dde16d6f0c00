//! refwarden's own ssh door behind a real sshd: its keys, git through it, and its verbs.

mod certificates;
mod clients;
mod credential;
mod fido;
mod jira;
mod logins;
mod pushing;
mod reading;
mod verbs;

use super::{free_port, wait_for};
use crate::support::{
    Guard, Outcome, Person, Policy, Repo, Run, Site, find_program, own_account, permit, script,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A site with `app` and `secret/plans`, somebody's clone of `app`, and the door to both.
struct Lab {
    site: Site,
    repo: Repo,
    person: Person,
    door: Door,
}

/// Our sshd, which lets in whom `authorized_keys` names.
struct Door {
    port: u16,
    folder: PathBuf,
    account: String,
    command: Option<PathBuf>,
    _server: Guard,
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(path) = &self.command {
            let _ = std::fs::remove_file(path);
        }
    }
}

const PEOPLE: [&str; 5] = ["alice", "bob", "carol", "dave", "ca"];

/// What every policy here has: alice may do everything in `app`, bob push features; nobody may read
/// `secret/plans`; carol may do nothing at all.
fn policy(keys: &dyn Fn(&str) -> String, more: &str) -> Policy {
    let users = format!(
        "[users.alice]\nname = \"Alice Liddell\"\nssh-keys = [\"{}\"]\n[users.bob]\nssh-keys = [\"{}\"]\n\
         [users.carol]\nssh-keys = [\"{}\"]\n[users.dave]\nactive = false\nssh-keys = [\"{}\"]\n\
         [global]\nadminister = [\"alice\"]\naudit = [\"alice\"]\n",
        keys("alice"),
        keys("bob"),
        keys("carol"),
        keys("dave"),
    );
    Policy::new(&[
        permit("alice", "write", ""),
        permit("bob", "push", r#"branches = ["feature/**"]"#),
    ])
    .sources("[\"ssh\"]")
    .users(&users)
    .project("repositories = [\"app\", \"other\"]\nbase = \"main\"")
    .also("[projects.SECRET]\nrepositories = [\"secret/**\"]\nscheme = \"closed\"\n[schemes.closed]\n")
    .also(more)
}

/// Keys of everybody, each in a file of its name.
fn make_keys(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for name in PEOPLE.into_iter().chain(["host", "stranger"]) {
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"], &folder.join(name));
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let done = Command::new(program).args(arguments).arg(path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn public(folder: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(folder.join(name).with_extension("pub")).unwrap();
    text.trim().to_owned()
}

/// The lab with further tables in the policy; `None` without sshd.
fn lab(more: &str) -> Option<Lab> {
    lab_of(|keys| policy(keys, more), false)
}

fn lab_of(build: impl FnOnce(&dyn Fn(&str) -> String) -> Policy, by_command: bool) -> Option<Lab> {
    find_program("sshd")?;
    let site = Site::unapplied(&Policy::default(), &crate::support::Git::default());
    let folder = site.path("ssh");
    make_keys(&folder);
    site.write_policy(&build(&|name| public(&folder, name)));
    site.apply();
    site.refwarden(&["store", "init"]).ends(0, "");
    let door = Door::open(&site, by_command)?;
    let (repo, person) = site.started();
    std::fs::create_dir(site.path("root").join("secret")).unwrap();
    let plans = site.repo("secret/plans");
    plans.seed(&person.path, &["main:main"]);
    Some(Lab { site, repo, person: person.nameless(), door })
}

impl Door {
    fn open(site: &Site, by_command: bool) -> Option<Self> {
        let sshd = find_program("sshd")?;
        let folder = site.path("ssh");
        if crate::support::is_root() {
            // sshd's own folder for privilege separation.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = free_port();
        let account = own_account();
        let host = public(&folder, "host");
        std::fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{port} {host}\n")).unwrap();
        let keys = folder.join("authorized_keys");
        let program = site.programs().join("refwarden");
        let (command, from) = match by_command {
            // sshd runs no command from below /tmp, which everybody may write.
            true => {
                let path = PathBuf::from(format!("/run/sshd/refwarden-it-{port}"));
                script(&path, &format!("exec '{}' ssh-keys \"$@\"", program.display()));
                let from = format!(
                    "AuthorizedKeysFile none\nAuthorizedKeysCommand {} %u %f %t %k\nAuthorizedKeysCommandUser {account}\n",
                    path.display()
                );
                (Some(path), from)
            }
            false => (None, format!("AuthorizedKeysFile {}\n", keys.display())),
        };
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}/host\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             AcceptEnv LC_* GIT_* REFWARDEN_* REMOTE_USER\nSubsystem sftp internal-sftp\n{from}",
            folder.display()
        );
        std::fs::write(folder.join("sshd_config"), config).unwrap();
        let mut start = Command::new(sshd);
        start.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Guard::new(start.spawn().unwrap());
        wait_for(port);
        let door = Self { port, folder, account, command, _server: server };
        door.write_keys(site);
        Some(door)
    }

    /// Writes `authorized_keys` from the applied policy.
    fn write_keys(&self, site: &Site) {
        let path = self.folder.join("authorized_keys").display().to_string();
        site.refwarden(&["ssh-keys", "--write", &path]).ends(0, "");
    }

    fn options(&self, key: &str, more: &str) -> String {
        let folder = self.folder.display();
        format!(
            "-F none -i {folder}/{key} -o IdentitiesOnly=yes -o IdentityAgent=none \
             -o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=none \
             -o BatchMode=yes -o LogLevel=ERROR {more}"
        )
    }

    /// `ssh host COMMAND` with somebody's key, the command as one word.
    fn ssh_command(&self, key: &str, more: &str, command: Option<&str>) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(self.options(key, more).split_ascii_whitespace());
        ssh.args(["-p", &self.port.to_string(), &format!("{}@127.0.0.1", self.account)]);
        ssh.args(command).stdin(Stdio::null());
        ssh
    }

    fn ssh(&self, key: &str, command: &str) -> Run {
        self.ssh_command(key, "", Some(command)).output().unwrap().into()
    }

    fn url(&self, name: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}/{name}", self.account, self.port)
    }

    /// git with somebody's key; `{}` in an argument is the address of `name`.
    fn git(&self, person: &Person, key: &str, more: &str, arguments: &[&str]) -> Output {
        let mut git = person.command();
        git.env("GIT_SSH_COMMAND", format!("ssh {}", self.options(key, more)));
        git.args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn push(&self, lab: (&Repo, &Person), key: &str, arguments: &[&str]) -> Outcome {
        self.push_with(lab, key, "", arguments)
    }

    fn push_with(
        &self,
        (repo, person): (&Repo, &Person),
        key: &str,
        more: &str,
        arguments: &[&str],
    ) -> Outcome {
        let name = repo.path.file_name().unwrap().to_str().unwrap();
        let url = self.url(name);
        let (options, refspecs): (Vec<&str>, Vec<&str>) =
            arguments.iter().partition(|argument| argument.starts_with('-'));
        let all = [&["push"], options.as_slice(), &[url.as_str()], &refspecs].concat();
        Outcome::of(repo, || self.git(person, key, more, &all))
    }
}

impl Lab {
    fn push(&self, key: &str, arguments: &[&str]) -> Outcome {
        self.door.push((&self.repo, &self.person), key, arguments)
    }

    fn ssh(&self, key: &str, command: &str) -> Run {
        self.door.ssh(key, command)
    }

    /// git with somebody's key, in the clone.
    fn git(&self, key: &str, arguments: &[&str]) -> Run {
        self.door.git(&self.person, key, "", arguments).into()
    }

    /// The SHA256 fingerprint of somebody's key.
    fn fingerprint(&self, name: &str) -> String {
        let path = self.door.folder.join(name).with_extension("pub");
        let output = Command::new("ssh-keygen").arg("-lf").arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }

    /// Applies another policy, with the same keys.
    fn apply(&self, build: impl FnOnce(&dyn Fn(&str) -> String) -> Policy) {
        self.site.write_policy(&build(&|name| public(&self.door.folder, name)));
        self.site.apply();
    }
}
