//! What a ref is on the server at this moment.
//!
//! Knows where git keeps refs: loose files first, then `packed-refs`, or reftables. What can't be
//! read is an error, never a missing ref.

#![expect(clippy::disallowed_methods, reason = "reads the refs of a repository")]

use super::GitError;
use super::packed::Packed;
use super::reftable::Reftable;
use crate::push::RefName;
use gix::ObjectId;
use gix::hash::Kind;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How deep folders of refs may lie in one another.
const MAX_DEPTH: usize = 1000;

/// What a ref stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefValue {
    /// There is no such ref.
    Missing,
    /// An object.
    Direct(ObjectId),
    /// Another ref, be it there or not.
    Symbolic(RefName),
}

/// Is shown a ref's name and value, and what that stands for through tags where git noted it.
pub(super) type MeetValue<'a> =
    &'a mut dyn FnMut(&[u8], ObjectId, Option<ObjectId>) -> Result<(), GitError>;

/// The refs of one repository.
pub(super) enum Refs {
    /// Loose and packed.
    Files(Files),
    /// Reftables.
    Reftable(Reftable),
}

impl Refs {
    /// The value of `name`.
    pub(super) fn value(&self, name: &RefName) -> Result<RefValue, GitError> {
        if !is_storable(name) {
            return Err(GitError::BadName(name.clone()));
        }
        match self {
            Self::Files(files) => files.value(name),
            Self::Reftable(table) => table.value(name),
        }
    }

    /// Shows all names below `refs/`, in no order, some of them perhaps twice.
    pub(super) fn each_name(&self, meet: &mut dyn FnMut(&[u8])) -> Result<(), GitError> {
        match self {
            Self::Files(files) => files.each_name(meet),
            Self::Reftable(table) => table.each_name(meet),
        }
    }

    /// Shows every ref that stands for an object itself, with its value. One that is damaged is
    /// passed over: whoever asks holds what is reachable from refs to be known, and knows less then.
    pub(super) fn each_value(&self, meet: MeetValue<'_>) -> Result<(), GitError> {
        match self {
            Self::Files(files) => files.each_value(meet),
            Self::Reftable(table) => table.each_value(meet),
        }
    }
}

/// Whether the name is a path that stays below `refs/` (git's `refname_is_safe`).
fn is_storable(name: &RefName) -> bool {
    let odd = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.contains(&0);
    name.as_bytes().strip_prefix(b"refs/").is_some_and(|rest| !rest.split(|b| *b == b'/').any(odd))
}

/// Loose refs and `packed-refs`.
pub(super) struct Files {
    git_dir: PathBuf,
    common_dir: PathBuf,
    format: Kind,
    packed: RefCell<Option<Rc<Packed>>>,
}

impl Files {
    pub(super) fn new(git_dir: PathBuf, common_dir: PathBuf, format: Kind) -> Self {
        Self { git_dir, common_dir, format, packed: RefCell::default() }
    }

    fn value(&self, name: &RefName) -> Result<RefValue, GitError> {
        if let Some(value) = self.loose(name)? {
            return Ok(value);
        }
        let found = self.packed()?.find(name)?;
        Ok(found.map_or(RefValue::Missing, RefValue::Direct))
    }

    fn loose(&self, name: &RefName) -> Result<Option<RefValue>, GitError> {
        let path = self.path(name);
        if let Ok(target) = std::fs::read_link(&path) {
            let target = target.into_os_string().into_vec();
            return Ok(Some(RefValue::Symbolic(RefName::new(target))));
        }
        match std::fs::read(&path) {
            Ok(text) => self.parse(name, &text).map(Some),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                    Ok(None)
                }
                ErrorKind::InvalidFilename => Err(GitError::BadName(name.clone())),
                _ => Err(GitError::io("read", &path)(error)),
            },
        }
    }

    fn parse(&self, name: &RefName, text: &[u8]) -> Result<RefValue, GitError> {
        if let Some(target) = text.strip_prefix(b"ref:") {
            return Ok(RefValue::Symbolic(RefName::new(target.trim_ascii())));
        }
        let (hex, rest) = text.split_at_checked(self.format.len_in_hex()).unwrap_or((text, b"x"));
        let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
        let id = ObjectId::from_hex(hex).ok().filter(|id| ends && !id.is_null());
        let broken = || GitError::broken(name, "its file holds no object id");
        id.map(RefValue::Direct).ok_or_else(broken)
    }

    /// Where the loose ref lies: refs of one work tree are in its own folder.
    fn path(&self, name: &RefName) -> PathBuf {
        let own = [&b"refs/bisect/"[..], b"refs/worktree/", b"refs/rewritten/"];
        let is_own = own.iter().any(|folder| name.as_bytes().starts_with(folder));
        let folder = if is_own { &self.git_dir } else { &self.common_dir };
        folder.join(OsStr::from_bytes(name.as_bytes()))
    }

    /// The packed refs as they are now.
    fn packed(&self) -> Result<Rc<Packed>, GitError> {
        let file = self.common_dir.join("packed-refs");
        let mut known = self.packed.borrow_mut();
        match known.as_ref() {
            Some(packed) if packed.is_current(&file)? => Ok(Rc::clone(packed)),
            _ => Ok(Rc::clone(known.insert(Rc::new(Packed::open(&file, self.format)?)))),
        }
    }

    fn each_name(&self, meet: &mut dyn FnMut(&[u8])) -> Result<(), GitError> {
        // Loose ones first: a ref that is packed meanwhile is then seen twice, not never.
        list(&self.common_dir.join("refs"), &mut b"refs/".to_vec(), 0, meet)?;
        self.packed()?.each_name(meet)
    }
}

impl Files {
    fn each_value(&self, meet: MeetValue<'_>) -> Result<(), GitError> {
        let mut loose: HashSet<RefName> = HashSet::new();
        let mut note = |name: &[u8]| {
            loose.insert(RefName::new(name));
        };
        list(&self.common_dir.join("refs"), &mut b"refs/".to_vec(), 0, &mut note)?;
        for name in &loose {
            if let Ok(Some(RefValue::Direct(id))) = self.loose(name) {
                meet(name.as_bytes(), id, None)?;
            }
        }
        // A packed value counts only where no loose one has taken its place.
        self.packed()?.each_value(&mut |name, id, peeled| {
            if loose.contains(&RefName::new(name)) { Ok(()) } else { meet(name, id, peeled) }
        })
    }
}

/// `name` is the folder's, and the same again afterwards.
fn list(
    folder: &Path,
    name: &mut Vec<u8>,
    depth: usize,
    meet: &mut dyn FnMut(&[u8]),
) -> Result<(), GitError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) if depth < MAX_DEPTH => entries,
        Ok(_) => return Err(GitError::io("list", folder)(ErrorKind::QuotaExceeded.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(GitError::io("list", folder)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(GitError::io("list", folder))?;
        let length = name.len();
        name.extend_from_slice(entry.file_name().as_bytes());
        if entry.file_type().map_err(GitError::io("list", folder))?.is_dir() {
            name.push(b'/');
            list(&entry.path(), name, depth + 1, meet)?;
        } else if !name.ends_with(b".lock") {
            meet(name);
        }
        name.truncate(length);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
