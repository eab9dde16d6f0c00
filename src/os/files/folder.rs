//! Folders of small files, made when the first one is laid there.

use super::{FileError, ensure_folder, write_fleeting};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

/// The names of what lies in a folder, in no order; nothing where there is no such folder.
///
/// # Errors
/// It can't be read, at once or on the way.
pub fn names(
    folder: &Path,
) -> Result<impl Iterator<Item = Result<OsString, FileError>> + use<>, FileError> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        other => Some(other.map_err(|error| FileError::new(folder, "read", error))?),
    };
    let path = folder.to_owned();
    let entries = entries.into_iter().flatten();
    Ok(entries.map(move |entry| match entry {
        Ok(entry) => Ok(entry.file_name()),
        Err(error) => Err(FileError::new(&path, "read", error)),
    }))
}

/// Writes a file that only its owner reads and a reboot makes worthless, in place of an earlier one.
///
/// # Errors
/// As [`write_fleeting`], or the folder can't be made.
pub fn lay(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let path = folder.join(name);
    match write_fleeting(&path, bytes, 0o600) {
        Err(error) if error.is_absent() => {
            ensure_folder(folder)?;
            write_fleeting(&path, bytes, 0o600)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_with_its_first_file_and_is_empty_before() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("notes");
        assert_eq!(names(&folder).unwrap().count(), 0);
        lay(&folder, "a", b"1").unwrap();
        lay(&folder, "a", b"2").unwrap();
        let all: Vec<_> = names(&folder).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(all, ["a"]);
        assert_eq!(std::fs::read(folder.join("a")).unwrap(), b"2");
        assert!(names(&folder.join("a")).is_err());
    }
}
