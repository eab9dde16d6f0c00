//! The tokens as one caller may see and change them.
//!
//! Knows whose tokens somebody may look at, take back and make; what a token is stands in
//! `pusher::token`.

use super::{Exit, Failure};
use crate::audit::{Event, Record, Text};
use crate::cli::access::Office;
use crate::cli::access::failure::{damaged, ledger_failure, store_failure};
use crate::hook::ledger::{self, LedgerError, Made};
use crate::hook::token_ledger::TokenLedger;
use crate::hook::tokens;
use crate::policy::diag;
use crate::policy::model::TokenSettings;
use crate::policy::name::UserName;
use crate::pusher::token::{KEY, Terms, Token, TokenId};
use crate::store::open::Mode;
use crate::store::tokens::{Change, TokenStore};
use crate::text::Safe;
use chrono::{DateTime, Utc};

/// The table beside whoever asks.
pub(super) struct Book<'a> {
    pub(super) office: &'a Office<'a>,
    pub(super) store: TokenStore,
}

impl<'a> Book<'a> {
    /// Opens the table, held against the trail; one that is only to take tokens back from is opened
    /// as it is.
    pub(super) fn open(office: &'a Office<'a>, mode: Mode, takes: bool) -> anyhow::Result<Self> {
        let here = office.here;
        let (site, settings) = (&here.site, here.settings());
        let opened = match takes {
            true => TokenStore::open(&site.state, site.account_uid, mode).map_err(Into::into),
            false => tokens::opened(site, settings, &here.trail(), mode),
        };
        let opened = opened.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
        let store = opened.ok_or_else(|| {
            let words = "this host has no store of tokens yet: run `refwarden store init`";
            Failure::new(Exit::Unavailable, words)
        })?;
        Ok(Self { office, store })
    }

    /// `[tokens]` of the policy.
    pub(super) fn settings(&self) -> anyhow::Result<&TokenSettings> {
        self.office.here.settings().tokens.as_ref().ok_or_else(|| {
            let words = "tokens are off on this server: the policy has no `[tokens] max-lifetime`";
            Failure::new(Exit::Refused, words).into()
        })
    }

    /// An active user, by the name that was typed.
    pub(super) fn user(&self, text: &str) -> anyhow::Result<UserName> {
        let name = UserName::parse(text)
            .map_err(|error| Failure::new(Exit::Usage, format!("--user: {error}")))?;
        if self.office.here.policy.user(&name).map_err(damaged)?.is_some() {
            return Ok(name);
        }
        let words = format!("there is no user `{name}`{}", self.office.nearest_user(name.as_str()));
        Err(Failure::new(Exit::NotFound, words).into())
    }

    /// Whose tokens a verb is about: who is named, else whoever acts.
    pub(super) fn whose(&self, named: Option<&str>) -> anyhow::Result<UserName> {
        match (named, self.office.caller.person()) {
            (Some(text), _) => self.user(text),
            (None, Some(person)) => Ok(person.clone()),
            (None, None) => {
                let words = "on the server a token is made for somebody: say who with --user NAME";
                Err(Failure::new(Exit::Usage, words).into())
            }
        }
    }

    /// Whether the one who acts may look at a user's tokens, and take them back: their own, those of
    /// their services, all of them for the server and who administers.
    pub(super) fn may_see(&self, user: &UserName) -> anyhow::Result<bool> {
        let Some(person) = self.office.caller.person() else {
            return Ok(self.office.caller.is_server());
        };
        Ok(person == user || self.is_own_service(person, user)? || self.administers()?)
    }

    fn administers(&self) -> anyhow::Result<bool> {
        self.office.is_among(&self.office.here.settings().administer, None)
    }

    fn is_own_service(&self, person: &UserName, user: &UserName) -> anyhow::Result<bool> {
        let user = self.office.here.policy.user(user).map_err(damaged)?;
        Ok(user.is_some_and(|user| {
            user.declared.service && user.declared.owner.as_ref() == Some(person)
        }))
    }

    /// That the one who acts may make a token of a user: whoever sees its secret can be that user,
    /// so for a person it is themselves alone, or the server, which is marked.
    pub(super) fn may_make(&self, user: &UserName) -> anyhow::Result<()> {
        let office = self.office;
        if office.caller.actor.key.as_deref().is_some_and(|key| key.starts_with(KEY)) {
            let words = "a token makes no token: come by ssh, or ask the server's admin";
            return Err(Failure::new(Exit::Refused, words).into());
        }
        let Some(declared) = office.people.active(user).map_err(damaged)? else {
            let words = format!("`{user}` is not an active user of the policy");
            return Err(Failure::new(Exit::Refused, words).into());
        };
        let Some(person) = office.caller.person() else { return Ok(()) };
        if person == user || self.is_own_service(person, user)? {
            return Ok(());
        }
        let words = match declared.service {
            true if self.administers()? => return Ok(()),
            true => format!("{user} is a service of somebody else: its owner makes its tokens"),
            false => format!("nobody makes a token of another person: {user} makes their own"),
        };
        Err(Failure::new(Exit::Refused, words).into())
    }

    /// A token that the one who acts may see.
    pub(super) fn token(&self, text: &str) -> anyhow::Result<Token> {
        let id = TokenId::parse(&text.to_ascii_lowercase());
        let found = id.ok().map(|id| self.store.find(&id)).transpose();
        let found = found.map_err(|error| store_failure(&error))?.flatten();
        match found {
            Some((token, _)) if self.may_see(&token.terms.user)? => Ok(token),
            _ => Err(self.no_token(text).into()),
        }
    }

    fn no_token(&self, wrong: &str) -> Failure {
        // Only an id is quoted: somebody may have given the secret.
        let shown = if wrong.len() > 16 {
            "that is longer than an id".into()
        } else {
            format!("`{}`", Safe::new(wrong.as_bytes(), 16))
        };
        let seen = self.seen(None).unwrap_or_default();
        let near = diag::nearest(wrong, seen.iter().map(|token| token.id.as_str()));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Failure::new(Exit::NotFound, format!("there is no token {shown}{near}"))
    }

    /// Tokens that the one who acts may see, of one user where one is named.
    pub(super) fn seen(&self, user: Option<&UserName>) -> anyhow::Result<Vec<Token>> {
        let mut seen = Vec::new();
        for token in self.store.list(user).map_err(|error| store_failure(&error))? {
            if self.may_see(&token.terms.user)? {
                seen.push(token);
            }
        }
        Ok(seen)
    }

    /// Makes a change with its line in the trail.
    pub(super) fn make(
        &self,
        change: &Change,
        line: &Record,
        now: DateTime<Utc>,
    ) -> Result<Made, LedgerError> {
        let here = self.office.here;
        let shared = here.settings().shared_store.as_ref().map(|_| self.office.store.as_ref());
        let ledger = TokenLedger {
            store: &self.store,
            shared,
            settings: here.settings(),
            trail: here.trail(),
            state: &here.site.state,
            digest: *here.policy.digest(),
        };
        ledger.make(change, line, now)
    }

    /// The trail's line about a token.
    pub(super) fn line(&self, event: Event, id: &TokenId, terms: &Terms) -> Record {
        let mut line = Record::new(event, crate::os::host_name());
        line.actor = Some(ledger::actor(&self.office.caller.actor));
        let scopes: Vec<&str> = terms.scopes.iter().map(|scope| scope.word()).collect();
        let places: Vec<&str> = terms.repositories.iter().map(|pattern| pattern.text()).collect();
        let mut line = line
            .with("token", Text::new(id.as_str()))
            .with("person", Text::new(terms.user.as_str()))
            .with("scopes", scopes.join(","))
            .with("until", terms.until.to_rfc3339());
        if !places.is_empty() {
            line = line.with("repositories", Text::new(places.join(", ")));
        }
        if let Some(note) = &terms.note {
            line = line.with("note", Text::new(note.as_bytes()));
        }
        line
    }
}

/// The end of a change that was not made.
pub(super) fn not_made(error: &LedgerError) -> anyhow::Error {
    ledger_failure(error).into()
}
