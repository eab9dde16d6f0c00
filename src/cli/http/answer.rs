//! How a verb ended, as a status and JSON.

use crate::cli::exit::Exit;
use crate::cli::out::{Kept, json_line};
use crate::cli::{Failure, said};
use crate::code::Code;
use crate::door::http::answer::Answer;
use crate::door::http::failed;
use crate::hook::Refusal;
use crate::hook::desk::Desk;
use crate::os::syslog::{self, Severity};
use crate::text::Safe;
use serde_json::Value;

/// A value with a status of success.
#[must_use]
pub fn value(status: &'static str, value: &Value) -> Answer {
    Answer::json(status, json_line(value))
}

/// What a verb said, where it did not fail; `done` is the status of success.
#[must_use]
pub fn of(exit: Exit, done: &'static str, kept: &Kept) -> Answer {
    match (exit, kept.values.first()) {
        (Exit::Done, Some(first)) => value(done, first),
        (Exit::Waiting, Some(first)) => value("202 Accepted", first),
        (exit, first) => Answer::error(status(exit), &words(first, &kept.notes)),
    }
}

/// Why it was not done, where only what was said tells.
fn words(value: Option<&Value>, notes: &[String]) -> String {
    if !notes.is_empty() {
        return notes.join("; ");
    }
    let text = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_str);
    match (text("id"), text("state")) {
        (Some(id), Some(state)) => format!("{id} is {state}"),
        _ => "it was not done".into(),
    }
}

/// The status that an exit code has.
const fn status(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "200 OK",
        Exit::Waiting => "202 Accepted",
        Exit::Usage => "400 Bad Request",
        Exit::Refused => "403 Forbidden",
        Exit::NotFound => "404 Not Found",
        Exit::Unavailable => "503 Service Unavailable",
        Exit::Failed | Exit::PolicyInvalid => "500 Internal Server Error",
    }
}

/// An error: the client's own in words, the server's in its log and as a code.
#[must_use]
pub fn error(desk: &Desk, error: &anyhow::Error) -> Answer {
    match error.downcast_ref::<Failure>() {
        Some(failure) if failure.is_conflict => Answer::error("409 Conflict", &failure.words),
        Some(failure) if failure.exit != Exit::Unavailable => {
            Answer::error(status(failure.exit), &as_fields(&failure.words))
        }
        _ => {
            let line = format!("http door of {}: {}", desk.site.account, said(error));
            let _ = syslog::send(Severity::Error, Safe::new(line.as_bytes(), 4000).as_str());
            let words = "tell the server's admin: `refwarden doctor` shows what is wrong";
            failed(&Refusal::new(Code::Store, [words])).for_programs()
        }
    }
}

/// Verbs speak of options where a program gave fields.
fn as_fields(words: &str) -> String {
    let options = [
        ("--idempotency-key", "`Idempotency-Key`"),
        ("--ticket ID", "`ticket`"),
        ("--ticket", "`ticket`"),
        ("--reason", "`reason`"),
        ("--note", "`note`"),
        ("--for", "`for`"),
        ("--user", "`user`"),
        ("--entitlement", "`entitlement`"),
        ("--ref", "`ref`"),
    ];
    options.iter().fold(words.to_owned(), |words, (option, field)| words.replace(option, field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(value: Option<Value>, notes: &[&str]) -> Kept {
        let notes = notes.iter().map(ToString::to_string).collect();
        Kept { values: value.into_iter().collect(), notes }
    }

    #[test]
    fn every_exit_code_has_its_status() {
        let record = kept(Some(json!({ "id": "7f3k-92qd", "state": "denied" })), &[]);
        for (exit, expected) in [
            (Exit::Done, "201 Created"),
            (Exit::Waiting, "202 Accepted"),
            (Exit::Refused, "403 Forbidden"),
            (Exit::Unavailable, "503 Service Unavailable"),
            (Exit::Failed, "500 Internal Server Error"),
            (Exit::NotFound, "404 Not Found"),
            (Exit::Usage, "400 Bad Request"),
        ] {
            assert_eq!(of(exit, "201 Created", &record).status(), expected);
        }
        assert_eq!(words(record.values.first(), &[]), "7f3k-92qd is denied");
        assert_eq!(words(None, &kept(None, &["a", "b"]).notes), "a; b");
    }

    #[test]
    fn words_about_options_are_about_fields() {
        assert_eq!(as_fields("give --reason and --ticket ID"), "give `reason` and `ticket`");
        assert_eq!(as_fields("--for: no"), "`for`: no");
    }
}
