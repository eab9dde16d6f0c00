//! Refs of a repository that keeps them in reftables, asked of git.
//!
//! Knows which commands answer; `gix` 0.90 opens such a repository and sees no refs at all.

use super::GitError;
use super::child::Git;
use super::refs::{MeetValue, RefValue};
use crate::push::RefName;
use crate::text::Safe;
use gix::ObjectId;
use gix::bstr::ByteSlice;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The refs as git told them, once.
pub(super) struct Reftable {
    git: Git,
    refs: OnceCell<HashMap<RefName, RefValue>>,
}

impl Reftable {
    pub(super) fn new(git_dir: &Path, path: Option<&OsStr>) -> Self {
        Self { git: Git::new(git_dir, path), refs: OnceCell::new() }
    }

    /// The value of `name`.
    pub(super) fn value(&self, name: &RefName) -> Result<RefValue, GitError> {
        match self.all()?.get(name) {
            Some(value) => Ok(value.clone()),
            None => self.dangling(name),
        }
    }

    /// Shows all names.
    pub(super) fn each_name(&self, meet: &mut dyn FnMut(&[u8])) -> Result<(), GitError> {
        self.all()?.keys().for_each(|name| meet(name.as_bytes()));
        Ok(())
    }

    /// Shows all refs that stand for an object themselves.
    pub(super) fn each_value(&self, meet: MeetValue<'_>) -> Result<(), GitError> {
        for (name, value) in self.all()? {
            if let RefValue::Direct(id) = value {
                meet(name.as_bytes(), *id, None)?;
            }
        }
        Ok(())
    }

    fn all(&self) -> Result<&HashMap<RefName, RefValue>, GitError> {
        if let Some(known) = self.refs.get() {
            return Ok(known);
        }
        let format = OsStr::new("--format=%(objectname)%00%(refname)%00%(symref)");
        let output = self.git.run("for-each-ref", &[format])?;
        // It passes over broken refs with a warning: whatever it says, it did not tell all.
        if !output.status.success() || !output.stderr.is_empty() {
            return Err(failed("for-each-ref", &output.stderr));
        }
        let refs: Option<_> = output.stdout.lines().map(parse).collect();
        let refs = refs.ok_or_else(|| failed("for-each-ref", b"a line that is not understood"))?;
        Ok(self.refs.get_or_init(|| refs))
    }

    /// A symbolic ref whose target does not exist is in no list, and a push would create the target.
    fn dangling(&self, name: &RefName) -> Result<RefValue, GitError> {
        let argument = OsStr::from_bytes(name.as_bytes());
        let options = ["-q", "--no-recurse", "--"].map(OsStr::new);
        let output = self.git.run("symbolic-ref", &[&options[..], &[argument]].concat())?;
        match output.status.code() {
            Some(0) => Ok(RefValue::Symbolic(RefName::new(output.stdout.trim_end()))),
            Some(1) => Ok(RefValue::Missing),
            _ => Err(failed("symbolic-ref", &output.stderr)),
        }
    }
}

fn failed(command: &'static str, words: &[u8]) -> GitError {
    GitError::Child { command, detail: Safe::new(words, 300) }
}

fn parse(line: &[u8]) -> Option<(RefName, RefValue)> {
    let mut parts = line.split(|&b| b == 0);
    let (id, name, target) = (parts.next()?, parts.next()?, parts.next()?);
    let value = if target.is_empty() {
        RefValue::Direct(ObjectId::from_hex(id).ok().filter(|id| !id.is_null())?)
    } else {
        RefValue::Symbolic(RefName::new(target))
    };
    Some((RefName::new(name), value))
}
