//! `[access]` and `[[notify]]`: limits of asking, and who is told of what.

use super::Check;
use crate::access::notice::{ENDING, WORDS as EVENTS};
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::model::{AccessSettings, Notify, NotifyTo};
use crate::policy::raw::{Table, Word};
use std::net::IpAddr;

impl Check<'_> {
    pub(super) fn access(&mut self, table: &Table) -> AccessSettings {
        let default = AccessSettings::default();
        AccessSettings {
            max_open: self.count(table, "max-open").unwrap_or(default.max_open),
            max_wait: self.span(table, "max-wait"),
            server_approvals: table.bool("server-approvals").unwrap_or(default.server_approvals),
        }
    }

    pub(super) fn notices(&mut self) -> Vec<Notify> {
        let root = self.root;
        let mut all = Vec::new();
        for (at, table) in root.tables("notify") {
            self.require(table, at, "events");
            let events = self.events(table);
            let projects = self.projects_of(table);
            let before_end = self.span(table, "before-end");
            if let Some(to) = self.notice_to(table, at) {
                self.one_secret(&all, &to, table, at);
                all.push(Notify { place: self.place(at), events, projects, to, before_end });
            }
        }
        all
    }

    /// A receiver is known by its URL: it gets each notice once, signed in one way.
    fn one_secret(&mut self, before: &[Notify], to: &NotifyTo, table: &Table, at: At) {
        let NotifyTo::Url { url, slack, secret_file } = to else { return };
        let differs = |one: &&Notify| match &one.to {
            NotifyTo::Url { url: u, slack: s, secret_file: f } => {
                u == url && s == slack && f != secret_file
            }
            NotifyTo::Command(_) => false,
        };
        if let Some(other) = before.iter().find(differs) {
            let line = other.place.line;
            let at = table.get("secret-file").map_or(at, |item| item.key);
            let message = format!(
                "the `[[notify]]` of line {line} sends to the same `url` with another secret"
            );
            let help = "write the same `secret-file` for both, or another `url`";
            self.report_help(PolicyCode::NotifyTarget, at, message, help);
        }
    }

    fn events(&mut self, table: &Table) -> Vec<Box<str>> {
        let Some(words) = table.texts("events") else { return Vec::new() };
        self.not_empty(&words, "events");
        for Word { text, at } in &words.words {
            if !EVENTS.iter().any(|known| is_meant(text, known)) {
                let message = format!("there is no event `{text}`");
                let problem = Problem::new(PolicyCode::UnknownValue, *at, message);
                let problem = problem.suggest(text, EVENTS.iter().copied(), "");
                let help = problem.help.clone();
                let all = || format!("there are {}", EVENTS.join(", "));
                self.problems.push(problem.help(help.unwrap_or_else(all)));
            }
            if *text == ENDING && !table.has("before-end") {
                let message = format!("`{ENDING}` needs `before-end`: how long before");
                let problem = Problem::new(PolicyCode::MissingKey, *at, message);
                self.problems.push(problem.help("write `before-end = \"10m\"`"));
            }
        }
        words.words.iter().map(|word| word.text.into()).collect()
    }

    fn notice_to(&mut self, table: &Table, at: At) -> Option<NotifyTo> {
        let slack = self.choice(table, "format", &[("slack", true)], false);
        let secret_file = self.path_if_any(table, "secret-file");
        let command = self.command(table, false);
        let url = table.text("url").filter(|word| {
            self.safe_url(
                word.text,
                word.at,
                "`url` is a URL, as in `https://chat.example.org/hook`",
            )
        });
        match (table.get("url"), table.get("command")) {
            (Some(_), Some(second)) => {
                let message = "a notice goes to a `url` or to a `command`, not to both";
                let problem = Problem::new(PolicyCode::NotifyTarget, second.key, message);
                self.problems.push(problem.help("write a `[[notify]]` for each"));
            }
            (None, None) => {
                let message = "`url` or `command` is required: where the notice goes";
                self.report(PolicyCode::NotifyTarget, at, message);
            }
            (None, Some(_)) => {
                for item in ["format", "secret-file"].iter().filter_map(|key| table.get(key)) {
                    let message = "this goes with `url` alone: a command gets plain JSON";
                    self.report(PolicyCode::NotifyTarget, item.key, message);
                }
            }
            (Some(_), None) => {}
        }
        match (url, command) {
            (Some(Word { text, .. }), _) => {
                Some(NotifyTo::Url { url: text.into(), slack, secret_file })
            }
            (None, argv) => argv.map(NotifyTo::Command),
        }
    }

    /// Whether a text is a URL that secrets may go to: https, or http to this very host. `what`
    /// is said where it is no URL.
    pub(super) fn safe_url(&mut self, text: &str, at: At, what: &str) -> bool {
        let Some(address) = address(text) else {
            self.report(PolicyCode::BadUrl, at, what);
            return false;
        };
        if address.host.contains('@') {
            let message =
                "a URL here can't hold a user or password: the policy is no place for secrets";
            self.report(PolicyCode::BadUrl, at, message);
            return false;
        }
        if !address.tls && !address.is_loopback() {
            let message =
                format!("`{text}` would be sent unencrypted: http is for this host alone");
            let help = format!("write `https://{}{}`", address.host, address.rest);
            self.report_help(PolicyCode::PlainHttp, at, message, help);
            return false;
        }
        true
    }
}

/// Whether a word of `events` means an event: it is the event's, or its beginning and `*`.
pub(super) fn is_meant(word: &str, event: &str) -> bool {
    word == event || word.strip_suffix('*').is_some_and(|begin| event.starts_with(begin))
}

/// A URL in parts.
pub(super) struct Address<'a> {
    tls: bool,
    /// With the port, and whatever stands before an `@`.
    host: &'a str,
    /// From the first slash, `?` or `#` on.
    pub rest: &'a str,
}

/// The parts of a URL of plain ASCII.
pub(super) fn address(text: &str) -> Option<Address<'_>> {
    let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return None,
    };
    // Programs differ in what they make of a backslash.
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    (plain && !host.is_empty() && !host.starts_with(':')).then_some(Address { tls, host, rest })
}

impl Address<'_> {
    /// Whether it can't leave this host.
    fn is_loopback(&self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(inner) => inner.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_only_looks_like_this_host_is_another() {
        let loopback = |text| address(text).is_some_and(|address| address.is_loopback());
        for own in [
            "http://127.0.0.1",
            "http://localhost:80/x",
            "http://[::1]:2379/",
            "http://127.9.9.9?x",
        ] {
            assert!(loopback(own), "{own}");
        }
        for other in [
            "http://127.0.0.1.example.org/",
            "http://localhost.example.org",
            "http://0.0.0.0/",
            "http://10.0.0.1",
            "http://2130706433/",
            "http://[::2]/",
            "http://example.org#@127.0.0.1",
            "http://example.org/127.0.0.1",
            "http://127.0.0.1\\@example.org/",
        ] {
            assert!(!loopback(other), "{other}");
        }
        // A user before the host: `safe_url` refuses all of them.
        assert!(address("http://127.0.0.1@example.org/").is_some_and(|one| one.host.contains('@')));
        for none in ["ftp://a", "https://", "https:///x", "https://:80", "https://a b", "x"] {
            assert!(address(none).is_none(), "{none}");
        }
    }

    #[test]
    fn every_event_of_a_record_that_people_care_about_can_be_told() {
        for internal in ["reserved", "released"] {
            assert!(!EVENTS.contains(&format!("access.{internal}").as_str()));
        }
        assert!(is_meant("access.*", "access.used") && is_meant("*", "access.used"));
        assert!(!is_meant("access.u", "access.used") && is_meant("access.used", "access.used"));
    }
}
