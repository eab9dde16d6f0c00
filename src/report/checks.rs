//! Checks that fail, in words: all that was found, by check, a few lines each.

use super::Raw;
use crate::check::{Failed, Found, KEPT, Subject};

/// Digits of an object's id that are shown.
const DIGITS: usize = 12;

/// A check that fails on a ref.
#[derive(Debug, Clone)]
pub struct CheckReport<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is written: `policy.toml:84`.
    pub place: String,
    /// Whether it refuses.
    pub counts: bool,
    /// The keys of the check that found something, and what.
    pub found: &'a [(&'a str, &'a Failed)],
    /// Why it can't be told whether the pusher may go past it.
    pub unsettled: Option<&'a str>,
    /// The admin's words.
    pub help: Option<&'a str>,
}

/// The facts, a line each: at most ten findings, and how many more there are.
#[must_use]
pub fn check(report: &CheckReport<'_>) -> Vec<Raw> {
    let warns = if report.counts { "" } else { " (warn-only)" };
    let mut lines = vec![format!("check {}{warns}, {}:", report.name, report.place).into_bytes()];
    let each = KEPT.checked_div(report.found.len()).unwrap_or(KEPT).max(1);
    for (key, failed) in report.found {
        let shown = failed.found.iter().take(each);
        lines.extend(shown.map(|found| line(key, found)));
        let more = failed.count.saturating_sub(failed.found.len().min(each));
        if more > 0 {
            lines.push(format!("  and {more} more ({key})").into_bytes());
        }
    }
    lines.extend(report.unsettled.map(|why| {
        format!("  whether you may go past it can't be told: {why}; tell the admin").into_bytes()
    }));
    lines.extend(report.help.map(|help| format!("  {help}").into_bytes()));
    lines
}

/// `  1a2b3c4d5e6f the subject is not … (subject)`
fn line(key: &str, found: &Found) -> Raw {
    let mut line = b"  ".to_vec();
    match &found.subject {
        Subject::Ref => {}
        Subject::Object(id) => line.extend(format!("{} ", id.to_hex_with_len(DIGITS)).bytes()),
        Subject::Path { commit, path, line: number } => {
            line.extend(
                commit
                    .iter()
                    .flat_map(|id| format!("{} ", id.to_hex_with_len(DIGITS)).into_bytes()),
            );
            line.extend(path.iter());
            line.extend(number.iter().flat_map(|number| format!(":{number}").into_bytes()));
            line.extend(b": ");
        }
    }
    line.extend(&found.words);
    line.extend(format!(" ({key})").bytes());
    line
}
