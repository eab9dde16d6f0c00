//! Which time a wall clock shows, anywhere.
//!
//! Knows the turns of all time zones since 1970, as `build.rs` took them from `chrono-tz`; before,
//! a zone has its first offset. `chrono-tz` itself stays out of the hooks: see there.

use super::window::Zone;
use chrono::{DateTime, Duration, FixedOffset, NaiveDateTime, Offset, Utc};
use chrono_tz::Tz;

include!(concat!(env!("OUT_DIR"), "/zones.rs"));

/// The wall clock of a zone at `at`, and what it is called there (`BST`, `+03`).
#[must_use]
pub fn wall(zone: Tz, at: DateTime<Utc>) -> (DateTime<FixedOffset>, &'static str) {
    let (east, name) = kind(zone, at).unwrap_or((0, "UTC"));
    let offset = FixedOffset::east_opt(east).unwrap_or_else(|| Utc.fix());
    (at.with_timezone(&offset), name)
}

/// The first instant at which a zone's wall clock shows `local`; none where it skips that.
#[must_use]
pub fn first_showing(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let near = local.and_utc();
    let days = [-1, 1].into_iter().filter_map(|day| near.checked_add_signed(Duration::days(day)));
    let shown = days.filter_map(|day| {
        let east = wall(zone, day).0.offset().local_minus_utc();
        let at = near.checked_sub_signed(Duration::seconds(east.into()))?;
        (wall(zone, at).0.naive_local() == local).then_some(at)
    });
    shown.min()
}

/// An instant as people read it: by the site's wall clock, and UTC; to the second.
///
/// `2026-11-22 14:30:05 CET (2026-11-22 13:30:05 UTC)`, the latter alone where the site's zone is that.
#[must_use]
pub fn told(at: DateTime<Utc>, zone: Zone) -> String {
    let utc = at.format("%Y-%m-%d %H:%M:%S UTC");
    if zone == Zone::default() {
        return utc.to_string();
    }
    let (local, name) = wall(zone.0, at);
    format!("{} {name} ({utc})", local.format("%Y-%m-%d %H:%M:%S"))
}

/// Seconds east of UTC, and the name.
fn kind(zone: Tz, at: DateTime<Utc>) -> Option<(i32, &'static str)> {
    let (first, end) = RANGES.get(zone as usize)?;
    let (first, end) = (usize::from(*first), usize::from(*end));
    let at = u32::try_from(at.timestamp().max(0)).unwrap_or(u32::MAX);
    let turn = BEGINS.get(first..end)?.partition_point(|begin| *begin <= at).checked_sub(1)?;
    let (east, name) = KINDS.get(usize::from(*KINDS_OF.get(first + turn)?))?;
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Some((*east, std::str::from_utf8(name.get(..length)?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use chrono_tz::TZ_VARIANTS;

    /// As it is without the table.
    fn slow(zone: Tz, at: DateTime<Utc>) -> (i32, String) {
        let offset = zone.offset_from_utc_datetime(&at.naive_utc());
        (offset.fix().local_minus_utc(), offset.to_string())
    }

    fn assert_same(zone: Tz, at: DateTime<Utc>) {
        let (wall, name) = wall(zone, at);
        let (east, slow_name) = slow(zone, at);
        assert_eq!((wall.offset().local_minus_utc(), name), (east, &*slow_name), "{zone} {at}");
        assert_eq!(wall, at);
    }

    #[test]
    fn every_zone_shows_what_chrono_tz_shows() {
        let (start, end) = ("1970-01-01T00:00:00Z", "2112-01-01T00:00:00Z");
        let (start, end): (DateTime<Utc>, DateTime<Utc>) =
            (start.parse().unwrap(), end.parse().unwrap());
        for zone in TZ_VARIANTS {
            let mut at = start;
            while at < end {
                assert_same(zone, at);
                // Each day of our time, else any day.
                let near = (2020..2040).contains(&chrono::Datelike::year(&at));
                at += Duration::hours(if near { 23 } else { 24 * 11 + 7 });
            }
        }
    }

    #[test]
    fn a_wall_clock_that_shows_a_time_twice_or_never_is_read_as_chrono_tz_reads_it() {
        for zone in TZ_VARIANTS {
            let (first, end) = RANGES[zone as usize];
            for begin in &BEGINS[usize::from(first)..usize::from(end)] {
                let turn = DateTime::from_timestamp(i64::from(*begin), 0).unwrap();
                let (local, _) = wall(zone, turn);
                for minutes in [-90, -60, -30, -1, 0, 1, 30, 60, 90] {
                    let local = local.naive_local() + Duration::minutes(minutes);
                    // Before 1970 the table has one offset.
                    if local.and_utc().timestamp() < 3 * 86_400 {
                        continue;
                    }
                    let slow = zone.from_local_datetime(&local).earliest();
                    let slow = slow.map(|at| at.with_timezone(&Utc));
                    assert_eq!(first_showing(zone, local), slow, "{zone} {local}");
                }
            }
        }
    }

    #[test]
    fn an_instant_is_told_by_the_sites_clock_without_fractions() {
        let at = "2026-11-22T13:30:05.123456789Z".parse().unwrap();
        assert_eq!(told(at, Zone::default()), "2026-11-22 13:30:05 UTC");
        let berlin = told(at, Zone(Tz::Europe__Berlin));
        assert_eq!(berlin, "2026-11-22 14:30:05 CET (2026-11-22 13:30:05 UTC)");
    }

    #[test]
    fn turns_are_right_to_the_second() {
        for zone in TZ_VARIANTS {
            let (first, end) = RANGES[zone as usize];
            for begin in &BEGINS[usize::from(first)..usize::from(end)] {
                let at = DateTime::from_timestamp(i64::from(*begin), 0).unwrap();
                assert_same(zone, at);
                if *begin > 0 {
                    assert_same(zone, at - Duration::seconds(1));
                }
            }
        }
    }

    #[test]
    fn far_times_have_the_nearest_offset() {
        let london = Tz::Europe__London;
        assert_eq!(wall(london, DateTime::<Utc>::MAX_UTC - Duration::days(1)).1, "GMT");
        assert_eq!(wall(Tz::UTC, DateTime::<Utc>::MIN_UTC + Duration::days(1)).1, "UTC");
    }
}
