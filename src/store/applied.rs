//! The applied policy: the one compiled file that hooks judge by, and those before it.
//!
//! Knows its place, its head and its history; not the format of what is compiled. The head is
//! `refwarden-policy`, a version (u32), the digest (32 bytes) and the payload's length (u64),
//! numbers little-endian; a file that is shorter or longer than it says was cut or mixed.

use crate::os::files::{self, FileError};
use crate::os::trust::{self, TrustError};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the payload begins, in bytes.
pub const PAYLOAD_AT: u64 = HEAD_BYTES as u64;
/// Most earlier policies that are kept.
pub const MAX_HISTORY: usize = 50;

const MAGIC: &[u8; 16] = b"refwarden-policy";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 16 + 4 + 32 + 8;
const MAX_BYTES: usize = 1 << 30;

/// Names one compiled policy.
pub type Digest = [u8; 32];

/// Why there is no policy to judge by.
#[derive(Debug, thiserror::Error)]
pub enum AppliedError {
    /// No policy was ever applied (RW501).
    #[error("no policy was ever applied: run `refwarden policy apply`")]
    None,
    /// Others could have written it (RW502).
    #[error(transparent)]
    Trust(TrustError),
    /// It can't be read or written (RW504).
    #[error(transparent)]
    File(#[from] FileError),
    /// Cut, mixed or of an unknown version (RW504).
    #[error("`{}` is not a compiled policy: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

/// A compiled policy, open and checked.
#[derive(Debug)]
pub struct Applied {
    /// Where it lay when it was opened; for words.
    pub path: PathBuf,
    /// Read it by position; the payload begins at [`PAYLOAD_AT`].
    pub file: File,
    /// The digest in its head.
    pub digest: Digest,
    /// The payload's length in bytes.
    pub payload_bytes: u64,
}

fn current(state: &Path) -> PathBuf {
    state.join("policy/current")
}

fn history_folder(state: &Path) -> PathBuf {
    state.join("policy/history")
}

/// The applied policy's digest, for `update`: nothing but the head is read.
///
/// # Errors
/// As [`open`].
pub fn digest(state: &Path, account_uid: u32) -> Result<Digest, AppliedError> {
    open(state, account_uid).map(|applied| applied.digest)
}

/// Opens the applied policy; it and its folders are trusted, its head and length are right.
///
/// # Errors
/// [`AppliedError`].
pub fn open(state: &Path, account_uid: u32) -> Result<Applied, AppliedError> {
    open_at(&current(state), account_uid)
}

fn open_at(path: &Path, account_uid: u32) -> Result<Applied, AppliedError> {
    let file = trust::open_file(path, account_uid).map_err(|error| match error {
        TrustError::File(error) if error.is_absent() => AppliedError::None,
        other => AppliedError::Trust(other),
    })?;
    let wrong = |source| FileError::new(path, "read", source);
    let bytes = file.metadata().map_err(wrong)?.len();
    let mut head = [0; HEAD_BYTES];
    let malformed = |reason| AppliedError::Malformed { path: path.to_owned(), reason };
    if bytes < PAYLOAD_AT {
        return Err(malformed("it is too short"));
    }
    file.read_exact_at(&mut head, 0).map_err(wrong)?;
    let (digest, payload_bytes) = parse(&head).map_err(malformed)?;
    if payload_bytes.checked_add(PAYLOAD_AT) != Some(bytes) {
        return Err(malformed("its length is not what it says"));
    }
    Ok(Applied { path: path.to_owned(), file, digest, payload_bytes })
}

fn parse(head: &[u8; HEAD_BYTES]) -> Result<(Digest, u64), &'static str> {
    let rest = head.strip_prefix(MAGIC).ok_or("it does not begin as one")?;
    let short = "it is too short";
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    if u32::from_le_bytes(*version) != VERSION {
        return Err("its version is not known");
    }
    let (digest, rest) = rest.split_first_chunk::<32>().ok_or(short)?;
    let (length, _) = rest.split_first_chunk::<8>().ok_or(short)?;
    Ok((*digest, u64::from_le_bytes(*length)))
}

fn render(payload: &[u8], digest: &Digest) -> Vec<u8> {
    let length = payload.len() as u64;
    [&MAGIC[..], &VERSION.to_le_bytes(), digest, &length.to_le_bytes(), payload].concat()
}

/// Makes `payload` the applied policy, and keeps the one before in the history where that `is_whole`.
///
/// To be called inside `epoch::changing`. A crash leaves the old policy or the new.
///
/// # Errors
/// [`AppliedError`]; the old policy stays.
pub fn replace(
    state: &Path,
    account_uid: u32,
    payload: &[u8],
    digest: &Digest,
    is_whole: bool,
) -> Result<(), AppliedError> {
    files::ensure_folder(&state.join("policy"))?;
    match open(state, account_uid) {
        Ok(outgoing) if is_whole => keep(state, account_uid, &outgoing)?,
        // What is damaged is no policy to return to, and must not stop its own replacement.
        Ok(_) | Err(AppliedError::None | AppliedError::Malformed { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(files::write_whole(&current(state), &render(payload, digest), 0o600)?)
}

fn keep(state: &Path, account_uid: u32, outgoing: &Applied) -> Result<(), AppliedError> {
    files::ensure_folder(&history_folder(state))?;
    let numbers = history(state)?;
    if let Some(last) = numbers.last()
        && open_kept(state, account_uid, *last).is_ok_and(|kept| kept.digest == outgoing.digest)
    {
        return Ok(());
    }
    let path = kept_path(state, numbers.last().map_or(1, |last| last.saturating_add(1)));
    let bytes = render(&outgoing.payload()?, &outgoing.digest);
    files::write_whole(&path, &bytes, 0o600)?;
    let surplus = (numbers.len() + 1).saturating_sub(MAX_HISTORY);
    for number in numbers.iter().take(surplus) {
        let path = kept_path(state, *number);
        std::fs::remove_file(&path).map_err(|error| FileError::new(&path, "remove", error))?;
    }
    Ok(())
}

impl Applied {
    /// The whole payload, for `policy rollback` and `doctor`.
    ///
    /// # Errors
    /// It can't be read, or has more than 1 GiB.
    pub fn payload(&self) -> Result<Vec<u8>, AppliedError> {
        let size = usize::try_from(self.payload_bytes).ok().filter(|size| *size <= MAX_BYTES);
        let size = size.ok_or_else(|| AppliedError::Malformed {
            path: self.path.clone(),
            reason: "it is too long",
        })?;
        let mut bytes = vec![0; size];
        let read = self.file.read_exact_at(&mut bytes, PAYLOAD_AT);
        read.map_err(|error| FileError::new(&self.path, "read", error))?;
        Ok(bytes)
    }
}

fn kept_path(state: &Path, number: u32) -> PathBuf {
    history_folder(state).join(format!("{number:08}"))
}

/// The numbers of the policies that were applied before the present one, oldest first.
///
/// # Errors
/// The folder can't be read.
pub fn history(state: &Path) -> Result<Vec<u32>, AppliedError> {
    let mut numbers = Vec::new();
    for name in files::names(&history_folder(state))? {
        let name = name?;
        numbers.extend(name.to_str().filter(|n| n.len() == 8).and_then(|n| n.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Opens an earlier policy by its number.
///
/// # Errors
/// As [`open`].
pub fn open_kept(state: &Path, account_uid: u32, number: u32) -> Result<Applied, AppliedError> {
    open_at(&kept_path(state, number), account_uid)
}

/// The number of the newest earlier policy that is not the present one: where rollback goes.
///
/// # Errors
/// The present or an earlier policy can't be opened; where the present one is damaged, it is none of them.
pub fn previous(state: &Path, account_uid: u32) -> Result<Option<u32>, AppliedError> {
    let present = match digest(state, account_uid) {
        Ok(digest) => Some(digest),
        Err(AppliedError::Malformed { .. }) => None,
        Err(error) => return Err(error),
    };
    for number in history(state)?.into_iter().rev() {
        if Some(open_kept(state, account_uid, number)?.digest) != present {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tempfile::{TempDir, tempdir};

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn apply(state: &TempDir, text: &str, digest: u8) {
        replace(state.path(), me(), text.as_bytes(), &[digest; 32], true).unwrap();
    }

    fn text(applied: &Applied) -> String {
        String::from_utf8(applied.payload().unwrap()).unwrap()
    }

    #[test]
    fn no_policy_is_its_own_error() {
        let state = tempdir().unwrap();
        assert!(matches!(digest(state.path(), me()), Err(AppliedError::None)));
    }

    #[test]
    fn what_is_applied_is_opened() {
        let state = tempdir().unwrap();
        apply(&state, "one", 1);
        let applied = open(state.path(), me()).unwrap();
        assert_eq!((applied.digest, applied.payload_bytes), ([1; 32], 3));
        assert_eq!(text(&applied), "one");
        assert_eq!(previous(state.path(), me()).unwrap(), None);
    }

    #[test]
    fn an_open_policy_stays_whole_when_another_is_applied() {
        let state = tempdir().unwrap();
        apply(&state, "one", 1);
        let open_before = open(state.path(), me()).unwrap();
        apply(&state, "two!", 2);
        assert_eq!(text(&open_before), "one");
        assert_eq!(digest(state.path(), me()).unwrap(), [2; 32]);
    }

    #[test]
    fn rollback_finds_the_one_before_and_back_again() {
        let state = tempdir().unwrap();
        apply(&state, "one", 1);
        apply(&state, "two", 2);
        apply(&state, "two", 2);
        let number = previous(state.path(), me()).unwrap().unwrap();
        assert_eq!(text(&open_kept(state.path(), me(), number).unwrap()), "one");
        apply(&state, "one", 1);
        let number = previous(state.path(), me()).unwrap().unwrap();
        assert_eq!(text(&open_kept(state.path(), me(), number).unwrap()), "two");
    }

    #[test]
    fn a_crash_after_keeping_the_old_one_does_not_make_it_its_own_predecessor() {
        let state = tempdir().unwrap();
        apply(&state, "one", 1);
        apply(&state, "two", 2);
        keep(state.path(), me(), &open(state.path(), me()).unwrap()).unwrap(); // killed here
        let number = previous(state.path(), me()).unwrap().unwrap();
        assert_eq!(text(&open_kept(state.path(), me(), number).unwrap()), "one");
    }

    #[test]
    fn the_history_is_bounded() {
        let state = tempdir().unwrap();
        (0..60).for_each(|n| apply(&state, "x", n));
        let numbers = history(state.path()).unwrap();
        assert_eq!(numbers, (10..60).collect::<Vec<u32>>());
    }

    #[test]
    fn every_truncation_and_any_tail_is_refused() {
        let state = tempdir().unwrap();
        apply(&state, "payload", 1);
        let path = current(state.path());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let result = digest(state.path(), me());
            assert!(matches!(result, Err(AppliedError::Malformed { .. })), "{length}");
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(digest(state.path(), me()).is_err());
        apply(&state, "new", 2);
        assert_eq!(digest(state.path(), me()).unwrap(), [2; 32]);
    }

    #[test]
    fn an_unknown_version_and_a_huge_length_are_refused() {
        let state = tempdir().unwrap();
        apply(&state, "payload", 1);
        let path = current(state.path());
        let whole = std::fs::read(&path).unwrap();
        for (at, byte) in [(16, 2), (0, b'X'), (HEAD_BYTES - 1, 0xff)] {
            let mut bad = whole.clone();
            bad[at] = byte;
            std::fs::write(&path, bad).unwrap();
            assert!(open(state.path(), me()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_policy_that_others_can_write_is_refused() {
        let state = tempdir().unwrap();
        apply(&state, "one", 1);
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        set(&state.path().join("policy"), 0o770);
        assert!(matches!(digest(state.path(), me()), Err(AppliedError::Trust(_))));
        assert!(replace(state.path(), me(), b"x", &[0; 32], true).is_err());
        set(&state.path().join("policy"), 0o700);
        set(&current(state.path()), 0o606);
        assert!(matches!(digest(state.path(), me()), Err(AppliedError::Trust(_))));
    }
}
