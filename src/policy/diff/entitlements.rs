//! What people may ask for, and who approves it: before and after.
//!
//! Every change of an entitlement is told. People are compared as the policy settles them; groups
//! that are looked up are named.

use super::super::entry::{Entry, Holder};
use super::super::model::{Approval, Entitlement, Policy, Project, may_meet};
use super::super::name::{EntitlementName, GroupName, ProjectName};
use super::super::pattern::Pattern;
use super::super::span::Span;
use super::super::spoken::{approval, lends, list, place, sentence};
use super::crowd::Crowd;
use super::people::Everybody;
use super::render::some_of;
use super::{Note, Spot};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(everybody: &Everybody<'_>, notes: &mut Vec<Note>) {
    let [old, new] = everybody.sides.each_ref().map(|people| people.policy);
    let names: BTreeSet<&EntitlementName> =
        old.entitlements.keys().chain(new.entitlements.keys()).collect();
    let unmoved = everybody.unmoved && same_projects(old, new);
    for name in names {
        let (before, after) = (old.entitlements.get(name), new.entitlements.get(name));
        let said = notes.len();
        match (before, after) {
            (None, Some(after)) => {
                let text = format!("new, {}, {}", sentence(name, after), spot(after, new, false));
                note(notes, true, text);
            }
            (Some(before), None) => {
                let text = format!("gone, {}, {}", sentence(name, before), spot(before, old, true));
                note(notes, false, text);
            }
            (Some(before), Some(after)) if unmoved && same(before, after) => continue,
            (Some(before), Some(after)) => keys(name, before, after, notes),
            (None, None) => {}
        }
        people(everybody, name, [before, after], notes);
        // Whatever it is that the lines above do not tell.
        if let (Some(before), Some(after)) = (before, after)
            && !same(before, after)
            && notes.len() == said
        {
            note(notes, true, format!("entitlement {name} changed, {}", spot(after, new, false)));
        }
    }
}

fn note(notes: &mut Vec<Note>, widens: bool, text: String) {
    notes.push(Note { text, widens });
}

fn spot(entitlement: &Entitlement, policy: &Policy, before: bool) -> Spot {
    Spot::new(entitlement.entry.place, &policy.files, before)
}

/// Whether two differ at most in where they are written.
fn same(before: &Entitlement, after: &Entitlement) -> bool {
    let entry = Entry { place: after.entry.place, ..before.entry.clone() };
    Entitlement { entry, ..before.clone() } == *after
}

/// Whether the same people have the same parts in the same projects.
fn same_projects(old: &Policy, new: &Policy) -> bool {
    let part = |(a, one): (&ProjectName, &Project), (b, two): (&ProjectName, &Project)| {
        a == b
            && (&one.roles, &one.lead, &one.repositories)
                == (&two.roles, &two.lead, &two.repositories)
    };
    old.projects.len() == new.projects.len()
        && old.projects.iter().zip(&new.projects).all(|(a, b)| part(a, b))
}

/// Keys that say something else: scope, caps, approval.
fn keys(name: &EntitlementName, a: &Entitlement, b: &Entitlement, notes: &mut Vec<Note>) {
    let mut told = |key: &str, widens: bool, before: String, after: String| {
        if before != after {
            let text = format!("entitlement {name}: {key} is {after}, was {before}");
            note(notes, widens, text);
        }
    };
    // Whether refs, paths or repositories became more or fewer is not worked out: it may be more.
    told("what it lends", true, lends(&a.entry), lends(&b.entry));
    told("where it applies", true, place(a), place(b));
    caps(a, b, &mut told);
    let reason = |one: &Entitlement| if one.reason_required { "required" } else { "optional" };
    told("`reason`", !b.reason_required, reason(a).into(), reason(b).into());
    let ticket = |one: &Entitlement| one.ticket.as_ref().map_or("none".into(), Pattern::to_string);
    told("`ticket`", a.ticket.is_some(), ticket(a), ticket(b));
    let stricter = is_stricter(&a.approval, &b.approval);
    told("`approval`", !stricter, approval(&a.approval), approval(&b.approval));
    told("`break-glass`", b.break_glass, a.break_glass.to_string(), b.break_glass.to_string());
    told("`pin`", !b.pin, a.pin.to_string(), b.pin.to_string());
    let extend = |one: &Entitlement| match &one.extend {
        Some(extend) => format!("{} times {}", extend.times, extend.max_duration),
        None => "none".into(),
    };
    told("`extend`", b.extend.is_some(), extend(a), extend(b));
    // Who they are is told by name, besides.
    let eligible = |one: &Entitlement| list(one.entry.to.iter().flatten());
    told("`eligible`", false, eligible(a), eligible(b));
    if a.auto != b.auto {
        let words = match (&a.auto, &b.auto) {
            (None, _) => "new: it may be approved by rule",
            (_, None) => "gone: nothing is approved by rule",
            _ => "another one",
        };
        note(notes, b.auto.is_some(), format!("entitlement {name}: `auto` is {words}"));
    }
    if a.description != b.description {
        note(notes, false, format!("entitlement {name}: `description` is another one"));
    }
}

fn caps(a: &Entitlement, b: &Entitlement, told: &mut impl FnMut(&str, bool, String, String)) {
    let spans: [(&str, fn(&Entitlement) -> Span); 4] = [
        ("`max-duration`", |one| one.max_duration),
        ("`default-duration`", |one| one.default_duration),
        ("`max-ahead`", |one| one.max_ahead),
        ("`pending`", |one| one.pending),
    ];
    for (key, of) in spans {
        told(key, of(b) > of(a), of(a).to_string(), of(b).to_string());
    }
    let most = |one: &Entitlement| one.max_uses.unwrap_or(u32::MAX);
    let uses = |one: &Entitlement| one.max_uses.map_or("no limit".into(), |uses| uses.to_string());
    told("`max-uses`", most(b) > most(a), uses(a), uses(b));
    let until = |one: &Entitlement| match one.max_until {
        Some(until) => until.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => "no limit".into(),
    };
    let later = a.max_until.is_some_and(|a| b.max_until.is_none_or(|b| b > a));
    told("`max-until`", later, until(a), until(b));
}

/// Whether whatever meets the new lists meets the old ones: each is still there, with no fewer
/// people to say yes, and there may be more lists.
fn is_stricter(old: &[Approval], new: &[Approval]) -> bool {
    let mut left: Vec<&Approval> = new.iter().collect();
    !old.is_empty()
        && old.iter().all(|one| {
            let found = left.iter().position(|b| b.from == one.from && b.count >= one.count);
            found.map(|at| left.remove(at)).is_some()
        })
}

/// People by number, and looked-up groups that more may come from.
type Held = (Crowd, BTreeSet<GroupName>);

/// Who may ask and who may approve, each with what changes for whom.
fn people(
    everybody: &Everybody<'_>,
    name: &EntitlementName,
    sides: [Option<&Entitlement>; 2],
    notes: &mut Vec<Note>,
) {
    let asking = |one: &Entitlement| one.entry.to.clone().unwrap_or_default();
    let approving = |one: &Entitlement| -> Vec<Holder> {
        one.approval.iter().flat_map(|list| list.from.clone()).collect()
    };
    moved(everybody, sides, &asking, &format!("asking for `{name}`"), notes);
    moved(everybody, sides, &approving, &format!("approving `{name}`"), notes);
}

fn moved(
    everybody: &Everybody<'_>,
    sides: [Option<&Entitlement>; 2],
    holders: &dyn Fn(&Entitlement) -> Vec<Holder>,
    what: &str,
    notes: &mut Vec<Note>,
) {
    let policies = everybody.sides.each_ref().map(|people| people.policy);
    let projects: BTreeSet<&ProjectName> =
        policies.iter().flat_map(|policy| policy.projects.keys()).collect();
    let mut told: BTreeMap<(bool, String), Vec<&ProjectName>> = BTreeMap::new();
    for project in projects {
        let mut held = [0, 1].map(|side| {
            let of = sides.get(side).copied().flatten().zip(policies.get(side));
            of.and_then(|(one, policy)| {
                let (name, found) = policy.projects.get_key_value(project)?;
                let here = one.projects.contains(name)
                    || one.repositories.iter().any(|own| may_meet(own, found));
                here.then(|| everybody.held(side, &holders(one), found))
            })
        });
        let [before, after] = held.each_mut().map(|held| held.take().unwrap_or_default());
        for (gains, more, less) in [(false, &before, &after), (true, &after, &before)] {
            if let Some(who) = who(everybody, more, less) {
                told.entry((gains, who)).or_default().push(project);
            }
        }
    }
    for ((gains, who), projects) in told.into_iter().rev() {
        let verb = if gains { "gains" } else { "loses" };
        let projects = some_of(projects.iter().map(|name| name.as_str()));
        note(notes, gains, format!("{verb} {who}   {what} in {projects}"));
    }
}

/// Those of the one who are not of the other.
fn who(everybody: &Everybody<'_>, more: &Held, less: &Held) -> Option<String> {
    let people = more.0.clone().without(&less.0);
    let names = people.iter().filter_map(|number| everybody.names.get(number).copied().flatten());
    let groups = more.1.difference(&less.1);
    let names: Vec<String> = names
        .map(ToString::to_string)
        .chain(groups.map(|group| format!("members of @{group} (looked up)")))
        .collect();
    (!names.is_empty()).then(|| some_of(names.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests;
