//! What is asked for: who, which entitlement, exactly which scope, for how long, why.

use super::seen::Seen;
use crate::policy::entry::Permissions;
use crate::policy::model::Entitlement;
use crate::policy::name::{EntitlementName, ProjectName, UserName};
use crate::policy::pattern::Pattern;
use crate::policy::refs::{PathScope, RefPattern, RefScope, Space};
use crate::policy::span::Span;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A request; after approval it is the grant's scope, and it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// Who asks; a grant is for this one person.
    pub person: UserName,
    /// By which entitlement: scope, caps and quorum all come from this one.
    pub entitlement: EntitlementName,
    /// The repository's project when it was asked.
    pub project: ProjectName,
    /// The repository's name, as below the root.
    pub repository: String,
    /// Which actions.
    pub permissions: Permissions,
    /// Which refs; from a refused push the exact names.
    pub refs: RefScope,
    /// Further actions on other refs: what a push wants of one ref is not lent on another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Part>,
    /// Which changed paths, where the asker narrows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<PathScope>,
    /// Checks to be lifted, for `bypass`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Box<str>>,
    /// With `pin`: the only values that the refs may be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// For how long from the approval (or from `from`).
    pub duration: Span,
    /// Not before; the clock starts then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Pushes that may land under it; `None` has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u32>,
    /// The asker's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// From this instant on it is unanswered.
    pub pending_until: DateTime<Utc>,
    /// What the refused push wanted, as the server saw it; for the approver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<Seen>,
}

/// Actions on refs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which actions.
    pub permissions: Permissions,
    /// On which refs.
    pub refs: RefScope,
}

/// A ref and the only value that it may be given; the null id deletes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Full name, lower-case hexadecimal digits of its bytes.
    #[serde(with = "hex_bytes")]
    pub name: Vec<u8>,
    /// Object id, hexadecimal.
    pub new: String,
}

impl Request {
    /// What makes two requests of one person the same: asking again finds the open one. Duration,
    /// reason and ticket are not in it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut text = format!("{}\n{}\n{}", self.entitlement, self.repository, self.permissions);
        let mut refs: Vec<String> = self.refs.include.iter().map(spelled).collect();
        refs.sort_unstable();
        let _ = write!(text, "\n{}\n", refs.join("\n"));
        for pattern in &self.refs.exclude {
            let _ = writeln!(text, "-{}", spelled(pattern));
        }
        for part in &self.more {
            let refs: Vec<String> = part.refs.include.iter().map(spelled).collect();
            let _ = writeln!(text, "{} {}", part.permissions, refs.join(" "));
        }
        if let Some(paths) = &self.paths {
            let _ = writeln!(text, "{paths}");
        }
        let _ = writeln!(text, "{}", self.checks.join(","));
        let mut pins: Vec<String> = self.pins.iter().map(|pin| format!("{pin:?}")).collect();
        pins.sort_unstable();
        text + &pins.join("\n")
    }

    /// Words where `wanted`, the same as this one, has other terms: this one keeps its own.
    #[must_use]
    pub fn keeps(&self, wanted: &Self) -> Option<String> {
        let mut kept = Vec::new();
        if self.duration != wanted.duration {
            kept.push(self.duration.to_string());
        }
        if self.max_uses != wanted.max_uses {
            kept.push(match self.max_uses {
                Some(1) => "1 push".to_owned(),
                Some(most) => format!("{most} pushes"),
                None => "any number of pushes".to_owned(),
            });
        }
        if self.from != wanted.from {
            kept.push("its own begin".to_owned());
        }
        if self.reason != wanted.reason && wanted.reason.is_some() {
            kept.push("its reason".to_owned());
        }
        if self.ticket != wanted.ticket && wanted.ticket.is_some() {
            kept.push("its ticket".to_owned());
        }
        let terms = kept.join(", ");
        (!kept.is_empty()).then(|| {
            format!("it was asked for before and keeps its terms ({terms}): withdraw it to ask otherwise")
        })
    }

    /// All of what is asked for, part by part.
    pub fn parts(&self) -> impl Iterator<Item = (Permissions, &RefScope)> {
        let more = self.more.iter().map(|part| (part.permissions, &part.refs));
        std::iter::once((self.permissions, &self.refs)).chain(more)
    }

    /// The paths of an entitlement as they are today, for a request that names none: what the policy
    /// adds later was not approved. A check is lifted as a whole.
    #[must_use]
    pub fn paths_of(&self, entitlement: &Entitlement) -> Option<PathScope> {
        let lifts = self.parts().any(|(all, _)| all.intersects(Permissions::BYPASS));
        entitlement.entry.paths.clone().filter(|_| !lifts)
    }

    /// Whether the grant lets `name` be given the value `new` (hexadecimal), as far as pins say.
    #[must_use]
    pub fn pins_allow(&self, name: &[u8], new: &str) -> bool {
        self.pins.is_empty() || self.pins.iter().any(|pin| pin.name == name && pin.new == new)
    }
}

/// A pattern as a full name, with its prefix.
#[must_use]
pub fn spelled(one: &RefPattern) -> String {
    let space = match one.space {
        Space::Branches => "refs/heads/",
        Space::Tags => "refs/tags/",
        Space::Refs => "",
    };
    format!("{space}{}", one.pattern)
}

/// A pattern that matches `name` (a full ref name) and nothing else.
///
/// A name that is not UTF-8 becomes an expression, which covers heads and tags alone (02-policy.md);
/// `None` for such a name elsewhere, and for one that is too long.
#[must_use]
pub fn exactly(name: &[u8]) -> Option<RefPattern> {
    let (space, rest) = match (name.strip_prefix(b"refs/heads/"), name.strip_prefix(b"refs/tags/"))
    {
        (Some(rest), _) => (Space::Branches, rest),
        (_, Some(rest)) => (Space::Tags, rest),
        _ => (Space::Refs, name),
    };
    let text = match (std::str::from_utf8(rest), space) {
        (Ok(text), _) => escaped(text),
        (Err(_), Space::Refs) => return None,
        (Err(_), _) => {
            let mut text = String::from("regex:");
            rest.iter().for_each(|byte| _ = write!(text, "\\x{byte:02x}"));
            text
        }
    };
    Some(RefPattern { space, pattern: Pattern::parse(&text).ok()? })
}

/// `text` as a glob that takes every character literally.
fn escaped(text: &str) -> String {
    let mut glob = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '$' | ',' | '!') {
            glob.push('\\');
        }
        glob.push(character);
    }
    match glob.strip_prefix("regex:") {
        Some(rest) => format!("\\regex:{rest}"),
        None => glob,
    }
}

mod hex_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        to.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(D::Error::custom("an odd number of hexadecimal digits"));
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let byte = |[a, b]: &[u8; 2]| Some(digit(*a)? * 16 + digit(*b)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes.ok_or_else(|| D::Error::custom("not hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_pattern_matches_its_name_and_nothing_else() {
        for name in [
            "refs/heads/release/2.4",
            "refs/heads/a*b",
            "refs/heads/{a,b}",
            "refs/heads/[x]!$",
            "refs/heads/regex:.*",
            "refs/heads/back\\slash",
            "refs/tags/v1",
            "refs/notes/commits",
            "refs/heads/\u{e9}",
        ] {
            let scope =
                RefScope { include: vec![exactly(name.as_bytes()).unwrap()], exclude: vec![] };
            assert!(scope.permits(name.as_bytes(), None).unwrap(), "{name}");
            for other in
                ["refs/heads/axb", "refs/heads/a", "refs/heads/x", "refs/tags/v2", "refs/notes/c"]
            {
                assert!(!scope.permits(other.as_bytes(), None).unwrap(), "{name} and {other}");
            }
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_lent_exactly() {
        let name = b"refs/heads/\xff.\xfe";
        let scope = RefScope { include: vec![exactly(name).unwrap()], exclude: vec![] };
        assert!(scope.permits(name, None).unwrap());
        assert!(!scope.permits(b"refs/heads/\xffx\xfe", None).unwrap());
        assert!(exactly(b"refs/notes/\xff").is_none());
    }
}
