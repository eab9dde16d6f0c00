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
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// How many refs are kept of a refusal: anybody who may push at all can be refused, and must not be
/// able to fill the disk, or to keep others from the trail while a long line is written.
const KEPT: usize = 100;
/// The same for the bytes of their names.
const KEPT_BYTES: usize = 128 << 10;
/// How many locks are named.
const MAX_LOCKS: usize = 20;

/// Records a refusal. Of very many refs those are kept that were refused, then others, as many as
/// fit, with the number of those left out and a SHA-256 over all of them.
///
/// # Errors
/// As [`crate::audit::Trail::append`].
pub fn refused(desk: &Desk, line: Record) -> Result<Appended, TrailError> {
    desk.trail().append(&shortened(line), desk.now.wall)
}

fn shortened(mut line: Record) -> Record {
    let bytes =
        line.refs.iter().map(|one| one.name.to_bytes().len()).fold(0, usize::saturating_add);
    if line.refs.len() <= KEPT && bytes <= KEPT_BYTES {
        return line;
    }
    let mut all = Sha256::new();
    for one in &line.refs {
        for part in [&one.name, &one.old, &one.new] {
            all.update(part.to_bytes());
            all.update([0]);
        }
    }
    line.refs.sort_by_key(|one| one.verdict != Some(Verdict::Refused));
    let mut room = KEPT_BYTES;
    let fits = |one: &RefRecord| {
        let length = one.name.to_bytes().len();
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    let kept = line.refs.iter().map(fits).take(KEPT).take_while(|fits| *fits).count();
    let left_out = line.refs.split_off(kept).len();
    line.with("refs-left-out", left_out.to_string()).with("refs-sha256", hex(&all.finalize()))
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
        let (verdict, code) = verdict(ruled);
        reference.verdict = Some(verdict);
        reference.code = code.map(|code| Text::new(code.to_string()));
        let checked = &ruled.checked;
        reference.checks = checked.failures.iter().map(|one| Text::new(&*one.check)).collect();
        reference.bypassed = checked.lifted.iter().map(|one| Text::new(&*one.check)).collect();
        if let Answer::Decided(decision) = &ruled.answer {
            let failed = match (&verdict, &decision.verdict) {
                (Verdict::Refused, decision::Verdict::Allowed(_)) => {
                    checked.failures.iter().find(|one| one.counts).map(|one| one.place)
                }
                _ => None,
            };
            reference.entry = failed.or_else(|| place(decision, ground)).map(|place| Entry {
                file: Text::new(files.get(usize::from(place.file)).map_or("", String::as_str)),
                line: place.line.into(),
            });
        }
    }
    record.grant = grants(ruled, ground).next().map(|(id, _)| Text::new(id));
    let locks: Vec<&str> = locks(ruled, ground).into_iter().take(MAX_LOCKS).collect();
    if !locks.is_empty() {
        record.detail.insert("locks".into(), Text::new(locks.join(" ")));
    }
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
        Came::Waiting(code, id, state, _) => (*code, id, state),
        Came::Approved(id, state) => (Code::Approved, id, state),
        Came::No(_) => return,
    };
    record.code = Some(Text::new(code.to_string()));
    record.request = Some(Text::new(id.as_str()));
    record.entitlement = Some(Text::new(state.request.entitlement.as_str()));
}

fn verdict(ruled: &Ruled) -> (Verdict, Option<Code>) {
    if let Some(code) = ruled.refused() {
        return (Verdict::Refused, Some(code));
    }
    match &ruled.answer {
        Answer::Decided(decision) => match &decision.verdict {
            decision::Verdict::Allowed(allowed) => {
                let warned = allowed.warnings().first().map(|warning| warning.code);
                match warned.or_else(|| ruled.checked.warned()) {
                    Some(code) => (Verdict::WouldRefuse, Some(code)),
                    None => (Verdict::Allowed, None),
                }
            }
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
    // A lock stands in no file.
    let entry = ground.entries.get(at?).filter(|entry| !matches!(entry.kind, Kind::Lock(_)))?;
    Some(entry.place)
}

/// The locks that refuse, each once.
fn locks<'a>(ruled: &'a [Ruled], ground: &'a Ground) -> BTreeSet<&'a str> {
    let refused = ruled.iter().filter_map(|one| match &one.answer {
        Answer::Decided(decision) => match &decision.verdict {
            decision::Verdict::Refused(refused) => Some(refused.reasons()),
            decision::Verdict::Allowed(_) => None,
        },
        Answer::Fault(..) => None,
    });
    let entries = refused.flatten().filter_map(|reason| ground.entries.get(reason.entry?));
    let ids = entries.filter_map(|entry| match &entry.kind {
        Kind::Lock(id) => Some(id.as_ref()),
        _ => None,
    });
    ids.collect()
}

/// The grants that the answers rest on, with the refs for which each is needed first.
pub fn grants<'a>(
    ruled: &'a [Ruled],
    ground: &'a Ground,
) -> impl Iterator<Item = (&'a str, usize)> {
    ruled.iter().enumerate().flat_map(move |(at, one)| {
        let permits = one.answer.permits().iter().copied();
        permits.filter_map(move |permit| grant(ground, permit).map(|id| (id, at)))
    })
}

/// The id of the entry of this index, where it is a grant.
pub fn grant(ground: &Ground, at: usize) -> Option<&str> {
    match &ground.entries.get(at)?.kind {
        Kind::Grant(id) | Kind::Lent(id) => Some(id),
        Kind::Permit | Kind::Forbid | Kind::Entitlement(_) | Kind::Lock(_) => None,
    }
}
