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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::push::{Action, RefName};
    use crate::report::{Fate, PushReport, RefReport};
    use gix::ObjectId;

    fn id(digit: &str) -> ObjectId {
        ObjectId::from_hex(digit.repeat(40).as_bytes()).unwrap()
    }

    fn failed(code: Code, subjects: Vec<(Subject, &str)>, count: usize) -> Failed {
        let found = subjects.into_iter();
        let found = found.map(|(subject, words)| Found { subject, words: words.into() });
        Failed { run: 0, rule: 0, code, found: found.collect(), count }
    }

    fn told(lines: Vec<Raw>) -> String {
        let one = RefReport {
            name: RefName::new(b"refs/heads/main"),
            action: Some(Action::Update),
            fate: Fate::Refused(Code::CheckMessage),
            details: lines,
        };
        PushReport { refs: vec![one], ..PushReport::default() }.render()
    }

    #[test]
    fn all_that_a_check_finds_is_told_by_key_with_what_is_left_out_counted() {
        let many = |number: usize| -> Vec<(Subject, &str)> {
            (0..number).map(|_| (Subject::Object(id("a")), "the subject is not found")).collect()
        };
        let messages = failed(Code::CheckMessage, many(10), 27);
        let path = |line| Subject::Path { commit: Some(id("b")), path: "src/a b".into(), line };
        let content = failed(
            Code::CheckContent,
            vec![(path(Some(7)), "private key"), (path(None), "20 MiB")],
            2,
        );
        let name = failed(Code::CheckRefName, vec![(Subject::Ref, "no name of the project")], 1);
        let found = [("subject", &messages), ("content", &content), ("ref-name", &name)];
        let report = CheckReport {
            name: "form",
            place: "policy.toml:84".into(),
            counts: true,
            found: &found,
            unsettled: Some("@staff could not be looked up (down)"),
            help: Some("begin with the key"),
        };
        assert_eq!(
            told(check(&report)),
            "error: push refused by refwarden: the ref is not allowed (nothing was changed)\n\n  \
             refs/heads/main  update  RW401 commit message\n    \
             check form, policy.toml:84:\n      \
             aaaaaaaaaaaa the subject is not found (subject)\n      \
             aaaaaaaaaaaa the subject is not found (subject)\n      \
             aaaaaaaaaaaa the subject is not found (subject)\n      \
             and 24 more (subject)\n      \
             bbbbbbbbbbbb src/a b:7: private key (content)\n      \
             bbbbbbbbbbbb src/a b: 20 MiB (content)\n      \
             no name of the project (ref-name)\n      \
             whether you may go past it can't be told: @staff could not be looked up (down); tell the admin\n      \
             begin with the key\n"
        );
    }

    #[test]
    fn ten_findings_are_shown_and_the_rest_is_a_number() {
        let subjects = vec![(Subject::Object(id("c")), "x"); 10];
        let failed = failed(Code::CheckMessage, subjects, 27);
        let report = CheckReport {
            name: "form",
            place: "policy.toml:84".into(),
            counts: false,
            found: &[("subject", &failed)],
            unsettled: None,
            help: None,
        };
        let lines = check(&report);
        assert_eq!(lines.len(), 12);
        assert_eq!(lines[0], b"check form (warn-only), policy.toml:84:");
        assert_eq!(lines[11], b"  and 17 more (subject)");
    }

    #[test]
    fn what_the_pusher_wrote_leaves_no_control_characters_in_the_report() {
        let path = Subject::Path { commit: None, path: "a\u{1b}[2J\nhint: x".into(), line: None };
        let failed = failed(Code::CheckPath, vec![(path, "\u{202e}bad\r")], 1);
        let report = CheckReport {
            name: "form",
            place: "policy.toml:84".into(),
            counts: true,
            found: &[("forbid-paths", &failed)],
            unsettled: None,
            help: Some("a\tb"),
        };
        let text = told(check(&report));
        assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("hint:")), "{text}");
    }
}
