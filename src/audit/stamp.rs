//! Times as the trail writes them: RFC 3339, UTC, milliseconds, always 24 bytes ending in `Z`.
//!
//! Knows the form; not what time it is. A fixed form sorts as text, and leaves one way to write an
//! instant, which the hash chain needs.

use chrono::{DateTime, Datelike, NaiveDateTime, SubsecRound, Utc};

const FORM: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";
const LENGTH: usize = 24;

/// `time` cut to the millisecond, as it will be read back.
pub(super) fn cut(time: DateTime<Utc>) -> DateTime<Utc> {
    // A leap second is counted past 1000 ms by chrono; the trail knows none, as POSIX clocks.
    DateTime::from_timestamp_millis(time.trunc_subsecs(3).timestamp_millis()).unwrap_or(time)
}

/// `time` as text; `None` outside the years 0 to 9999, which the form can't say.
pub(super) fn write(time: DateTime<Utc>) -> Option<String> {
    let time = cut(time);
    (0..=9999).contains(&time.year()).then(|| time.format(FORM).to_string())
}

/// The time that `text` says, where it is written in the one form.
pub(super) fn read(text: &str) -> Option<DateTime<Utc>> {
    if text.len() != LENGTH {
        return None;
    }
    let time = NaiveDateTime::parse_from_str(text, FORM).ok()?.and_utc();
    (write(time)? == text).then_some(time)
}

/// The time for a file's name: `20261122T020554Z`.
pub(super) fn for_name(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_fixed_through_2038_and_to_the_end_of_9999() {
        for text in
            ["1970-01-01T00:00:00.000Z", "2038-01-19T03:14:08.001Z", "9999-12-31T23:59:59.999Z"]
        {
            assert_eq!(write(read(text).unwrap()).unwrap(), text);
        }
        let last = read("9999-12-31T23:59:59.999Z").unwrap();
        assert_eq!(write(last + chrono::TimeDelta::milliseconds(1)), None);
    }

    #[test]
    fn other_ways_to_write_the_same_instant_are_not_read() {
        for bad in [
            "2026-11-22T02:05:54Z",
            "2026-11-22T02:05:54.1230Z",
            "2026-11-22T02:05:54.123z",
            "2026-11-22 02:05:54.123Z",
            "2026-11-22T02:05:60.123Z",
            "2026-02-30T02:05:54.123Z",
            "+026-11-22T02:05:54.123Z",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_leap_second_keeps_its_length() {
        let leap = NaiveDateTime::parse_from_str("2016-12-31T23:59:60.500Z", FORM).unwrap();
        assert_eq!(read(&write(leap.and_utc()).unwrap()), Some(cut(leap.and_utc())));
    }
}
