//! A line of the trail for a person: a few short lines in printable ASCII, local time and UTC.
//!
//! Knows the layout; which lines are shown is `read`'s part.

use super::line::Line;
use super::record::{Actor, Record, RefRecord};
use super::stamp;
use super::text::{Text, ascii};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// How many digits of an object id are shown.
const ID: usize = 10;
/// How many digits of a policy's digest are shown.
const DIGEST: usize = 12;

/// `record`, which stands in `line`, as lines of text, the first one flush left and the others
/// indented; ends with a newline.
#[must_use]
pub fn human(line: &Line, record: &Record, zone: Tz) -> String {
    let mut rows = vec![first_row(line, record, zone)];
    rows.extend(place_row(record));
    rows.extend(record.refs.iter().map(ref_row));
    rows.extend(facts(line, record).into_iter().map(|(name, value)| format!("{name}: {value}")));
    rows.iter().map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n  ") + "\n"
}

fn first_row(line: &Line, record: &Record, zone: Tz) -> String {
    let mut row = format!("{}  {}", when(line.end.time, zone), ascii(record.event.as_str()));
    if let Some(verdict) = record.verdict {
        row += &format!(" {}", verdict.as_str());
    }
    if let Some(code) = &record.code {
        row += &format!(" {}", code.ascii());
    }
    row + &format!("  line {}", line.end.seq)
}

/// `2026-11-21 14:30:05 CET (2026-11-21T13:30:05.123Z)`, or the latter alone where the zone is UTC.
fn when(time: DateTime<Utc>, zone: Tz) -> String {
    let utc = stamp::write(time).unwrap_or_default();
    if zone == Tz::UTC {
        return utc;
    }
    format!("{} ({utc})", time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z"))
}

fn place_row(record: &Record) -> Option<String> {
    let parts = [
        record.actor.as_ref().map(who),
        record.repository.as_ref().map(|name| format!("in {}", name.ascii())),
        record.project.as_ref().map(|name| format!("project {}", name.ascii())),
        record.push.as_ref().and_then(|p| p.id.as_ref()).map(|id| format!("push {}", id.ascii())),
        (!record.host.as_str().is_empty()).then(|| format!("on {}", record.host.ascii())),
    ];
    let row = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    (!row.is_empty()).then_some(row)
}

fn who(actor: &Actor) -> String {
    let name = actor.user.as_ref().map_or_else(|| "nobody known".to_owned(), Text::ascii);
    let how = [
        actor.source.as_ref().map(Text::ascii),
        actor.key.as_ref().map(|key| format!("key {}", key.ascii())),
        actor.address.as_ref().map(|address| format!("from {}", address.ascii())),
    ];
    let how = how.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if how.is_empty() { name } else { format!("{name} ({how})") }
}

fn ref_row(one: &RefRecord) -> String {
    let short = |id: &Text| id.ascii().chars().take(ID).collect::<String>();
    let words = [
        Some(one.name.ascii()),
        one.action.as_ref().map(Text::ascii),
        Some(format!("{}..{}", short(&one.old), short(&one.new))),
        one.verdict.map(|verdict| verdict.as_str().to_owned()),
        one.code.as_ref().map(Text::ascii),
        one.entry.as_ref().map(|entry| format!("{}:{}", entry.file.ascii(), entry.line)),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// As much of a policy's digest as `policy apply` and `policy rollback --list` show.
fn start(digest: &Text) -> String {
    digest.ascii().chars().take(DIGEST).collect()
}

/// What has a name of its own, in the order of interest.
fn facts(line: &Line, record: &Record) -> Vec<(String, String)> {
    let fact = |name: &str, value: Option<&Text>| value.map(|v| (name.to_owned(), v.ascii()));
    let approvers: Vec<_> = record.approvers.iter().map(Text::ascii).collect();
    let named = [
        fact("reason", record.reason.as_ref()),
        fact("ticket", record.ticket.as_ref()),
        fact("grant", record.grant.as_ref()),
        fact("request", record.request.as_ref()),
        fact("entitlement", record.entitlement.as_ref()),
        (!approvers.is_empty()).then(|| ("approved by".to_owned(), approvers.join(", "))),
        record.policy.as_ref().map(|policy| ("policy".to_owned(), start(&policy.digest))),
        line.text("clock").map(|clock| ("the clock said".to_owned(), ascii(clock))),
        line.number("unidentified")
            .map(|n| ("refused before this without an identity".to_owned(), n.to_string())),
    ];
    let detail = record.detail.iter().map(|(name, value)| (name.ascii(), value.ascii()));
    named.into_iter().flatten().chain(detail).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line::{Hash, Place, seal};
    use super::super::record::{Entry, Event, PolicyRecord, Push, Verdict};
    use super::*;

    fn shown(record: &Record, zone: Tz, clock: Option<&str>, unidentified: u64) -> String {
        let time = stamp::read("2026-07-21T13:30:05.123Z").unwrap();
        let clock = clock.map(|clock| stamp::read(clock).unwrap());
        let place = Place { seq: 7, prev: Hash::NONE, time, clock, unidentified, store: None };
        let (text, _) = seal(record, &place).unwrap();
        let line = Line::read(text.strip_suffix(b"\n").unwrap()).unwrap();
        human(&line, &line.record().unwrap(), zone)
    }

    fn full() -> Record {
        let mut record = Record::new(Event::PUSH_DECIDED, "git1");
        record.push = Some(Push { id: Some("20260721-7".into()), receive_pack: None });
        record.actor = Some(Actor {
            user: Some("bob".into()),
            source: Some("remote-user".into()),
            key: Some("SHA256:Jx3t".into()),
            address: Some("192.0.2.1".into()),
        });
        record.repository = Some("payments/api".into());
        record.project = Some("PAY".into());
        record.verdict = Some(Verdict::Refused);
        record.code = Some(crate::code::Code::NoPermit.into());
        record.refs = vec![RefRecord {
            name: "refs/heads/release/2.4".into(),
            old: "1".repeat(40).into(),
            new: "2".repeat(40).into(),
            action: Some("update".into()),
            verdict: Some(Verdict::Refused),
            code: Some(crate::code::Code::NoPermit.into()),
            entry: Some(Entry { file: "policy.toml".into(), line: 84 }),
            ..RefRecord::default()
        }];
        record.reason = Some("no permit".into());
        record.policy = Some(PolicyRecord { digest: "abc".into() });
        record
    }

    #[test]
    fn a_push_is_a_few_short_lines_in_local_time_and_utc() {
        let text = shown(&full(), Tz::Europe__London, Some("2026-07-21T13:30:00.000Z"), 3);
        assert_eq!(
            text,
            "\
2026-07-21 14:30:05 BST (2026-07-21T13:30:05.123Z)  push.decided refused RW201  line 7
  bob (remote-user, key SHA256:Jx3t, from 192.0.2.1), in payments/api, project PAY, push 20260721-7, on git1
  refs/heads/release/2.4  update  1111111111..2222222222  refused  RW201  policy.toml:84
  reason: no permit
  policy: abc
  the clock said: 2026-07-21T13:30:00.000Z
  refused before this without an identity: 3
"
        );
    }

    #[test]
    fn utc_is_said_once() {
        let text =
            shown(&Record::new(Event::AUDIT_ROTATED, "").with("file", "x"), Tz::UTC, None, 0);
        assert_eq!(text, "2026-07-21T13:30:05.123Z  audit.rotated  line 7\n  file: x\n");
    }

    #[test]
    fn nothing_that_a_client_names_reaches_a_terminal_raw() {
        let evil = "\x1b]0;x\x07\r\n\u{202e}\u{e9}\u{200b}";
        let text = || Some(Text::from(evil));
        let mut record = full().with(evil, evil);
        record.host = evil.into();
        record.actor = Some(Actor { user: text(), source: text(), key: text(), address: text() });
        (record.repository, record.project, record.reason) = (text(), text(), text());
        (record.ticket, record.grant, record.code) = (text(), text(), text());
        record.refs[0].name = evil.into();
        record.refs[0].action = text();
        record.approvers = vec![evil.into()];
        let plain = shown(&full().with("key", "x"), Tz::UTC, None, 0).lines().count();
        let shown = shown(&record, Tz::UTC, None, 0);
        assert!(shown.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{shown}");
        assert_eq!(shown.lines().count(), plain + 3);
    }
}
