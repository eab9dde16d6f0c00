//! Where a repository is, and whether it may be read at all.
//!
//! Knows git's folders (gitrepository-layout(5)) and who may own them.

#![expect(clippy::disallowed_methods, reason = "looks at the folders of a repository")]

use super::GitError;
use gix::bstr::ByteSlice;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folders of one repository, absolute and free of symbolic links.
pub(super) struct Repo {
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
}

impl Repo {
    /// Finds the folders of `git_dir` and tests that root or `account_uid` owns them.
    pub(super) fn open(git_dir: &Path, account_uid: u32) -> Result<Self, GitError> {
        let git_dir = git_dir.canonicalize().map_err(GitError::io("open", git_dir))?;
        check_owner(&git_dir, account_uid)?;
        let common_dir = common_dir(&git_dir)?;
        if common_dir != git_dir {
            check_owner(&common_dir, account_uid)?;
        }
        for part in ["objects", "refs"] {
            check_owner(&common_dir.join(part), account_uid)?;
        }
        Ok(Self { git_dir, common_dir })
    }
}

/// The folder that all work trees share; a bare repository is its own.
fn common_dir(git_dir: &Path) -> Result<PathBuf, GitError> {
    let file = git_dir.join("commondir");
    match std::fs::read(&file) {
        Ok(text) => {
            let named = Path::new(OsStr::from_bytes(text.trim_end_with(|c| c == '\n')));
            let common = git_dir.join(named);
            common.canonicalize().map_err(GitError::io("open", &common))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(git_dir.to_owned()),
        Err(error) => Err(GitError::io("read", &file)(error)),
    }
}

fn check_owner(path: &Path, account_uid: u32) -> Result<(), GitError> {
    let owner = std::fs::metadata(path).map_err(GitError::io("open", path))?.uid();
    if owner == 0 || owner == account_uid {
        return Ok(());
    }
    Err(GitError::Owner { path: path.to_owned(), owner })
}
