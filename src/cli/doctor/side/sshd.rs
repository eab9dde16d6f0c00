//! What sshd would let people do past the door.
//!
//! Knows the settings, as `sshd -T` prints them for a login to the hosting account.

use super::Look;
use crate::cli::finding::Finding;
use crate::pusher::Source;

/// What clients may send without any harm; the door drops even these, but for git's protocol.
const HARMLESS: [&str; 7] =
    ["GIT_PROTOCOL", "LANG", "LANGUAGE", "LC_*", "LC_ALL", "COLORTERM", "NO_COLOR"];
/// What starts programs, or another git, before anybody of ours is asked.
const DANGEROUS: [&str; 9] = [
    "BASH_ENV",
    "ENV",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_EXEC_PATH",
    "GIT_DIR",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "PATH",
];

/// The settings, `key value` by line.
pub struct Settings<'a>(pub &'a str);

impl<'a> Settings<'a> {
    /// All values of a key.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let lines = self.0.lines().filter_map(|line| line.split_once(' '));
        lines.filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim())
    }

    fn one(&self, key: &str) -> &'a str {
        self.all(key).next().unwrap_or_default()
    }
}

/// Every side path that the settings leave open.
pub fn judge(settings: &Settings<'_>, look: &Look<'_>) -> Vec<Finding> {
    let all = [
        accept_env(settings, look),
        user_environment(settings),
        forwarding(settings, look),
        force_command(settings, look),
        keys_command(settings, look),
        authorities(settings, look),
        other_methods(settings, look),
    ];
    let found: Vec<Finding> = all.into_iter().flatten().collect();
    if found.is_empty() {
        return vec![Finding::ok(
            "sshd",
            "its settings for the hosting account leave no side path",
        )];
    }
    found
}

/// A line of sshd's configuration for the hosting account alone, as a cure.
fn for_account(look: &Look<'_>, line: &str) -> String {
    format!(
        "below `Match User {}` in sshd's configuration: {line} (then sshd -t, and reload sshd)",
        look.home.site.account
    )
}

fn accept_env(settings: &Settings<'_>, look: &Look<'_>) -> Option<Finding> {
    let patterns = settings.all("acceptenv").flat_map(str::split_ascii_whitespace);
    let harmless = |pattern: &&str| {
        HARMLESS.contains(pattern) || (pattern.starts_with("LC_") && !pattern.contains(['*', '?']))
    };
    let wide: Vec<&str> = patterns.filter(|pattern| !harmless(pattern)).collect();
    if wide.is_empty() {
        return None;
    }
    let names = wide.join(" ");
    let cure = for_account(look, "AcceptEnv GIT_PROTOCOL");
    let fatal =
        |pattern: &&&str| DANGEROUS.iter().any(|name| matches(pattern.as_bytes(), name.as_bytes()));
    Some(match wide.iter().find(fatal) {
        Some(_) => Finding::open(
            "sshd-accept-env",
            format!(
                "`AcceptEnv {names}` lets clients choose what git or the shell runs before the hooks"
            ),
            cure,
        ),
        None => Finding::warn(
            "sshd-accept-env",
            format!("`AcceptEnv {names}` lets clients set more than git needs"),
            cure,
        ),
    })
}

/// sshd's patterns: `*` and `?`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, name)
                || name.split_first().is_some_and(|(_, name)| matches(pattern, name))
        }
        (Some((one, rest)), Some((other, name))) if one == other || *one == b'?' => {
            matches(rest, name)
        }
        _ => false,
    }
}

fn user_environment(settings: &Settings<'_>) -> Option<Finding> {
    let value = settings.one("permituserenvironment");
    if matches!(value, "" | "no") {
        return None;
    }
    let what = format!(
        "`PermitUserEnvironment {value}`: the account's ~/.ssh/environment and options of its keys \
         reach git"
    );
    let cure = "in sshd's configuration, before any Match: PermitUserEnvironment no (then sshd -t, \
                and reload sshd)";
    Some(Finding::warn("sshd-user-environment", what, cure))
}

fn forwarding(settings: &Settings<'_>, look: &Look<'_>) -> Option<Finding> {
    if settings.one("disableforwarding") == "yes" {
        return None;
    }
    let kinds = [
        "AllowTcpForwarding",
        "AllowStreamLocalForwarding",
        "AllowAgentForwarding",
        "X11Forwarding",
        "PermitTunnel",
    ];
    let on = kinds.iter().filter(|kind| !matches!(settings.one(kind), "" | "no"));
    let on: Vec<&str> = on.copied().collect();
    if on.is_empty() {
        return None;
    }
    let what = format!(
        "{} on for `{}`: only `restrict` in each line of keys holds them off",
        on.join(", "),
        look.home.site.account
    );
    Some(Finding::warn("sshd-forwarding", what, for_account(look, "DisableForwarding yes")))
}

/// A forced command of sshd's own goes before that of the key.
fn force_command(settings: &Settings<'_>, look: &Look<'_>) -> Option<Finding> {
    let command = settings.one("forcecommand");
    let by_ssh = look.lists(&Source::Ssh);
    if matches!(command, "" | "none") || !by_ssh || look.is_ours(command, "ssh") {
        return None;
    }
    let what = format!("`ForceCommand {command}` runs in place of the door, for every key");
    Some(Finding::warn("sshd-force-command", what, for_account(look, "ForceCommand none")))
}

/// Who says which keys there are.
fn keys_command(settings: &Settings<'_>, look: &Look<'_>) -> Option<Finding> {
    let command = settings.one("authorizedkeyscommand");
    if matches!(command, "" | "none") || !look.lists(&Source::Ssh) {
        return None;
    }
    if look.is_ours(command, "ssh-keys") {
        return None;
    }
    let what = format!(
        "`AuthorizedKeysCommand {command}` is not refwarden's: a key that it lets in may run \
         anything"
    );
    let line = format!(
        "AuthorizedKeysCommand {} ssh-keys %u %f %t %k",
        look.home.programs.join("refwarden").display()
    );
    Some(Finding::warn("sshd-keys-command", what, for_account(look, &line)))
}

/// A certificate of an authority that sshd itself trusts meets no forced command.
fn authorities(settings: &Settings<'_>, look: &Look<'_>) -> Option<Finding> {
    let file = settings.one("trustedusercakeys");
    if matches!(file, "" | "none") {
        return None;
    }
    let what = format!(
        "`TrustedUserCAKeys {file}`: certificates of these authorities get the login shell"
    );
    Some(Finding::warn("sshd-authorities", what, for_account(look, "TrustedUserCAKeys none")))
}

/// Whoever comes in without a key meets no forced command.
fn other_methods(settings: &Settings<'_>, look: &Look<'_>) -> Option<Finding> {
    let mut lists = settings.one("authenticationmethods").split_ascii_whitespace();
    if lists.all(|list| list.split(',').any(|one| one == "publickey")) {
        return None;
    }
    let kinds = [
        "PasswordAuthentication",
        "KbdInteractiveAuthentication",
        "HostbasedAuthentication",
        "GSSAPIAuthentication",
        "KerberosAuthentication",
    ];
    let on = kinds.iter().filter(|kind| settings.one(kind) == "yes");
    let on: Vec<&str> = on.copied().collect();
    if on.is_empty() {
        return None;
    }
    let what = format!(
        "{} on for `{}`: who comes in without a key gets the login shell",
        on.join(", "),
        look.home.site.account
    );
    let cure = for_account(look, "AuthenticationMethods publickey");
    Some(Finding::warn("sshd-methods", what, cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_sshd_matches_them() {
        for (pattern, name, yes) in [
            ("*", "PATH", true),
            ("GIT_*", "GIT_DIR", true),
            ("GIT_PROTOCOL", "GIT_DIR", false),
            ("L?_*", "LD_PRELOAD", true),
            ("LC_*", "LD_PRELOAD", false),
            ("", "ENV", false),
            ("EN", "ENV", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), yes, "{pattern} {name}");
        }
    }
}
