//! The trail as comma-separated values (RFC 4180): one row a ref, for a spreadsheet.
//!
//! Knows the columns. JSON lines need no code: they are
//! exported as they are stored, so that the chain can still be verified.

use super::line::Line;
use super::record::{Record, RefRecord, Verdict};
use super::stamp;
use super::text::{Text, printable};
use crate::text::csv;

const COLUMNS: [&str; 32] = [
    "seq",
    "time",
    "event",
    "host",
    "push",
    "user",
    "source",
    "key",
    "address",
    "repository",
    "project",
    "verdict",
    "code",
    "ref",
    "old",
    "new",
    "action",
    "ref_verdict",
    "ref_code",
    "entry_file",
    "entry_line",
    "grant",
    "request",
    "entitlement",
    "reason",
    "ticket",
    "approvers",
    "policy",
    "clock",
    "unidentified",
    "detail",
    "hash",
];

/// The row of column names, CRLF included.
#[must_use]
pub fn csv_header() -> String {
    csv::row(COLUMNS)
}

/// The rows of `record`, which stands in `line`: one a ref, or one where there is none.
#[must_use]
pub fn csv_rows(line: &Line, record: &Record) -> String {
    if record.refs.is_empty() {
        return csv::row(cells(line, record, None));
    }
    record.refs.iter().map(|one| csv::row(cells(line, record, Some(one)))).collect()
}

fn cells(line: &Line, record: &Record, one: Option<&RefRecord>) -> [String; 32] {
    let text = |text: Option<&Text>| text.map(Text::shown).unwrap_or_default();
    let word = |verdict: Option<Verdict>| verdict.map_or("", Verdict::as_str).to_owned();
    let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let actor = record.actor.clone().unwrap_or_default();
    let entry = one.and_then(|one| one.entry.as_ref());
    [
        line.end.seq.to_string(),
        stamp::write(line.end.time).unwrap_or_default(),
        record.event.to_string(),
        record.host.shown(),
        text(record.push.as_ref().and_then(|push| push.id.as_ref())),
        text(actor.user.as_ref()),
        text(actor.source.as_ref()),
        text(actor.key.as_ref()),
        text(actor.address.as_ref()),
        text(record.repository.as_ref()),
        text(record.project.as_ref()),
        word(record.verdict),
        text(record.code.as_ref()),
        text(one.map(|one| &one.name)),
        text(one.map(|one| &one.old)),
        text(one.map(|one| &one.new)),
        text(one.and_then(|one| one.action.as_ref())),
        word(one.and_then(|one| one.verdict)),
        text(one.and_then(|one| one.code.as_ref())),
        text(entry.map(|entry| &entry.file)),
        number(entry.map(|entry| entry.line)),
        text(record.grant.as_ref()),
        text(record.request.as_ref()),
        text(record.entitlement.as_ref()),
        text(record.reason.as_ref()),
        text(record.ticket.as_ref()),
        record.approvers.iter().map(Text::shown).collect::<Vec<_>>().join(" "),
        text(record.policy.as_ref().map(|policy| &policy.digest)),
        printable(line.text("clock").unwrap_or_default()),
        number(line.number("unidentified")),
        detail(record),
        line.end.hash.to_string(),
    ]
}

fn detail(record: &Record) -> String {
    let pairs = record.detail.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::line::{Hash, Place, seal};
    use super::super::record::{Actor, Event};
    use super::*;

    fn exported(record: &Record) -> Vec<Vec<String>> {
        let time = stamp::read("2026-07-21T13:30:05.123Z").unwrap();
        let place =
            Place { seq: 7, prev: Hash::NONE, time, clock: None, unidentified: 0, store: None };
        let (text, _) = seal(record, &place).unwrap();
        let line = Line::read(text.strip_suffix(b"\n").unwrap()).unwrap();
        let rows = csv_header() + &csv_rows(&line, &line.record().unwrap());
        parse(&rows)
    }

    /// A naive reader of RFC 4180.
    fn parse(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let (mut quoted, mut chars) = (false, text.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !quoted && chars.next() == Some('\n') => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        assert!(!quoted && row.is_empty() && cell.is_empty());
        rows
    }

    #[test]
    fn every_ref_is_a_row_and_a_record_without_refs_is_one() {
        let mut record = Record::new(Event::PUSH_DECIDED, "h");
        assert_eq!(exported(&record).len(), 2);
        let named = |name: &str| RefRecord { name: name.into(), ..Default::default() };
        record.refs = vec![named("refs/heads/a"), named("refs/heads/b")];
        let rows = exported(&record);
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        let at = COLUMNS.iter().position(|name| *name == "ref").unwrap();
        assert_eq!([&rows[1][at], &rows[2][at]], ["refs/heads/a", "refs/heads/b"]);
    }

    #[test]
    fn no_cell_becomes_a_formula_and_none_breaks_out() {
        for evil in ["=1+1", "+x", "-x", "@SUM(A1)", " =1", "\t=1", "\"", "a,b", "\r\n=x", "\",=x"]
        {
            let mut record = Record::new(Event::PUSH_DECIDED, evil).with(evil, evil);
            let text = || Some(Text::from(evil));
            record.actor =
                Some(Actor { user: text(), source: text(), key: text(), address: text() });
            (record.reason, record.ticket, record.repository) = (text(), text(), text());
            record.approvers = vec![evil.into()];
            let rows = exported(&record);
            assert_eq!((rows.len(), rows[1].len()), (2, COLUMNS.len()), "{evil:?}");
            let starts = |cell: &String| cell.trim_start().starts_with(['=', '+', '-', '@']);
            assert!(!rows[1].iter().any(starts), "{rows:?}");
        }
    }

    #[test]
    fn letters_of_any_script_stay() {
        let mut record = Record::new(Event::PUSH_DECIDED, "h");
        record.reason = Some("caf\u{e9} \u{202e}".into());
        assert!(exported(&record)[1].contains(&"caf\u{e9} \\xe2\\x80\\xae".to_owned()));
    }
}
