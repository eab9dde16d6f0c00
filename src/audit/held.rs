//! The trail while its lock is held: finding where the chain goes on, and writing there.
//!
//! Knows how a trail ends whole, empty, or damaged, and keeps what is damaged. Every path to a
//! written line leads through [`Held::write`].

use super::error::TrailError;
use super::head::{Found, Head, Mark};
use super::line::{self, End, Place};
use super::record::{Event, Record};
use super::siblings;
use super::stamp;
use super::tail::{self, MAX_LINE, Tail};
use super::text::Text;
use crate::os::files::{self, AppendError, FileError, Lock};
use crate::os::trust;
use chrono::{DateTime, TimeDelta, Utc};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How far the clock may be behind the last line.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(2);

/// Asks the store for its version.
pub(super) type Ask<'a> = &'a dyn Fn() -> Option<u64>;

/// The trail, locked.
pub(super) struct Held<'a> {
    path: &'a Path,
    account_uid: u32,
    head: Option<Head>,
    mark: Option<Mark>,
    file: File,
    length: u64,
    end: End,
    recorded_damage: Option<End>,
    _lock: Lock,
}

/// What is known of a damage.
struct Damage {
    problem: String,
    /// The last whole line of all files.
    good: End,
    /// Damaged files beside the trail that nothing has recorded.
    beside: Vec<OsString>,
}

/// How an opened trail goes on.
enum State {
    After(End),
    Damaged(Damage),
}

impl<'a> Held<'a> {
    /// Opens the trail at `path`. Where it is damaged, keeps it under another name, starts a new
    /// one and says so there in the name of `host`.
    pub(super) fn open(
        path: &'a Path,
        account_uid: u32,
        lock: Lock,
        host: &Text,
        now: DateTime<Utc>,
    ) -> Result<Self, TrailError> {
        let file = trust::open_trail(path, account_uid)?;
        let head = Head::open(&head_path(path), account_uid);
        let found = head.as_ref().map_or(Found::Nothing, Head::read);
        let mark = found.mark();
        let mut held = Self {
            path,
            account_uid,
            head,
            mark,
            file,
            length: 0,
            end: End::NOTHING,
            recorded_damage: None,
            _lock: lock,
        };
        held.length = held.file.metadata().map_err(|e| held.wrong("read", e))?.len();
        match held.state(found)? {
            State::After(end) => held.end = end,
            State::Damaged(damage) => held.begin_anew(damage, host, now)?,
        }
        Ok(held)
    }

    /// The last line.
    pub(super) const fn end(&self) -> End {
        self.end
    }

    /// The line that tells of a damage, where opening the trail wrote one.
    pub(super) const fn recorded_damage(&self) -> Option<End> {
        self.recorded_damage
    }

    fn wrong(&self, doing: &'static str, source: impl Into<std::io::Error>) -> TrailError {
        FileError::new(self.path, doing, source).into()
    }

    fn state(&self, found: Found) -> Result<State, TrailError> {
        let tail = tail::read(&self.file, self.length).map_err(|e| self.wrong("read", e))?;
        match tail {
            Tail::Empty => {
                self.adopt()?;
                self.state_of_empty(found)
            }
            Tail::Newer(version) => Err(TrailError::Newer { path: self.path.to_owned(), version }),
            Tail::Damaged { flaw, good } => self.damaged(flaw, good),
            Tail::Whole(end) => match contradiction(end, found) {
                Some(problem) => self.damaged(problem, Some(end)),
                None => Ok(State::After(end)),
            },
        }
    }

    /// A new file, or one that logrotate has emptied: the chain goes on where its other files end.
    fn state_of_empty(&self, found: Found) -> Result<State, TrailError> {
        let earlier = siblings::earlier(self.path)?;
        let end = earlier.end.unwrap_or(End::NOTHING);
        if let Some((path, version)) = earlier.newer {
            return Err(TrailError::Newer { path, version });
        }
        if let Some((_, flaw)) = earlier.damaged.first() {
            return self.damaged(flaw.clone(), Some(end));
        }
        match contradiction(end, found) {
            Some(problem) => self.damaged(problem, Some(end)),
            None if end.seq == 0 && found == Found::Garbage => {
                self.damaged("the trail is gone, and its head is damaged".into(), None)
            }
            None => Ok(State::After(end)),
        }
    }

    fn damaged(&self, problem: String, good: Option<End>) -> Result<State, TrailError> {
        let earlier = siblings::earlier(self.path)?;
        let good = good.or(earlier.end).unwrap_or(End::NOTHING);
        let beside = earlier.damaged.into_iter().map(|(name, _)| name).collect();
        Ok(State::Damaged(Damage { problem, good, beside }))
    }

    /// A file that was just made: it belongs to the hosting account, and its name must last.
    fn adopt(&self) -> Result<(), TrailError> {
        give(&self.file, self.account_uid).map_err(|error| self.wrong("hand over", error))?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<(), TrailError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| FileError::new(folder, "sync", error).into())
    }

    /// Renames the trail to `name` and opens a new one.
    pub(super) fn set_aside(&mut self, name: &OsString) -> Result<(), TrailError> {
        let new = self.path.with_file_name(name);
        std::fs::rename(self.path, &new).map_err(|e| self.wrong("rename", e))?;
        self.file = trust::open_trail(self.path, self.account_uid)?;
        self.length = 0;
        self.adopt()
    }

    fn begin_anew(
        &mut self,
        damage: Damage,
        host: &Text,
        now: DateTime<Utc>,
    ) -> Result<(), TrailError> {
        let Damage { problem, good, beside: mut kept } = damage;
        if self.length > 0 {
            let name = self.free_name(now);
            self.set_aside(&name)?;
            kept.push(name);
        }
        let mut record = Record::new(Event::AUDIT_DAMAGED, host.clone()).with("problem", problem);
        if good.seq > 0 {
            record = record.with("good-seq", good.seq.to_string());
            record = record.with("good-hash", good.hash.to_string());
        }
        if !kept.is_empty() {
            record = record.with("kept", Text::new(kept.join(OsStr::new("/")).as_bytes()));
        }
        self.end = self.anchor(good);
        self.recorded_damage = Some(self.write(&record, now)?);
        Ok(())
    }

    /// The last line that is known of: what the head remembers counts although it is lost.
    fn anchor(&self, good: End) -> End {
        let known = self.mark.map_or(End::NOTHING, |mark| mark.end);
        let last = if known.seq >= good.seq && known.seq > 0 { known } else { good };
        End { store: known.store.max(good.store), ..last }
    }

    fn free_name(&self, now: DateTime<Utc>) -> OsString {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".damaged-{}", stamp::for_name(now)));
        free(self.path, name)
    }

    /// Appends `record` and waits for the disk.
    pub(super) fn write(&mut self, record: &Record, now: DateTime<Utc>) -> Result<End, TrailError> {
        self.write_asking(record, now, &|| None)
    }

    /// The same; `again` tells the store's version once more where the record's is behind.
    pub(super) fn write_asking(
        &mut self,
        record: &Record,
        now: DateTime<Utc>,
        again: Ask<'_>,
    ) -> Result<End, TrailError> {
        let place = self.place(record, now, again)?;
        let (text, end) = line::seal(record, &place)?;
        if text.len() > MAX_LINE {
            return Err(TrailError::TooLong(text.len()));
        }
        if let Err(error) = files::append_synced(&self.file, &text) {
            self.cut_back(text.len());
            return Err(self.wrong("append to", append_source(error)));
        }
        self.length += u64::try_from(text.len()).unwrap_or(0);
        self.end = end;
        self.remember(Mark { end, unidentified: 0 });
        Ok(end)
    }

    fn place(
        &self,
        record: &Record,
        now: DateTime<Utc>,
        again: Ask<'_>,
    ) -> Result<Place, TrailError> {
        let (now, last) = (stamp::cut(now), self.end.time);
        if record.rests_on_state() && now < last - TOLERANCE {
            return Err(TrailError::Clock { now, last });
        }
        let store = self.store(record, again)?;
        let time = if record.event == Event::CLOCK_RESET { now } else { now.max(last) };
        let clock = (time != now).then_some(now);
        let unidentified = self.mark.map_or(0, |mark| mark.unidentified);
        Ok(Place { seq: self.end.seq + 1, prev: self.end.hash, time, clock, unidentified, store })
    }

    /// The version that the line carries: never a lower one than the line before.
    fn store(&self, record: &Record, again: Ask<'_>) -> Result<Option<u64>, TrailError> {
        let known = self.end.store;
        let mut given = record.store.as_ref().map(|store| store.version);
        if record.rests_on_state() && given < known {
            // Another process may have changed the store and told the trail in between.
            given = given.max(again());
            TrailError::of_store(given, known)?;
        }
        Ok(given.max(known))
    }

    /// Takes back what a failed write may have left; if that fails too, the next writer finds
    /// a damaged tail. Never where somebody emptied the file meanwhile.
    fn cut_back(&self, written: usize) {
        let most = self.length + u64::try_from(written).unwrap_or(u64::MAX);
        let grown = self.file.metadata().is_ok_and(|m| m.len() > self.length && m.len() <= most);
        if grown {
            let _ = self.file.set_len(self.length).and_then(|()| self.file.sync_data());
        }
    }

    /// Counts a push without an identity; says whether it could be written.
    pub(super) fn count_unidentified(&mut self) -> bool {
        let so_far = self.mark.map_or(0, |mark| mark.unidentified);
        self.remember(Mark { end: self.end, unidentified: so_far.saturating_add(1) })
    }

    fn remember(&mut self, mark: Mark) -> bool {
        self.mark = Some(mark);
        self.head.as_ref().is_some_and(|head| head.write(&mark))
    }
}

fn append_source(error: AppendError) -> std::io::Error {
    match error {
        AppendError::Write(source) | AppendError::Sync(source) => source,
        AppendError::Short { .. } => std::io::ErrorKind::StorageFull.into(),
    }
}

/// Else a command run by root would lock the hosting account out of its own trail.
pub(super) fn give(file: &File, account_uid: u32) -> Result<(), rustix::io::Errno> {
    if !rustix::process::geteuid().is_root() || rustix::fs::fstat(file)?.st_uid == account_uid {
        return Ok(());
    }
    rustix::fs::fchown(file, Some(rustix::fs::Uid::from_raw(account_uid)), None)
}

/// What the head remembers of lines that are not there.
fn contradiction(end: End, found: Found) -> Option<String> {
    let known = found.mark()?.end;
    if known.seq > end.seq {
        Some(format!("lines {} to {} are gone", end.seq + 1, known.seq))
    } else if known.seq == end.seq && known.hash != end.hash {
        Some(format!("line {} is not the one that was written", end.seq))
    } else {
        None
    }
}

/// The side file of the trail at `path`.
pub(super) fn head_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".head");
    path.with_file_name(name)
}

/// `name`, with a number after it where a file of that name is there.
pub(super) fn free(path: &Path, name: OsString) -> OsString {
    let is_free = |name: &OsString| path.with_file_name(name).symlink_metadata().is_err();
    if is_free(&name) {
        return name;
    }
    let numbered = |number: u64| {
        let mut next = name.clone();
        next.push(format!("-{number}"));
        next
    };
    (2..).map(numbered).find(is_free).unwrap_or(name)
}

#[cfg(test)]
mod tests;
