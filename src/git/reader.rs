//! One repository, open for judging one push.
//!
//! Knows in which order git's parts are asked; each part is a module of its own.

use super::commits::History;
use super::limits::Meter;
use super::objects::Objects;
use super::refs::{Files, Refs};
use super::reftable::Reftable;
use super::repo::Repo;
use super::{Brought, Changed, GitEnv, GitError, Limits, RefValue, RepoConfig};
use super::{News, ancestry, brought, changed, look, news};
use crate::check::{Asked, Failed, People};
use crate::push::hygiene::{self, CaseTwins, NameFault};
use crate::push::{Action, Change, RefName, RefUpdate};
use gix::ObjectId;
use gix::objs::Kind;
use std::path::{Path, PathBuf};

/// A repository that root or the hosting account owns.
pub struct Reader {
    repo: Repo,
    config: RepoConfig,
    refs: Refs,
    history: History,
}

impl Reader {
    /// Opens the repository at `git_dir` (git's `GIT_DIR`, relative to the current folder).
    ///
    /// # Errors
    /// When it is not there, somebody else's, of an unknown kind, or under a namespace.
    pub fn open(git_dir: &Path, env: &GitEnv, account_uid: u32) -> Result<Self, GitError> {
        if env.get("GIT_NAMESPACE").is_some() {
            return Err(GitError::Namespace);
        }
        let repo = Repo::open(git_dir, account_uid)?;
        let config = RepoConfig::read(&repo.git_dir, &repo.common_dir, env)?;
        let refs = if config.reftable {
            Refs::Reftable(Reftable::new(&repo.git_dir, env.get("PATH")))
        } else {
            let (git_dir, common_dir) = (repo.git_dir.clone(), repo.common_dir.clone());
            Refs::Files(Files::new(git_dir, common_dir, config.object_format))
        };
        let objects = Objects::new(&repo.common_dir, env, config.object_format);
        let history = History::new(objects, &repo.common_dir, env);
        Ok(Self { repo, config, refs, history })
    }

    /// The repository's own folder, as a real path.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.repo.git_dir
    }

    /// The folder that all its work trees share, as a real path; it names the repository.
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.repo.common_dir
    }

    /// The folder from which git runs hooks: `core.hooksPath`, which counts from where hooks run.
    #[must_use]
    pub fn hooks_folder(&self) -> PathBuf {
        match &self.config.hooks_path {
            Some(path) => self.repo.git_dir.join(path),
            None => self.repo.common_dir.join("hooks"),
        }
    }

    /// Its settings.
    #[must_use]
    pub const fn config(&self) -> &RepoConfig {
        &self.config
    }

    /// Its objects, those that the push brought included.
    #[must_use]
    pub const fn objects(&self) -> &Objects {
        &self.history.objects
    }

    /// What the ref is now.
    ///
    /// # Errors
    /// When it can't be read, is damaged, or has a name that no ref can have.
    pub fn ref_value(&self, name: &RefName) -> Result<RefValue, GitError> {
        self.refs.value(name)
    }

    /// Shows the names of all refs, in no order, some perhaps twice: one pass over all of them, for
    /// rules that need it.
    ///
    /// # Errors
    /// When they can't be listed; names may have been shown before.
    pub fn each_name(&self, meet: &mut dyn FnMut(&[u8])) -> Result<(), GitError> {
        self.refs.each_name(meet)
    }

    /// What is wrong with the names of the refs that the push creates (RW302, RW309).
    ///
    /// # Errors
    /// When refs can't be read.
    pub fn name_faults(
        &self,
        updates: &[RefUpdate],
    ) -> Result<Vec<(RefName, NameFault)>, GitError> {
        let created = |update: &&RefUpdate| matches!(update.change, Change::Create { .. });
        let created: Vec<&RefName> =
            updates.iter().filter(created).map(|update| &update.name).collect();
        let mut found = Vec::new();
        let mut sound = Vec::new();
        for name in created {
            let faults = hygiene::faults(name);
            if faults.is_empty() {
                sound.push(name);
            }
            found.extend(faults.into_iter().map(|fault| (name.clone(), fault)));
        }
        let exists = |name: &RefName| Ok(self.ref_value(name)? != RefValue::Missing);
        found.extend(hygiene::twins(&sound, exists)?);
        if self.config.ignore_case && !sound.is_empty() {
            let mut twins = CaseTwins::new(&sound);
            self.each_name(&mut |name| twins.meet(name))?;
            found.extend(twins.faults());
        }
        Ok(found)
    }

    /// What the update does, once it is known to be one that git can make.
    ///
    /// # Errors
    /// When git would not move the ref itself (RW309), the ref is symbolic (RW304), has another
    /// value than the client saw (RW305), the new object is missing (RW303) or a chain of tags, or a
    /// limit is reached.
    pub fn action(&self, update: &RefUpdate, limits: &Limits<'_>) -> Result<Action, GitError> {
        let name = &update.name;
        if self.config.goes_to_proc_receive(update) {
            return Err(GitError::ProcReceive(name.clone()));
        }
        if self.config.hides(name) {
            return Err(GitError::Hidden(name.clone()));
        }
        let now = match self.ref_value(name)? {
            RefValue::Symbolic(target) => {
                return Err(GitError::Symbolic { name: name.clone(), target });
            }
            RefValue::Direct(id) => Some(id),
            RefValue::Missing => None,
        };
        if now != update.change.old() {
            return Err(GitError::Stale(name.clone()));
        }
        // Whether a branch moved forward asks for its new object first.
        if let Change::Update { old, new } = update.change
            && name.tag().is_none()
        {
            let action = self.moved(old, new, limits)?;
            if action == Action::Force {
                self.refuse_chain(new, limits)?;
            }
            return Ok(action);
        }
        if let Some(new) = update.change.new_id() {
            self.refuse_chain(new, limits)?;
        }
        Ok(match update.change {
            Change::Create { .. } => Action::Create,
            Change::Delete { .. } => Action::Delete,
            Change::Update { .. } => Action::Force,
        })
    }

    /// The paths that the update changes. The old id must have passed [`Self::action`]; `base` is
    /// the value of the project's base branch before the push, for new refs.
    ///
    /// # Errors
    /// When history or trees can't be read, or a limit is reached.
    pub fn changed(
        &self,
        update: &RefUpdate,
        base: Option<ObjectId>,
        limits: &Limits<'_>,
    ) -> Result<Changed, GitError> {
        changed::of(&self.history, &update.change, base, limits)
    }

    /// What the update brings, for people to read; `base` as in [`Self::changed`]. At most `most`
    /// commits are looked at.
    ///
    /// # Errors
    /// When history can't be read, or a limit is reached.
    pub fn brought(
        &self,
        update: &RefUpdate,
        base: Option<ObjectId>,
        most: usize,
        limits: &Limits<'_>,
    ) -> Result<Option<Brought>, GitError> {
        brought::of(&self.history, &update.change, base, most, limits)
    }

    /// What the checks find on each of the refs, in their order: nothing on those that pass. `base`
    /// as in [`Self::changed`]; the old ids must have passed [`Self::action`].
    ///
    /// # Errors
    /// When history, trees or files can't be read, a limit is reached, a look-up fails, or a
    /// pattern of the policy is broken.
    pub fn look(
        &self,
        asked: &[Asked<'_>],
        base: Option<ObjectId>,
        people: &dyn People,
        limits: &Limits<'_>,
    ) -> Result<Vec<Vec<Failed>>, GitError> {
        look::at(&self.history, &self.refs, asked, base, people, limits)
    }

    /// The commits of `new` that none of `olds` has, oldest first, merges left out; `None` where there
    /// are more than `most`.
    ///
    /// # Errors
    /// When history can't be read, or a limit is reached.
    pub fn news(
        &self,
        olds: &[ObjectId],
        new: ObjectId,
        most: usize,
        limits: &Limits<'_>,
    ) -> Result<Option<Vec<News>>, GitError> {
        news::of(&self.history, olds, new, most, limits)
    }

    /// Whether `new` is `old` or comes after it.
    ///
    /// # Errors
    /// When history can't be read, or a limit is reached.
    pub fn is_forward(
        &self,
        old: ObjectId,
        new: ObjectId,
        limits: &Limits<'_>,
    ) -> Result<bool, GitError> {
        ancestry::is_forward(&self.history, old, new, &Meter::new(limits))
    }

    /// The new object is there, and no chain of tags.
    fn refuse_chain(&self, new: ObjectId, limits: &Limits<'_>) -> Result<(), GitError> {
        match self.history.kind(new)? {
            Kind::Tag => self.history.refuse_chain(new, &Meter::new(limits)),
            _ => Ok(()),
        }
    }

    fn moved(&self, old: ObjectId, new: ObjectId, limits: &Limits<'_>) -> Result<Action, GitError> {
        Ok(if self.is_forward(old, new, limits)? { Action::Update } else { Action::Force })
    }
}

#[cfg(test)]
mod tests;
