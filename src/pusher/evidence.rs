//! What each listed source says about the pusher.
//!
//! Knows which variables a source reads, and when they say a name, nothing, or something that must
//! not be believed. Does not know the policy: a claim is what the source calls somebody. Reads
//! nothing but the variables of the source it was asked about.
//!
//! Which program sets which variable is taken from the sources of each hosting stack.

use super::certificate::{CertificateError, VerifiedCertificate};
use super::proof::{self, ProofError, Said};
use super::source::{GITEA_DEPLOY_KEY, GITLAB_DEPLOY_KEY, Source};
use chrono::{DateTime, Utc};

/// Longest external name, in bytes.
pub const MAX_EXTERNAL: usize = 64;
/// Longest name of a repository, in bytes.
const MAX_REPOSITORY: usize = 4096;

/// What there is to learn the pusher's identity from.
pub struct Evidence<'a> {
    /// Value of an environment variable; `None` when unset.
    pub variable: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    /// Name of the account that the hooks run as, already checked against the site file.
    pub account: &'a str,
    /// What came of the push certificate; `None` when the push was not signed.
    ///
    /// The caller makes it from the blob alone, so `GIT_PUSH_CERT_STATUS` and its kin count for
    /// nothing. A blob that is named and cannot be read is an error here, not `None`. Verifying
    /// takes time, so it is done only where `push-cert` is listed.
    pub certificate: Option<Result<VerifiedCertificate, CertificateError>>,
    /// What a door of ours said; `None` when no door speaks ([`proof::USER`] is unset or empty).
    ///
    /// The caller has held it against the key, the processes above, the repository and the clock.
    /// Looked at only where `ssh` or `http` is listed.
    pub door: Option<Result<Said, ProofError>>,
}

/// Somebody, as one source calls them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The source's own name for the pusher, the deploy key's number, or a fingerprint.
    pub external: String,
    /// How `external` is looked up: a key of `[users.X] names`, or `unix`, or `push-cert`.
    pub name_key: String,
    /// What the name was read from, for people: a variable's name, `account` or `certificate`.
    pub variable: String,
    /// The repository, as the source calls it, without `.git`.
    pub repository: Option<Vec<u8>>,
    /// The key that was used, where the source says so.
    pub key: Option<String>,
    /// The client's address, where the source says so. For the trail only.
    pub address: Option<String>,
    /// From then on it does not count, where the source says so.
    pub until: Option<DateTime<Utc>>,
}

/// Evidence that must not be believed, and must not be passed over either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` {reason}")]
pub struct Malformed {
    /// What was read: a variable's name, `account` or `certificate`.
    pub variable: String,
    /// What is wrong with it. Never quotes the value.
    pub reason: String,
}

/// A claim, silence (`None`: the source's variable is unset or empty), or neither.
pub type Statement = Result<Option<Claim>, Malformed>;

/// Variables of the sources that say a name and no more.
struct Plain {
    name: &'static str,
    /// Parts of the repository's name, joined by `/`.
    repository: &'static [&'static str],
    address: Option<&'static str>,
}

impl Plain {
    const fn of(source: &Source) -> Option<Self> {
        let (name, repository, address): (_, &[&str], _) = match source {
            Source::RemoteUser => ("REMOTE_USER", &[], Some("REMOTE_ADDR")),
            Source::Gitolite => ("GL_USER", &["GL_REPO"], None),
            Source::Gogs => ("GOGS_AUTH_USER_NAME", &[], None),
            Source::GithubEnterprise => {
                ("GITHUB_USER_LOGIN", &["GITHUB_REPO_NAME"], Some("GITHUB_USER_IP"))
            }
            Source::Bitbucket => ("BB_USER_NAME", &["BB_PROJECT_KEY", "BB_REPO_SLUG"], None),
            Source::SoftServe => ("SOFT_SERVE_USERNAME", &["SOFT_SERVE_REPO_NAME"], None),
            Source::Phorge => (
                "PHABRICATOR_USER",
                &["PHABRICATOR_REPOSITORY"],
                Some("PHABRICATOR_REMOTE_ADDRESS"),
            ),
            _ => return None,
        };
        Some(Self { name, repository, address })
    }
}

impl Evidence<'_> {
    /// What `source` says.
    ///
    /// # Errors
    /// [`Malformed`] when a variable is over-long, not UTF-8, holds control characters, or
    /// contradicts its companions; when the push certificate proves nothing; and for sources that
    /// this build lacks.
    pub fn says(&self, source: &Source) -> Statement {
        match source {
            Source::Unix => self.unix(),
            Source::PushCert => self.push_cert(),
            Source::Gitlab => self.gitlab(),
            Source::Gitea => self.gitea(),
            Source::Env(name) => self.plain(source, name, &[], None),
            Source::Ssh | Source::Http => self.door(source),
            _ => match Plain::of(source) {
                Some(plain) => self.plain(source, plain.name, plain.repository, plain.address),
                None => Err(malformed(&source.to_string(), "is a source that this build lacks")),
            },
        }
    }

    fn plain(
        &self,
        source: &Source,
        name: &str,
        repository: &[&str],
        address: Option<&str>,
    ) -> Statement {
        let Some(external) = self.name(name)? else { return Ok(None) };
        let mut claim = claim(&source.to_string(), external, name);
        claim.repository = self.repository(repository)?;
        claim.address = address.and_then(|variable| self.address(variable));
        Ok(Some(claim))
    }

    fn unix(&self) -> Statement {
        let external = name("account", self.account.as_bytes())?
            .ok_or_else(|| malformed("account", "is empty"))?;
        Ok(Some(claim("unix", external, "account")))
    }

    fn push_cert(&self) -> Statement {
        match &self.certificate {
            None => Ok(None),
            Some(Err(error)) => Err(malformed("certificate", &format!("proves nothing: {error}"))),
            Some(Ok(verified)) => {
                let mut claim = claim("push-cert", verified.fingerprint.clone(), "certificate");
                claim.key = Some(verified.fingerprint.clone());
                Ok(Some(claim))
            }
        }
    }

    /// Our own doors: each speaks for itself, and is silent where the other one let somebody in.
    fn door(&self, source: &Source) -> Statement {
        match &self.door {
            None => Ok(None),
            Some(Err(error)) => Err(malformed(proof::PROOF, &error.to_string())),
            Some(Ok(said)) if said.door.source() != *source => Ok(None),
            Some(Ok(said)) => {
                let mut claim = claim(&source.to_string(), said.user.to_string(), proof::USER);
                claim.key.clone_from(&said.key);
                claim.address.clone_from(&said.address);
                claim.until = said.until;
                Ok(Some(claim))
            }
        }
    }

    /// `GL_ID` is `user-N` for a person, whose name is `GL_USERNAME`, and `key-N` for a deploy key.
    fn gitlab(&self) -> Statement {
        let user = self.name("GL_USERNAME")?;
        let Some(id) = self.name("GL_ID")? else {
            return match user {
                None => Ok(None),
                Some(_) => Err(malformed("GL_USERNAME", "is set and `GL_ID` is not")),
            };
        };
        let mut found = if let Some(number) = id.strip_prefix("key-").and_then(positive) {
            let mut found = claim(GITLAB_DEPLOY_KEY, number.to_string(), "GL_ID");
            found.key = Some(format!("gitlab key {number}"));
            found
        } else if id.strip_prefix("user-").and_then(positive).is_some() {
            let user = user.ok_or_else(|| {
                malformed("GL_USERNAME", "is not set although `GL_ID` names a user")
            })?;
            claim("gitlab", user, "GL_USERNAME")
        } else {
            return Err(malformed("GL_ID", "is neither `user-N` nor `key-N`"));
        };
        found.repository = self.repository(&["GL_PROJECT_PATH"])?;
        Ok(Some(found))
    }

    /// With a deploy key `GITEA_PUSHER_NAME` is the repository's owner, who did not push.
    fn gitea(&self) -> Statement {
        let user = self.name("GITEA_PUSHER_NAME")?;
        let key = self.deploy_key("GITEA_DEPLOY_KEY_ID")?;
        let mut found = match (key, user) {
            (Some(number), _) => {
                let mut found = claim(GITEA_DEPLOY_KEY, number.to_string(), "GITEA_DEPLOY_KEY_ID");
                found.key = Some(format!("gitea deploy key {number}"));
                found
            }
            (None, Some(user)) => claim("gitea", user, "GITEA_PUSHER_NAME"),
            (None, None) => return Ok(None),
        };
        found.repository = self.repository(&["GITEA_REPO_USER_NAME", "GITEA_REPO_NAME"])?;
        Ok(Some(found))
    }

    /// The number of a deploy key; unset, empty and `0` mean that none was used.
    fn deploy_key(&self, variable: &str) -> Result<Option<u64>, Malformed> {
        match self.name(variable)?.as_deref() {
            None | Some("0") => Ok(None),
            Some(text) => positive(text)
                .map(Some)
                .ok_or_else(|| malformed(variable, "is not the number of a key")),
        }
    }

    fn name(&self, variable: &str) -> Result<Option<String>, Malformed> {
        (self.variable)(variable).map_or(Ok(None), |value| name(variable, &value))
    }

    /// The parts joined by `/`: all of them or none.
    fn repository(&self, parts: &[&str]) -> Result<Option<Vec<u8>>, Malformed> {
        let values: Vec<Vec<u8>> = parts
            .iter()
            .filter_map(|part| (self.variable)(part).filter(|value| !value.is_empty()))
            .collect();
        let (Some(first), false) = (parts.first(), values.is_empty()) else { return Ok(None) };
        if values.len() < parts.len() {
            return Err(malformed(first, "and its companion name only half a repository"));
        }
        if parts.len() > 1 && values.iter().any(|value| value.contains(&b'/')) {
            return Err(malformed(first, "or its companion holds a `/`"));
        }
        let joined = values.join(&b'/');
        if joined.len() > MAX_REPOSITORY || joined.iter().any(u8::is_ascii_control) {
            return Err(malformed(first, "is over-long or holds control characters"));
        }
        Ok(Some(joined.strip_suffix(b".git").unwrap_or(&joined).to_vec()))
    }

    /// An address decides nothing, so one that is none is dropped.
    fn address(&self, variable: &str) -> Option<String> {
        let value = String::from_utf8((self.variable)(variable)?).ok()?;
        value.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
    }
}

fn claim(name_key: &str, external: String, variable: &str) -> Claim {
    Claim {
        external,
        name_key: name_key.into(),
        variable: variable.into(),
        repository: None,
        key: None,
        address: None,
        until: None,
    }
}

fn malformed(variable: &str, reason: &str) -> Malformed {
    Malformed { variable: variable.into(), reason: reason.into() }
}

/// A name, or `None` when empty.
fn name(variable: &str, value: &[u8]) -> Result<Option<String>, Malformed> {
    if value.is_empty() {
        return Ok(None);
    }
    if value.len() > MAX_EXTERNAL {
        return Err(malformed(variable, "is longer than 64 bytes"));
    }
    let text = std::str::from_utf8(value).map_err(|_| malformed(variable, "is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(malformed(variable, "holds control characters"));
    }
    Ok(Some(text.to_owned()))
}

/// A positive number as databases print it: no sign, no leading zero.
fn positive(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
