//! The instants at which something about a set of entries turns.

use super::super::entry::Entry;
use super::super::window::Window;
use super::super::zone;
use chrono::{DateTime, Duration, NaiveTime, Utc};
use std::collections::{BTreeSet, HashSet};

/// How many days of weekly hours are looked at from each turn on.
const DAYS: i64 = 8;

/// Now, and the first instant of every later combination of open and shut windows.
pub(super) fn instants(entries: &[&Entry], now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let windows: Vec<&Window> =
        entries.iter().map(|entry| &entry.when).filter(|when| !when.is_always()).collect();
    let ends = windows.iter().flat_map(|when| [when.from, when.until]).flatten();
    let bases: BTreeSet<DateTime<Utc>> = ends.filter(|end| *end > now).chain([now]).collect();
    let mut all = bases.clone();
    for window in &windows {
        for base in bases.iter().filter(|_| !window.weekly.is_empty()) {
            all.extend(turns(window, *base).into_iter().filter(|turn| turn > base));
        }
    }
    let mut seen = HashSet::new();
    let open = |at: &DateTime<Utc>| windows.iter().map(|w| w.holds(*at)).collect::<Vec<bool>>();
    all.into_iter().filter(|at| seen.insert(open(at))).collect()
}

/// Instants in the days after `base` that may be turns of weekly hours: their two ends on every
/// day's wall clock, and every quarter of an hour of a day on which the clock changes.
fn turns(window: &Window, base: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let zone = window.zone.0;
    let local = |at: DateTime<Utc>| zone::wall(zone, at).0;
    let mut found = Vec::new();
    for day in -1..=DAYS {
        let Some(at) = base.checked_add_signed(Duration::days(day)) else { continue };
        let date = local(at).date_naive();
        for weekly in &window.weekly {
            for minute in [weekly.start, weekly.end] {
                let midnight = date.and_time(NaiveTime::MIN);
                let wall = midnight.checked_add_signed(Duration::minutes(minute.into()));
                found.extend(wall.and_then(|wall| zone::first_showing(zone, wall)));
            }
        }
        let Some(next) = at.checked_add_signed(Duration::days(1)) else { continue };
        if local(at).offset() != local(next).offset() {
            let hour = at.timestamp().div_euclid(900) * 900;
            let quarters = (0..=2 * 96).filter_map(|q| DateTime::from_timestamp(hour + q * 900, 0));
            found.extend(quarters);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::{Kind, Permissions};
    use super::super::super::lab;
    use super::super::super::window::{Weekly, Zone};
    use super::*;

    fn entry(from: Option<&str>, weekly: &str, zone: &str) -> Entry {
        let mut entry = lab::plain_entry(Kind::Permit, Permissions::PUSH);
        entry.when = Window {
            from: from.map(|text| text.parse().unwrap()),
            until: None,
            weekly: vec![Weekly::parse(weekly).unwrap()],
            zone: Zone(zone.parse().unwrap()),
        };
        entry
    }

    #[test]
    fn every_turn_of_the_coming_week_is_found_also_over_daylight_saving() {
        for (now, zone) in
            [("2026-11-23T08:00:00Z", "UTC"), ("2026-10-23T08:00:30Z", "Europe/London")]
        {
            let now: DateTime<Utc> = now.parse().unwrap();
            let entry = entry(None, "Sun 00:30-02:15", zone);
            let horizon = now + Duration::days(DAYS);
            let open = entry.when.next(true, now, horizon);
            assert_eq!(instants(&[&entry], now), [Some(now), open].map(Option::unwrap));
            let mut at = now;
            let all = turns(&entry.when, now);
            for open in [true, false] {
                at = entry.when.next(open, at, horizon).unwrap();
                assert!(all.contains(&at), "{at}");
            }
        }
    }

    #[test]
    fn hours_that_begin_to_count_in_another_year_are_found() {
        let entry = entry(Some("2028-01-01T00:00:00Z"), "Mon 09:00-10:00", "UTC");
        let found = instants(&[&entry], lab::now());
        assert_eq!(found, [lab::now(), "2028-01-03T09:00:00Z".parse().unwrap()]);
    }
}
