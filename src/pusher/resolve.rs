//! One pusher out of what several sources say.
//!
//! Knows the order of the sources and when they contradict each other. Does not know the policy:
//! users come through [`Directory`]. Nothing is guessed: whatever is unclear refuses.

use super::evidence::{Claim, Evidence, Malformed};
use super::source::Source;
use crate::code::Code;
use crate::policy::name::UserName;
use chrono::{DateTime, Utc};

/// Whether a declared user may do anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Holds what the policy gives.
    Active,
    /// Declared with `active = false`.
    Inactive,
}

/// The users of the applied policy, as far as telling them apart goes.
///
/// Errors are words for the server's admin; any of them refuses the push.
pub trait Directory {
    /// The one user whom a source calls `external`, byte for byte.
    ///
    /// `name_key` is one of [`super::source::NAME_KEYS`], an `env:NAME`, or `unix` (then `external`
    /// is an account: `[users.X] unix`, by default the user's name). The directory holds these
    /// rules of the policy: a user with an entry for `name_key` in `names` is not known to it by
    /// the plain name; and where [`super::source::plain_name_counts`] says no, nobody is.
    ///
    /// # Errors
    /// When the look-up itself failed.
    fn by_external(&self, name_key: &str, external: &str) -> Result<Option<UserName>, String>;

    /// The user with the ssh key (`SHA256:…`) or OpenPGP primary key (40 capital hex digits).
    ///
    /// # Errors
    /// When the look-up itself failed.
    fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, String>;

    /// The user's status; `None` when there is no such user.
    fn status(&self, user: &UserName) -> Option<Status>;
}

/// Who is pushing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pusher {
    /// The user of the policy.
    pub user: UserName,
    /// The first listed source that said so.
    pub source: Source,
    /// The key that was used, where a source says so.
    pub key: Option<String>,
    /// The client's address, where a source says so. Decides nothing.
    pub address: Option<String>,
    /// The other listed sources that named the same user, in the order of the list.
    pub confirmed_by: Vec<Source>,
    /// The repository as the hosting stack calls it, without `.git`.
    pub repository: Option<Vec<u8>>,
    /// From then on the evidence does not count: the earliest end of all that spoke.
    pub until: Option<DateTime<Utc>>,
}

impl Pusher {
    /// Whether `source` named the pusher; what `[[identity.require]]` asks.
    #[must_use]
    pub fn is_vouched_for_by(&self, source: &Source) -> bool {
        self.source == *source || self.confirmed_by.contains(source)
    }
}

/// Why nobody could be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct IdentityRefusal {
    /// `RW101` to `RW104`, or `RW508` when users could not be looked up.
    pub code: Code,
    /// For the pusher: who they were taken to be, and by what. Plain ASCII, one line.
    pub words: String,
    /// What the server's admin can do. Plain ASCII, one line.
    pub hint: String,
}

/// One source's claim, and the user whom it means.
struct Witness<'a> {
    source: &'a Source,
    claim: Claim,
    user: UserName,
}

/// Names the pusher from the listed sources.
///
/// The first source that speaks wins. All others that speak must name the same user and, where
/// they name one, the same repository.
///
/// # Errors
/// [`IdentityRefusal`]: no source speaks (RW101), one names nobody known or is malformed (RW102),
/// the user is inactive (RW103), two disagree (RW104), or users cannot be looked up (RW508).
pub fn resolve(
    sources: &[Source],
    evidence: &Evidence<'_>,
    directory: &dyn Directory,
) -> Result<Pusher, IdentityRefusal> {
    let mut witnesses = Vec::new();
    for source in sources {
        witnesses.extend(hear(source, evidence, directory)?);
    }
    let Some((first, others)) = witnesses.split_first() else { return Err(nobody(sources)) };
    if let Some(other) = others.iter().find(|other| other.user != first.user) {
        return Err(two_people(first, other));
    }
    match directory.status(&first.user) {
        Some(Status::Active) => {}
        Some(Status::Inactive) => return Err(inactive(first)),
        None => return Err(unknown(first.source, &first.claim)),
    }
    let repository = one_repository(&witnesses)?;
    let noted = |part: fn(&Claim) -> Option<&String>| {
        witnesses.iter().find_map(|witness| part(&witness.claim)).cloned()
    };
    Ok(Pusher {
        user: first.user.clone(),
        source: first.source.clone(),
        key: noted(|claim| claim.key.as_ref()),
        address: noted(|claim| claim.address.as_ref()),
        confirmed_by: others.iter().map(|other| other.source.clone()).collect(),
        repository,
        until: witnesses.iter().filter_map(|witness| witness.claim.until).min(),
    })
}

fn hear<'a>(
    source: &'a Source,
    evidence: &Evidence<'_>,
    directory: &dyn Directory,
) -> Result<Option<Witness<'a>>, IdentityRefusal> {
    let said = evidence.says(source).map_err(|malformed| unreadable(source, &malformed))?;
    let Some(claim) = said else { return Ok(None) };
    let found = match source {
        Source::PushCert => directory.by_key(&claim.external),
        _ => directory.by_external(&claim.name_key, &claim.external),
    };
    match found.map_err(|detail| no_directory(&detail))? {
        Some(user) => Ok(Some(Witness { source, claim, user })),
        None => Err(unknown(source, &claim)),
    }
}

/// The repository that the witnesses name, all of whom named the pusher.
fn one_repository(witnesses: &[Witness<'_>]) -> Result<Option<Vec<u8>>, IdentityRefusal> {
    let mut named = witnesses.iter().filter(|witness| witness.claim.repository.is_some());
    let Some(first) = named.next() else { return Ok(None) };
    match named.find(|other| other.claim.repository != first.claim.repository) {
        Some(other) => Err(two_repositories(first, other)),
        None => Ok(first.claim.repository.clone()),
    }
}

fn refusal(code: Code, words: String, hint: String) -> IdentityRefusal {
    IdentityRefusal { code, words, hint }
}

fn nobody(sources: &[Source]) -> IdentityRefusal {
    let listed: Vec<String> = sources.iter().map(|source| format!("`{source}`")).collect();
    refusal(
        Code::NoIdentity,
        "nothing on this server says who you are".into(),
        format!("`[identity] sources` lists {}, and none of them speaks", listed.join(", ")),
    )
}

fn unreadable(source: &Source, malformed: &Malformed) -> IdentityRefusal {
    refusal(
        Code::UnknownUser,
        format!("what `{source}` says about you can't be used: {malformed}"),
        format!("look at what sets `{}` on this server", malformed.variable),
    )
}

fn unknown(source: &Source, claim: &Claim) -> IdentityRefusal {
    let external = shown(claim.external.as_bytes());
    let cure = match source {
        Source::PushCert => "put the key into `ssh-keys` or `gpg-keys` of its user".into(),
        Source::Unix => format!("say whose account it is: `[users.NAME] unix = \"{external}\"`"),
        _ => format!(
            "say who that is: `[users.NAME] names = {{ \"{}\" = [\"{external}\"] }}`",
            claim.name_key
        ),
    };
    refusal(
        Code::UnknownUser,
        format!("you are {}, whom the policy does not know", taken_to_be(source, claim)),
        cure,
    )
}

fn inactive(witness: &Witness<'_>) -> IdentityRefusal {
    refusal(
        Code::InactiveUser,
        format!(
            "you are `{}` ({}), who is not active",
            witness.user,
            taken_to_be(witness.source, &witness.claim)
        ),
        format!("`[users.{}]` has `active = false`", witness.user),
    )
}

fn two_people(first: &Witness<'_>, other: &Witness<'_>) -> IdentityRefusal {
    let says = |witness: &Witness<'_>| {
        format!("`{}` ({})", witness.user, taken_to_be(witness.source, &witness.claim))
    };
    refusal(
        Code::SourcesDisagree,
        format!("you are {}, and also {}", says(first), says(other)),
        format!("`{}` and `{}` must name the same person", first.source, other.source),
    )
}

fn two_repositories(first: &Witness<'_>, other: &Witness<'_>) -> IdentityRefusal {
    let says = |witness: &Witness<'_>| {
        let name = witness.claim.repository.as_deref().unwrap_or_default();
        format!("`{}` (by `{}`)", shown(name), witness.source)
    };
    refusal(
        Code::SourcesDisagree,
        format!("this repository is {}, and also {}", says(first), says(other)),
        format!("`{}` and `{}` must name the same repository", first.source, other.source),
    )
}

/// Detail goes to the trail by way of the hint; the pusher can do nothing with it.
fn no_directory(detail: &str) -> IdentityRefusal {
    refusal(
        Code::Lookup,
        "the users of the policy can't be looked up".into(),
        shown(detail.as_bytes()),
    )
}

fn taken_to_be(source: &Source, claim: &Claim) -> String {
    let external = shown(claim.external.as_bytes());
    format!("`{external}` by `{source}` (`{}`)", claim.variable)
}

/// Plain ASCII for text from outside; the report's own escaping leaves it as it is.
fn shown(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == ' ' || c.is_ascii_graphic() {
                out.push(c);
            } else {
                out.extend(c.escape_unicode());
            }
        }
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

#[cfg(test)]
mod tests;
