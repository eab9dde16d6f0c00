//! A record and what its events make of it; how each event moves it stands in [`mod@step`].
//!
//! What is `closed` was closed by an event. That a grant is active, ended or used up, and that a
//! request went unanswered, is computed from the time at every look: nothing depends on a job.

use super::event::{Actor, Event, Terms, What};
use super::id::Id;
use super::request::Request;
use crate::policy::name::UserName;
use crate::policy::span::Span;
use crate::policy::window::Zone;
use crate::policy::zone;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

mod step;

pub use step::step;

/// An id and its events, all of them: a gap is an error, because what is missing might have closed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id.
    pub id: Id,
    /// Oldest first.
    pub events: Vec<Event>,
}

impl Record {
    /// How many events there are: what a compare-and-swap compares.
    #[must_use]
    pub fn version(&self) -> u32 {
        u32::try_from(self.events.len()).unwrap_or(u32::MAX)
    }

    /// What the events make of it.
    ///
    /// # Errors
    /// [`Illegal`]: the stored events are not a history, so the record lends nothing.
    pub fn state(&self) -> Result<State, Illegal> {
        let mut events = self.events.iter();
        let first = events.next().ok_or_else(Illegal::nothing)?;
        let begun = State::begin(first)?;
        events.try_fold(begun, step)
    }
}

/// What the stored events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has decided.
    Pending,
    /// Lent within these limits; `until` is that of the last extension.
    Approved(Terms),
    /// Nothing moves it again.
    Closed,
}

/// More time, asked for and not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// How much more.
    pub duration: Span,
    /// The holder's own words.
    pub reason: Option<String>,
    /// From this instant on it is unanswered.
    pub pending_until: DateTime<Utc>,
    /// Who said yes so far.
    pub approvals: Vec<(Actor, DateTime<Utc>)>,
}

/// Uses of a grant with `max-uses`, by push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Put aside by pushes under way: the host that settles each, and since when.
    pub reserved: BTreeMap<String, (String, DateTime<Utc>)>,
    /// Landed.
    pub spent: u32,
}

impl Uses {
    /// Spent or put aside.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.spent.saturating_add(u32::try_from(self.reserved.len()).unwrap_or(u32::MAX))
    }
}

/// A record as its events leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What was asked for.
    pub request: Request,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// Who asked, by which evidence.
    pub asked_by: Actor,
    /// Who said yes.
    pub approvals: Vec<(Actor, DateTime<Utc>)>,
    /// What the events say.
    pub phase: Phase,
    /// The grant's limits, once it was approved; also of a closed one.
    pub terms: Option<Terms>,
    /// More time, asked for and not decided.
    pub extension: Option<Extension>,
    /// How often it was extended.
    pub extensions: u32,
    /// Uses, where they are counted.
    pub uses: Uses,
    /// Taken without approval and not attested yet.
    pub unattested: bool,
    /// What moved it last, by whom, when: told to whoever comes too late.
    pub last: (&'static str, Actor, DateTime<Utc>),
}

/// What a record is at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Waits for an answer.
    Pending,
    /// Nobody answered in time.
    Unanswered,
    /// Approved for later.
    Scheduled,
    /// Lends its scope now.
    Active,
    /// Its end has come.
    Ended,
    /// Every use is spent or put aside.
    UsedUp,
    /// Denied, withdrawn, revoked or returned: the state's `last` says which.
    Closed,
}

impl Standing {
    /// As a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Unanswered => "unanswered",
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Ended => "ended",
            Self::UsedUp => "used up",
            Self::Closed => "closed",
        }
    }
}

/// A move that the record's state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told(Zone::default()))]
pub struct Illegal {
    /// Why, and who moved it before.
    pub words: String,
    /// When that was; it ends the words.
    pub at: Option<DateTime<Utc>>,
}

impl Illegal {
    fn nothing() -> Self {
        Self::because("the record has no request")
    }

    fn because(words: impl Into<String>) -> Self {
        Self { words: words.into(), at: None }
    }

    fn at(words: impl Into<String>, at: DateTime<Utc>) -> Self {
        Self { words: words.into(), at: Some(at) }
    }

    /// As a line, its time by the site's clock.
    #[must_use]
    pub fn told(&self, zone: Zone) -> String {
        let at = self.at.map(|at| format!(" {}", zone::told(at, zone))).unwrap_or_default();
        format!("{}{at}", self.words)
    }
}

impl State {
    /// The state that the first event makes.
    ///
    /// # Errors
    /// It is not a request.
    pub fn begin(first: &Event) -> Result<Self, Illegal> {
        let What::Requested(request) = &first.what else { return Err(Illegal::nothing()) };
        Ok(Self {
            request: (**request).clone(),
            asked_at: first.at,
            asked_by: first.by.clone(),
            approvals: Vec::new(),
            phase: Phase::Pending,
            terms: None,
            extension: None,
            extensions: 0,
            uses: Uses::default(),
            unattested: false,
            last: (first.what.word(), first.by.clone(), first.at),
        })
    }

    /// What it is at `now`.
    #[must_use]
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        match &self.phase {
            Phase::Closed => Standing::Closed,
            Phase::Pending if now >= self.request.pending_until => Standing::Unanswered,
            Phase::Pending => Standing::Pending,
            Phase::Approved(terms) if now >= terms.until => Standing::Ended,
            Phase::Approved(terms) if self.is_used_up(terms) => Standing::UsedUp,
            Phase::Approved(terms) if now < terms.from => Standing::Scheduled,
            Phase::Approved(_) => Standing::Active,
        }
    }

    /// Whether an answer to more time is still possible at `now`.
    #[must_use]
    pub fn extension_pending(&self, now: DateTime<Utc>) -> Option<&Extension> {
        let live = matches!(&self.phase, Phase::Approved(terms) if now < terms.until);
        self.extension.as_ref().filter(|asked| live && now < asked.pending_until)
    }

    /// Uses that are left; `None` has no limit.
    #[must_use]
    pub fn uses_left(&self) -> Option<u32> {
        let max = self.terms.as_ref()?.max_uses?;
        Some(max.saturating_sub(self.uses.taken()))
    }

    fn is_used_up(&self, terms: &Terms) -> bool {
        terms.max_uses.is_some_and(|max| self.uses.taken() >= max)
    }

    fn moved_before(&self, wanted: &str) -> Illegal {
        Illegal::at(format!("it can't be {wanted}: {},", self.moved()), self.last.2)
    }

    /// What moved it last, and who: `it was returned by bob`.
    #[must_use]
    pub fn moved(&self) -> String {
        let (word, by, _) = &self.last;
        match *word {
            "requested" => format!("it was asked for by {by}"),
            "broke-glass" => format!("it was taken by breaking glass, by {by}"),
            "extension-asked" => format!("more time was asked for by {by}"),
            "extension-approved" => format!("{by} said yes to more time"),
            "extension-denied" => format!("more time was denied by {by}"),
            word => format!("it was {word} by {by}"),
        }
    }

    fn pending(&self, event: &Event) -> Result<(), Illegal> {
        match self.phase {
            Phase::Pending if event.at < self.request.pending_until => Ok(()),
            Phase::Pending => {
                Err(Illegal::at("ask again: nobody answered until", self.request.pending_until))
            }
            _ => Err(self.moved_before(event.what.word())),
        }
    }

    fn lent(&self, event: &Event) -> Result<&Terms, Illegal> {
        match &self.phase {
            Phase::Approved(terms) if event.at < terms.until => Ok(terms),
            Phase::Approved(terms) => Err(Illegal::at("the grant ended", terms.until)),
            Phase::Pending => Err(Illegal::because("it is not approved yet")),
            Phase::Closed => Err(self.moved_before(event.what.word())),
        }
    }

    fn is_asker(&self, actor: &Actor) -> bool {
        actor.user.as_ref() == Some(&self.request.person)
    }

    fn by_asker(&self, event: &Event) -> Result<(), Illegal> {
        match self.is_asker(&event.by) {
            true => Ok(()),
            false => Err(Illegal::because(format!(
                "only {} can do that: it is their own request",
                self.request.person
            ))),
        }
    }

    /// As [`Self::by_another`], or the server itself: a no takes nothing from anybody's quorum.
    fn by_another_or_server(&self, event: &Event) -> Result<(), Illegal> {
        match event.by.user.is_none() && event.by.server.is_some() {
            true => Ok(()),
            false => self.by_another(event, &[]),
        }
    }

    /// Somebody else, whom nobody mistakes for the asker: another name and another key.
    fn by_another(&self, event: &Event, before: &[(Actor, DateTime<Utc>)]) -> Result<(), Illegal> {
        let Some(user) = &event.by.user else {
            return Err(Illegal::because("only a person can approve"));
        };
        let same_key = event.by.key.is_some() && event.by.key == self.asked_by.key;
        if self.is_asker(&event.by) || same_key {
            let words = match &event.what {
                What::Attested { .. } => "nobody attests what they took themselves",
                What::Denied { .. } => "nobody denies their own request: withdraw it",
                _ => "nobody approves their own request",
            };
            return Err(Illegal::because(words));
        }
        let voted = |(actor, _): &(Actor, _)| actor.user.as_ref() == Some(user);
        match before.iter().any(voted) {
            true => Err(Illegal::because(format!("{user} approved it before"))),
            false => Ok(()),
        }
    }
}

/// Who holds a grant by the record, if it lends anything at `now`.
#[must_use]
pub fn holder(state: &State, now: DateTime<Utc>) -> Option<&UserName> {
    (state.standing(now) == Standing::Active).then_some(&state.request.person)
}

#[cfg(test)]
mod tests;
