//! Puts what was decided into the pusher's words.

use super::ask::{self, Came};
use super::checks::Failure;
use super::desk::Desk;
use super::judge::{Answer, Known, Ruled};
use super::lent::Access;
use super::{ledger, record};
use crate::access::lend::Lent;
use crate::access::{State, notice};
use crate::code::Code;
use crate::decision::{Decision, Verdict};
use crate::policy::entry::Kind;
use crate::policy::model::{Refuse, Settings};
use crate::policy::scope::Ground;
use crate::policy::window::Zone;
use crate::policy::zone;
use crate::push::{Action, RefUpdate};
use crate::pusher::{Pusher, Source};
use crate::report::{self, Background, CheckReport, Fate, PushReport, Raw, RefReport};
use chrono::{DateTime, Utc};

/// Most people that are named as approvers.
const MAX_APPROVERS: usize = 6;
/// Most entitlements that are offered.
const MAX_OFFERS: usize = 3;
/// Most refspecs that are spelled out.
const MAX_REFSPECS: usize = 4;

/// The frame of every report of this push: its id, the site's help, who the pusher is.
pub fn frame(desk: &Desk, known: &Known) -> PushReport {
    let settings = desk.policy.settings();
    PushReport {
        id: Some(desk.id.clone()),
        help: settings.help.as_deref().map(str::to_owned),
        who: known.pusher.as_ref().map(|pusher| who(pusher, known.ground.as_ref())),
        gitlab: settings.sources.contains(&Source::Gitlab),
        ..PushReport::default()
    }
}

fn who(pusher: &Pusher, ground: Option<&Ground>) -> Raw {
    let evidence = match &pusher.key {
        Some(key) => format!("{}, key {key}", pusher.source),
        None => pusher.source.to_string(),
    };
    let nobody = crate::policy::members::Standing::default();
    let standing = ground.map_or(&nobody, |ground| &ground.standing);
    report::who(pusher.user.as_str(), &evidence, standing, ground.map(|ground| &ground.name))
}

/// What was decided about every ref.
pub fn report(desk: &Desk, known: &Known, ground: &Ground, ruled: &[Ruled]) -> PushReport {
    let settings = desk.policy.settings();
    let entries: Vec<_> = ground.entries.iter().collect();
    let files: Vec<String> = desk.policy.files().iter().map(|file| file.name.clone()).collect();
    let background = Background {
        project: &ground.name,
        details: &ground.project,
        entries: &entries,
        files: &files,
        zone: settings.timezone,
    };
    let refs = known.updates.iter().zip(ruled).map(|(update, one)| {
        let (fate, details) = fate(one, &background);
        RefReport { name: update.name.clone(), action: one.action, fate, details }
    });
    PushReport {
        refs: refs.collect(),
        others_go_on: settings.refuse == Refuse::Ref,
        ..frame(desk, known)
    }
}

fn fate(one: &Ruled, background: &Background<'_>) -> (Fate, Vec<Raw>) {
    match &one.answer {
        Answer::Fault(code, details) => (Fate::Refused(*code), details.clone()),
        Answer::Decided(decision) => decided(one, decision, background),
    }
}

fn decided(one: &Ruled, decision: &Decision, background: &Background<'_>) -> (Fate, Vec<Raw>) {
    let Some(action) = one.action else { return (Fate::Ok, Vec::new()) };
    let describe = |reasons: &mut dyn Iterator<Item = &crate::decision::Reason>| -> Vec<Raw> {
        reasons.flat_map(|reason| report::describe(reason, decision, action, background)).collect()
    };
    match &decision.verdict {
        Verdict::Refused(refused) => {
            (Fate::Refused(refused.code()), describe(&mut refused.reasons()))
        }
        Verdict::Allowed(allowed) => {
            let warned = allowed.warnings().first().map(|first| first.code);
            let warned = warned.or_else(|| one.checked.warned());
            let fate = match (one.checked.refused(), warned) {
                (Some(code), _) => Fate::Refused(code),
                (None, Some(code)) => Fate::Warned(code),
                (None, None) => Fate::Ok,
            };
            let mut lines = describe(&mut allowed.warnings().iter());
            let failures = one.checked.failures.iter();
            lines.extend(failures.flat_map(|failure| failed(failure, background)));
            (fate, lines)
        }
    }
}

/// A check that fails, in the words of the report.
fn failed(failure: &Failure, background: &Background<'_>) -> Vec<Raw> {
    let found: Vec<_> = failure.found.iter().map(|(key, failed)| (*key, failed)).collect();
    report::check(&CheckReport {
        name: &failure.check,
        place: report::place(failure.place, background),
        counts: failure.counts,
        found: &found,
        unsettled: failure.unsettled.as_deref(),
        help: failure.help.as_deref(),
    })
}

/// One line for each grant without which a ref would have been refused.
pub fn grants(
    desk: &Desk,
    known: &Known,
    (ground, ruled): (&Ground, &[Ruled]),
    access: &Access,
) -> Vec<Raw> {
    let mut told: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for (id, at) in record::grants(ruled, ground) {
        if told.contains(&id) {
            continue;
        }
        told.push(id);
        let (Some(update), Some(one)) = (known.updates.get(at), ruled.get(at)) else { continue };
        let action = one.action.map_or("push", Action::as_str);
        lines.push(granted(desk, (ground, access), id, &format!("{action} "), update));
    }
    let mut told: Vec<&str> = Vec::new();
    for (one, update) in ruled.iter().zip(&known.updates) {
        for lifted in &one.checked.lifted {
            let Some(id) = record::grant(ground, lifted.by) else { continue };
            if told.contains(&id) {
                continue;
            }
            told.push(id);
            let same = one.checked.lifted.iter().filter(|other| other.by == lifted.by);
            let names: Vec<&str> = same.map(|other| &*other.check).collect();
            let what = format!("bypass of {} on ", names.join(", "));
            lines.push(granted(desk, (ground, access), id, &what, update));
        }
    }
    lines
}

/// `allowed by grant 7f3k-92qd (hotfix, approved by alice): update main, ends …`
fn granted(
    desk: &Desk,
    (ground, access): (&Ground, &Access),
    id: &str,
    what: &str,
    update: &RefUpdate,
) -> Raw {
    let is_it = |kind: &Kind| matches!(kind, Kind::Grant(g) | Kind::Lent(g) if &**g == id);
    let end = ground.entries.iter().find(|entry| is_it(&entry.kind));
    let end = end
        .and_then(|entry| entry.when.until)
        .map(|until| ends(until, desk.now.wall, desk.policy.settings().timezone));
    let lent = access.used.iter().find(|lent| lent.id.as_str() == id);
    let by = lent.map(approved_by).unwrap_or_default();
    let mut line = format!("allowed by grant {id}{by}: {what}").into_bytes();
    line.extend(update.name.branch().unwrap_or(update.name.as_bytes()));
    line.extend(end.unwrap_or_default().into_bytes());
    if let Some(left) = lent.and_then(|lent| lent.state.uses_left()) {
        line.extend(format!(", {} more after this", left.saturating_sub(1)).into_bytes());
    }
    line
}

/// What a permitted push should know of Jira's answers.
pub fn issues(known: &Known) -> Vec<Raw> {
    known.issues.told.iter().map(|line| format!("warning: {line}").into_bytes()).collect()
}

/// ` (hotfix, approved by alice)`
fn approved_by(lent: &Lent) -> String {
    let names: Vec<String> = lent.state.approvals.iter().map(|(by, _)| by.to_string()).collect();
    let how = match (names.is_empty(), lent.state.unattested) {
        (_, true) => "taken by breaking glass".to_owned(),
        (true, false) => "taken by breaking glass, attested".to_owned(),
        (false, _) => format!("approved by {}", names.join(", ")),
    };
    format!(" ({}, {how})", lent.state.request.entitlement)
}

/// What came of asking, in place of the report about refs.
pub fn asked(desk: &Desk, came: &Came, report: &mut PushReport) {
    let (code, id, state) = match came {
        Came::Waiting(code, id, state, _) => (*code, id, state),
        Came::Approved(id, state) => (Code::Approved, id, state),
        Came::No(_) => return,
    };
    let mut facts = vec![ask::told(id, state)];
    if let Some(terms) = state.terms.as_ref() {
        let ends = ends(terms.until, desk.now.wall, desk.policy.settings().timezone);
        facts.push(format!("approved by rule{ends}").into_bytes());
        report.hints.push(b"push again".to_vec());
    } else {
        facts.push(who_can(desk, state, code));
        if let Came::Waiting(.., Some(words)) = came {
            facts.push(words.clone().into_bytes());
        }
        // Without a door that carries verbs the pusher has no command to look with.
        let next = match ssh_door(desk.policy.settings(), &desk.site.account) {
            Some(door) if report.held => format!("look with:  {door} access show {id}"),
            Some(door) => format!("when approved, push again; look with:  {door} access show {id}"),
            None if report.held => format!("give {id} to whoever approves"),
            None => format!("give {id} to whoever approves, and push again once it is approved"),
        };
        report.hints.push(next.into_bytes());
    }
    report.asked = Some((code, facts));
}

/// What a command over ssh begins with, where ssh tells who somebody is and the server has a name.
#[must_use]
pub fn ssh_door(settings: &Settings, account: &str) -> Option<String> {
    let name = settings.name.as_ref().filter(|_| settings.sources.contains(&Source::Ssh))?;
    Some(format!("ssh {account}@{name}"))
}

/// `can approve: alice; a notice is on its way`
fn who_can(desk: &Desk, state: &State, code: Code) -> Raw {
    let people = ledger::approvers(&desk.policy, state);
    let mut names: Vec<&str> =
        people.iter().take(MAX_APPROVERS).map(|name| name.as_str()).collect();
    if people.len() > MAX_APPROVERS {
        names.push("...");
    }
    if names.is_empty() {
        names.push("people whose membership is looked up elsewhere");
    }
    let notify = &desk.policy.settings().notify;
    let told =
        code == Code::RequestFiled && notice::is_told_of_request(notify, &state.request.project);
    let told = if told { "; a notice is on its way" } else { "" };
    format!("can approve: {}{told}", names.join(", ")).into_bytes()
}

/// Why nothing was asked for.
pub fn not_asked(words: &[String]) -> impl Iterator<Item = Raw> {
    words.iter().map(|words| format!("access was not asked for: {words}").into_bytes())
}

/// What the pusher could ask for, with the command; and why what they asked for does not do.
pub fn offers(known: &Known, access: &Access, ruled: &[Ruled], report: &mut PushReport) {
    report.notes.extend(access.earlier.iter().cloned());
    report.notes.extend(not_asked(&known.unread));
    if let Some(name) = &known.asked.entitlement
        && access.store.is_some()
    {
        let words = format!("`{name}` would not let this push through, or is not for you");
        report.notes.extend(not_asked(&[words]));
    }
    let Some(refspecs) = refspecs(known, ruled) else { return };
    for (name, entitlement) in access.fitting.iter().take(MAX_OFFERS) {
        if report.hints.is_empty() {
            report.hints.push(b"ask for it:".to_vec());
        }
        let ticket = entitlement.ticket.as_ref().map(|_| " -o ticket=TICKET").unwrap_or_default();
        let reason = match entitlement.reason_required {
            true => " -o reason='at least 10 characters'",
            false => "",
        };
        let line = format!("  git push -o access={name}{ticket}{reason} REMOTE {refspecs}");
        report.hints.push(line.into_bytes());
    }
}

/// The push's refspecs as they can be typed again; `REFSPEC` for more than a few, or for names that
/// a shell or a terminal would change.
fn refspecs(known: &Known, ruled: &[Ruled]) -> Option<String> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b'+');
    let mut words = Vec::new();
    for (update, one) in known.updates.iter().zip(ruled) {
        let name = update.name.branch().unwrap_or(update.name.as_bytes());
        let text = std::str::from_utf8(name).ok().filter(|name| name.bytes().all(|b| plain(&b)));
        let Some(text) = text else { return Some("REFSPEC".into()) };
        let before = match one.action? {
            Action::Delete => ":",
            Action::Force => "+",
            _ => "",
        };
        words.push(format!("{before}{text}"));
    }
    if words.len() > MAX_REFSPECS { Some("REFSPEC...".into()) } else { Some(words.join(" ")) }
}

/// `, ends 14:30 GMT (14:30 UTC), in 42 min`
fn ends(until: DateTime<Utc>, now: DateTime<Utc>, zone: Zone) -> String {
    let (local, name) = zone::wall(zone.0, until);
    let left = until - now;
    let (days, hours, minutes, seconds) =
        (left.num_days(), left.num_hours(), left.num_minutes(), left.num_seconds());
    let left = match () {
        () if days > 1 => format!("{days} days"),
        () if hours > 1 => format!("{hours} h"),
        () if minutes > 1 => format!("{minutes} min"),
        () => format!("{seconds} s"),
    };
    let today = until.date_naive() == now.date_naive();
    let clock = if minutes < 5 { "%H:%M:%S" } else { "%H:%M" };
    let form = if today { clock.to_owned() } else { format!("%Y-%m-%d {clock}") };
    let utc = until.format(&form).to_string();
    if zone == Zone::default() {
        return format!(", ends {utc} UTC, in {left}");
    }
    format!(", ends {} {name} ({utc} UTC), in {left}", local.format(&form))
}
