//! Refs on which a check may be left out by somebody, so that what they hold need not have passed it.
//!
//! Knows what the policy could let by, whoever and whenever; not who does.

use super::entry::Entry;
use super::name::MAX_NAME;
use super::pattern::{Broken, ISSUE, Pattern, USER};
use super::refs::{RefPattern, RefScope};

/// Refs on which somebody may leave a check out, whoever and whenever: what they hold was not
/// necessarily seen by it (03-push.md, "What is new to a check").
#[derive(Debug)]
pub struct Uncovered {
    scopes: Vec<RefScope>,
    everything: bool,
}

impl Uncovered {
    /// The refs of all permits, grants and entitlements of `bypass` that lift the check.
    pub fn by<'e>(
        entries: impl Iterator<Item = &'e Entry>,
        check: &str,
    ) -> impl Iterator<Item = &'e RefScope> {
        entries.filter(move |entry| !entry.is_forbid() && entry.lifts(check)).map(|e| &e.refs)
    }

    /// Those of all the scopes; `${user}` stands for anybody, `${issue}` for any issue.
    #[must_use]
    pub fn of<'e>(lifted: impl Iterator<Item = &'e RefScope>) -> Self {
        let (mut scopes, mut everything) = (Vec::new(), false);
        for scope in lifted {
            match for_anybody(scope) {
                Some(scope) => scopes.push(scope),
                None => everything = true,
            }
        }
        Self { scopes, everything }
    }

    /// Whether a ref is one of them.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn covers(&self, name: &[u8]) -> Result<bool, Broken> {
        if self.everything {
            return Ok(true);
        }
        for scope in &self.scopes {
            if scope.permits(name, None)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A scope that covers at least what this one covers for some user and issue; `None` where none can be
/// made.
fn for_anybody(refs: &RefScope) -> Option<RefScope> {
    let include: Option<Vec<RefPattern>> = refs.include.iter().map(pattern_for_anybody).collect();
    // What is excepted for one user or issue may be open to another.
    let exclude = refs.exclude.iter().filter(|one| !is_of_somebody(&one.pattern)).cloned();
    Some(RefScope { include: include?, exclude: exclude.collect() })
}

fn is_of_somebody(pattern: &Pattern) -> bool {
    pattern.has_user() || pattern.has_issue()
}

fn pattern_for_anybody(one: &RefPattern) -> Option<RefPattern> {
    if !is_of_somebody(&one.pattern) {
        return Some(one.clone());
    }
    let text = one.pattern.text();
    if [USER, ISSUE].iter().any(|variable| text.contains(&format!("\\{variable}"))) {
        return None;
    }
    let text = match one.pattern.as_glob() {
        // Neither has a slash, so a star covers every one.
        Some(_) => text.split('/').map(component_for_anybody).collect::<Vec<_>>().join("/"),
        // `${issue}` stands in globs only.
        None => text.replace(USER, &format!("(?:[A-Za-z0-9._-]{{1,{MAX_NAME}}})")),
    };
    let pattern = Pattern::parse(&text).ok()?;
    Some(RefPattern { space: one.space, pattern })
}

fn component_for_anybody(component: &str) -> String {
    if !component.contains(USER) && !component.contains(ISSUE) {
        return component.to_owned();
    }
    let mut text = component.replace(USER, "*").replace(ISSUE, "*");
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::entry::{Kind, Permissions};
    use super::super::lab;
    use super::super::refs::Space;
    use super::*;

    fn lifting(kind: Kind, checks: &[&str], branches: &[&str]) -> Entry {
        Entry {
            checks: checks.iter().map(|one| (*one).into()).collect(),
            refs: RefScope { include: lab::on(Space::Branches, branches), exclude: vec![] },
            ..lab::plain_entry(kind, Permissions::BYPASS)
        }
    }

    fn uncovered(entries: &[&Entry]) -> Uncovered {
        Uncovered::of(Uncovered::by(entries.iter().copied(), "subject"))
    }

    #[test]
    fn what_anybody_may_push_past_a_check_is_not_taken_for_seen() {
        let covered = |texts: &[&str], name: &str| {
            let entry = lifting(Kind::Entitlement("e".into()), &["subject"], texts);
            uncovered(&[&entry]).covers(name.as_bytes()).unwrap()
        };
        assert!(covered(&["main"], "refs/heads/main") && !covered(&["main"], "refs/heads/x"));
        for (text, inside, outside) in [
            ("users/${user}/**", "refs/heads/users/bob/a/b", "refs/heads/users/bob"),
            ("${user}*", "refs/heads/bob-1", "refs/heads/bob/1"),
            ("**/${user}", "refs/heads/a/b/bob", "refs/tags/bob"),
            ("regex:u/${user}/.*", "refs/heads/u/bob/x", "refs/heads/u/b/"),
            ("{a,u/${user}}/x", "refs/heads/u/bob/x", "refs/heads/u/bob/y"),
            ("f/${issue}-*", "refs/heads/f/PAY-1-x", "refs/heads/f/PAY-1/x"),
        ] {
            assert!(covered(&[text], inside), "{text} {inside}");
            let odd = text.starts_with("regex:");
            assert!(odd || !covered(&[text], outside), "{text} {outside}");
        }
        let other = lifting(Kind::Permit, &["size"], &["**"]);
        let forbid = lifting(Kind::Forbid, &["*"], &["**"]);
        let none = uncovered(&[&other, &forbid]);
        assert!(!none.covers(b"refs/heads/main").unwrap());
        let mut except = lifting(Kind::Permit, &["*"], &["**"]);
        except.refs.exclude = lab::on(Space::Branches, &["main", "users/${user}/**"]);
        let some = uncovered(&[&except]);
        assert!(!some.covers(b"refs/heads/main").unwrap());
        assert!(some.covers(b"refs/heads/users/bob/x").unwrap(), "it is open to everybody else");
    }
}
