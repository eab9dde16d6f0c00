//! A length of time as an admin or a pusher writes it: `90s`, `30m`, `4h`, `7d`, `1h30m`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest span that can be written: 366 days, in seconds.
pub const MAX_SECONDS: u32 = 366 * 86_400;

/// A length of time in whole seconds, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u32);

/// Why a text is not a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not numbers with units.
    #[error("`{0}` is not a length of time: write 30m, 4h, 7d or 1h30m")]
    Form(String),
    /// Nothing at all.
    #[error("a length of time can't be zero")]
    Zero,
    /// More than [`MAX_SECONDS`].
    #[error("a length of time has at most 366 days")]
    TooLong,
}

impl Span {
    /// So many seconds; `None` for zero and for more than [`MAX_SECONDS`].
    #[must_use]
    pub fn of_seconds(seconds: u32) -> Option<Self> {
        (1..=MAX_SECONDS).contains(&seconds).then_some(Self(seconds))
    }

    /// Parses numbers with the units `w`, `d`, `h`, `m`, `s`, each at most once, large to small.
    ///
    /// # Errors
    /// [`SpanError`].
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        const UNITS: [(char, u64); 5] =
            [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
        let form = || SpanError::Form(text.chars().take(40).collect());
        let (mut total, mut number, mut digits, mut next) = (0_u64, 0_u64, 0, 0);
        for character in text.chars() {
            if let Some(digit) = character.to_digit(10) {
                number = number * 10 + u64::from(digit);
                digits += 1;
                if digits > 9 {
                    return Err(SpanError::TooLong);
                }
                continue;
            }
            let unit = UNITS.iter().position(|(unit, _)| *unit == character).ok_or_else(form)?;
            if digits == 0 || unit < next {
                return Err(form());
            }
            total += number * UNITS.get(unit).map_or(0, |(_, seconds)| *seconds);
            (number, digits, next) = (0, 0, unit + 1);
        }
        if digits > 0 || next == 0 {
            return Err(form());
        }
        match u32::try_from(total) {
            Ok(0) => Err(SpanError::Zero),
            Ok(seconds) if seconds <= MAX_SECONDS => Ok(Self(seconds)),
            _ => Err(SpanError::TooLong),
        }
    }

    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// The same for arithmetic with times.
    #[must_use]
    pub fn delta(self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(i64::from(self.0))
    }
}

impl fmt::Display for Span {
    /// As a person says it, and as [`Span::parse`] takes it without the blanks: `1 h 30 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
        let mut left = self.0;
        let mut first = true;
        for (size, unit) in parts {
            let count = left / size;
            left %= size;
            if count > 0 {
                write!(f, "{}{count} {unit}", if first { "" } else { " " })?;
                first = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_as_people_write_them() {
        let seconds = |text| Span::parse(text).map(Span::seconds);
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("2w"), Ok(1_209_600));
        assert_eq!(seconds("366d"), Ok(MAX_SECONDS));
        assert_eq!(seconds("367d"), Err(SpanError::TooLong));
        assert_eq!(seconds("9999999999s"), Err(SpanError::TooLong));
        assert_eq!(seconds("0h"), Err(SpanError::Zero));
        for bad in ["", "h", "1", "1m1h", "1h1h", "-1h", "1 h", "1x", "1h2", "\u{661}h"] {
            assert!(matches!(seconds(bad), Err(SpanError::Form(_))), "{bad}");
        }
    }

    #[test]
    fn a_span_is_told_as_people_say_it() {
        for (text, said) in [("90s", "1 min 30 s"), ("4h", "4 h"), ("8d", "8 d"), ("2w", "14 d")] {
            assert_eq!(Span::parse(text).unwrap().to_string(), said);
        }
    }
}
