//! What stands before the doors: the account's shell, the doors' key, the web server's way in.

use super::Look;
use crate::cli::finding::Finding;
use crate::os::account::login_shell;
use crate::os::host_facts;
use crate::pusher::Source;
use crate::store::door_key::{self, KeyError};
use crate::text::shell_path;
use std::path::Path;

/// Where docs/doors-http.md has the socket of the HTTP door.
const SOCKET: &str = "/run/refwarden-http.sock";

/// sshd starts a forced command through the login shell, and git-shell starts git alone.
pub fn shell(look: &Look<'_>) -> Option<Finding> {
    let account = &look.home.site.account;
    let by_ssh = look.lists(&Source::Ssh);
    by_ssh.then(|| login_shell(account)).flatten().and_then(|shell| judge_shell(&shell, account))
}

fn judge_shell(shell: &str, account: &str) -> Option<Finding> {
    let name = Path::new(shell).file_name()?.to_str()?;
    let more = match name {
        "git-shell" => {
            ", and a key without a forced command gets upload-pack, upload-archive and receive-pack \
             past it"
        }
        "nologin" | "false" => "",
        _ => return None,
    };
    let what =
        format!("`{shell}` is the login shell of `{account}`: it does not start the door{more}");
    Some(Finding::broken("login-shell", what, format!("usermod -s /bin/sh {account}")))
}

/// The key with which doors tell hooks who came in.
pub fn door_key(look: &Look<'_>) -> Option<Finding> {
    if !look.lists(&Source::Ssh) && !look.lists(&Source::Http) {
        return None;
    }
    let state = &look.home.site.state;
    let error = match door_key::read(state, look.home.site.account_uid) {
        Ok(_) => return Some(Finding::ok("door-key", "the account's alone")),
        Err(error) => error,
    };
    let path = state.join(door_key::FILE_NAME);
    let anew = format!("rm -f {} && refwarden store init", shell_path(&path));
    Some(match &error {
        absent if absent.is_absent() => Finding::broken(
            "door-key",
            format!("`{}` is not there: the doors let nobody in", path.display()),
            "refwarden store init",
        ),
        KeyError::Readable(_) => Finding::open(
            "door-key",
            format!("`{}` can be read by others, who can then push as anybody", path.display()),
            anew,
        ),
        KeyError::Trust(error) => match error.split() {
            (what, Some(cure)) => Finding::open("door-key", what, cure),
            (what, None) => Finding::broken("door-key", what, anew),
        },
        _ => Finding::broken("door-key", error.to_string(), anew),
    })
}

/// Whoever can open the socket can say whose request it is.
pub fn socket(look: &Look<'_>) -> Option<Finding> {
    look.by_web().then(|| judge_socket(Path::new(SOCKET))).flatten()
}

fn judge_socket(path: &Path) -> Option<Finding> {
    let (owner, mode) = host_facts::owner_and_mode(path).ok()?;
    let path = path.display();
    if mode & 0o022 == 0 {
        return Some(Finding::ok("http-socket", format!("`{path}` is uid {owner}'s alone")));
    }
    let what = format!(
        "`{path}` has mode {mode:04o}: others than the web server can claim to be it there"
    );
    let cure = format!("chmod 0600 {path}, and SocketMode=0600 in refwarden-http.socket");
    Some(Finding::open("http-socket", what, cure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;
    use crate::cli::repo::bed::file;

    #[test]
    fn a_shell_that_does_not_start_the_door_is_named() {
        for (shell, open) in [
            ("/usr/bin/git-shell", true),
            ("/usr/sbin/nologin", true),
            ("/bin/false", true),
            ("/bin/sh", false),
            ("/bin/bash", false),
        ] {
            assert_eq!(judge_shell(shell, "git").is_some(), open, "{shell}");
        }
        let found = judge_shell("/usr/bin/git-shell", "git").unwrap();
        assert!(found.what.contains("upload-archive"), "{found:?}");
        assert_eq!(found.cure, "usermod -s /bin/sh git");
    }

    #[test]
    fn a_socket_that_others_can_open_fails_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        assert_eq!(judge_socket(&path), None);
        for (mode, level) in
            [(0o600, Level::Ok), (0o660, Level::FailOpen), (0o602, Level::FailOpen)]
        {
            file(&path, "", mode);
            assert_eq!(judge_socket(&path).unwrap().level, level, "{mode:o}");
        }
    }
}
