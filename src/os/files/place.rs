//! New files that get their name once they are whole, for what others write (a database).

use super::{FileError, give_to_owner_of, open_folder, split, sync_folder};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Makes an empty file at a path where nothing is; what root makes belongs to the folder's owner.
///
/// # Errors
/// It can't be made, or something has its name.
pub fn create_new(path: &Path, mode: u32) -> Result<(), FileError> {
    let wrong = |source: std::io::Error| FileError::new(path, "make", source);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))
        .map_err(|error| wrong(error.into()))?;
    // Exact, whatever the umask.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(|error| wrong(error.into()))?;
    let folder = open_folder(split(path).map_err(wrong)?.0).map_err(|error| wrong(error.into()))?;
    give_to_owner_of(&folder, &file).map_err(wrong)
}

/// Copies what stands in `from` into a new file, as [`create_new`] makes it.
///
/// # Errors
/// Either can't be opened, something has the new one's name, or the disk is full.
pub fn copy_new(from: &Path, to: &Path, mode: u32) -> Result<(), FileError> {
    let mut source = File::open(from).map_err(|error| FileError::new(from, "open", error))?;
    create_new(to, mode)?;
    let copied = File::options().write(true).open(to);
    let copied = copied.and_then(|mut to| std::io::copy(&mut source, &mut to));
    copied.map(drop).map_err(|error| FileError::new(to, "write", error))
}

/// Waits until the disk has a file that somebody else wrote.
///
/// # Errors
/// It can't be opened or synced.
pub fn sync_file(path: &Path) -> Result<(), FileError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| FileError::new(path, "sync", error))
}

/// Waits until the disk has the names of what is in the folder of `path`.
///
/// # Errors
/// It can't be opened or synced.
pub fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let wrong = |source: std::io::Error| FileError::new(path, "sync the folder of", source);
    let folder = open_folder(split(path).map_err(wrong)?.0).map_err(|error| wrong(error.into()))?;
    sync_folder(&folder).map_err(wrong)
}

/// Gives the whole file `draft` the name `path` as well, as one step that survives a power failure.
///
/// # Errors
/// Something has that name (kind `AlreadyExists`), or a step failed.
pub fn place_new(draft: &Path, path: &Path) -> Result<(), FileError> {
    sync_file(draft)?;
    let wrong = |source: std::io::Error| FileError::new(path, "make", source);
    std::fs::hard_link(draft, path).map_err(wrong)?;
    sync_folder_of(path)
}

/// Device and inode of what a path names now. The file is not opened.
///
/// # Errors
/// There is none, or it can't be looked at.
pub fn identity(path: &Path) -> Result<(u64, u64), FileError> {
    let about = std::fs::symlink_metadata(path);
    let about = about.map_err(|error| FileError::new(path, "look at", error))?;
    Ok((about.dev(), about.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_draft_is_placed_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let [draft, path] = ["draft", "path"].map(|name| folder.path().join(name));
        create_new(&draft, 0o640).unwrap();
        assert_eq!(std::fs::metadata(&draft).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(create_new(&draft, 0o600).is_err());
        place_new(&draft, &path).unwrap();
        assert_eq!(identity(&draft).unwrap(), identity(&path).unwrap());
        let again = place_new(&draft, &path).unwrap_err();
        assert_eq!(again.source.kind(), std::io::ErrorKind::AlreadyExists);
    }
}
