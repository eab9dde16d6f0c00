//! Pushes whose commits may tell Jira something: a note each, from pre-receive's yes until what the
//! commits say stands in the outbox.
//!
//! Knows the file and whether its push is over; not what a commit says. A note that is lost costs a
//! comment and decides nothing.

use super::slip::SlipRef;
use crate::os::clock;
use crate::os::files::{self, FileError};
use crate::os::process::{self, Host, ReceivePack};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Most refs that a note holds; a push of more tells nothing.
const MAX_REFS: usize = 1000;
/// Longest note, in bytes.
const MAX_BYTES: usize = 8 << 20;
/// How long a push may be under way whose receive-pack nobody can see.
const UNSEEN: TimeDelta = TimeDelta::minutes(10);

/// A push that was let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// Its id in the trail.
    pub push: String,
    /// When pre-receive said yes.
    pub at: DateTime<Utc>,
    /// The git directory.
    pub folder: Vec<u8>,
    /// The repository's name.
    pub repository: String,
    /// Who pushed.
    pub user: String,
    /// By what they are known.
    pub evidence: String,
    /// `jira-keys` of the project.
    pub projects: Vec<Box<str>>,
    /// The refs in question; those that landed, once that is known.
    pub refs: Vec<SlipRef>,
    /// Whether it is known what landed.
    pub landed: bool,
    /// Its receive-pack, where one could be seen.
    pub by: Option<By>,
}

/// A receive-pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    pid: u32,
    start_time: u64,
    boot_id: String,
    pid_namespace: u64,
}

impl From<&ReceivePack> for By {
    fn from(service: &ReceivePack) -> Self {
        Self {
            pid: service.pid,
            start_time: service.start_time,
            boot_id: service.host.boot_id.clone(),
            pid_namespace: service.host.pid_namespace,
        }
    }
}

impl Landing {
    /// Whether the push is over, so that its refs tell what landed.
    ///
    /// # Errors
    /// `/proc` can't be read.
    pub fn is_over(&self, host: &Host) -> Result<bool, FileError> {
        let late = clock::now().wall - self.at > UNSEEN;
        match &self.by {
            None => Ok(late),
            Some(by) if by.boot_id != host.boot_id => Ok(true),
            Some(by) if by.pid_namespace != host.pid_namespace => Ok(late),
            Some(by) => Ok(!process::runs(by.pid, by.start_time)?),
        }
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("landings")
}

/// Keeps a note as `name`, in the place of an earlier one. A push of too many refs is not noted.
///
/// # Errors
/// The file can't be written.
pub fn keep(state: &Path, name: &str, landing: &Landing) -> Result<(), FileError> {
    if landing.refs.len() > MAX_REFS {
        return Ok(());
    }
    let folder = folder(state);
    let bytes = serde_json::to_vec(landing);
    let wrong = |error| FileError::new(&folder.join(name), "write", error);
    files::lay(&folder, name, &bytes.map_err(wrong)?)
}

/// The note called `name`; `None` where there is none, or none that can be understood.
#[must_use]
pub fn read(state: &Path, name: &str) -> Option<Landing> {
    let bytes = files::read_limited(&folder(state).join(name), MAX_BYTES).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// All notes, oldest first; those that can't be understood are removed.
///
/// # Errors
/// The folder can't be read.
pub fn all(state: &Path) -> Result<Vec<(String, Landing)>, FileError> {
    let mut found = Vec::new();
    for name in files::names(&folder(state))? {
        let name = name?;
        if files::is_draft(&name) {
            continue;
        }
        let Some(name) = OsStr::to_str(&name) else { continue };
        match read(state, name) {
            Some(landing) => found.push((name.to_owned(), landing)),
            None => forget(state, name),
        }
    }
    found.sort_by(|(a, one), (b, other)| (one.at, a).cmp(&(other.at, b)));
    Ok(found)
}

/// Removes a note; whether there was one does not matter.
pub fn forget(state: &Path, name: &str) {
    let _ = std::fs::remove_file(folder(state).join(name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix::ObjectId;

    fn landing(at: i64) -> Landing {
        let id = |digit: &str| ObjectId::from_hex(digit.repeat(40).as_bytes()).unwrap();
        Landing {
            push: format!("20261122-{at}"),
            at: DateTime::from_timestamp(at, 0).unwrap(),
            folder: b"/srv/git/\xff.git".to_vec(),
            repository: "a".into(),
            user: "alice".into(),
            evidence: "ssh".into(),
            projects: vec!["PAY".into()],
            refs: vec![SlipRef { name: b"refs/heads/\xff".to_vec(), old: id("0"), new: id("a") }],
            landed: false,
            by: None,
        }
    }

    #[test]
    fn notes_are_kept_in_the_order_of_their_pushes_and_forgotten() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(all(state.path()).unwrap(), vec![]);
        keep(state.path(), "b", &landing(1)).unwrap();
        keep(state.path(), "a", &landing(2)).unwrap();
        let names: Vec<_> = all(state.path()).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(read(state.path(), "b"), Some(landing(1)));
        forget(state.path(), "b");
        assert_eq!(all(state.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_note_is_removed_and_a_push_of_too_many_refs_is_not_noted() {
        let state = tempfile::tempdir().unwrap();
        keep(state.path(), "a", &landing(1)).unwrap();
        std::fs::write(folder(state.path()).join("a"), "{").unwrap();
        assert_eq!(all(state.path()).unwrap(), vec![]);
        assert!(!folder(state.path()).join("a").exists());
        let mut many = landing(1);
        many.refs = vec![many.refs[0].clone(); MAX_REFS + 1];
        keep(state.path(), "a", &many).unwrap();
        assert_eq!(read(state.path(), "a"), None);
    }

    #[test]
    fn a_push_is_over_when_its_receive_pack_is_gone_or_nobody_could_see_one_for_long() {
        let host = Host::current().unwrap();
        let (pid, start_time) = process::own().unwrap();
        let by = |pid, start_time, boot: &str| {
            let (boot_id, pid_namespace) = (boot.to_owned(), host.pid_namespace);
            Some(By { pid, start_time, boot_id, pid_namespace })
        };
        let over = |at: DateTime<Utc>, by| Landing { at, by, ..landing(1) }.is_over(&host).unwrap();
        let now = clock::now().wall;
        assert!(!over(now, by(pid, start_time, &host.boot_id)));
        assert!(over(now, by(pid, start_time + 1, &host.boot_id)));
        assert!(over(now, by(pid, start_time, "another")));
        assert!(!over(now, None));
        assert!(over(now - TimeDelta::minutes(11), None));
    }
}
