//! What of a read goes to the audit trail.
//!
//! Knows the lines `read.allowed` and `read.refused`. A reader without an identity is counted and has
//! no line, so that nobody outside can fill the disk; of a known one so many refusals a minute have
//! one, and a later line tells how many had none. Where a line of a yes can't be written, it is
//! no yes; a refusal stays one whether it was written or not.

use super::place::Place;
use super::reading::Reading;
use super::rest::Rest;
use super::serve::{Service, Visitor};
use crate::audit::{Actor, Event, PolicyRecord, Record, StoreRecord, Text, TrailError, Verdict};
use crate::code::Code;
use crate::hook::Refusal;
use crate::hook::desk::{Desk, hex};
use crate::os::random;
use crate::os::syslog::{self, Severity};
use crate::policy::model::Reads;
use crate::pusher::Source;
use crate::store::door_key;
use crate::store::refusals::{self, Told};
use chrono::TimeDelta;

/// How far the clock may be behind the trail, as for a line that says yes.
const TOLERANCE: TimeDelta = TimeDelta::seconds(2);
/// Longest name of a repository that is kept of a refusal, in bytes.
const MAX_NAME: usize = 1024;

/// Who asked a door for what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who, and the source that told; `None`: nobody known.
    pub who: Option<(&'a Visitor, &'a Source)>,
    /// Which service of git; `None` is a file that was asked for by itself.
    pub service: Option<Service>,
}

/// Records that `place` may be read; only then may git start.
///
/// # Errors
/// [`Refusal`]: the trail can't be written, or it knows a later time or store.
pub fn allowed(
    desk: &Desk,
    rest: &Rest,
    request: Request<'_>,
    place: &Place,
    reading: &Reading,
) -> Result<(), Refusal> {
    let failed = |error: TrailError| Refusal::server(error.code(), &error);
    let trail = desk.trail();
    let host = Text::new(crate::os::host_name());
    if request.who.is_none() {
        trail.count_unidentified(&host, desk.now.wall).map_err(failed)?;
        return Ok(());
    }
    if !is_chosen(desk.policy.settings().reads) {
        // Without a line the clock is held against the trail all the same.
        let last = trail.end(&host, desk.now.wall).map_err(failed)?.map(|end| end.time);
        return match last {
            Some(last) if desk.wall() < last - TOLERANCE => {
                Err(failed(TrailError::Clock { now: desk.wall(), last }))
            }
            _ => Ok(()),
        };
    }
    let mut line = begin(desk, Event::READ_ALLOWED, request);
    line.repository = Some(Text::new(&place.name));
    line.project = reading.project.as_ref().map(|name| Text::new(name.as_str()));
    line.verdict =
        Some(if reading.warned.is_some() { Verdict::WouldRefuse } else { Verdict::Allowed });
    line.code = reading.warned.map(Text::from);
    line.store = reading.store.map(|version| StoreRecord { version });
    line.grant = reading.grants.first().map(|id| Text::new(id.as_str()));
    if reading.grants.len() > 1 {
        let ids: Vec<&str> = reading.grants.iter().map(|id| id.as_str()).collect();
        line.detail.insert("grants".into(), Text::new(ids.join(" ")));
    }
    // Only where another process has changed the store since it was asked.
    let version = || (rest.version)(desk);
    trail.append_asking(&line, desk.wall(), &version).map_err(failed)?;
    Ok(())
}

/// Records that `asked` was refused with `code`; `project` where the repository is there and in one.
pub fn refused(
    desk: &Desk,
    request: Request<'_>,
    asked: &[u8],
    (code, project): (Code, Option<&str>),
) {
    let trail = desk.trail();
    let written = if request.who.is_none() {
        let host = Text::new(crate::os::host_name());
        trail.count_unidentified(&host, desk.now.wall).map(drop)
    } else {
        let told = told(desk, request);
        if told == Told::Counted {
            return;
        }
        let mut line = begin(desk, Event::READ_REFUSED, request);
        match told {
            Told::Line { unrecorded: more @ 1.. } => {
                line = line.with("unrecorded", more.to_string());
            }
            Told::Last => line = line.with("further", "counted only"),
            _ => {}
        }
        line.repository = Some(Text::new(asked.get(..MAX_NAME).unwrap_or(asked)));
        line.project = project.map(Text::new);
        line.verdict = Some(Verdict::Refused);
        line.code = Some(code.into());
        trail.append(&line, desk.now.wall).map(drop)
    };
    if let Err(error) = written {
        let _ = syslog::send(Severity::Error, &format!("a refusal was not recorded: {error}"));
    }
}

/// What of a refusal is told; every one where no key is there to count by.
fn told(desk: &Desk, request: Request<'_>) -> Told {
    let site = &desk.site;
    let key = door_key::read(&site.state, site.account_uid);
    match (request.who, key) {
        (Some((visitor, _)), Ok(key)) => {
            refusals::count(&site.state, &key, &visitor.user, desk.now.wall)
        }
        _ => Told::Line { unrecorded: 0 },
    }
}

fn begin(desk: &Desk, event: Event, request: Request<'_>) -> Record {
    let mut record = Record::new(event, crate::os::host_name());
    record.policy = Some(PolicyRecord { digest: Text::new(hex(&desk.digest)) });
    record.actor = request.who.map(|(visitor, source)| Actor {
        user: Some(Text::new(visitor.user.as_str())),
        source: Some(Text::new(source.to_string())),
        key: visitor.key.as_ref().map(Text::new),
        address: visitor.address.as_ref().map(Text::new),
    });
    match request.service {
        Some(service) => record.with("service", format!("git-{}", service.command())),
        None => record,
    }
}

/// Whether this read is one of those that have a line.
fn is_chosen(reads: Reads) -> bool {
    match reads {
        Reads::All => true,
        Reads::OneIn(number) => u64::from_le_bytes(random::bytes()) % u64::from(number.get()) == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_in_so_many_reads_is_chosen() {
        assert!((0..1000).all(|_| is_chosen(Reads::All)));
        let one_in_ten = Reads::parse("1/10").unwrap();
        let chosen = (0..10_000).filter(|_| is_chosen(one_in_ten)).count();
        // Nine standard deviations on both sides.
        assert!((730..1270).contains(&chosen), "{chosen}");
        assert!((0..1000).all(|_| is_chosen(Reads::parse("1/1").unwrap())));
    }
}
