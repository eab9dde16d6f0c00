//! What stands before the doors: the account's shell, the doors' key, the web server's way in.

use super::Look;
use crate::cli::finding::Finding;
use crate::os::account::login_shell;
use crate::os::host_facts;
use crate::pusher::Source;
use crate::store::door_key::{self, KeyError};
use std::path::Path;

/// Where docs/doors-http.md has the socket of the HTTP door.
const SOCKET: &str = "/run/refwarden-http.sock";
/// Shells that start no forced command of ours.
const NO_SHELLS: [&str; 3] = ["git-shell", "nologin", "false"];

/// sshd starts a forced command through the login shell, and git-shell starts git alone.
pub fn shell(look: &Look<'_>) -> Option<Finding> {
    let account = &look.home.site.account;
    let shell = login_shell(account)?;
    let name = Path::new(&shell).file_name()?.to_string_lossy().into_owned();
    if !look.lists(&Source::Ssh) || !NO_SHELLS.contains(&name.as_str()) {
        return None;
    }
    let more = match name.as_str() {
        "git-shell" => {
            ", and a key without a forced command gets upload-pack, upload-archive and receive-pack \
             without the door"
        }
        _ => "",
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
    let anew = format!("rm -f {} && refwarden store init", path.display());
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
    if !look.by_web() {
        return None;
    }
    let (owner, mode) = host_facts::owner_and_mode(Path::new(SOCKET)).ok()?;
    if mode & 0o022 == 0 {
        return Some(Finding::ok("http-socket", format!("`{SOCKET}` is uid {owner}'s alone")));
    }
    let what = format!(
        "`{SOCKET}` has mode {mode:04o}: others than the web server can claim to be anybody there"
    );
    let cure = format!("SocketMode=0600 in refwarden-http.socket, and now: chmod 0600 {SOCKET}");
    Some(Finding::open("http-socket", what, cure))
}

/// A token that goes over the wire in the clear is everybody's.
pub fn plain_http(look: &Look<'_>) -> Option<Finding> {
    let url = look.policy.settings().tokens.as_ref()?.url.clone()?;
    let rest = url.strip_prefix("http://")?;
    let what = format!("`[tokens] url` is `{url}`: tokens go over the wire in the clear");
    let cure = format!("serve TLS, and write url = \"https://{rest}\"");
    Some(Finding::warn("plain-http", what, cure))
}
