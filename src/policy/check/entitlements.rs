//! `[entitlements]`: what people may ask for, its caps, and who lends it.

use super::Check;
use super::grants::exact;
use super::holders::Role;
use super::notify::is_meant;
use super::patterns::Reach;
use super::projects::needs_base;
use super::quorum::People;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::entry::{Enforce, Entry, Holder, Kind};
use crate::policy::model::{
    Approval, Auto, Entitlement, Extend, NoProject, Notify, Project, may_meet, project_of,
};
use crate::policy::name::{EntitlementName, ProjectName};
use crate::policy::pattern::Pattern;
use crate::policy::raw::{Table, Word};
use crate::policy::span::Span;
use crate::policy::window::Window;
use std::collections::BTreeMap;

/// Longest `max-duration`: 90 days, in seconds.
const LONGEST: u32 = 90 * 86_400;
/// `pending`: a day, in seconds.
const PENDING: u32 = 86_400;
/// `max-ahead`: a week, in seconds.
const AHEAD: u32 = 7 * 86_400;
/// Most lists of approvers.
const LISTS: usize = 16;

type Projects = BTreeMap<ProjectName, Project>;

impl Check<'_> {
    pub(super) fn entitlements(
        &mut self,
        projects: &Projects,
        people: &People<'_>,
        notices: &[Notify],
    ) -> BTreeMap<EntitlementName, Entitlement> {
        let root = self.root;
        let mut all = BTreeMap::new();
        for (word, node) in root.named("entitlements") {
            let Some(table) = node.table() else { continue };
            let errors = self.problems.errors();
            let Some(entitlement) = self.entitlement(word, table, node.at, projects) else {
                continue;
            };
            // What is half read seems to lack people who are just misspelt.
            if self.problems.errors() == errors {
                self.may_work(table, node.at, &entitlement, projects, people);
            }
            if entitlement.break_glass {
                self.break_glass(table, node.at, &entitlement, people, notices);
            }
            if let Ok(name) = EntitlementName::parse(word.text) {
                all.insert(name, entitlement);
            }
        }
        all
    }

    fn entitlement(
        &mut self,
        word: Word<'_>,
        table: &Table,
        at: At,
        projects: &Projects,
    ) -> Option<Entitlement> {
        for key in ["eligible", "max-duration"] {
            self.require(table, at, key);
        }
        let entry = self.lendable(word, table, at);
        self.applies_somewhere(table, at);
        let repositories = self.repositories(table);
        self.in_some_project(&repositories, projects);
        let names = self.projects_of(table);
        if needs_base(&entry) {
            self.bases(table, &repositories, projects, "this entitlement has paths");
        }
        let max = self.max_duration(table);
        let default = self.capped(table, "default-duration", table, max);
        let max_until = table.time("max-until").and_then(|(time, at)| self.instant(time, at));
        let max_ahead = self.span(table, "max-ahead").or(Span::of_seconds(AHEAD));
        let pending = self.span(table, "pending").or(Span::of_seconds(PENDING));
        let reasons = [("required", true), ("optional", false)];
        let auto = self.auto(table, max);
        let extend = self.extend(table, max);
        let description = self.line(table, "description");
        let max_uses = self.count(table, "max-uses");
        let reason_required = self.choice(table, "reason", &reasons, true);
        let ticket = self.ticket(table);
        let ticket_status = self.ticket_status(table);
        let approval = self.approval(table, at);
        Some(Entitlement {
            description,
            entry,
            projects: names,
            repositories: repositories.into_iter().map(|(pattern, _)| pattern).collect(),
            max_duration: max?,
            default_duration: default?,
            max_until,
            max_ahead: max_ahead?,
            max_uses,
            pending: pending?,
            reason_required,
            ticket,
            ticket_status,
            approval,
            auto,
            break_glass: table.bool("break-glass").unwrap_or(false),
            pin: table.bool("pin").unwrap_or(false),
            extend,
        })
    }

    /// What it can lend, and as `to` whom.
    fn lendable(&mut self, word: Word<'_>, table: &Table, at: At) -> Entry {
        let permissions = self.permissions(table, at);
        let entry = Entry {
            kind: Kind::Entitlement(word.text.into()),
            place: self.place(at),
            permissions,
            to: Some(self.listed(table, "eligible")),
            except: Vec::new(),
            refs: self.ref_scope(table, Reach::Permit, true),
            paths: self.path_scope(table),
            when: Window::default(),
            checks: self.checks_of(table, at, permissions),
            reason: None,
            enforce: Enforce::Refuse,
            within: None,
        };
        self.scope_fits(table, permissions);
        entry
    }

    fn listed(&mut self, table: &Table, key: &str) -> Vec<Holder> {
        let Some(words) = table.texts(key) else { return Vec::new() };
        self.not_empty(&words, key);
        let holders = self.holders(&words, Role::ADDS);
        // Who asks and who approves does so for a time, not for a ref that names an issue.
        let of_issue =
            |text: &str| matches!(text, "assignee" | "reporter") || text.starts_with("field:");
        for word in words.words.iter().filter(|word| of_issue(word.text)) {
            let message = format!(
                "`{}` is named by an issue, and here is none: it stands in `to` of permits and grants",
                word.text
            );
            self.report(PolicyCode::BadHolder, word.at, message);
        }
        holders
    }

    /// A repository that no project has is asked about in vain.
    pub(super) fn in_some_project(&mut self, repositories: &[(Pattern, At)], projects: &Projects) {
        for (pattern, at) in repositories {
            let found = match exact(pattern) {
                // That is told already.
                Some(name) if name.ends_with(b".git") => true,
                Some(name) => {
                    let all = projects.iter().map(|(name, p)| (name, p.repositories.as_slice()));
                    project_of(name, all) != Err(NoProject::None)
                }
                None => projects.values().any(|project| may_meet(pattern, project)),
            };
            if !found {
                let message = format!("`{pattern}` is in no project: every push to it is refused");
                self.report(PolicyCode::NeverMatches, *at, message);
            }
        }
    }

    fn max_duration(&mut self, table: &Table) -> Option<Span> {
        let span = self.span(table, "max-duration")?;
        if let Some(word) = table.text("max-duration").filter(|_| span.seconds() > LONGEST) {
            let message =
                format!("`max-duration` is {span}: nothing is lent for more than 90 days");
            let help = "what is needed for longer is a permit, or a `[[grants]]` with its own end";
            self.report_help(PolicyCode::OverCap, word.at, message, help);
        }
        Some(span)
    }

    fn auto(&mut self, table: &Table, max: Option<Span>) -> Option<Auto> {
        let auto = table.table("auto")?;
        let (when, cap) = (self.when(auto), self.capped(auto, "max-duration", table, max));
        if !table.has("max-uses")
            && let Some(item) = table.get("auto")
        {
            let message = "`auto` without `max-uses`: one ask opens any number of pushes";
            let help = "write `max-uses = 1`, so that each push has its own line in the trail";
            self.report_help(PolicyCode::AutoUnlimited, item.key, message, help);
        }
        cap.map(|max_duration| Auto { when, max_duration })
    }

    fn extend(&mut self, table: &Table, max: Option<Span>) -> Option<Extend> {
        let extend = table.table("extend")?;
        let times = self.count(extend, "times").unwrap_or(1);
        let max_duration = self.capped(extend, "max-duration", table, max)?;
        Some(Extend { times, max_duration })
    }

    /// `ticket-status`: names of states of the issue that a ticket must be.
    fn ticket_status(&mut self, table: &Table) -> Vec<Box<str>> {
        let Some(item) = table.get("ticket-status") else { return Vec::new() };
        self.needs_jira("`ticket-status`", item.key);
        if !table.has("ticket") {
            let message =
                "`ticket-status` is about the issue that is the ticket: `ticket` says which";
            self.report(PolicyCode::JiraPairs, item.key, message);
        }
        let words = self.one_or_more(table, "ticket-status");
        words.into_iter().map(|word| word.text.into()).collect()
    }

    /// An expression that a ticket must match as a whole.
    fn ticket(&mut self, table: &Table) -> Option<Pattern> {
        let Word { text, at } = table.text("ticket")?;
        if let Some(bare) = text.strip_prefix("regex:") {
            let message = "`ticket` is a regular expression as it stands";
            let help = format!("write `{bare}`");
            self.report_help(PolicyCode::BadTicket, at, message, help);
            return None;
        }
        let expression = format!("regex:{text}");
        if let Err(error) = Pattern::parse(&expression) {
            self.report(PolicyCode::BadTicket, at, format!("`{text}`: {error}"));
            return None;
        }
        let pattern = self.pattern(Word { text: &expression, at }, false)?;
        if pattern.matches(b"", None) != Ok(false) {
            let message = format!("`{text}` matches an empty ticket, so none would be needed");
            self.report(PolicyCode::BadTicket, at, message);
        }
        Some(pattern)
    }

    fn approval(&mut self, table: &Table, at: At) -> Vec<Approval> {
        if !table.has("approval") && !table.has("auto") {
            let message = "`approval` is required here: who says yes";
            let problem = Problem::new(PolicyCode::MissingKey, at, message);
            let help = "write `approval = [{ from = [\"lead\"], count = 1 }]`";
            self.problems.push(problem.help(help));
        }
        if let Some(words) = table.texts("approval") {
            self.not_empty(&words, "approval");
            if table.tables("approval").count() > LISTS {
                let message = format!("`approval` has at most {LISTS} lists");
                self.report(PolicyCode::OutOfRange, words.at, message);
                return Vec::new();
            }
        }
        let mut lists = Vec::new();
        for (at, slot) in table.tables("approval") {
            self.require(slot, at, "from");
            self.no_services(slot);
            let from = self.listed(slot, "from");
            lists.push(Approval { from, count: self.count(slot, "count").unwrap_or(1) });
        }
        lists
    }

    /// A service that is named as an approver would never be one.
    fn no_services(&mut self, slot: &Table) {
        let root = self.root;
        for word in slot.texts("from").map(|words| words.words).unwrap_or_default() {
            let user = root.table("users").and_then(|users| users.table(word.text));
            let kind = user.and_then(|user| user.text("kind"));
            if kind.is_some_and(|kind| kind.text == "service") {
                let message = format!("`{}` is a service, and services never approve", word.text);
                self.report(PolicyCode::BadHolder, word.at, message);
            }
        }
    }

    /// It is taken by a person alone, told to somebody, and looked at afterwards.
    fn break_glass(
        &mut self,
        table: &Table,
        at: At,
        entitlement: &Entitlement,
        people: &People<'_>,
        notices: &[Notify],
    ) {
        let at = table.get("break-glass").map_or(at, |item| item.key);
        if !table.has("approval") {
            let message = "`break-glass` needs `approval`: one of them looks at it afterwards";
            self.report(PolicyCode::BreakGlass, at, message);
        }
        let eligible = entitlement.entry.to.as_deref().unwrap_or_default();
        if people.are_all_services(eligible) {
            let message = "`break-glass` is for people, and only services are eligible here";
            self.report(PolicyCode::BreakGlass, at, message);
        }
        let told = |notice: &Notify| {
            let projects = notice.projects.is_empty()
                || entitlement.projects.is_subset(&notice.projects)
                    && entitlement.repositories.is_empty();
            projects && notice.events.iter().any(|word| is_meant(word, "access.broke-glass"))
        };
        if !notices.iter().any(told) {
            let message = "nobody is told when this glass is broken";
            let help = "add a `[[notify]]` whose `events` have `access.broke-glass`";
            self.report_help(PolicyCode::BreakGlassQuiet, at, message, help);
        }
    }
}
