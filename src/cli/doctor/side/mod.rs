//! Side paths: ways to a repository that pass the doors and the hooks by.
//!
//! Knows which there are and when each matters; what cannot be known is told as not looked at, and
//! is never claimed. A new one is one function and one line in [`find`].
//!
//! Elsewhere `doctor` finds what lets *pushes* pass: hooks that do not run, files that others write.

mod front;
mod keys;
mod reach;
mod sshd;

use crate::cli::finding::{Finding, Level};
use crate::cli::out::counted;
use crate::cli::repo::target::{Installation, Target};
use crate::hook::desk::{self, Payload};
use crate::os::git_config;
use crate::os::sshd::{self as os_sshd, SshdError};
use crate::policy::compiled::Compiled;
use crate::pusher::Source;
use crate::text::shell_path;
use std::path::Path;

/// The check whose findings say what could not be looked at.
const NOT_LOOKED_AT: &str = "not-looked-at";
/// The check that says how secure mode stands.
const SECURE_MODE: &str = "secure-mode";

/// What is looked at, and what for.
pub struct Look<'a> {
    home: &'a Installation,
    policy: Compiled<Payload>,
    secure: bool,
    sshd_config: Option<&'a Path>,
}

impl<'a> Look<'a> {
    /// `None` without an applied policy: what is open is then everybody's guess, and another check's
    /// finding.
    pub fn new(home: &'a Installation, sshd_config: Option<&'a Path>) -> Option<Self> {
        let (policy, _) = desk::open_policy(&home.site).ok()?;
        let secure = policy.settings().secure;
        Some(Self { home, policy, secure, sshd_config })
    }

    /// Whether the policy asks for secure mode.
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// The same look by root, who sees everything; sudo has a search path of its own.
    fn as_root(&self) -> String {
        format!("sudo {} doctor", shell_path(&self.home.programs.join("refwarden")))
    }

    fn lists(&self, source: &Source) -> bool {
        self.policy.settings().sources.contains(source)
    }

    /// Whether sshd lets people in whom hooks or doors are to know.
    fn by_ssh(&self) -> bool {
        let of_ssh = |source: &Source| matches!(source, Source::Ssh | Source::Env(_));
        self.secure || self.policy.settings().sources.iter().any(of_ssh)
    }

    /// Whether reading is meant to be guarded.
    fn guards_reading(&self) -> bool {
        self.secure || self.lists(&Source::Ssh) || self.lists(&Source::Http)
    }

    /// Whether a web server lets people in.
    fn by_web(&self) -> bool {
        self.secure || self.lists(&Source::Http) || self.lists(&Source::RemoteUser)
    }

    /// Whether a command line is this installation's program with `verb`, and nothing after it that a
    /// shell would take for more than words.
    fn is_ours(&self, command: &str, verb: &str) -> bool {
        let Some((program, rest)) = split_program(command.trim()) else { return false };
        let real = git_config::real(Path::new(program)).ok();
        let is = |name| git_config::real(&self.home.programs.join(name)).ok() == real;
        let same = Path::new(program).is_absolute()
            && real.is_some()
            && ["refwarden", "door"].into_iter().any(is);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ._:/+=@%-".contains(&byte);
        same && rest.bytes().all(plain)
            && rest.split(' ').find(|word| !word.is_empty()) == Some(verb)
    }
}

/// The program of a command line, as `door::ssh::keys` writes it, and the rest.
fn split_program(command: &str) -> Option<(&str, &str)> {
    match command.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'').filter(|(_, rest)| rest.starts_with(' ')),
        None => command.split_once(' '),
    }
}

fn not_looked_at(what: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding::warn(NOT_LOOKED_AT, what, cure)
}

/// Every side path that is open, for the installation and these repositories.
pub fn find(look: &Look<'_>, repositories: &[Target]) -> Vec<Finding> {
    let mut found = ssh(look);
    found.extend(front::door_key(look));
    found.extend(front::socket(look));
    found.extend(reach::daemon(look));
    found.extend(reach::others(look, repositories));
    found.extend(reach::served(look, repositories));
    found.extend(reach::exported(repositories));
    found.extend(reach::shared_objects(look, repositories));
    if look.secure {
        found.iter_mut().for_each(raise);
    }
    found
}

/// In secure mode nothing that is open is worth a look only.
fn raise(finding: &mut Finding) {
    if finding.level == Level::Warn && finding.check != NOT_LOOKED_AT {
        finding.level = Level::FailOpen;
    }
}

fn ssh(look: &Look<'_>) -> Vec<Finding> {
    if !look.by_ssh() {
        return Vec::new();
    }
    let Some(program) = os_sshd::program() else { return Vec::new() };
    let asked = os_sshd::settings(&program, &look.home.site.account, look.sshd_config);
    let mut found = Vec::new();
    let text = match asked {
        Ok(text) => Some(text),
        Err(error) => {
            let what = format!(
                "sshd's configuration (/etc/ssh/sshd_config and what it includes): {error}"
            );
            let cure = match error {
                SshdError::NotRoot => look.as_root(),
                _ => "sshd -t, and mend what it says".to_owned(),
            };
            found.push(not_looked_at(what, cure));
            None
        }
    };
    let settings = text.as_deref().map(sshd::Settings);
    if let Some(settings) = &settings {
        found.extend(sshd::judge(settings, look));
    }
    found.extend(keys::judge(settings.as_ref(), look));
    found.extend(front::shell(look));
    found
}

/// Whether a finding sums others up, and is none of its own.
pub fn is_sum(finding: &Finding) -> bool {
    finding.check == SECURE_MODE
}

/// Whether a finding says something of secure mode: what is open, what could not be seen.
pub fn concerns_secure_mode(finding: &Finding) -> bool {
    finding.level == Level::FailOpen || finding.check == SECURE_MODE || is_unseen(finding)
}

/// Also where the walk below the root was cut short.
fn is_unseen(finding: &Finding) -> bool {
    matches!(finding.check, NOT_LOOKED_AT | "repositories")
}

/// How secure mode stands, given everything that was found; `None` where the policy has none.
pub fn secure_mode(look: &Look<'_>, found: &[Finding]) -> Option<Finding> {
    if !look.secure {
        return None;
    }
    let open = found.iter().filter(|finding| finding.level == Level::FailOpen).count();
    let unseen = found.iter().filter(|finding| is_unseen(finding)).count();
    Some(match (open, unseen) {
        (0, 0) => Finding::ok(SECURE_MODE, "met: no side path is open"),
        (0, _) => Finding::warn(
            SECURE_MODE,
            "no side path was found open, but not everything could be looked at",
            look.as_root(),
        ),
        _ => {
            let paths = counted(open, "side path is", "side paths are");
            Finding::open(SECURE_MODE, format!("not met: {paths} open"), "each by its own cure")
        }
    })
}
