//! Files of what Jira said: one a fact, written whole, readable by the hosting account alone.
//!
//! Knows ages and names of files; not what a fact is. A file that can't be read is none.

use crate::os::clock;
use crate::os::files;
use crate::policy::model::JiraSettings;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

const VERSION: u32 = 1;
const MAX_BYTES: usize = 1 << 20;
/// Nothing is of use for longer; types of fields are asked for again by then.
const LONGEST: TimeDelta = TimeDelta::days(2);

/// The folder, and whose facts these are.
pub(super) struct Keep {
    folder: PathBuf,
    /// Of another Jira, or another flavor of it, nothing is believed.
    base: String,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    version: u32,
    base: String,
    at: DateTime<Utc>,
    fact: T,
}

/// A fact that was kept.
pub(super) struct Found<T> {
    pub value: T,
    pub age: Duration,
}

impl Keep {
    pub(super) fn new(folder: &Path, settings: &JiraSettings) -> Self {
        let base = format!("{} {}", settings.flavor.as_str(), settings.url);
        Self { folder: folder.to_owned(), base }
    }

    /// What is kept as `name`, if it is of this Jira and not of the future.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Option<Found<T>> {
        let bytes = files::read_limited(&self.path(name), MAX_BYTES).ok()?;
        let kept: Kept<T> = serde_json::from_slice(&bytes).ok()?;
        let ours = kept.version == VERSION && kept.base == self.base;
        let age = (clock::now().wall - kept.at).to_std().ok().filter(|_| ours)?;
        Some(Found { value: kept.fact, age })
    }

    /// Keeps a fact. One that can't be kept is asked for again.
    pub(super) fn write<T: Serialize>(&self, name: &str, fact: &T) {
        let base = self.base.clone();
        let kept = Kept { version: VERSION, base, at: clock::now().wall, fact };
        let Ok(bytes) = serde_json::to_vec(&kept) else { return };
        let path = self.path(name);
        for folder in [Some(self.folder.as_path()), path.parent()].into_iter().flatten() {
            if files::ensure_folder(folder).is_err() {
                return;
            }
        }
        let _ = files::write_fleeting(&path, &bytes, 0o600);
    }

    /// Keys of issues are plain; names of people and groups are not, so a hash stands for them.
    fn path(&self, name: &str) -> PathBuf {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/');
        match name.bytes().all(plain) {
            true => self.folder.join(format!("{name}.json")),
            false => {
                let hash = Sha256::digest(name.as_bytes());
                let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                self.folder.join("people").join(format!("{hex}.json"))
            }
        }
    }
}

/// Removes files that are too old to be of use.
pub(super) fn sweep(folder: &Path, now: DateTime<Utc>) {
    for below in ["issue", "people"] {
        let Ok(files) = std::fs::read_dir(folder.join(below)) else { continue };
        for file in files.flatten() {
            let changed = file.metadata().and_then(|about| about.modified());
            if changed.is_ok_and(|at| now - DateTime::<Utc>::from(at) > LONGEST) {
                let _ = std::fs::remove_file(file.path());
            }
        }
    }
}
