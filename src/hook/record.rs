//! What of a push goes to the audit trail.

use super::ask::Came;
use super::desk::{Desk, hex};
use super::issues::Issues;
use super::judge::{Answer, Known, Ruled};
use super::lent::Access;
use crate::audit::{
    Actor, Appended, Entry, Event, PolicyRecord, Push, Record, RefRecord, StoreRecord, Text,
    TrailError, Verdict,
};
use crate::code::Code;
use crate::decision::{self, Decision};
use crate::policy::entry::{self, Kind};
use crate::policy::scope::Ground;
use crate::push::RefUpdate;
use gix::ObjectId;

/// How many refs are kept of a refusal that is too long for one line.
const KEPT: usize = 100;

/// Records a refusal. One with more refs than a line can hold is recorded with the first of them
/// and the number of the others: what a push names must not keep it out of the trail.
///
/// # Errors
/// As [`crate::audit::Trail::append`].
pub fn refused(desk: &Desk, mut line: Record) -> Result<Appended, TrailError> {
    match desk.trail().append(&line, desk.now.wall) {
        Err(TrailError::TooLong(_)) if line.refs.len() > KEPT => {
            let left_out = line.refs.split_off(KEPT).len();
            desk.trail().append(&line.with("refs-left-out", left_out.to_string()), desk.now.wall)
        }
        other => other,
    }
}

/// A record that has what is known of the push, and no answer yet.
pub fn begin(desk: &Desk, event: Event, known: &Known) -> Record {
    let mut record = Record::new(event, crate::os::host_name());
    record.push = Some(push(desk));
    record.policy = Some(PolicyRecord { digest: Text::new(hex(&desk.digest)) });
    record.actor = known.pusher.as_ref().map(|pusher| Actor {
        user: Some(Text::new(pusher.user.as_str())),
        source: Some(Text::new(pusher.source.to_string())),
        key: pusher.key.as_ref().map(Text::new),
        address: pusher.address.as_ref().map(Text::new),
    });
    record.repository = known.repository.as_ref().map(Text::new);
    record.project = known.ground.as_ref().map(|ground| Text::new(ground.name.as_str()));
    record.refs = known.updates.iter().map(reference).collect();
    record
}

fn push(desk: &Desk) -> Push {
    let service = desk.service.as_ref();
    let receive_pack =
        service.map(|s| Text::new(format!("{} {} {}", s.pid, s.start_time, s.host.boot_id)));
    Push { id: Some(Text::new(&desk.id)), receive_pack }
}

/// A ref as it was asked for.
pub fn reference(update: &RefUpdate) -> RefRecord {
    let null = update.change.old().or(update.change.new_id()).map(|id| ObjectId::null(id.kind()));
    let id =
        |id: Option<ObjectId>| Text::new(id.or(null).map(|id| id.to_string()).unwrap_or_default());
    RefRecord {
        name: Text::new(update.name.as_bytes()),
        old: id(update.change.old()),
        new: id(update.change.new_id()),
        ..RefRecord::default()
    }
}

/// Writes the answers into the record's refs.
pub fn answers(record: &mut Record, ruled: &[Ruled], ground: &Ground, files: &[String]) {
    for (reference, ruled) in record.refs.iter_mut().zip(ruled) {
        reference.action = ruled.action.map(|action| Text::new(action.as_str()));
        let (verdict, code) = verdict(&ruled.answer);
        reference.verdict = Some(verdict);
        reference.code = code.map(|code| Text::new(code.to_string()));
        if let Answer::Decided(decision) = &ruled.answer {
            reference.entry = place(decision, ground).map(|place| Entry {
                file: Text::new(files.get(usize::from(place.file)).map_or("", String::as_str)),
                line: place.line.into(),
            });
        }
    }
    record.grant = grants(ruled, ground).next().map(|(id, _)| Text::new(id));
}

/// Writes down the store's version, and the grants that the answers rest on.
pub fn access(record: &mut Record, access: &Access) {
    record.store = access.version.map(|version| StoreRecord { version });
    if let Some(first) = access.used.first() {
        let request = &first.state.request;
        record.grant = Some(Text::new(first.id.as_str()));
        record.entitlement = Some(Text::new(request.entitlement.as_str()));
        record.reason = request.reason.as_ref().map(Text::new);
        record.ticket = request.ticket.as_ref().map(Text::new);
        let approvers = first.state.approvals.iter();
        record.approvers = approvers.map(|(actor, _)| Text::new(actor.to_string())).collect();
    }
    if access.used.len() > 1 {
        let ids: Vec<&str> = access.used.iter().map(|lent| lent.id.as_str()).collect();
        record.detail.insert("grants".into(), Text::new(ids.join(" ")));
    }
}

/// Writes down the issues that were asked about, and what was odd about the answers.
pub fn issues(record: &mut Record, issues: &Issues) {
    for (name, list, between) in [("issues", &issues.used, ", "), ("jira", &issues.told, "; ")] {
        if !list.is_empty() {
            record.detail.insert(name.into(), Text::new(list.join(between)));
        }
    }
}

/// Writes down the request that came of the push.
pub fn asked(record: &mut Record, came: &Came) {
    let (code, id, state) = match came {
        Came::Waiting(code, id, state) => (*code, id, state),
        Came::Approved(id, state) => (Code::Approved, id, state),
        Came::No(_) => return,
    };
    record.code = Some(Text::new(code.to_string()));
    record.request = Some(Text::new(id.as_str()));
    record.entitlement = Some(Text::new(state.request.entitlement.as_str()));
}

fn verdict(answer: &Answer) -> (Verdict, Option<Code>) {
    if let Some(code) = answer.refused() {
        return (Verdict::Refused, Some(code));
    }
    match answer {
        Answer::Decided(decision) => match &decision.verdict {
            decision::Verdict::Allowed(allowed) => match allowed.warnings().first() {
                Some(warning) => (Verdict::WouldRefuse, Some(warning.code)),
                None => (Verdict::Allowed, None),
            },
            decision::Verdict::Refused(refused) => (Verdict::Refused, Some(refused.code())),
        },
        Answer::Fault(code, _) => (Verdict::Refused, Some(*code)),
    }
}

/// Where the entry stands that decided.
fn place(decision: &Decision, ground: &Ground) -> Option<entry::Place> {
    let at = match &decision.verdict {
        decision::Verdict::Allowed(allowed) => {
            let warned = allowed.warnings().iter().find_map(|warning| warning.entry);
            warned.or(allowed.permits().first().copied())
        }
        decision::Verdict::Refused(refused) => {
            refused.reasons().next().and_then(|first| first.entry)
        }
    };
    ground.entries.get(at?).map(|entry| entry.place)
}

/// The grants that the answers rest on, with the refs for which each is needed first.
pub fn grants<'a>(
    ruled: &'a [Ruled],
    ground: &'a Ground,
) -> impl Iterator<Item = (&'a str, usize)> {
    ruled.iter().enumerate().flat_map(move |(at, one)| {
        let permits = match &one.answer {
            Answer::Decided(decision) => match &decision.verdict {
                decision::Verdict::Allowed(allowed) => allowed.permits(),
                decision::Verdict::Refused(_) => &[],
            },
            Answer::Fault(..) => &[],
        };
        permits.iter().filter_map(move |permit| match &ground.entries.get(*permit)?.kind {
            Kind::Grant(id) | Kind::Lent(id) => Some((id.as_ref(), at)),
            Kind::Permit | Kind::Forbid | Kind::Entitlement(_) | Kind::Lock(_) => None,
        })
    })
}
