//! Windows: instants with an offset, hours of the week, time zones.

use super::Check;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::raw::{Table, Word};
use crate::policy::window::{Weekly, Window, Zone};
use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use toml::value::{Datetime, Offset};

impl Check<'_> {
    /// `when` of an entry; always, where there is none.
    pub(super) fn when(&mut self, table: &Table) -> Window {
        let Some(when) = table.table("when") else { return Window::default() };
        let zone = when.text("zone").and_then(|word| self.zone_word(word)).unwrap_or(self.zone);
        let mut window = Window { zone, ..self.interval(when) };
        if let Some(words) = when.texts("weekly") {
            self.not_empty(&words, "weekly");
            for Word { text, at } in words.words {
                match Weekly::parse(text) {
                    Ok(weekly) => window.weekly.push(weekly),
                    Err(error) => {
                        self.report(PolicyCode::BadWeekly, at, format!("`{text}`: {error}"));
                    }
                }
            }
        }
        window
    }

    /// `from` and `until` of a table.
    pub(super) fn interval(&mut self, table: &Table) -> Window {
        let from = table.time("from").and_then(|(time, at)| self.instant(time, at));
        let until = table.time("until").and_then(|(time, at)| self.instant(time, at));
        if let (Some(start), Some(end), Some((_, at))) = (from, until, table.time("until"))
            && start >= end
        {
            let message = "the window ends before it begins, so it is never open";
            let problem = Problem::new(PolicyCode::EmptyWindow, at, message);
            let begin = table.time("from").map_or(at, |(_, at)| at);
            self.problems.push(problem.also(begin, "it begins here"));
        }
        Window { from, until, zone: self.zone, ..Window::default() }
    }

    /// An instant; a date-time without offset means another one on every server.
    pub(super) fn instant(&mut self, time: Datetime, at: At) -> Option<DateTime<Utc>> {
        let (Some(date), Some(clock), Some(offset)) = (time.date, time.time, time.offset) else {
            let message = "a date-time needs a date, a time and an offset from UTC";
            let text = self.sources.text(at);
            let help = match (time.date, time.time) {
                (Some(_), Some(_)) => format!("write `{text}Z` for UTC, or `{text}+01:00`"),
                (Some(_), None) => format!("write `{text}T00:00:00Z` for UTC"),
                _ => "write `2026-12-31T18:00:00Z` for UTC".to_owned(),
            };
            self.report_help(PolicyCode::NoOffset, at, message, help);
            return None;
        };
        let minutes = match offset {
            Offset::Z => 0,
            Offset::Custom { minutes } => i32::from(minutes),
        };
        let date = NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into());
        let (second, nano) = (clock.second.unwrap_or(0), clock.nanosecond.unwrap_or(0));
        let local = date.and_then(|date| {
            date.and_hms_nano_opt(clock.hour.into(), clock.minute.into(), second.into(), nano)
        });
        let zone = minutes.checked_mul(60).and_then(FixedOffset::east_opt);
        let instant = local.zip(zone).and_then(|(local, zone)| {
            local.and_local_timezone(zone).single().map(|time| time.with_timezone(&Utc))
        });
        if instant.is_none() {
            self.report(PolicyCode::OutOfRange, at, "there is no such date and time");
        }
        instant
    }

    /// A time zone of the IANA data base.
    pub(super) fn zone_word(&mut self, Word { text, at }: Word<'_>) -> Option<Zone> {
        if let Ok(zone) = Zone::try_from(text.to_owned()) {
            return Some(zone);
        }
        let message = format!("there is no time zone `{text}`");
        let problem = Problem::new(PolicyCode::UnknownZone, at, message);
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        self.problems.push_near(problem, text, known, "");
        None
    }
}
