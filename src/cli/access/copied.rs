//! Commands that are shown to be copied, as they work where they are read: on the server a person is
//! acted for by name, over a door the door says who it is.

use super::office::Office;
use crate::access::{Id, Phase, State};
use crate::hook::ssh_door;
use chrono::{DateTime, Utc};

/// `refwarden access approve 7f3k-92qd --as alice`, and the same over the ssh door where there is one;
/// `None` where nothing of it would work.
#[must_use]
pub fn command(office: &Office<'_>, words: &str, who: &str) -> Option<String> {
    let settings = office.here.settings();
    let door = ssh_door(settings, &office.here.site.account);
    let door = door.map(|door| format!("{door} access {words}"));
    let in_person = words.starts_with("approve ") || words.starts_with("attest ");
    if in_person && !settings.access.server_approvals {
        return door;
    }
    let server = format!("refwarden access {words} --as {who}");
    Some(match (door, office.caller.actor.server.is_some()) {
        (None, _) => server,
        (Some(door), true) => format!("{server}  (or {door})"),
        (Some(door), false) => door,
    })
}

/// How what is open can be answered, verb by verb; empty where nothing is open.
#[must_use]
pub fn answers(
    office: &Office<'_>,
    id: &Id,
    state: &State,
    approvers: &[String],
    now: DateTime<Utc>,
) -> Vec<(&'static str, String)> {
    let who = name(office, approvers);
    let one = |verb: &'static str, more: &str| {
        command(office, &format!("{verb} {id}{more}"), &who).map(|line| (verb, line))
    };
    let mut all = Vec::new();
    if state.extension_pending(now).is_some() {
        all.extend([one("approve", " --extension"), one("deny", " --extension")]);
    } else if matches!(state.phase, Phase::Pending) && now < state.request.pending_until {
        all.extend([one("approve", ""), one("deny", "")]);
    }
    if state.unattested {
        all.push(one("attest", ""));
    }
    all.into_iter().flatten().collect()
}

/// Who acts where that is a person, the only one who could, or a place to write a name in.
fn name(office: &Office<'_>, approvers: &[String]) -> String {
    match (office.caller.person(), approvers) {
        (Some(person), _) if approvers.iter().any(|name| name == person.as_str()) => {
            person.to_string()
        }
        (_, [only]) => only.clone(),
        _ => "NAME".into(),
    }
}
