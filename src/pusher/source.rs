//! The sources that `[identity] sources` may list.
//!
//! Knows their names, which variables `env:NAME` may not be, and which keys of `[users.X] names`
//! there are. What a source's variables mean is [`super::evidence`]'s matter.

use std::fmt;

/// Longest name of a variable in `env:NAME`, in bytes.
const MAX_VARIABLE: usize = 64;

/// One place that can say who is pushing.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// `REMOTE_USER`, set by a web server.
    RemoteUser,
    /// The hosting account itself.
    Unix,
    /// A signed push.
    PushCert,
    /// gitolite-shell.
    Gitolite,
    /// GitLab.
    Gitlab,
    /// Gitea and Forgejo.
    Gitea,
    /// Gogs.
    Gogs,
    /// GitHub Enterprise Server.
    GithubEnterprise,
    /// Bitbucket Data Center.
    Bitbucket,
    /// Soft Serve.
    SoftServe,
    /// Phorge.
    Phorge,
    /// A variable that the admin's own wrapper sets.
    Env(Box<str>),
    /// refwarden's own ssh door.
    Ssh,
    /// refwarden's own HTTP door.
    Http,
}

/// Sources without a parameter, with the name the policy gives them.
const PLAIN: [(&str, Source); 13] = [
    ("remote-user", Source::RemoteUser),
    ("unix", Source::Unix),
    ("push-cert", Source::PushCert),
    ("gitolite", Source::Gitolite),
    ("gitlab", Source::Gitlab),
    ("gitea", Source::Gitea),
    ("gogs", Source::Gogs),
    ("github-enterprise", Source::GithubEnterprise),
    ("bitbucket", Source::Bitbucket),
    ("soft-serve", Source::SoftServe),
    ("phorge", Source::Phorge),
    ("ssh", Source::Ssh),
    ("http", Source::Http),
];

/// Keys of `[users.X] names`, `env:NAME` aside; see [`is_name_key`].
pub const NAME_KEYS: [&str; 12] = [
    "remote-user",
    "gitolite",
    "gitlab",
    GITLAB_DEPLOY_KEY,
    "gitea",
    GITEA_DEPLOY_KEY,
    "gogs",
    "github-enterprise",
    "bitbucket",
    "soft-serve",
    "phorge",
    SSH_CERT,
];

/// Key of `[users.X] names` for principals of ssh certificates.
pub const SSH_CERT: &str = "ssh-cert";
/// Key of `[users.X] names` for GitLab's deploy keys, by number.
pub const GITLAB_DEPLOY_KEY: &str = "gitlab-deploy-key";
/// Key of `[users.X] names` for Gitea's and Forgejo's deploy keys, by number.
pub const GITEA_DEPLOY_KEY: &str = "gitea-deploy-key";

/// Why a text is not a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No such source.
    #[error("there is no identity source of this name")]
    Unknown,
    /// `env:` followed by something that is no variable's name.
    #[error(
        "a variable's name consists of letters, digits and `_`, does not begin with a digit, \
         and has at most {MAX_VARIABLE} bytes"
    )]
    Variable,
    /// sshd, git or a web server may let the client choose this variable.
    #[error("clients can set this variable")]
    ClientControlled,
    /// A source of its own reads this variable, with rules that `env:` lacks.
    #[error("use the source `{0}`, which knows how to read this variable")]
    Hosting(&'static str),
    /// The system or refwarden itself gives this variable a meaning.
    #[error("this variable has another meaning")]
    Taken,
}

/// Variables that a client can set: by sshd's `AcceptEnv` (as distributions ship it, or as admins
/// widen it for git), as a request header, or as a part of the URL (RFC 3875 section 4.1).
const CLIENT: [&str; 18] = [
    "LC_*",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "GIT_*",
    "HTTP_*",
    "SSH_*",
    "QUERY_STRING",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "CONTENT_*",
    "REQUEST_*",
    "SCRIPT_*",
    "SERVER_*",
    "AUTH_TYPE",
    "REMOTE_IDENT",
];

/// Variables that another source reads.
const HOSTING: [(&str, &str); 9] = [
    ("REMOTE_*", "remote-user"),
    ("GL_*", "gitolite` or `gitlab"),
    ("GITEA_*", "gitea"),
    ("GOGS_*", "gogs"),
    ("GITHUB_*", "github-enterprise"),
    ("BB_*", "bitbucket"),
    ("STASH_*", "bitbucket"),
    ("SOFT_SERVE_*", "soft-serve"),
    ("PHABRICATOR_*", "phorge"),
];

/// Variables of the system, of shells, and of refwarden. `USER` and `LOGNAME` are the hosting
/// account's under sshd, so they name nobody.
const TAKEN: [&str; 20] = [
    "REFWARDEN_*",
    "PATH",
    "LD_*",
    "HOME",
    "USER",
    "LOGNAME",
    "MAIL",
    "SHELL",
    "SHLVL",
    "PWD",
    "OLDPWD",
    "TMPDIR",
    "TZ",
    "IFS",
    "ENV",
    "BASH_*",
    "XDG_*",
    "GNUPGHOME",
    "GATEWAY_INTERFACE",
    "_",
];

fn is_listed(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |prefix| name.starts_with(prefix))
}

fn check_variable(name: &str) -> Result<(), SourceError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let begins_well = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if !plain || !begins_well || name.len() > MAX_VARIABLE {
        return Err(SourceError::Variable);
    }
    if CLIENT.iter().any(|pattern| is_listed(name, pattern)) {
        return Err(SourceError::ClientControlled);
    }
    if let Some((_, source)) = HOSTING.iter().find(|(pattern, _)| is_listed(name, pattern)) {
        return Err(SourceError::Hosting(source));
    }
    if TAKEN.iter().any(|pattern| is_listed(name, pattern)) {
        return Err(SourceError::Taken);
    }
    Ok(())
}

impl Source {
    /// Parses an entry of `[identity] sources`.
    ///
    /// # Errors
    /// [`SourceError`] when there is no such source, or `env:NAME` may not be `NAME`.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if let Some(name) = text.strip_prefix("env:") {
            return check_variable(name).map(|()| Self::Env(name.into()));
        }
        let found = PLAIN.iter().find(|(name, _)| *name == text);
        found.map(|(_, source)| source.clone()).ok_or(SourceError::Unknown)
    }

    /// The key of `[users.X] names` that says what this source calls a user.
    ///
    /// `None` where there is no such key: `unix` has `[users.X] unix`, `push-cert` finds the
    /// person by key, `ssh` and `http` speak of the policy's own names. The deploy keys of
    /// `gitlab` and `gitea` have keys of their own, [`GITLAB_DEPLOY_KEY`] and [`GITEA_DEPLOY_KEY`].
    #[must_use]
    pub fn name_key(&self) -> Option<String> {
        match self {
            Self::Unix | Self::PushCert | Self::Ssh | Self::Http => None,
            _ => Some(self.to_string()),
        }
    }

    /// Every source without a parameter, as the policy writes it; for "did you mean".
    #[must_use]
    pub fn plain_names() -> [&'static str; PLAIN.len()] {
        PLAIN.each_ref().map(|(name, _)| *name)
    }
}

/// Whether `text` may be a key of `[users.X] names`: one of [`NAME_KEYS`], or an `env:NAME` that
/// [`Source::parse`] takes.
#[must_use]
pub fn is_name_key(text: &str) -> bool {
    NAME_KEYS.contains(&text) || matches!(Source::parse(text), Ok(Source::Env(_)))
}

/// Whether a user without an entry of this key is known by the plain name of the policy.
///
/// Deploy keys have numbers, and a user may be called `17`: they count by an entry of `names` only.
#[must_use]
pub fn plain_name_counts(name_key: &str) -> bool {
    name_key != GITLAB_DEPLOY_KEY && name_key != GITEA_DEPLOY_KEY
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Env(name) = self {
            return write!(f, "env:{name}");
        }
        let found = PLAIN.iter().find(|(_, source)| source == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;
    fn try_from(text: String) -> Result<Self, SourceError> {
        Self::parse(&text)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_reads_back_what_it_shows() {
        for name in Source::plain_names().into_iter().chain(["env:CORP_USER", "env:_x9"]) {
            assert_eq!(Source::parse(name).unwrap().to_string(), name);
        }
        for bad in ["", "Gitea", "forgejo", "env", "gitea ", "env:", "ssh:", "unix\n"] {
            assert!(Source::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_cannot_be_listed_as_its_own_witness() {
        for name in [
            "LC_ALL",
            "LC_REFWARDEN",
            "LANG",
            "TERM",
            "COLORTERM",
            "NO_COLOR",
            "GIT_PUSH_CERT_SIGNER",
            "GIT_COMMITTER_NAME",
            "HTTP_REMOTE_USER",
            "HTTP_X_FORWARDED_USER",
            "SSH_ORIGINAL_COMMAND",
            "QUERY_STRING",
            "PATH_INFO",
            "REQUEST_URI",
        ] {
            let source = Source::parse(&format!("env:{name}"));
            assert_eq!(source, Err(SourceError::ClientControlled), "{name}");
        }
    }

    #[test]
    fn a_hosting_variable_is_not_read_past_its_own_rules() {
        for name in ["GL_USER", "GL_ID", "GITEA_PUSHER_NAME", "REMOTE_USER", "BB_USER_NAME"] {
            let source = Source::parse(&format!("env:{name}"));
            assert!(matches!(source, Err(SourceError::Hosting(_))), "{name}");
        }
        for name in ["PATH", "LD_PRELOAD", "HOME", "USER", "REFWARDEN_USER", "BASH_ENV"] {
            assert_eq!(Source::parse(&format!("env:{name}")), Err(SourceError::Taken), "{name}");
        }
        for name in ["A=B", "9A", "A-B", "A B", "Ä", "A\0", &"A".repeat(65)] {
            assert_eq!(Source::parse(&format!("env:{name}")), Err(SourceError::Variable), "{name}");
        }
        assert!(Source::parse(&format!("env:{}", "A".repeat(64))).is_ok());
        assert!(Source::parse("env:TERMINAL_USER").is_ok(), "only whole names and `X_*` count");
    }

    #[test]
    fn every_source_is_called_as_it_is_written() {
        for name in Source::plain_names() {
            assert_eq!(Source::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn name_keys_are_those_of_the_sources_and_the_deploy_keys() {
        for name in Source::plain_names() {
            let key = Source::parse(name).unwrap().name_key();
            assert_eq!(key.is_some(), NAME_KEYS.contains(&name), "{name}");
            assert!(key.is_none_or(|key| is_name_key(&key)));
        }
        for good in ["gitea-deploy-key", "gitlab-deploy-key", "ssh-cert", "env:CORP_USER"] {
            assert!(is_name_key(good));
        }
        for bad in ["unix", "push-cert", "ssh", "gogs-deploy-key", "env:LC_X", ""] {
            assert!(!is_name_key(bad), "{bad}");
        }
        assert!(!plain_name_counts("gitea-deploy-key") && !plain_name_counts("gitlab-deploy-key"));
        assert!(plain_name_counts("gitea"));
    }
}
