//! Whether somebody is left who can change a pushed policy by another push.
//!
//! Such a person is active, no service, in `[global] administer`, can be identified as far as the
//! policy shows, and may update the policy's branch: at some hour of the coming week, and at some hour
//! of a week so far ahead that every `from` and `until` has passed. Looked-up memberships count for
//! nobody: what answers them may be down. Locks, lent rights and checks are not looked at.

use super::members::{Answers, Ask, Held, lookups_of};
use super::model::{Policy, PolicyHome, User};
use super::name::UserName;
use super::refs::ChangedPath;
use super::scope::Scopes;
use crate::decision::{self, Paths, Question, Verdict};
use crate::push::Action;
use crate::pusher::source::Source;
use chrono::{DateTime, TimeDelta, Utc};

/// The name of a pushed policy's main file, at the root of its tree.
pub const MAIN: &str = "policy.toml";
/// Hours of a week: windows that come again do so within it.
const WEEK: i64 = 7 * 24;
/// How far ahead all that ends has ended, in days: about two hundred years.
const FAR: i64 = 73_000;

/// Why nobody is left; `None` where somebody is.
#[must_use]
pub fn lockout(policy: &Policy, home: &PolicyHome, now: DateTime<Utc>) -> Option<String> {
    let administrators = administrators(policy, home);
    if administrators.is_empty() {
        return Some(
            "nobody would be left in `[global] administer` who is an active person and can be identified \
             (looked-up groups are not counted)"
                .into(),
        );
    }
    let named = administrators.iter().take(3).map(UserName::as_str).collect::<Vec<_>>().join(", ");
    let branch = home.branch.strip_prefix("refs/heads/").unwrap_or(&home.branch);
    let place = format!("`{branch}` of `{}`", home.repository);
    let mut scopes = Scopes::new(policy);
    let mut may = |from: DateTime<Utc>| {
        let hours = || (0..WEEK).map(|hour| from + TimeDelta::hours(hour));
        administrators
            .iter()
            .any(|user| hours().any(|at| may_push(&mut scopes, home, user, at, policy)))
    };
    if !may(now) {
        return Some(format!("nobody who administers ({named}) could push {place} within a week"));
    }
    if !may(now + TimeDelta::days(FAR)) {
        return Some(format!(
            "nobody who administers ({named}) could push {place} any more when what has an end has ended"
        ));
    }
    None
}

/// Active users, services too, who may push the policy's branch now and do not administer.
#[must_use]
pub fn others_who_may(policy: &Policy, home: &PolicyHome, now: DateTime<Utc>) -> Vec<UserName> {
    let mut scopes = Scopes::new(policy);
    let answers = nobody_looked_up(policy);
    let may = |name: &&UserName| {
        let scope = scopes.scope(Some(name), home.repository.as_bytes(), &[]);
        let held =
            scope.map(|(scope, _)| scope.standing.among(&policy.settings.administer, &answers));
        !matches!(held, Ok(Held::Yes(_))) && may_push(&mut scopes, home, name, now, policy)
    };
    policy.users.keys().filter(may).cloned().collect()
}

/// People who administer by the policy alone.
fn administrators(policy: &Policy, home: &PolicyHome) -> Vec<UserName> {
    let mut scopes = Scopes::new(policy);
    let answers = nobody_looked_up(policy);
    let person = |user: &User| user.active && !user.service && identifiable(policy, user);
    let people = policy.users.iter().filter(|(_, user)| person(user)).map(|(name, _)| name);
    let administers = |name: &&UserName| {
        let scope = scopes.scope(Some(name), home.repository.as_bytes(), &[]);
        let held =
            scope.map(|(scope, _)| scope.standing.among(&policy.settings.administer, &answers));
        matches!(held, Ok(Held::Yes(_)))
    };
    people.filter(administers).cloned().collect()
}

/// Whether some source could name the person, as far as the policy can tell.
fn identifiable(policy: &Policy, user: &User) -> bool {
    let settings = &policy.settings;
    settings.sources.iter().any(|source| match source {
        Source::Ssh => !user.ssh_keys.is_empty() || !settings.ssh_ca.is_empty(),
        Source::PushCert => !user.ssh_keys.is_empty() || !user.gpg_keys.is_empty(),
        _ => true,
    })
}

fn nobody_looked_up(policy: &Policy) -> Answers {
    let groups = lookups_of(&policy.groups).into_values().flatten();
    groups.map(|group| (Ask::from(group), Ok(false))).collect()
}

/// A plain yes: what only warns is none, because a policy's branch is no place to be warned at.
fn may_push(
    scopes: &mut Scopes<'_>,
    home: &PolicyHome,
    user: &UserName,
    at: DateTime<Utc>,
    policy: &Policy,
) -> bool {
    let vouched: Vec<Source> =
        policy.settings.require.iter().map(|one| one.source.clone()).collect();
    let Ok((scope, _)) = scopes.scope(Some(user), home.repository.as_bytes(), &vouched) else {
        return false;
    };
    let paths = [ChangedPath { path: MAIN.into(), link: false }];
    let question = Question {
        action: Action::Update,
        name: home.branch.as_bytes(),
        paths: Paths::Known(&paths),
        now: at,
        margin: TimeDelta::zero(),
        horizon: TimeDelta::zero(),
    };
    let decision = decision::decide(&scope, &question, &nobody_looked_up(policy));
    matches!(decision.verdict, Verdict::Allowed(allowed) if allowed.warnings().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_file;
    use crate::policy::source::{NoIncludes, SourceFile};

    const HEAD: &str = "version = 1\n[server]\npolicy-repository = \"policy\"\n";
    const REST: &str = "[users.alice]\n[users.bob]\n[global]\nadminister = [\"alice\"]\n\
        [projects.P]\nrepositories = [\"policy\"]\n[[schemes.default.permit]]\n\
        permissions = [\"push\"]\nbranches = [\"main\"]\nto = [\"alice\"]\n";

    fn told(sources: &str, rest: &str) -> Option<String> {
        let text = format!("{HEAD}[identity]\nsources = [{sources}]\n{rest}");
        let main = SourceFile { name: MAIN.into(), text };
        let policy = load_file(main, "/etc/refwarden", &NoIncludes).1.unwrap().0;
        let now = DateTime::parse_from_rfc3339("2026-11-20T12:00:00Z").unwrap().to_utc();
        lockout(&policy, policy.settings.home.as_ref().unwrap(), now)
    }

    #[test]
    fn the_last_administrator_stays_one_who_can_push() {
        assert_eq!(told("\"gitea\"", REST), None);
        for (from, to, words) in [
            ("[users.alice]", "[users.alice]\nactive = false", "nobody would be left"),
            (
                "[users.alice]",
                "[users.alice]\nkind = \"service\"\nowner = \"bob\"",
                "nobody would be left",
            ),
            ("administer = [\"alice\"]", "administer = []", "nobody would be left"),
            (
                "administer = [\"alice\"]",
                "administer = [\"bob\"]",
                "(bob) could push `main` of `policy` within",
            ),
            ("branches = [\"main\"]", "branches = [\"dev\"]", "within a week"),
            (
                "branches = [\"main\"]",
                "branches = [\"main\"]\npaths = [\"docs/**\"]",
                "within a week",
            ),
            (
                "[\"policy\"]\n[[",
                "[\"policy\"]\nenforce = \"warn\"\n[[schemes.default.forbid]]\npermissions = [\"push\"]\n[[",
                "within a week",
            ),
            (
                "to = [\"alice\"]",
                "to = [\"alice\"]\nwhen = { until = 2026-11-21T00:00:00Z }",
                "has ended",
            ),
            (
                "to = [\"alice\"]",
                "to = [\"alice\"]\nwhen = { from = 2026-12-21T00:00:00Z }",
                "within a week",
            ),
        ] {
            let rest = REST.replace(from, to);
            let rest = match to.contains("paths") {
                true => rest.replace("[\"policy\"]\n", "[\"policy\"]\nbase = \"main\"\n"),
                false => rest,
            };
            let words_told = told("\"gitea\"", &rest).unwrap_or_default();
            assert!(words_told.contains(words), "{to}: {words_told}");
        }
    }

    #[test]
    fn office_hours_are_no_lockout_at_night_or_on_a_friday() {
        let weekly = "to = [\"alice\"]\nwhen = { weekly = [\"Mon 09:00-17:30\"] }";
        assert_eq!(told("\"gitea\"", &REST.replace("to = [\"alice\"]", weekly)), None);
    }

    #[test]
    fn a_freeze_of_all_repositories_for_weeks_locks_administrators_out_too() {
        let freeze = "[[schemes.default.forbid]]\npermissions = [\"push\"]\n\
            when = { from = 2026-11-20T00:00:00Z, until = 2027-01-04T00:00:00Z }\n";
        let frozen = format!("{REST}{freeze}");
        assert!(told("\"gitea\"", &frozen).unwrap().contains("within a week"));
        assert_eq!(told("\"gitea\"", &format!("{frozen}except = [\"alice\"]\n")), None);
    }

    #[test]
    fn who_has_no_key_is_nobody_where_keys_alone_identify() {
        assert!(told("\"ssh\"", REST).unwrap().contains("can be identified"));
        assert_eq!(told("\"ssh\", \"http\"", REST), None);
        assert!(told("\"push-cert\"", REST).is_some());
    }

    #[test]
    fn a_looked_up_group_of_administrators_counts_for_nobody() {
        let rest = REST.replace(
            "administer = [\"alice\"]",
            "administer = [\"@ops\"]\n[groups]\nops = { unix = \"ops\" }",
        );
        assert!(told("\"gitea\"", &rest).unwrap().contains("looked-up groups are not counted"));
    }
}
