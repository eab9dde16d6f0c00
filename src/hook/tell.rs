//! Puts what was decided into the pusher's words.

use super::desk::Desk;
use super::judge::{Answer, Known, Ruled};
use super::record;
use crate::decision::{Decision, Verdict};
use crate::policy::model::Refuse;
use crate::policy::scope::Ground;
use crate::policy::window::Zone;
use crate::policy::zone;
use crate::pusher::{Pusher, Source};
use crate::report::{self, Background, Fate, PushReport, Raw, RefReport};
use chrono::{DateTime, Utc};

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
        Verdict::Allowed(allowed) => match allowed.warnings().first() {
            Some(first) => (Fate::Warned(first.code), describe(&mut allowed.warnings().iter())),
            None => (Fate::Ok, Vec::new()),
        },
    }
}

/// One line for each grant without which a ref would have been refused.
pub fn grants(desk: &Desk, known: &Known, ground: &Ground, ruled: &[Ruled]) -> Vec<Raw> {
    let mut told: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for (id, at) in record::grants(ruled, ground) {
        if told.contains(&id) {
            continue;
        }
        told.push(id);
        let (Some(update), Some(one)) = (known.updates.get(at), ruled.get(at)) else { continue };
        let action = one.action.map_or("push", crate::push::Action::as_str);
        let end = ground
            .entries
            .iter()
            .find(|e| matches!(&e.kind, crate::policy::entry::Kind::Grant(g) if g.as_ref() == id));
        let end = end
            .and_then(|entry| entry.when.until)
            .map(|until| ends(until, desk.now.wall, desk.policy.settings().timezone));
        let name = update.name.branch().unwrap_or(update.name.as_bytes());
        let mut line = format!("allowed by grant {id}: {action} ").into_bytes();
        line.extend(name);
        line.extend(end.unwrap_or_default().into_bytes());
        lines.push(line);
    }
    lines
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
