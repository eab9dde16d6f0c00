//! The trail: what was sealed reads back and verifies, whatever was changed in it does not.
#![no_main]

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use libfuzzer_sys::fuzz_target;
use refwarden::audit::canonical;
use refwarden::audit::checkpoint::Checkpoint;
use refwarden::audit::export::{csv_header, csv_rows};
use refwarden::audit::line::{End, Hash, Line, Place, seal};
use refwarden::audit::record::{Actor, Event, Record, RefRecord};
use refwarden::audit::show::human;
use refwarden::audit::text::Text;
use refwarden::audit::verify::{Compared, Problem, verify};
use refwarden_fuzz::{folder, is_plain, parts};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(folder);

fn path() -> PathBuf {
    FOLDER.path().join("audit.jsonl")
}

fuzz_target!(|data: &[u8]| {
    let Some((head, rest)) = data.split_first_chunk::<4>() else { return };
    let [mode, high, low, xor] = *head;
    let at = usize::from(u16::from_be_bytes([high, low]));
    match mode % 3 {
        0 => raw(rest),
        1 => sealed(rest, at, xor),
        _ => text(rest),
    }
});

/// Any bytes as a trail: what passes for sound is a chain.
fn raw(data: &[u8]) {
    std::fs::write(path(), data).unwrap();
    let found = verify(&path(), None).unwrap();
    let lines: Vec<_> = data
        .split_inclusive(|b| *b == b'\n')
        .map(|text| text.strip_suffix(b"\n").map(Line::read))
        .collect();
    let good = lines.iter().take_while(|line| matches!(line, Some(Ok(_)))).count() as u64;
    assert!(found.lines <= good);
    match &found.bad {
        None if found.damages.is_empty() => {
            assert_eq!(found.lines, lines.len() as u64);
            let whole: Vec<_> = lines.into_iter().flatten().flatten().collect();
            for pair in whole.windows(2) {
                assert_eq!(pair[1].prev, pair[0].end.hash);
                assert_eq!(pair[1].end.seq, pair[0].end.seq + 1);
            }
        }
        None => {}
        Some(bad) => {
            assert_eq!(bad.at.line, found.lines + 1);
            assert!(is_plain(&bad.problem.to_string(), false));
            let by_itself = matches!(bad.problem, Problem::Flaw(_) | Problem::Cut);
            assert_eq!(by_itself, good == found.lines);
        }
    }
    for text in parts(data) {
        if let Ok(line) = Line::read(text) {
            whole(text, &line);
        }
    }
}

/// A line that was accepted.
fn whole(text: &[u8], line: &Line) {
    let mut object: Map<String, Value> = serde_json::from_slice(text).unwrap();
    assert_eq!(canonical::write(&object).unwrap(), text);
    object.remove("hash");
    assert_eq!(Hash::of(&canonical::write(&object).unwrap()), line.end.hash);
    assert!(!text.iter().any(|b| *b < 0x20));
    if let Some(record) = line.record() {
        shown(line, &record);
    }
}

fn shown(line: &Line, record: &Record) {
    for zone in [Tz::UTC, Tz::Europe__London] {
        let text = human(line, record, zone);
        assert!(is_plain(&text, true) && text.ends_with('\n'), "{text:?}");
    }
    let rows = csv_rows(line, record);
    assert!(!rows.replace("\r\n", "").chars().any(char::is_control), "{rows:?}");
    let rows = rows.matches("\r\n").count();
    assert_eq!(rows, record.refs.len().max(1));
    assert!(csv_header().is_ascii());
}

/// A chain of records that hold the input, then one byte of it changed or its end cut off.
fn sealed(data: &[u8], at: usize, xor: u8) {
    let (mut file, mut end) = (Vec::new(), End::NOTHING);
    let mut ends = vec![0];
    for (number, text) in parts(data).take(8).enumerate() {
        let record = record(text, number);
        let time = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        let place = Place {
            seq: end.seq + 1,
            prev: end.hash,
            time: time + TimeDelta::milliseconds(number as i64 * 77),
            clock: (number == 3).then_some(time),
            unidentified: text.len() as u64,
            store: record.store.as_ref().map(|store| store.version),
        };
        let (line, next) = seal(&record, &place).unwrap();
        let read = Line::read(line.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((read.end, read.prev), (next, place.prev));
        assert_eq!(read.record().as_ref(), Some(&record));
        whole(&line[..line.len() - 1], &read);
        file.extend(line);
        ends.push(file.len());
        end = next;
    }
    std::fs::write(path(), &file).unwrap();
    let point = Checkpoint::new("h".into(), end);
    let found = verify(&path(), Some(&point)).unwrap();
    assert!(found.is_sound() && found.lines == end.seq, "{found:?}");
    let at = at % file.len();
    if xor > 0 {
        file[at] ^= xor;
        std::fs::write(path(), &file).unwrap();
        assert!(!verify(&path(), None).unwrap().is_sound(), "byte {at} changed unseen");
    } else {
        std::fs::write(path(), &file[..at]).unwrap();
        let found = verify(&path(), Some(&point)).unwrap();
        assert!(!found.is_sound());
        match ends.contains(&at) {
            true => assert_eq!((found.bad, found.checkpoint), (None, Some(Compared::CutBefore))),
            false => assert_eq!(found.bad.unwrap().problem, Problem::Cut),
        }
    }
}

fn record(text: &[u8], number: usize) -> Record {
    let some = || Some(Text::new(text));
    let mut record = Record::new(Event::named(&String::from_utf8_lossy(text)), Text::new(text));
    match number % 4 {
        0 => {
            record.actor =
                Some(Actor { user: some(), source: some(), key: some(), address: some() })
        }
        1 => record.refs = vec![RefRecord { name: Text::new(text), ..RefRecord::default() }; 2],
        2 => (record.reason, record.ticket, record.repository) = (some(), some(), some()),
        _ => record = record.with(&String::from_utf8_lossy(text), Text::new(text)),
    }
    // These two words have a meaning of their own to the chain.
    if ["audit.damaged", "store.clock-reset"].contains(&record.event.as_str()) {
        record.event = Event::PUSH_LANDED;
    }
    record
}

/// A text of the trail.
fn text(data: &[u8]) {
    let text = Text::new(data);
    assert_eq!(text.to_bytes(), data);
    let hidden =
        |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    assert!(!text.as_str().chars().any(hidden));
    assert_eq!(text.to_string(), text.as_str());
    let stored = serde_json::to_vec(&text).unwrap();
    assert_eq!(serde_json::from_slice::<Text>(&stored).unwrap(), text);
    // A text from a line that somebody wrote by hand.
    if let Ok(forged) = serde_json::from_slice::<Text>(data) {
        assert!(!forged.to_string().chars().any(hidden));
    }
    let safe = refwarden::text::Safe::new(data, usize::MAX);
    assert!(is_plain(safe.as_str(), false));
    let cut = refwarden::text::Safe::new(data, data.len() / 2);
    assert!(cut.as_str().len() <= data.len() / 2);
}
