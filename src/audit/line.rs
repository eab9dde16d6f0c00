//! A line of the trail: a record with its place in the hash chain.
//!
//! Knows how a line is sealed and when it is whole: its text is the canonical form of what it says,
//! and `hash` is the SHA-256 of that form without `hash`. Whether it follows the line before is the
//! matter of whoever reads both.

use super::record::Record;
use super::{canonical, stamp};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt;

/// The form of lines that this program writes; the trail carries it in `v`.
pub const VERSION: u64 = 1;

/// A SHA-256, written as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What stands for the line before the first one.
    pub const NONE: Hash = Hash([0; 32]);

    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let bytes: Vec<u8> =
            pairs.iter().map(|[a, b]| Some((hex(*a)? << 4) | hex(*b)?)).collect::<Option<_>>()?;
        bytes.try_into().ok().map(Self)
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::text::hex(&self.0))
    }
}

/// The last line of a chain, as far as the next one must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its number, from 1; 0 before the first line.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Its time: no later line is earlier, a clock reset aside.
    pub time: DateTime<Utc>,
    /// The store's version that it carries; no later line has a lower one.
    pub store: Option<u64>,
}

impl End {
    /// The end of a chain without lines.
    pub const NOTHING: End =
        End { seq: 0, hash: Hash::NONE, time: DateTime::UNIX_EPOCH, store: None };
}

/// Where and when a record joins the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the line.
    pub seq: u64,
    /// Hash of the line before.
    pub prev: Hash,
    /// Time of the line.
    pub time: DateTime<Utc>,
    /// What the clock said, where that is not `time`.
    pub clock: Option<DateTime<Utc>>,
    /// Pushes refused since the line before because nobody could be identified.
    pub unidentified: u64,
    /// The store's version, the record's own or a later one that the trail knows.
    pub store: Option<u64>,
}

/// Why a record can't become a line.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A number that the canonical form refuses, `seq` itself perhaps.
    #[error(transparent)]
    Number(#[from] canonical::UnfitNumber),
    /// The clock is outside the years that the trail can write.
    #[error("the time is outside the years 0 to 9999")]
    Time,
    /// The record has no JSON form.
    #[error("the record can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The text of `record` at `place`, newline included, and the end of the chain that it makes.
///
/// # Errors
/// [`SealError`] for a number or a time that the trail can't say.
pub fn seal(record: &Record, place: &Place) -> Result<(Vec<u8>, End), SealError> {
    let Value::Object(mut object) = serde_json::to_value(record)? else {
        return Err(SealError::Json(serde::ser::Error::custom("not an object")));
    };
    let stamp = |time| stamp::write(time).ok_or(SealError::Time);
    object.insert("v".into(), VERSION.into());
    object.insert("seq".into(), place.seq.into());
    object.insert("time".into(), stamp(place.time)?.into());
    object.insert("prev".into(), place.prev.to_string().into());
    if let Some(clock) = place.clock {
        object.insert("clock".into(), stamp(clock)?.into());
    }
    if place.unidentified > 0 {
        object.insert("unidentified".into(), place.unidentified.into());
    }
    if let Some(version) = place.store {
        object.insert("store".into(), serde_json::json!({ "version": version }));
    }
    let hash = Hash::of(&canonical::write(&object)?);
    object.insert("hash".into(), hash.to_string().into());
    let mut text = canonical::write(&object)?;
    text.push(b'\n');
    let time = stamp::cut(place.time);
    Ok((text, End { seq: place.seq, hash, time, store: place.store }))
}

/// What is wrong with a line by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotJson,
    /// Another text for the same value: white space, a key twice, other escapes, a fraction.
    #[error("its text is not the canonical form of what it says")]
    NotCanonical,
    /// A field of the chain is missing or malformed.
    #[error("its field `{0}` is missing or malformed")]
    Field(&'static str),
    /// `hash` is not the hash of the rest.
    #[error("its hash does not fit what it says")]
    WrongHash,
    /// Written by a program that this one does not know.
    #[error("it has version {0}, written by a newer refwarden")]
    Version(u64),
}

/// A line that is whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Number, hash and time.
    pub end: End,
    /// Hash of the line before.
    pub prev: Hash,
    object: Map<String, Value>,
}

impl Line {
    /// Reads `text`, without its newline, and checks all that can be checked on one line.
    ///
    /// # Errors
    /// The first [`Flaw`].
    pub fn read(text: &[u8]) -> Result<Self, Flaw> {
        let object: Map<String, Value> = serde_json::from_slice(text).map_err(|_| Flaw::NotJson)?;
        let number = |name| object.get(name).and_then(Value::as_u64).ok_or(Flaw::Field(name));
        let version = number("v")?;
        if version > VERSION {
            return Err(Flaw::Version(version));
        }
        let word = |name| object.get(name).and_then(Value::as_str).ok_or(Flaw::Field(name));
        let hash = |name| Hash::parse(word(name)?).ok_or(Flaw::Field(name));
        let time = stamp::read(word("time")?).ok_or(Flaw::Field("time"))?;
        let store = object.get("store").and_then(|store| store.get("version")?.as_u64());
        let end = End { seq: number("seq")?, hash: hash("hash")?, time, store };
        let prev = hash("prev")?;
        check_text(&object, text, end.hash)?;
        Ok(Self { end, prev, object })
    }

    /// A field of the line, as stored.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.object.get(name)?.as_str()
    }

    /// A whole number of the line.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.object.get(name)?.as_u64()
    }

    /// A text in the free part of the record, as stored.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.object.get("detail")?.get(name)?.as_str()
    }

    /// The record in the line; `None` where a later version gave a field another shape.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        serde_json::from_value(Value::Object(self.object.clone())).ok()
    }
}

/// The text without its member `hash` is the canonical form without it, so it is cut out rather
/// than written again. Its first occurrence is the right one: a text that holds the hash of itself
/// elsewhere can't be made, and would be refused.
fn check_text(object: &Map<String, Value>, text: &[u8], hash: Hash) -> Result<(), Flaw> {
    if canonical::write(object).map_err(|_| Flaw::NotCanonical)? != text {
        return Err(Flaw::NotCanonical);
    }
    let member = format!("\"hash\":\"{hash}\",");
    let parts = std::str::from_utf8(text).ok().and_then(|text| text.split_once(&member));
    let (before, after) = parts.ok_or(Flaw::Field("hash"))?;
    let computed = Sha256::new_with_prefix(before).chain_update(after).finalize();
    if Hash(computed.into()) == hash { Ok(()) } else { Err(Flaw::WrongHash) }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Actor, Event, RefRecord, Verdict};
    use super::super::text::Text;
    use super::*;

    fn place() -> Place {
        let time = stamp::read("2038-01-19T03:14:08.001Z").unwrap();
        Place { seq: 7, prev: Hash::of(b"x"), time, clock: None, unidentified: 0, store: None }
    }

    fn sealed(record: &Record) -> String {
        let mut text = String::from_utf8(seal(record, &place()).unwrap().0).unwrap();
        assert_eq!(text.pop(), Some('\n'));
        text
    }

    #[test]
    fn a_sealed_line_reads_back() {
        let mut record = Record::new(Event::PUSH_DECIDED, "h");
        record.verdict = Some(Verdict::Refused);
        record.refs = vec![RefRecord { name: Text::new(b"refs/heads/\xff"), ..Default::default() }];
        let (text, end) = seal(&record, &Place { unidentified: 3, ..place() }).unwrap();
        let line = Line::read(text.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((line.end, line.prev), (end, place().prev));
        assert_eq!(line.record(), Some(record));
        assert_eq!(line.number("unidentified"), Some(3));
    }

    #[test]
    fn the_stores_version_is_the_places() {
        let mut record = Record::new(Event::PUSH_LANDED, "h");
        record.store = Some(super::super::record::StoreRecord { version: 3 });
        let (text, end) = seal(&record, &Place { store: Some(7), ..place() }).unwrap();
        let line = Line::read(text.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((line.end, end.store), (end, Some(7)));
        assert_eq!(line.record().unwrap().store.unwrap().version, 7);
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let text = sealed(&Record::new(Event::AUDIT_ROTATED, "h"));
        let rest = r#""host":"h","prev":"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881","seq":7,"time":"2038-01-19T03:14:08.001Z","v":1}"#;
        let without = format!(r#"{{"event":"audit.rotated",{rest}"#);
        let hash = Hash::of(without.as_bytes());
        assert_eq!(text, format!(r#"{{"event":"audit.rotated","hash":"{hash}",{rest}"#));
    }

    #[test]
    fn any_changed_byte_shows() {
        let text = sealed(&Record::new(Event::PUSH_LANDED, "host"));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Line::read(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_text_for_the_same_value_is_not_a_line() {
        let text = sealed(&Record::new(Event::PUSH_LANDED, "host"));
        for (from, to) in [
            ("\"seq\":7", "\"seq\": 7"),
            ("\"seq\":7", "\"seq\":8,\"seq\":7"),
            ("\"seq\":7", "\"seq\":7.0"),
            ("\"host\":\"host\"", "\"host\":\"h\\u006fst\""),
            ("}", "}\r"),
            ("}", "} "),
        ] {
            let forged = text.replace(from, to);
            assert_ne!(forged, text);
            assert!(Line::read(forged.as_bytes()).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_newline_injected_into_any_field_stays_inside_it() {
        let evil = "x\n{\"seq\":1}\r\n\u{2028}\u{85}";
        let mut record = Record::new(Event::PUSH_DECIDED, evil).with("key", evil);
        let text = || Some(Text::from(evil));
        record.actor = Some(Actor { user: text(), source: text(), key: text(), address: text() });
        record.repository = text();
        record.project = text();
        record.reason = text();
        record.ticket = text();
        record.grant = text();
        record.request = text();
        record.entitlement = text();
        record.code = text();
        record.approvers = vec![Text::from(evil)];
        record.refs = vec![RefRecord { name: Text::from(evil), ..Default::default() }];
        let sealed = sealed(&record);
        assert!(!sealed.contains(|c: char| c.is_control() || c == '\u{2028}'));
        assert_eq!(Line::read(sealed.as_bytes()).unwrap().record(), Some(record));
    }

    #[test]
    fn a_hash_repeated_inside_the_line_does_not_mislead() {
        let text = sealed(&Record::new(Event::PUSH_LANDED, "h"));
        let hash = Line::read(text.as_bytes()).unwrap().end.hash.to_string();
        let record = Record::new(Event::PUSH_LANDED, "h").with("hash", hash.clone());
        let honest = sealed(&record);
        assert!(Line::read(honest.as_bytes()).is_ok());
        let own = Line::read(honest.as_bytes()).unwrap().end.hash.to_string();
        let forged = honest.replacen(&hash, &own, 1);
        assert_eq!(Line::read(forged.as_bytes()), Err(Flaw::WrongHash));
    }

    #[test]
    fn a_line_of_a_newer_program_is_told_apart_from_damage() {
        let text = sealed(&Record::new(Event::PUSH_LANDED, "h")).replace("\"v\":1", "\"v\":2");
        assert_eq!(Line::read(text.as_bytes()), Err(Flaw::Version(2)));
    }

    #[test]
    fn times_that_the_form_cannot_say_are_refused() {
        let late = stamp::read("9999-12-31T23:59:59.999Z").unwrap();
        let record = Record::new(Event::PUSH_LANDED, "h");
        assert!(seal(&record, &Place { time: late, ..place() }).is_ok());
        let later = late + chrono::TimeDelta::milliseconds(1);
        assert!(matches!(seal(&record, &Place { time: later, ..place() }), Err(SealError::Time)));
    }
}
