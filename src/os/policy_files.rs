//! The policy's files on disk: the main one and the ones beside and below it.
//!
//! Knows how to read them as what counts (every file and folder trusted) or only to look at them
//! (`policy check FILE`); what they say is `policy`'s matter.

use super::files::{self, FileError};
use super::trust::{self, TrustError};
use crate::policy::source::{Loader, MAX_BYTES, SourceFile};
use std::path::{Path, PathBuf};

/// Who must own what is read; `None` reads whatever anybody owns.
pub type Account = Option<u32>;

/// Why the main file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// Others could have written it (RW502).
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not UTF-8, so not TOML.
    #[error("`{}` is not UTF-8", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
    },
}

/// Reads what the main file includes.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    account: Account,
}

impl Folder {
    /// The folder that includes of a policy are relative to.
    #[must_use]
    pub fn new(path: PathBuf, account: Account) -> Self {
        Self { path, account }
    }
}

/// Reads the main file: the file with its name, the folder's real path, and what reads the rest.
///
/// # Errors
/// [`PolicyFileError`].
pub fn open(path: &Path, account: Account) -> Result<(SourceFile, String, Folder), PolicyFileError> {
    let real = std::fs::canonicalize(path).map_err(|e| FileError::new(path, "open", e))?;
    let text = read(&real, account, MAX_BYTES)?;
    let folder = real.parent().unwrap_or(Path::new("/")).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text_folder = folder.to_string_lossy().into_owned();
    Ok((SourceFile { name, text }, text_folder, Folder { path: folder, account }))
}

fn read(path: &Path, account: Account, max: usize) -> Result<String, PolicyFileError> {
    let bytes = match account {
        Some(uid) => files::read_opened(&trust::open_file(path, uid)?, path, max)?,
        None => files::read_limited(path, max)?,
    };
    String::from_utf8(bytes).map_err(|_| PolicyFileError::Encoding { path: path.to_owned() })
}

impl Loader for Folder {
    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let path = self.path.join(folder);
        if let Some(uid) = self.account {
            trust::open_folder(&path, uid).map_err(|error| error.to_string())?;
        }
        let wrong = |error: std::io::Error| FileError::new(&path, "read", error).to_string();
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(wrong)? {
            // A name that is not UTF-8 can't be matched by a pattern of the policy.
            names.extend(entry.map_err(wrong)?.file_name().into_string());
        }
        Ok(names)
    }

    fn read(&self, path: &str, max: usize) -> Result<String, String> {
        read(&self.path.join(path), self.account, max).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("policy.d")).unwrap();
        std::fs::write(folder.path().join("policy.toml"), "version = 1\n").unwrap();
        std::fs::write(folder.path().join("policy.d/a.toml"), "# a\n").unwrap();
        folder
    }

    fn uid() -> Account {
        Some(rustix::process::geteuid().as_raw())
    }

    #[test]
    fn the_main_file_and_those_below_it_are_read() {
        let folder = folder();
        let (main, _, rest) = open(&folder.path().join("policy.toml"), uid()).unwrap();
        assert_eq!(main, SourceFile { name: "policy.toml".into(), text: "version = 1\n".into() });
        assert_eq!(rest.names("policy.d").unwrap(), ["a.toml"]);
        assert_eq!(rest.read("policy.d/a.toml", 100).unwrap(), "# a\n");
        assert!(rest.read("policy.d/a.toml", 2).is_err());
    }

    #[test]
    fn a_world_writable_include_or_folder_is_refused_where_it_counts() {
        let folder = folder();
        let (_, _, rest) = open(&folder.path().join("policy.toml"), uid()).unwrap();
        let below = folder.path().join("policy.d");
        std::fs::set_permissions(below.join("a.toml"), PermissionsExt::from_mode(0o666)).unwrap();
        assert!(rest.read("policy.d/a.toml", 100).unwrap_err().contains("chmod"));
        std::fs::set_permissions(&below, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(rest.names("policy.d").is_err());
        let (_, _, looking) = open(&folder.path().join("policy.toml"), None).unwrap();
        assert!(looking.names("policy.d").is_ok());
    }

    #[test]
    fn a_policy_of_50_megabytes_is_refused() {
        let folder = folder();
        let path = folder.path().join("policy.toml");
        std::fs::File::create(&path).unwrap().set_len(50 << 20).unwrap();
        assert!(open(&path, uid()).unwrap_err().to_string().contains("longer than"));
    }
}
