//! When an entry holds: an interval of instants, and hours of the week on a wall clock.
//!
//! Time is an argument here; nothing reads a clock.

use super::zone;
use chrono::{DateTime, Datelike, Duration, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// `when`: every part that is present must hold. The default holds always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub until: Option<DateTime<Utc>>,
    /// Any one of them must hold; none at all is no limit.
    pub weekly: Vec<Weekly>,
    /// Whose wall clock `weekly` is read on.
    pub zone: Zone,
}

/// A time zone of the IANA data base, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(pub Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl TryFrom<String> for Zone {
    type Error = chrono_tz::ParseError;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse().map(Self)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.0.name().to_owned()
    }
}

/// Hours on some days of the week, `Mon-Fri 09:00-17:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weekly {
    /// Bit 0 is Monday.
    pub days: u8,
    /// Minute of the day, inclusive.
    pub start: u16,
    /// Minute of the day, exclusive, up to 1440; at or before `start` it lies on the next day.
    pub end: u16,
}

/// Why a text is not a weekly range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeeklyError {
    /// Not of the form `DAYS HH:MM-HH:MM`.
    #[error("write days and hours, as in `Mon-Fri 09:00-17:30`")]
    Form,
    /// Not one of `Mon` to `Sun`.
    #[error("`{0}` is not a day; they are Mon, Tue, Wed, Thu, Fri, Sat, Sun")]
    Day(String),
    /// Not a time of day.
    #[error("`{0}` is not a time of day from 00:00 to 24:00")]
    Time(String),
    /// Start and end are the same.
    #[error("the range is empty; a whole day is 00:00-24:00")]
    Empty,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

impl Weekly {
    /// Parses `Mon-Fri 09:00-17:30`; days are one, a range (which may wrap) or a list of both.
    ///
    /// # Errors
    /// [`WeeklyError`] with the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, WeeklyError> {
        let (days, hours) = text.trim().split_once(' ').ok_or(WeeklyError::Form)?;
        let (start, end) = hours.trim().split_once('-').ok_or(WeeklyError::Form)?;
        let (start, end) = (minute(start)?, minute(end)?);
        if start == end {
            return Err(WeeklyError::Empty);
        }
        if start == DAY {
            return Err(WeeklyError::Time("24:00".into()));
        }
        let mut bits = 0;
        for part in days.split(',') {
            bits |= day_range(part.trim())?;
        }
        Ok(Self { days: bits, start, end })
    }

    fn holds(self, day: u8, minute: u16) -> bool {
        let on = |day: u8| self.days & (1 << (day % 7)) != 0;
        if self.start < self.end {
            on(day) && (self.start..self.end).contains(&minute)
        } else {
            (on(day) && minute >= self.start) || (on(day + 6) && minute < self.end)
        }
    }
}

fn day_range(part: &str) -> Result<u8, WeeklyError> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (day(first)?, day(last)?);
    let length = (last + 7 - first) % 7;
    Ok((0..=length).fold(0, |bits, step| bits | 1 << ((first + step) % 7)))
}

fn day(text: &str) -> Result<u8, WeeklyError> {
    (0..)
        .zip(DAYS)
        .find(|(_, name)| name.eq_ignore_ascii_case(text))
        .map(|(at, _)| at)
        .ok_or_else(|| WeeklyError::Day(text.to_owned()))
}

fn minute(text: &str) -> Result<u16, WeeklyError> {
    let bad = || WeeklyError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |part: &str| match part.len() {
        2 if part.bytes().all(|b| b.is_ascii_digit()) => part.parse::<u16>().map_err(|_| bad()),
        _ => Err(bad()),
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    match hour * 60 + minute {
        at if at <= DAY && minute < 60 => Ok(at),
        _ => Err(bad()),
    }
}

impl Window {
    /// Whether the window is open at `at`.
    #[must_use]
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| at >= from)
            && self.until.is_none_or(|until| at < until)
            && self.hours_hold(at)
    }

    fn hours_hold(&self, at: DateTime<Utc>) -> bool {
        if self.weekly.is_empty() {
            return true;
        }
        let (wall, _) = zone::wall(self.zone.0, at);
        let day = u8::try_from(wall.weekday().num_days_from_monday()).unwrap_or_default();
        let minute = u16::try_from(wall.hour() * 60 + wall.minute()).unwrap_or_default();
        self.weekly.iter().any(|weekly| weekly.holds(day, minute))
    }

    /// The first instant in `(at, horizon]` at which the window is open (`open`) or shut (`!open`).
    ///
    /// Weekly hours turn at whole minutes of the wall clock, and zones differ from UTC by whole
    /// minutes in our time, so those and the two ends are all there is to look at.
    #[must_use]
    pub fn next(
        &self,
        open: bool,
        at: DateTime<Utc>,
        horizon: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let inside = |t: &DateTime<Utc>| *t > at && *t <= horizon;
        let ends = [self.from, self.until].into_iter().flatten().filter(inside);
        let first_end = ends.filter(|t| self.holds(*t) == open).min();
        if self.weekly.is_empty() {
            return first_end;
        }
        let mut minute = at.with_second(0).and_then(|t| t.with_nanosecond(0)).unwrap_or(at);
        loop {
            minute = minute.checked_add_signed(Duration::minutes(1))?;
            if minute > horizon || first_end.is_some_and(|end| end <= minute) {
                return first_end;
            }
            if self.holds(minute) == open {
                return Some(minute);
            }
        }
    }

    /// Whether the window never changes.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.from.is_none() && self.until.is_none() && self.weekly.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn weekly(text: &str, zone: &str) -> Window {
        Window {
            weekly: vec![Weekly::parse(text).unwrap()],
            zone: Zone(zone.parse().unwrap()),
            ..Window::default()
        }
    }

    #[test]
    fn from_is_inclusive_and_until_exclusive() {
        let window = Window {
            from: Some(at("2026-01-01T00:00:00Z")),
            until: Some(at("2026-01-02T00:00:00Z")),
            ..Window::default()
        };
        assert!(!window.holds(at("2025-12-31T23:59:59.999Z")));
        assert!(window.holds(at("2026-01-01T00:00:00Z")));
        assert!(window.holds(at("2026-01-01T23:59:59.999Z")));
        assert!(!window.holds(at("2026-01-02T00:00:00Z")));
    }

    #[test]
    fn hours_are_read_on_the_wall_clock_also_over_daylight_saving() {
        let window = weekly("Mon-Fri 09:00-17:30", "Europe/London");
        assert!(window.holds(at("2026-07-01T08:00:00Z"))); // 09:00 BST
        assert!(!window.holds(at("2026-01-07T08:59:59Z")));
        assert!(window.holds(at("2026-01-07T09:00:00Z")));
        assert!(!window.holds(at("2026-01-07T17:30:00Z")));
        assert!(!window.holds(at("2026-01-10T12:00:00Z"))); // Saturday
    }

    #[test]
    fn a_range_may_wrap_midnight_and_the_week() {
        let window = weekly("Sun 22:00-06:00", "UTC");
        assert!(window.holds(at("2026-11-22T22:00:00Z"))); // a Sunday
        assert!(window.holds(at("2026-11-23T05:59:00Z")));
        assert!(!window.holds(at("2026-11-23T22:00:00Z")));
        assert_eq!(Weekly::parse("Sat-Mon 00:00-24:00").unwrap().days, 0b110_0001);
    }

    #[test]
    fn the_next_turn_is_found() {
        let window = weekly("Mon-Fri 09:00-17:30", "UTC");
        let monday = at("2026-11-23T08:59:30Z");
        let horizon = at("2026-11-23T09:10:00Z");
        assert_eq!(window.next(true, monday, horizon), Some(at("2026-11-23T09:00:00Z")));
        assert_eq!(window.next(true, monday, at("2026-11-23T08:59:59Z")), None);
        let until = Window { until: Some(at("2026-11-23T09:00:07Z")), ..window };
        assert_eq!(until.next(false, at("2026-11-23T09:00:00Z"), horizon), until.until);
    }

    #[test]
    fn a_mistyped_range_is_refused_with_words() {
        for text in [
            "",
            "Mon",
            "Mon 9:00-10:00",
            "Mon 09:00",
            "Foo 09:00-10:00",
            "Mon 09:00-24:01",
            "Mon 09:60-10:00",
            "Mon 10:00-10:00",
            "Mon- 09:00-10:00",
            "Mon 24:00-10:00",
            "Mon +9:00-10:00",
        ] {
            assert!(Weekly::parse(text).is_err(), "{text}");
        }
    }
}
