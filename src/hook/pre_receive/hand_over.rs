//! What a yes hands over to `update`, and whether it still stands after the repository's own hook.
//!
//! Knows the slip's content and when it ends; the order of things is the parent's.

use super::{Answered, FOREIGN};
use crate::access::lend::Lent;
use crate::code::Code;
use crate::decision;
use crate::hook::Refusal;
use crate::hook::charge;
use crate::hook::judge::Answer;
use crate::hook::lent::{self, Access};
use crate::os::site::Site;
use crate::os::{clock, files};
use crate::store::slip::{self, End as SlipEnd, Head, Key, Reserved, Slip, SlipRef};
use crate::store::{applied, epoch};
use chrono::{DateTime, Utc};
use gix::ObjectId;
use std::path::{Path, PathBuf};

impl Answered<'_> {
    /// Lays down what `update` confirms; there is no `update` where no receive-pack is above us.
    pub(super) fn lay_slip(
        &self,
        seq: u64,
        now: clock::Now,
        (access, reserved, shared_epoch): (&Access, Option<&Reserved>, Option<u64>),
    ) -> Result<(), Refusal> {
        let Some(service) = &self.desk.service else { return Ok(()) };
        let unwritable =
            |error: &dyn std::error::Error| self.framed(Refusal::server(Code::Store, error));
        let key = Key::new(service, Path::new(".")).map_err(|error| unwritable(&error))?;
        let refs = self.allowed();
        let end = SlipEnd::from_now(now, self.ends(), refs.len());
        let head = Head {
            key,
            folder: self.known.git_dir.clone(),
            push: self.desk.id.clone(),
            digest: self.desk.digest,
            epoch: self.desk.epoch,
            end,
            audit_seq: seq,
            lent: access.used.iter().map(|lent| lent.id.clone()).collect(),
            reserved: reserved.cloned(),
            shared_epoch,
            refused: self.ruled.len().saturating_sub(refs.len()),
        };
        slip::write(&self.desk.site.state, &Slip { head, refs, confirmed: false, void: false })
            .map_err(|error| unwritable(&error))
    }

    /// The refs that may move.
    pub(super) fn allowed(&self) -> Vec<SlipRef> {
        let both = self.known.updates.iter().zip(self.ruled);
        both.filter(|(_, one)| one.refused().is_none())
            .map(|(update, _)| {
                let kind = update
                    .change
                    .old()
                    .or(update.change.new_id())
                    .map_or(gix::hash::Kind::Sha1, |id| id.kind());
                let null = ObjectId::null(kind);
                SlipRef {
                    name: update.name.as_bytes().to_vec(),
                    old: update.change.old().unwrap_or(null),
                    new: update.change.new_id().unwrap_or(null),
                }
            })
            .collect()
    }

    /// The earliest end of anything that a yes rests on.
    fn ends(&self) -> Option<DateTime<Utc>> {
        let ends = self.ruled.iter().filter_map(|one| match &one.answer {
            Answer::Decided(decision) => match &decision.verdict {
                decision::Verdict::Allowed(allowed) => allowed.ends(),
                decision::Verdict::Refused(_) => None,
            },
            Answer::Fault(..) => None,
        });
        let evidence = self.known.pusher.as_ref().and_then(|pusher| pusher.until);
        let lifted = self.ruled.iter().filter_map(|one| one.checked.ends());
        ends.chain(lifted).chain(evidence).min()
    }

    /// Nothing was revoked, locked or applied while the repository's own hook ran: where no `update`
    /// confirms, nobody else would notice.
    fn not_overtaken(&self, access: &Access) -> Result<(), Refusal> {
        let site = &self.desk.site;
        let store =
            |error: &dyn std::error::Error| self.framed(Refusal::server(Code::Store, error));
        let epoch = epoch::read(&site.state).map_err(|error| store(&error))?;
        let digest = applied::digest(&site.state, site.account_uid).map_err(|e| store(&e))?;
        let shared = match &access.store {
            Some(shared) => shared.epoch().map_err(|error| self.framed(lent::refusal(&error)))?,
            None => None,
        };
        if (epoch, digest, shared) == (self.desk.epoch, self.desk.digest, access.shared_epoch) {
            return Ok(());
        }
        let words = ["access was changed while the repository's own hook ran: push again"];
        Err(self.framed(Refusal::new(Code::PushAgain, words)))
    }

    /// The repository's own hook may have taken longer than we looked ahead.
    pub(super) fn still_within(&self, access: &Access) -> Result<(), Refusal> {
        self.not_overtaken(access)?;
        let now = clock::now();
        // Where nobody sees a receive-pack, what is put aside counts as left behind some time later.
        let unseen = self.desk.service.is_none() && access.used.iter().any(Lent::is_counted);
        let longest = if unseen { charge::UNDER_WAY / 2 } else { FOREIGN };
        let too_long =
            now.boot.saturating_sub(self.desk.now.boot) > longest.to_std().unwrap_or_default();
        if too_long || self.ends().is_some_and(|end| now.wall >= end) {
            let words = [
                "the repository's own pre-receive hook took so long that the decision has ended: push again",
            ];
            return Err(self.framed(Refusal::new(Code::PushAgain, words)));
        }
        Ok(())
    }

    /// Our `update`, if git will run it: in the folder that git's configuration names, which need not
    /// be the one that we were run from (another hook may have run us).
    pub(super) fn update_confirms(&self) -> Option<PathBuf> {
        let ours = Site::home().ok()?.join("update");
        let there = self.known.hooks.as_ref()?.join("update");
        let same = self.desk.service.is_some() && files::same_executable(&there, &ours);
        same.then_some(there)
    }

    /// `refuse = "ref"` lets pre-receive say yes although a ref is refused, so it must be sure that
    /// git will run our `update`.
    pub(super) fn prove_update(&self) -> Result<(), Refusal> {
        if self.update_confirms().is_some() {
            return Ok(());
        }
        let words = [
            "`refuse = \"ref\"` needs refwarden's update hook in place, and it is not; tell the server's admin",
        ];
        Err(self.refused(Refusal::new(Code::NoSlip, words)))
    }
}
