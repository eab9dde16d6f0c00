//! `[server]`, `[store]`, `[audit]`, `[identity]`, `[global]`.

use super::Check;
use super::holders::Role;
use super::patterns::Reach;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::Holder;
use crate::policy::model::{Reads, Refuse, Require, Settings, SshCa};
use crate::policy::raw::{Table, Word};
use crate::pusher::keys::ssh_fingerprint;
use crate::pusher::source::{Source, SourceError};
use std::collections::BTreeMap;

/// `[server] max-commits-per-push`
const MAX_COMMITS: u32 = 100_000;
const STORE: &str = "/var/lib/refwarden";
const AUDIT: &str = "/var/log/refwarden/audit.jsonl";

impl Check<'_> {
    pub(super) fn settings(&mut self) -> Settings {
        let root = self.root;
        let empty = Table::default();
        let section = |name| root.table(name).unwrap_or(&empty);
        let (server, global) = (section("server"), section("global"));
        if let Some(zone) = server.text("timezone").and_then(|word| self.zone_word(word)) {
            self.zone = zone;
        }
        let secure = server.bool("secure-mode") == Some(true);
        self.secure = server.get("secure-mode").filter(|_| secure).map(|item| item.key);
        let refuse = [("push", Refuse::Push), ("ref", Refuse::Ref)];
        let settings = Settings {
            name: self.line(server, "name"),
            help: self.url(server, "help"),
            timezone: self.zone,
            refuse: self.choice(server, "refuse", &refuse, Refuse::Push),
            max_commits: self.count(server, "max-commits-per-push").unwrap_or(MAX_COMMITS),
            secure: server.bool("secure-mode").unwrap_or_default(),
            home: self.home(server),
            store: self.path_of(section("store"), "path", STORE),
            audit: self.path_of(section("audit"), "file", AUDIT),
            reads: self.reads(section("audit")),
            sources: self.sources_listed(section("identity")),
            ssh_ca: self.authorities(section("identity")),
            require: self.requirements(section("identity")),
            administer: self.rights(global, "administer", Role::GLOBAL),
            auditors: self.rights(global, "audit", Role::GLOBAL),
            max_refs: self.count(global, "max-refs-per-push"),
            bulk_change: self.rights(global, "bulk-change", Role::ADDS),
            access: self.access(section("access")),
            tokens: self.tokens(),
            jira: self.jira(),
            notify: self.notices(),
            shared_store: self.shared_store(section("store")),
        };
        self.secure_sources(section("identity"));
        self.refuse_fits(server, section("identity"), settings.refuse);
        settings
    }

    fn rights(&mut self, global: &Table, key: &str, role: Role) -> Vec<Holder> {
        global.texts(key).map(|words| self.holders(&words, role)).unwrap_or_default()
    }

    fn reads(&mut self, audit: &Table) -> Reads {
        let Some(Word { text, at }) = audit.text("reads") else { return Reads::All };
        Reads::parse(text).unwrap_or_else(|| {
            let message = format!("`reads` is `all` or `1/N`, as in `1/100`, not `{text}`");
            self.report(PolicyCode::UnknownValue, at, message);
            Reads::All
        })
    }

    fn url(&mut self, table: &Table, key: &str) -> Option<Box<str>> {
        let Word { text, at } = table.text(key)?;
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        if !plain || rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            let message = format!("`{key}` is a URL, as in `https://wiki.example.org/git-access`");
            self.report(PolicyCode::BadUrl, at, message);
        }
        Some(text.into())
    }

    /// An absolute path; a relative one starts at the policy's folder.
    fn path_of(&mut self, table: &Table, key: &str, default: &str) -> Box<str> {
        self.path_if_any(table, key).unwrap_or_else(|| default.into())
    }

    /// The same where there is no default.
    pub(super) fn path_if_any(&mut self, table: &Table, key: &str) -> Option<Box<str>> {
        let Word { text, at } = table.text(key)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.report(PolicyCode::BadText, at, format!("`{key}` is not a path"));
        }
        Some(self.sources.absolute(text).into())
    }

    fn sources_listed(&mut self, identity: &Table) -> Vec<Source> {
        let Some(words) = identity.texts("sources") else {
            if !identity.has("sources") {
                let message =
                    "`[identity] sources` lists nothing: every push will be refused (RW101)";
                self.report(PolicyCode::NoSources, At::top(0), message);
            }
            return Vec::new();
        };
        self.not_empty(&words, "sources");
        let mut seen = BTreeMap::new();
        let mut sources = Vec::new();
        for word in words.words {
            let Some(source) = self.source(word) else { continue };
            if let Some(first) = seen.insert(word.text, word.at) {
                let message = format!("`{}` is listed twice", word.text);
                let problem = Problem::new(PolicyCode::SourceTwice, word.at, message);
                self.problems.push(problem.also(first, "it is first listed here"));
                continue;
            }
            sources.push(source);
        }
        sources
    }

    fn source(&mut self, Word { text, at }: Word<'_>) -> Option<Source> {
        match Source::parse(text) {
            Ok(source) => Some(source),
            Err(error) => {
                let problem = Problem::new(PolicyCode::BadSource, at, format!("`{text}`: {error}"));
                match error {
                    SourceError::Unknown if text == "forgejo" => {
                        self.problems.push(problem.help("Forgejo is the source `gitea`"));
                    }
                    SourceError::Unknown
                        if Source::parse(&format!("env:{text}")).is_ok() && is_upper(text) =>
                    {
                        self.problems.push(problem.help(format!("did you mean `env:{text}`?")));
                    }
                    SourceError::Unknown => {
                        self.problems.push_near(problem, text, Source::plain_names(), "");
                    }
                    _ => self.problems.push(problem),
                }
                None
            }
        }
    }

    /// Keys that sign user certificates; a key that is somebody's own is not also an authority.
    fn authorities(&mut self, identity: &Table) -> Vec<SshCa> {
        let words = identity.texts("ssh-ca").map(|words| words.words).unwrap_or_default();
        let mut seen = self.people_s_keys();
        let mut all = Vec::new();
        for Word { text, at } in words {
            let fingerprint = match ssh_fingerprint(text) {
                Ok(fingerprint) => fingerprint,
                Err(error) => {
                    self.report(PolicyCode::BadKey, at, error.to_string());
                    continue;
                }
            };
            if let Some(first) = seen.insert(fingerprint.clone(), at) {
                let message = "this key of an authority is listed twice, or is somebody's own";
                let problem = Problem::new(PolicyCode::Shared, at, message);
                self.problems.push(problem.also(first, "the other one"));
            }
            let line: Vec<&str> = text.split_ascii_whitespace().take(2).collect();
            all.push(SshCa { line: line.join(" ").into(), fingerprint: fingerprint.into() });
        }
        all
    }

    fn people_s_keys(&self) -> BTreeMap<String, At> {
        let users = self.root.named("users").filter_map(|(_, node)| node.table());
        let lists = users.filter_map(|user| user.texts("ssh-keys"));
        let words = lists.flat_map(|words| words.words);
        words.filter_map(|word| Some((ssh_fingerprint(word.text).ok()?, word.at))).collect()
    }

    fn requirements(&mut self, identity: &Table) -> Vec<Require> {
        let mut all = Vec::new();
        for (at, table) in identity.tables("require") {
            self.require(table, at, "source");
            let refs = self.ref_scope(table, Reach::Forbid, true);
            if let Some(source) = table.text("source").and_then(|word| self.source(word)) {
                all.push(Require { place: self.place(at), refs, source });
            }
        }
        all
    }

    /// `refuse = "ref"` rests on the update hook.
    fn refuse_fits(&mut self, server: &Table, identity: &Table, refuse: Refuse) {
        let (Some(word), Refuse::Ref) = (server.text("refuse"), refuse) else { return };
        let listed = identity.texts("sources").map(|words| words.words).unwrap_or_default();
        for source in listed {
            let why = match source.text {
                "gitlab" | "bitbucket" => "runs hooks without `git receive-pack` above them",
                "gitolite" => "has an `update` hook of its own",
                _ => continue,
            };
            let message =
                format!("`refuse = \"ref\"` needs our `update` hook, and `{}` {why}", source.text);
            let problem = Problem::new(PolicyCode::RefuseRef, word.at, message);
            let problem = problem.also(source.at, "the source is listed here");
            self.problems.push(problem.help("write `refuse = \"push\"`"));
        }
    }
}

/// Whether a word is written as variables are.
fn is_upper(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
