//! The applied policy's people, as the checks ask about them: those who are active.

use super::issues::Named;
use crate::check::issue::Issues;
use crate::check::{People, fold_email};
use crate::hook::desk::Desk;
use crate::hook::identity::{self, Users};
use crate::hook::ruling::Ruling;
use crate::os::gpg::Gpg;
use crate::policy::name::UserName;
use crate::pusher::Directory;
use crate::pusher::certificate::KeyRing;
use crate::pusher::openpgp::OpenPgp;
use std::cell::{OnceCell, RefCell};

/// Everybody; OpenPGP keys are gathered when they are first asked for.
pub(super) struct Everybody<'a> {
    desk: &'a Desk,
    pusher: &'a UserName,
    gpg: OnceCell<Option<Gpg>>,
    issues: Named<'a>,
    /// Whom the address asked for last belongs to: most commits of a push are of few people.
    last: RefCell<(String, Option<UserName>)>,
}

impl<'a> Everybody<'a> {
    pub(super) fn new(ruling: &'a Ruling<'_>) -> Self {
        let (desk, pusher) = (ruling.desk, &ruling.user);
        let (gpg, last) = (OnceCell::new(), RefCell::default());
        Self { desk, pusher, gpg, issues: Named::of(ruling), last }
    }

    /// The user, if active: what is new to a check was not made by somebody who holds nothing.
    fn active(&self, found: Option<UserName>) -> Result<Option<UserName>, String> {
        let Some(name) = found else { return Ok(None) };
        let user = self.desk.policy.user(&name).map_err(|error| error.to_string())?;
        Ok(user.is_some_and(|user| user.declared.active).then_some(name))
    }
}

impl KeyRing for Everybody<'_> {
    fn has_ssh_key(&self, fingerprint: &str) -> Result<bool, String> {
        self.by_key(fingerprint).map(|user| user.is_some())
    }

    fn openpgp(&self) -> Option<&dyn OpenPgp> {
        // Keys that can't be gathered verify nothing.
        let gpg = self.gpg.get_or_init(|| identity::gpg(self.desk).unwrap_or_default());
        gpg.as_ref().map(|gpg| gpg as &dyn OpenPgp)
    }
}

impl People for Everybody<'_> {
    fn pusher(&self) -> &UserName {
        self.pusher
    }

    fn by_email(&self, folded: &str) -> Result<Option<UserName>, String> {
        debug_assert_eq!(folded, fold_email(folded));
        let mut last = self.last.borrow_mut();
        if folded.is_empty() || last.0 != folded {
            let found = self.desk.policy.by_email(folded).map_err(|error| error.to_string())?;
            *last = (folded.to_owned(), self.active(found)?);
        }
        Ok(last.1.clone())
    }

    fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, String> {
        self.active(Users(&self.desk.policy).by_key(fingerprint)?)
    }

    fn issues(&self) -> &dyn Issues {
        &self.issues
    }
}
