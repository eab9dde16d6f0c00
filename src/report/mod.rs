//! What the pusher reads: plain ASCII lines, one fact each, bounded.
//!
//! Knows the form of 03-push.md, "The report"; not how the facts came about. Text from outside is
//! handed in raw and is escaped exactly once, here, whatever it is.

mod checks;
mod lines;
mod reasons;

pub use checks::{CheckReport, check};
pub use lines::{MAX_BYTES, MAX_COLUMNS};
pub use reasons::{Background, describe, place, refs, who};

use crate::code::Code;
use crate::push::{Action, RefName};
use lines::Lines;

/// Raw text of one line; escaped when the report is written.
pub type Raw = Vec<u8>;

/// What became of one ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefReport {
    /// Its name.
    pub name: RefName,
    /// What the push would do to it, where that could be told.
    pub action: Option<Action>,
    /// What became of it.
    pub fate: Fate,
    /// Facts that explain it, one a line.
    pub details: Vec<Raw>,
}

/// What became of one ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing against it.
    Ok,
    /// It would have been refused, were it not for `enforce = "warn"`.
    Warned(Code),
    /// Refused.
    Refused(Code),
}

/// A push, as its pusher is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushReport {
    /// The push's id in the audit trail.
    pub id: Option<String>,
    /// Where the site explains itself.
    pub help: Option<String>,
    /// A reason that refuses the push as a whole, and facts about it.
    pub whole: Option<(Code, Vec<Raw>)>,
    /// The push asked for access: what came of it, and facts about it.
    pub asked: Option<(Code, Vec<Raw>)>,
    /// The push is held open until that is answered: it is not refused yet.
    pub held: bool,
    /// Who the pusher was taken to be: one line under the first refused or warned ref.
    pub who: Option<Raw>,
    /// Every ref of the push.
    pub refs: Vec<RefReport>,
    /// Whether refused refs leave the others alone (`refuse = "ref"`).
    pub others_go_on: bool,
    /// What to do next, one hint a line.
    pub hints: Vec<Raw>,
    /// Further facts before the end.
    pub notes: Vec<Raw>,
    /// `update` refuses one ref: of the rest of the push something may have moved.
    pub one_ref: bool,
    /// GitLab's web UI shows only lines that begin with `GL-HOOK-ERR: `.
    pub gitlab: bool,
}

impl PushReport {
    /// The report as it goes to standard error; empty for a push that nothing is to be said of.
    #[must_use]
    pub fn render(&self) -> String {
        let mut lines = Lines::new(if self.gitlab { "GL-HOOK-ERR: " } else { "" });
        if let Some((code, details)) = &self.whole {
            let (what, end) = match self.one_ref {
                true => ("ref", ""),
                false => ("push", " (nothing was changed)"),
            };
            let head = format!("error: {what} refused by refwarden: {code} {}{end}", code.title());
            lines.push(head.as_bytes());
            details.iter().for_each(|detail| lines.indented(2, detail));
            self.who.iter().for_each(|who| lines.indented(2, who));
        } else if let Some((code, details)) = &self.asked {
            let what = if *code == Code::RequestFiled { Code::RequestWaiting } else { *code };
            let head = match self.held {
                true => {
                    format!("push held by refwarden: {} (nothing has changed yet)", what.title())
                }
                false => format!(
                    "error: push refused by refwarden: {} (nothing was changed)",
                    what.title()
                ),
            };
            lines.push(head.as_bytes());
            details.iter().for_each(|detail| lines.indented(2, detail));
        } else {
            self.heading(&mut lines);
        }
        if self.asked.is_none() {
            self.refs(&mut lines);
        }
        self.ending(&mut lines);
        lines.finish()
    }

    fn count(&self, test: impl Fn(Fate) -> bool) -> usize {
        self.refs.iter().filter(|one| test(one.fate)).count()
    }

    fn heading(&self, lines: &mut Lines) {
        let refused = self.count(|fate| matches!(fate, Fate::Refused(_)));
        let warned = self.count(|fate| matches!(fate, Fate::Warned(_)));
        let all = self.refs.len();
        let of = |some: usize| match (some, all) {
            (1, 1) => "the ref".to_owned(),
            (1, _) => format!("1 of {all} refs"),
            (some, _) => format!("{some} of {all} refs"),
        };
        let (is, was) = if refused == 1 { ("is", "was") } else { ("are", "were") };
        if refused > 0 && self.others_go_on && refused < all {
            lines.push(
                format!("error: {} {was} refused by refwarden (the others go on)", of(refused))
                    .as_bytes(),
            );
        } else if refused > 0 {
            let head = format!(
                "error: push refused by refwarden: {} {is} not allowed (nothing was changed)",
                of(refused)
            );
            lines.push(head.as_bytes());
        }
        if warned > 0 {
            lines.push(
                format!(
                    "warning: refwarden would refuse {} (warn-only: the push goes on)",
                    of(warned)
                )
                .as_bytes(),
            );
        }
    }

    fn refs(&self, lines: &mut Lines) {
        let silent = self.count(|fate| fate != Fate::Ok) == 0;
        if silent || self.refs.is_empty() {
            return;
        }
        lines.blank();
        let shown = |one: &&RefReport| one.fate != Fate::Ok;
        let width =
            self.refs.iter().map(|one| one.name.to_string().len()).max().unwrap_or(0).min(48);
        let few = self.refs.len() <= 10;
        let (mut who, mut left) = (self.who.as_ref().filter(|_| self.whole.is_none()), 0_usize);
        for one in self.refs.iter().filter(|one| few || shown(one)) {
            if lines.is_full() {
                left += 1;
                continue;
            }
            lines.escaped(
                2,
                &format!(
                    "{:width$}  {:6}  {}",
                    one.name.to_string(),
                    action(one.action),
                    fate(one.fate)
                ),
            );
            if one.fate != Fate::Ok {
                who.take().into_iter().for_each(|who| lines.indented(4, who));
            }
            one.details.iter().for_each(|detail| lines.indented(4, detail));
        }
        if left > 0 {
            lines.always(&format!("  and {left} more refs"));
        }
    }

    fn ending(&self, lines: &mut Lines) {
        self.notes.iter().for_each(|note| lines.indented(2, note));
        for hint in &self.hints {
            lines.push(&[b"hint: ".as_slice(), hint].concat());
        }
        let end = match (&self.id, &self.help) {
            (Some(id), Some(help)) => format!("push {id}, {help}"),
            (Some(id), None) => format!("push {id}"),
            (None, Some(help)) => help.clone(),
            (None, None) => return,
        };
        if !lines.is_empty() {
            lines.always("");
            lines.always(&end);
        }
    }
}

/// Facts about a push that went through, one a line, wrapped.
#[must_use]
pub fn facts(facts: &[Raw], gitlab: bool) -> String {
    let mut lines = Lines::new(if gitlab { "GL-HOOK-ERR: " } else { "" });
    facts.iter().for_each(|fact| lines.push(fact));
    lines.finish()
}

fn action(action: Option<Action>) -> &'static str {
    action.map_or("-", Action::as_str)
}

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Ok => "ok".into(),
        Fate::Warned(code) => format!("ok, but {code} {}", code.title()),
        Fate::Refused(code) => format!("{code} {}", code.title()),
    }
}

#[cfg(test)]
mod tests;
