//! The slip as text: rendering and parsing, without files.
//!
//! ```text
//! refwarden-slip 3
//! open                               <- how far `update` has come (`State`); fixed place
//! push 20261121-4417
//! ...
//! refs 2
//!                                    <- an empty line ends the head
//! 00aa…16 hex 0000000123 000000098   <- index: hash of the name, place and length of its line;
//!                                       `+` instead of the first blank once update has confirmed it
//! refs/heads/main 1234… 5678…
//! ```

use super::{End, Head, Key, Reserved, Slip, SlipRef, State};
use crate::access::Id;
use crate::os::process::Host;
use chrono::{DateTime, TimeDelta, Utc};
use gix::ObjectId;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::str::SplitN;
use std::time::Duration;

pub const FIRST_LINE: &str = "refwarden-slip 3\n";
/// Of the slips that the program before this one wrote: without the number of refs that were refused.
const FIRST_LINE_BEFORE: &str = "refwarden-slip 2\n";
/// Where the state stands, in bytes.
pub const STATE_AT: u64 = FIRST_LINE.len() as u64;
/// Each state as it is written: words of one length, at [`STATE_AT`].
pub const STATES: [(State, &str); 4] =
    [(State::Open, "open"), (State::Used, "used"), (State::Over, "over"), (State::Void, "void")];
/// Longest head, in bytes.
pub const MAX_HEAD: usize = 1024 + 4 * MAX_FOLDER + 2 * 11 * MAX_GRANTS + MAX_KEY;
/// Most grants that a push rests on.
const MAX_GRANTS: usize = 256;
/// Longest key of a reservation, in bytes.
const MAX_KEY: usize = 160;
/// Longest path of a git directory, in bytes (PATH_MAX).
const MAX_FOLDER: usize = 4096;
/// Most refs, far above any limit of a policy.
pub const MAX_REFS: usize = 1_000_000;
/// Longest ref name times four (escapes), and two SHA-256 ids.
pub const MAX_LINE: usize = 4 * 65_536 + 140;
/// Longest slip, in bytes: ten digits hold every place in it.
const MAX_BYTES: usize = 1 << 30;
/// Every line of the index, in bytes.
pub const INDEX_LINE: usize = HASH_DIGITS + 1 + 10 + 1 + 9 + 1;
const HASH_DIGITS: usize = 16;
/// Where a line of the index tells that `update` has confirmed the ref, in bytes.
pub const MARK_AT: u64 = HASH_DIGITS as u64;
/// What it says then.
pub const MARK: u8 = b'+';

/// What a head says about the rest of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub head: Head,
    pub state: State,
    pub refs: usize,
    /// Where the index begins, in bytes.
    pub index_at: u64,
}

/// One line of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub hash: u64,
    pub confirmed: bool,
    pub at: u64,
    pub length: usize,
}

pub fn render(slip: &Slip) -> Result<Vec<u8>, &'static str> {
    if slip.refs.len() > MAX_REFS {
        return Err("too many refs");
    }
    let head = render_head(slip).ok_or("a field can't be written")?;
    if head.len() > MAX_HEAD || !is_word(&slip.head.push) {
        return Err("the push id is no single short word");
    }
    let mut refs: Vec<(u64, String)> =
        slip.refs.iter().map(|entry| (hash(&entry.name), render_ref(entry))).collect();
    refs.sort();
    let mut at = head.len() + refs.len() * INDEX_LINE;
    let all = refs.iter().fold(at, |sum, (_, line)| sum.saturating_add(line.len()));
    if all > MAX_BYTES || refs.iter().any(|(_, line)| line.len() > MAX_LINE) {
        return Err("its ref names are too long");
    }
    let mut text = head;
    for (hash, line) in &refs {
        let _ = writeln!(text, "{hash:016x} {at:010} {:09}", line.len());
        at += line.len();
    }
    text.extend(refs.iter().map(|(_, line)| line.as_str()));
    Ok(text.into_bytes())
}

/// A state as it is written.
pub fn word(state: State) -> &'static str {
    STATES.iter().find(|(one, _)| *one == state).map_or("open", |(_, word)| word)
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn render_head(slip: &Slip) -> Option<String> {
    let Head { key, folder, push, digest, epoch, end, audit_seq, .. } = &slip.head;
    let state = word(slip.state());
    let wall = match end.wall {
        Some(wall) => nanoseconds(wall)?.to_string(),
        None => "-".to_owned(),
    };
    let digest = crate::text::hex(digest);
    let access = render_access(&slip.head)?;
    Some(format!(
        "{FIRST_LINE}{state}\npush {push}\ndigest {digest}\nepoch {epoch}\nwall-end {wall}\n\
         boot-end {}\naudit {audit_seq}\npid {}\nstart {}\nboot-id {}\npid-namespace {}\n\
         device {}\ninode {}\nuid {}\nfolder {}\n{access}refused {}\nrefs {}\n\n",
        end.boot.as_nanos(),
        key.pid,
        key.start_time,
        key.host.boot_id,
        key.host.pid_namespace,
        key.git_dir.0,
        key.git_dir.1,
        key.uid,
        escape(folder),
        slip.head.refused,
        slip.refs.len(),
    ))
}

/// The lines about access: what the yes rests on, and which uses were put aside.
fn render_access(head: &Head) -> Option<String> {
    let ids = |ids: &[Id]| match ids {
        [] => "-".to_owned(),
        ids => ids.iter().map(Id::as_str).collect::<Vec<_>>().join(","),
    };
    let shared = head.shared_epoch.map_or("-".to_owned(), |epoch| epoch.to_string());
    let reserved = match &head.reserved {
        None => "-".to_owned(),
        Some(Reserved { key, grants, update }) => {
            let plain =
                (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
            if !plain || grants.is_empty() || grants.len() > MAX_GRANTS {
                return None;
            }
            format!("{key} {} {}", u8::from(*update), ids(grants))
        }
    };
    if head.lent.len() > MAX_GRANTS {
        return None;
    }
    Some(format!("shared-epoch {shared}\nlent {}\nreserved {reserved}\n", ids(&head.lent)))
}

fn parse_ids(text: &str) -> Option<Vec<Id>> {
    match text {
        "-" => Some(Vec::new()),
        text => text.split(',').map(|id| Id::parse(id).ok()).collect(),
    }
}

fn parse_reserved(text: &str) -> Option<Option<Reserved>> {
    if text == "-" {
        return Some(None);
    }
    let mut fields = text.split(' ');
    let key = fields.next()?.to_owned();
    let update = match fields.next()? {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    let grants = parse_ids(fields.next()?).filter(|grants| !grants.is_empty())?;
    fields.next().is_none().then_some(Some(Reserved { key, grants, update }))
}

fn parse_shared(text: &str) -> Option<Option<u64>> {
    if text == "-" { Some(None) } else { text.parse().ok().map(Some) }
}

fn nanoseconds(time: DateTime<Utc>) -> Option<i128> {
    let seconds = i128::from(time.timestamp()).checked_mul(1_000_000_000)?;
    Some(seconds + i128::from(time.timestamp_subsec_nanos()))
}

fn render_ref(entry: &SlipRef) -> String {
    format!("{} {} {}\n", escape(&entry.name), entry.old, entry.new)
}

/// Parses a head out of the file's first bytes; what follows the empty line does not matter.
pub fn parse_head(bytes: &[u8]) -> Option<Parsed> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let (with_refused, text) = match text.strip_prefix(FIRST_LINE) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix(FIRST_LINE_BEFORE)?),
    };
    let mut lines = text.split('\n');
    let state = lines.next()?;
    let (state, _) = *STATES.iter().find(|(_, word)| *word == state)?;
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let push = field("push").filter(|push| is_word(push))?.to_owned();
    let digest = parse_digest(field("digest")?)?;
    let epoch = field("epoch")?.parse().ok()?;
    let wall = parse_wall(field("wall-end")?)?;
    let boot = parse_boot(field("boot-end")?)?;
    let audit_seq = field("audit")?.parse().ok()?;
    let (pid, start_time) = (field("pid")?.parse().ok()?, field("start")?.parse().ok()?);
    let boot_id = field("boot-id")?.to_owned();
    let host = Host { boot_id, pid_namespace: field("pid-namespace")?.parse().ok()? };
    let git_dir = (field("device")?.parse().ok()?, field("inode")?.parse().ok()?);
    let uid = field("uid")?.parse().ok()?;
    let folder = unescape(field("folder")?)?;
    let shared_epoch = parse_shared(field("shared-epoch")?)?;
    let lent = parse_ids(field("lent")?)?;
    let reserved = parse_reserved(field("reserved")?)?;
    let refused = if with_refused { field("refused")?.parse().ok()? } else { 0 };
    let refs = field("refs")?.parse().ok().filter(|refs| *refs <= MAX_REFS)?;
    let key = Key { pid, start_time, host, git_dir, uid };
    let end_at = End { wall, boot };
    let head = Head {
        key,
        folder,
        push,
        digest,
        epoch,
        end: end_at,
        audit_seq,
        lent,
        reserved,
        shared_epoch,
        refused,
    };
    let index_at = u64::try_from(end + 2).ok()?;
    lines.next().is_none().then_some(Parsed { head, state, refs, index_at })
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = hex(pair)?;
    }
    Some(digest)
}

fn hex(pair: &[u8; 2]) -> Option<u8> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let [high, low] = pair;
    Some(digit(*high)? << 4 | digit(*low)?)
}

/// The outer none is damage, the inner one "no end".
fn parse_wall(text: &str) -> Option<Option<DateTime<Utc>>> {
    if text == "-" {
        return Some(None);
    }
    let all: i128 = text.parse().ok()?;
    let seconds = i64::try_from(all.div_euclid(1_000_000_000)).ok()?;
    let rest = i64::try_from(all.rem_euclid(1_000_000_000)).ok()?;
    let time = DateTime::from_timestamp(seconds, 0)?;
    time.checked_add_signed(TimeDelta::nanoseconds(rest)).map(Some)
}

fn parse_boot(text: &str) -> Option<Duration> {
    let all: u128 = text.parse().ok()?;
    let seconds = u64::try_from(all / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, u32::try_from(all % 1_000_000_000).ok()?))
}

pub fn parse_place(line: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (hash, rest) = text.split_at_checked(HASH_DIGITS)?;
    let confirmed = rest.as_bytes().first() == Some(&MARK);
    let rest = if confirmed { rest.get(1..) } else { rest.strip_prefix(' ') }?;
    let hash = u64::from_str_radix(hash, 16).ok()?;
    let mut fields = rest.splitn(2, ' ');
    let at = number(&mut fields)?;
    let length = usize::try_from(number(&mut fields)?).ok()?;
    (length <= MAX_LINE).then_some(Place { hash, confirmed, at, length })
}

fn number(fields: &mut SplitN<'_, char>) -> Option<u64> {
    fields.next()?.parse().ok()
}

pub fn parse_ref(line: &[u8]) -> Option<SlipRef> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut fields = text.split(' ');
    let name = unescape(fields.next()?)?;
    let old = parse_id(fields.next()?.as_bytes())?;
    let new = parse_id(fields.next()?.as_bytes())?;
    (fields.next().is_none() && !name.is_empty()).then_some(SlipRef { name, old, new })
}

/// An object id, of lower-case digits as git writes them. Not gix's own parsing, which first asks the
/// processor what it can do: in a virtual machine that takes longer than all of this.
pub fn parse_id(text: &[u8]) -> Option<ObjectId> {
    let (pairs, rest) = text.as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(hex).collect();
    rest.is_empty().then_some(())?;
    ObjectId::try_from(bytes?.as_slice()).ok()
}

/// What the index is sorted by.
pub fn hash(name: &[u8]) -> u64 {
    let hash = Sha256::digest(name);
    hash.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first))
}

fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for &byte in name {
        if byte.is_ascii_graphic() && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'\\' {
            let (pair, after) = after.strip_prefix(b"x")?.split_first_chunk::<2>()?;
            name.push(hex(pair)?);
            rest = after;
        } else {
            name.push(byte);
        }
    }
    Some(name)
}
