//! Times on the command line.

use super::Failure;
use super::exit::Exit;
use chrono::{DateTime, Duration, Utc};

/// `2026-11-22T10:00:00Z` with any offset, or so long ago: `30d`, `12h`, `15m`, `90s`.
///
/// # Errors
/// Anything else: exit code 2.
pub fn parse(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    ago(text, now).ok_or_else(|| {
        let words = format!(
            "`{text}` is not a time: write 2026-11-22T10:00:00Z, or 30d, 12h, 15m for so long ago"
        );
        Failure::new(Exit::Usage, words).into()
    })
}

fn ago(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    let length = match unit {
        "d" => Duration::try_days(number),
        "h" => Duration::try_hours(number),
        "m" => Duration::try_minutes(number),
        "s" => Duration::try_seconds(number),
        _ => None,
    };
    now.checked_sub_signed(length?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_spans() {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let at = |text| parse(text, now).map(|t| t.to_rfc3339()).ok();
        assert_eq!(at("2026-11-22T10:00:00+01:00").as_deref(), Some("2026-11-22T09:00:00+00:00"));
        assert_eq!(at("2h").as_deref(), Some("2026-11-22T08:00:00+00:00"));
        for bad in ["", "h", "2w", "2026-11-22", "99999999999999999999d", "9223372036854775807d"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
