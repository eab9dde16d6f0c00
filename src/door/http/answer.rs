//! An answer that the door gives itself, as a CGI writes one.
//!
//! Knows the statuses and the words that go with them; not when which is due. Words are plain ASCII
//! text, which git shows its user; no HTML, which git does not show.

use super::request::Bad;
use crate::hook::Refusal;
use crate::text::Safe;
use std::io::Write;
use std::time::Duration;

/// Longest line of words, in bytes.
const MAX_LINE: usize = 400;
/// Longest words for a program, in bytes.
const MAX_WORDS: usize = 2000;
const JSON: &str = "application/json";

/// A status, headers and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    content_type: &'static str,
    body: String,
}

impl Answer {
    /// Lines of text with a status.
    #[must_use]
    pub fn text<'a>(status: &'static str, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let safe = lines.into_iter().map(|line| Safe::new(line.as_bytes(), MAX_LINE));
        let body = safe.map(|line| format!("{line}\n")).collect();
        Self { status, headers: Vec::new(), content_type: "text/plain; charset=utf-8", body }
    }

    /// JSON with a status.
    #[must_use]
    pub fn json(status: &'static str, text: String) -> Self {
        Self { status, headers: Vec::new(), content_type: JSON, body: text + "\n" }
    }

    /// An error, as programs read it.
    #[must_use]
    pub fn error(status: &'static str, words: &str) -> Self {
        let words = Safe::new(words.as_bytes(), MAX_WORDS);
        let error = serde_json::json!({ "code": code(status), "message": words.as_str() });
        Self::json(status, serde_json::json!({ "error": error }).to_string())
    }

    /// The same answer as programs read it, with the challenge that is for them: no browser asks its
    /// user for a password because of it.
    #[must_use]
    pub fn for_programs(self) -> Self {
        if self.content_type == JSON {
            return self;
        }
        let lines = self.body.lines();
        let lines = lines.map(|line| line.strip_prefix(PREFIX).unwrap_or(line));
        let words = lines.collect::<Vec<_>>().join("; ");
        let headers = self.headers.into_iter().map(|(name, value)| match name {
            "WWW-Authenticate" => {
                let value = value.split(", charset").next().unwrap_or_default();
                (name, value.replacen("Basic ", "Bearer ", 1))
            }
            _ => (name, value),
        });
        Self { headers: headers.collect(), ..Self::error(self.status, &words) }
    }

    /// With one more header; its value is ours, or made safe by the caller.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The client must say who it is, or what it said does not do.
    #[must_use]
    pub fn who_are_you<'a>(realm: &str, lines: impl IntoIterator<Item = &'a str>) -> Self {
        let realm: String =
            realm.chars().filter(|c| c.is_ascii_graphic() && !"\"\\".contains(*c)).collect();
        let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
        Self::text("401 Unauthorized", lines).with("WWW-Authenticate", challenge)
    }

    /// Known, and no.
    #[must_use]
    pub fn forbidden<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        Self::text("403 Forbidden", lines)
    }

    /// Too many guesses.
    #[must_use]
    pub fn too_many(after: Duration) -> Self {
        let seconds = after.as_secs().max(1);
        let words = format!(
            "error: refused by refwarden: too many failed logins from your address, try again in {seconds} s"
        );
        Self::text("429 Too Many Requests", [words.as_str()])
            .with("Retry-After", seconds.to_string())
    }

    /// A request that can't be answered.
    #[must_use]
    pub fn bad(bad: Bad) -> Self {
        let words = format!("error: refused by refwarden: {bad}");
        let answer = |status| Self::text(status, [words.as_str()]);
        match bad {
            Bad::NoRequest | Bad::Address | Bad::Length => answer("400 Bad Request"),
            Bad::NoSuchAddress => answer("404 Not Found"),
            Bad::Method(takes) => answer("405 Method Not Allowed").with("Allow", takes.to_owned()),
            Bad::Type => answer("415 Unsupported Media Type"),
        }
    }

    /// Something on the server keeps the door from deciding: that is a no.
    #[must_use]
    pub fn server(refusal: &Refusal) -> Self {
        let head =
            format!("error: refused by refwarden: {} {}", refusal.code, refusal.code.title());
        let details = refusal.details.iter().map(|line| String::from_utf8_lossy(line).into_owned());
        let lines: Vec<String> = std::iter::once(head).chain(details).collect();
        Self::text("503 Service Unavailable", lines.iter().map(String::as_str))
    }

    /// The status, as it stands in the answer's head.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        self.status
    }

    /// Writes it; a request by `HEAD` gets no body.
    ///
    /// # Errors
    /// The web server is gone.
    pub fn write(&self, to: &mut impl Write, has_body: bool) -> std::io::Result<()> {
        let mut text = format!("Status: {}\r\n", self.status);
        let length = self.body.len().to_string();
        // Whatever a reader may see of one another's answers must not lie in a cache.
        let fixed = [
            ("Content-Type", self.content_type),
            ("Content-Length", &length),
            ("Cache-Control", "no-cache, no-store, max-age=0"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in fixed.into_iter().chain(own) {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        if has_body {
            text.push_str(&self.body);
        }
        to.write_all(text.as_bytes())?;
        to.flush()
    }
}

/// What words for people begin with.
const PREFIX: &str = "error: refused by refwarden: ";

/// The word for a status; stable.
fn code(status: &str) -> &'static str {
    match status.get(..3) {
        Some("400") => "bad_request",
        Some("401") => "unauthorized",
        Some("403") => "forbidden",
        Some("404") => "not_found",
        Some("405") => "method_not_allowed",
        Some("408") => "too_slow",
        Some("409") => "conflict",
        Some("413") => "too_large",
        Some("415") => "unsupported_media_type",
        Some("429") => "too_many_requests",
        Some("503") => "unavailable",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    fn written(answer: &Answer, has_body: bool) -> String {
        let mut bytes = Vec::new();
        answer.write(&mut bytes, has_body).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_answer_is_what_a_cgi_writes() {
        let text = written(&Answer::who_are_you("git.example.org", ["error: who?"]), true);
        let expected = "Status: 401 Unauthorized\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 12\r\n\
            Cache-Control: no-cache, no-store, max-age=0\r\nX-Content-Type-Options: nosniff\r\n\
            WWW-Authenticate: Basic realm=\"git.example.org\", charset=\"UTF-8\"\r\n\r\nerror: who?\n";
        assert_eq!(text, expected);
        assert!(written(&Answer::forbidden(["no"]), false).ends_with("\r\n\r\n"));
    }

    #[test]
    fn no_text_of_a_client_becomes_a_header_or_a_second_line() {
        let evil = "x\"\r\nSet-Cookie: a=b\r\n\r\n<script>\x1b[31m\u{202e}";
        for answer in [
            Answer::who_are_you(evil, [evil]),
            Answer::forbidden([evil]),
            Answer::server(&Refusal::new(Code::Store, [evil])),
            Answer::error("400 Bad Request", evil),
            Answer::forbidden([evil]).for_programs(),
        ] {
            let text = written(&answer, true);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.lines().all(|line| !line.starts_with("Set-Cookie")), "{text}");
            assert!(!body.contains(['\r', '\x1b', '\u{202e}']), "{text}");
            assert!(body.lines().all(|line| !line.starts_with("Set-Cookie")), "{text}");
        }
    }

    #[test]
    fn programs_are_told_the_same_as_json() {
        let text = written(
            &Answer::who_are_you("git", ["error: refused by refwarden: who?"]).for_programs(),
            true,
        );
        assert!(
            text.starts_with("Status: 401 Unauthorized\r\nContent-Type: application/json\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nWWW-Authenticate: Bearer realm=\"git\"\r\n"), "{text}");
        let body = text.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(body, "{\"error\":{\"code\":\"unauthorized\",\"message\":\"who?\"}}\n");
        let json = Answer::json("200 OK", "{}".into());
        assert_eq!(json.clone().for_programs(), json);
    }

    #[test]
    fn every_bad_request_has_its_status() {
        for (bad, status) in [
            (Bad::Address, "400 "),
            (Bad::Length, "400 "),
            (Bad::NoSuchAddress, "404 "),
            (Bad::Method("POST"), "405 "),
            (Bad::Type, "415 "),
        ] {
            assert!(written(&Answer::bad(bad), true).starts_with(&format!("Status: {status}")));
        }
        assert!(written(&Answer::bad(Bad::Method("POST")), true).contains("\r\nAllow: POST\r\n"));
        let text = written(&Answer::too_many(Duration::ZERO), true);
        assert!(text.contains("\r\nRetry-After: 1\r\n"), "{text}");
    }
}
