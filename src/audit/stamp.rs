//! Times as the trail writes them: RFC 3339, UTC, milliseconds, always 24 bytes ending in `Z`.
//!
//! Knows the form; not what time it is. A fixed form sorts as text, and leaves one way to write an
//! instant, which the hash chain needs. Written out by hand: a push does so several times, and
//! chrono's formats are read anew each time.

use chrono::{DateTime, Datelike, NaiveDate, SubsecRound, Timelike, Utc};

const LENGTH: usize = 24;

/// `time` cut to the millisecond, as it will be read back.
pub(super) fn cut(time: DateTime<Utc>) -> DateTime<Utc> {
    // A leap second is counted past 1000 ms by chrono; the trail knows none, as POSIX clocks.
    DateTime::from_timestamp_millis(time.trunc_subsecs(3).timestamp_millis()).unwrap_or(time)
}

/// `time` as text; `None` outside the years 0 to 9999, which the form can't say.
pub(super) fn write(time: DateTime<Utc>) -> Option<String> {
    let time = cut(time);
    let year = u32::try_from(time.year()).ok().filter(|year| *year <= 9999)?;
    let mut text = String::with_capacity(LENGTH);
    let parts = [
        (year, 4, '-'),
        (time.month(), 2, '-'),
        (time.day(), 2, 'T'),
        (time.hour(), 2, ':'),
        (time.minute(), 2, ':'),
        (time.second(), 2, '.'),
        (time.timestamp_subsec_millis(), 3, 'Z'),
    ];
    for (number, digits, end) in parts {
        for place in (0..digits).rev() {
            text.push(char::from_digit(number / 10_u32.pow(place) % 10, 10)?);
        }
        text.push(end);
    }
    Some(text)
}

/// The time that `text` says, where it is written in the one form.
pub(super) fn read(text: &str) -> Option<DateTime<Utc>> {
    let number = |from: usize, digits: usize| {
        let part = text.get(from..from + digits)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    if text.len() != LENGTH {
        return None;
    }
    let year = i32::try_from(number(0, 4)?).ok()?;
    let day = NaiveDate::from_ymd_opt(year, number(5, 2)?, number(8, 2)?)?;
    let time =
        day.and_hms_milli_opt(number(11, 2)?, number(14, 2)?, number(17, 2)?, number(20, 3)?)?;
    let time = time.and_utc();
    (write(time)? == text).then_some(time)
}

/// The time for a file's name: `20261122T020554Z`.
pub(super) fn for_name(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORM: &str = "%Y-%m-%dT%H:%M:%S%.3fZ";

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
        let leap = chrono::NaiveDateTime::parse_from_str("2016-12-31T23:59:60.500Z", FORM).unwrap();
        assert_eq!(read(&write(leap.and_utc()).unwrap()), Some(cut(leap.and_utc())));
    }

    proptest! {
        #[test]
        fn it_is_the_form_that_chrono_writes(millis in -62_167_219_200_000_i64..253_402_300_800_000) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let text = write(time).unwrap();
            prop_assert_eq!(&text, &time.format(FORM).to_string());
            prop_assert_eq!(read(&text), Some(time));
        }

        #[test]
        fn only_what_is_written_is_read(text in "[0-9]{4}[-:][0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9.]{6}Z") {
            let read = read(&text);
            prop_assert!(read.is_none_or(|time| write(time).unwrap() == text));
        }
    }
}
