//! A real sshd on the loopback, with a forced command that names the person by `env:TEST_USER`.

use super::{free_port, wait_for};
use crate::support::{
    Guard, Outcome, Person, Policy, Repo, Site, find_program, grant, permit, script, skip,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Our sshd; its keys are alice's and bob's.
struct Door {
    port: u16,
    folder: PathBuf,
    account: String,
    _server: Guard,
}

fn key(path: &Path) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "k", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

impl Door {
    fn open(site: &Site) -> Option<Self> {
        let sshd = find_program("sshd")?;
        let folder = site.path("ssh");
        std::fs::create_dir(&folder).unwrap();
        if crate::support::is_root() {
            // sshd's own folder for privilege separation.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let git = PathBuf::from(site.git().command(&folder).get_program());
        let wrapper = folder.join("door");
        // What comes from the client's environment is overwritten, not completed.
        script(
            &wrapper,
            &format!(
                "export TEST_USER=\"$1\" HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 PATH='{}':/usr/bin:/bin\nexec git-shell -c \"$SSH_ORIGINAL_COMMAND\"",
                git.parent().unwrap().display()
            ),
        );
        let host = key(&folder.join("host"));
        let mut keys = String::new();
        for name in ["alice", "bob"] {
            let public = key(&folder.join(name));
            keys.push_str(&format!("command=\"{} {name}\",restrict {public}\n", wrapper.display()));
        }
        std::fs::write(folder.join("authorized_keys"), keys).unwrap();
        let port = free_port();
        std::fs::write(folder.join("known_hosts"), format!("[127.0.0.1]:{port} {host}\n")).unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/authorized_keys\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             AcceptEnv LC_* GIT_* TEST_* REMOTE_USER\n",
            folder.display()
        );
        std::fs::write(folder.join("sshd_config"), config).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Guard::new(command.spawn().unwrap());
        wait_for(port);
        let account = crate::support::own_account();
        Some(Self { port, folder, account, _server: server })
    }

    fn ssh(&self, key: &str, more: &str) -> String {
        let folder = self.folder.display();
        format!(
            "ssh -F none -i {folder}/{key} -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={folder}/known_hosts \
             -o GlobalKnownHostsFile=none -o BatchMode=yes -o LogLevel=ERROR {more}"
        )
    }

    /// Pushes with somebody's key.
    fn push(
        &self,
        repo: &Repo,
        person: &Person,
        key: &str,
        more: &str,
        refspecs: &[&str],
    ) -> Outcome {
        let url = format!("ssh://{}@127.0.0.1:{}{}", self.account, self.port, repo.path.display());
        Outcome::of(repo, || {
            let mut command = person.command();
            command.env("GIT_SSH_COMMAND", self.ssh(key, more)).args(["push", &url]).args(refspecs);
            command.stdin(Stdio::null()).output().unwrap()
        })
    }
}

fn opened(policy: &Policy) -> Option<(Site, Repo, Person, Door)> {
    let site = Site::new(policy);
    let door = Door::open(&site)?;
    let (repo, alice) = site.started();
    Some((site, repo, alice.nameless(), door))
}

#[test]
fn a_push_over_ssh_is_judged_by_the_key() {
    let Some((site, repo, person, door)) = opened(&Policy::default()) else {
        return skip("no sshd");
    };
    person.commit("a", "1\n");
    door.push(&repo, &person, "bob", "", &["main"])
        .refused("RW201")
        .says("you are bob (env:TEST_USER)");
    door.push(&repo, &person, "alice", "", &["main"]).silent();
    assert_eq!(site.trail().last_decision()["actor"]["user"], "alice");
}

#[test]
fn what_a_client_sends_by_accept_env_does_not_change_who_it_is() {
    let Some((_site, repo, person, door)) = opened(&Policy::default()) else {
        return skip("no sshd");
    };
    person.commit("a", "1\n");
    let mut attacker = person.clone();
    for name in ["TEST_USER", "LC_TEST_USER", "LC_ALL", "REMOTE_USER", "GIT_PUSHER"] {
        attacker = attacker.with(name, "alice");
    }
    let send = "-o SendEnv=TEST_USER -o SendEnv=LC_* -o SendEnv=REMOTE_USER -o SendEnv=GIT_*";
    door.push(&repo, &attacker, "bob", send, &["main"]).refused("RW201").says("you are bob");
}

#[test]
fn a_namespace_sent_by_accept_env_is_refused() {
    let Some((_site, repo, person, door)) = opened(&Policy::default()) else {
        return skip("no sshd");
    };
    person.commit("a", "1\n");
    let push = door.push(
        &repo,
        &person.with("GIT_NAMESPACE", "n"),
        "alice",
        "-o SendEnv=GIT_NAMESPACE",
        &["main:refs/heads/x"],
    );
    push.refused("RW309");
}

#[test]
fn an_open_connection_outlives_a_grant_but_the_right_does_not() {
    let text = grant("short", "bob", 10.0, "permissions = [\"push\"]\nbranches = [\"main\"]");
    let Some((site, repo, person, door)) =
        opened(&Policy::new(&[permit("alice", "write", ""), text]))
    else {
        return skip("no sshd");
    };
    let control = site.path("ssh").join("c");
    let shared =
        format!("-o ControlMaster=auto -o ControlPersist=30 -o ControlPath={}", control.display());
    person.commit("a", "1\n");
    door.push(&repo, &person, "bob", &shared, &["main"]).landed();
    assert!(control.exists(), "the connection is kept open");
    std::thread::sleep(Duration::from_millis(8200));
    person.commit("a", "2\n");
    door.push(&repo, &person, "bob", &shared, &["main"]).refused("RW201").says("ended");
    let exit = format!("{} -O exit x@127.0.0.1", door.ssh("bob", &shared));
    let _ = Command::new("sh").args(["-c", &exit]).output();
}
