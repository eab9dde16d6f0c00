//! Writes the turns of all time zones as plain numbers, for `src/policy/zone.rs`.
//!
//! `chrono-tz` has a pointer to a name at each turn. A program that may be loaded anywhere has all
//! pointers put right at each start: a megabyte of them, for hooks that mostly need no zone at all.
//! It is asked here for its answers, which are written down without a pointer; a test of
//! `src/policy/zone.rs` holds the two to each other.

#![expect(clippy::disallowed_methods, reason = "a build script reads variables and writes a file")]

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;

/// Turns are looked for in each week of this time, which fits 32 bits.
const YEARS: std::ops::Range<i64> = 0..4_260_000_000;
const WEEK: usize = 7 * 24 * 60 * 60;

/// Seconds east of UTC and what the wall clock is called.
type Kind = (i32, String);

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut zones = vec![Vec::new(); TZ_VARIANTS.len()];
    for zone in TZ_VARIANTS {
        *zones.get_mut(zone as usize).ok_or("a zone past the last one")? = turns(zone)?;
    }
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(std::path::Path::new(&folder).join("zones.rs"), source(&zones)?)?;
    Ok(())
}

fn kind(zone: Tz, at: i64) -> Result<Kind, Box<dyn Error>> {
    let at = DateTime::from_timestamp(at, 0).ok_or("no such time")?;
    let offset = zone.offset_from_utc_datetime(&at.naive_utc());
    let name = offset.abbreviation().map_or_else(|| offset.to_string(), ToOwned::to_owned);
    Ok((offset.fix().local_minus_utc(), name))
}

/// When each kind of clock begins; the first counts for all time before it too.
fn turns(zone: Tz) -> Result<Vec<(i64, Kind)>, Box<dyn Error>> {
    let mut found = vec![(YEARS.start, kind(zone, YEARS.start)?)];
    for week in YEARS.step_by(WEEK).skip(1) {
        let new = kind(zone, week)?;
        let before = week - i64::try_from(WEEK)?;
        if found.last().is_none_or(|(_, known)| *known != new) {
            let (mut low, mut high) = (before, week);
            while high - low > 1 {
                let middle = low.midpoint(high);
                if kind(zone, middle)? == new { high = middle } else { low = middle }
            }
            found.push((high, new));
        }
    }
    Ok(found)
}

fn source(zones: &[Vec<(i64, Kind)>]) -> Result<String, Box<dyn Error>> {
    let (mut kinds, mut places) = (Vec::new(), HashMap::new());
    let (mut begins, mut of, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    // Most names are other names of a zone: those share its turns.
    let mut same = HashMap::new();
    for zone in zones {
        if !same.contains_key(zone) {
            same.insert(zone.clone(), (begins.len(), begins.len() + zone.len()));
            for (at, kind) in zone {
                let place = *places.entry(kind.clone()).or_insert_with(|| {
                    kinds.push(kind.clone());
                    kinds.len() - 1
                });
                begins.push(*at);
                of.push(place);
            }
        }
        ranges.extend(same.get(zone).copied());
    }
    let kinds = kinds.iter().map(|(east, name)| padded(name).map(|name| (*east, name)));
    let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    let mut text = String::new();
    table(&mut text, "BEGINS", "u32", &begins)?;
    table(&mut text, "KINDS_OF", "u16", &of)?;
    table(&mut text, "RANGES", "(u16, u16)", &ranges)?;
    table(&mut text, "KINDS", "(i32, [u8; 8])", &kinds)?;
    Ok(text)
}

fn padded(name: &str) -> Result<[u8; 8], Box<dyn Error>> {
    let mut bytes = [0; 8];
    bytes.get_mut(..name.len()).ok_or("a long name")?.copy_from_slice(name.as_bytes());
    Ok(bytes)
}

fn table(
    text: &mut String,
    name: &str,
    kind: &str,
    rows: &[impl std::fmt::Debug],
) -> Result<(), std::fmt::Error> {
    writeln!(text, "static {name}: [{kind}; {}] = {rows:?};", rows.len())
}
