//! Reads the files of a policy from the disk, if they may be believed.
//!
//! Knows folders, trust and sizes; what stands in the files is [`crate::policy`]'s matter.

use super::files::{self, FileError};
use super::trust::{self, TrustError};
use crate::policy::source::{self, Loader, MAX_BYTES, NotText, SourceFile};
use rustix::fs::{Dir, FileType};
use std::path::{Path, PathBuf};

/// Most names that are listed in one folder.
const MAX_NAMES: usize = 100_000;

/// Why the main file of a policy can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It, or a folder above it, is not to be trusted (RW502), or it can't be opened.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It is too long or can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not text.
    #[error("`{}` {}", .0.display(), .1)]
    NotText(PathBuf, Box<NotText>),
}

/// Whose the files must be to count; `None` only looks, at anybody's.
pub type Account = Option<u32>;

/// Reads files below the folder of a policy's main file.
#[derive(Debug)]
pub struct PolicyFiles {
    folder: PathBuf,
    account: Account,
}

impl PolicyFiles {
    /// The main file at `path`, which is absolute, and a loader for what it includes.
    ///
    /// # Errors
    /// [`ReadError`] when the file is not trusted, longer than [`MAX_BYTES`], or not UTF-8.
    pub fn open(path: &Path, account: Account) -> Result<(SourceFile, Self), ReadError> {
        let text = read(path, account, MAX_BYTES)?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let name = path.to_string_lossy().into_owned();
        Ok((SourceFile { name, text }, Self { folder, account }))
    }

    /// The folder of the main file, for [`crate::policy::load_file`].
    #[must_use]
    pub fn folder(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }
}

fn read(path: &Path, account: Account, max: usize) -> Result<String, ReadError> {
    let bytes = match account {
        Some(uid) => files::read_opened(&trust::open_file(path, uid)?, path, max)?,
        None => files::read_limited(path, max)?,
    };
    source::text_of(bytes).map_err(|error| ReadError::NotText(path.to_owned(), Box::new(error)))
}

impl Loader for PolicyFiles {
    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let path = self.folder.join(folder);
        let opened = match self.account {
            Some(uid) => trust::open_folder(&path, uid).map_err(|e| e.to_string())?,
            None => std::fs::File::open(&path)
                .map_err(|error| FileError::new(&path, "list", error).to_string())?,
        };
        list(&opened).map_err(|error| FileError::new(&path, "list", error).to_string())
    }

    fn read(&self, path: &str, max: usize) -> Result<String, String> {
        read(&self.folder.join(path), self.account, max).map_err(|error| error.to_string())
    }
}

/// What is not a folder; a name that is not UTF-8 is refused, because it can't be left out in
/// silence.
fn list(folder: &std::fs::File) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if entry.file_type() == FileType::Directory {
            continue;
        }
        let name = entry.file_name().to_str();
        let name = name.map_err(|_| std::io::Error::other("a file's name is not UTF-8"))?;
        names.push(name.to_owned());
        if names.len() > MAX_NAMES {
            return Err(std::io::Error::other(format!("more than {MAX_NAMES} files")));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_file;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const MAIN: &str = "version = 1\ninclude = [\"policy.d/*.toml\"]\n[identity]\n\
                        sources = [\"gitea\"]\n[schemes.default]\n";

    struct Site(tempfile::TempDir);

    impl Site {
        fn new() -> Self {
            let site = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir(site.path("policy.d")).unwrap();
            site.write("policy.toml", MAIN);
            site.write("policy.d/a.toml", "[users.alice]\n");
            site
        }
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.path(name), text).unwrap();
            self.mode(name, 0o644);
        }
        fn mode(&self, name: &str, mode: u32) {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(self.path(name), mode).unwrap();
        }
        /// The users that are declared, or everything that is wrong.
        fn load(&self) -> Result<usize, String> {
            let uid = rustix::process::geteuid().as_raw();
            let opened = PolicyFiles::open(&self.path("policy.toml"), Some(uid));
            let (main, files) = opened.map_err(|error| error.to_string())?;
            let (_, result) = load_file(main, &files.folder(), &files);
            let told = |problem: &crate::policy::diag::Problem| problem.message.clone();
            result
                .map(|(policy, _)| policy.users.len())
                .map_err(|problems| problems.iter().map(told).collect::<Vec<_>>().join("\n"))
        }
    }

    #[test]
    fn a_policy_and_what_it_includes_are_read() {
        assert_eq!(Site::new().load(), Ok(1));
    }

    #[test]
    fn a_world_writable_policy_folder_or_include_is_refused() {
        for (name, mode) in [
            ("policy.toml", 0o646),
            ("policy.d/a.toml", 0o664),
            ("policy.d", 0o777),
            ("policy.d", 0o775),
        ] {
            let site = Site::new();
            site.mode(name, mode);
            assert!(site.load().unwrap_err().contains("can be written by"), "{name} {mode:o}");
        }
    }

    #[test]
    fn an_include_that_is_a_link_to_somewhere_open_is_refused() {
        let site = Site::new();
        std::fs::create_dir(site.path("open")).unwrap();
        site.write("open/b.toml", "[users.mallory]\n");
        site.mode("open", 0o777);
        symlink(site.path("open/b.toml"), site.path("policy.d/b.toml")).unwrap();
        assert!(site.load().unwrap_err().contains("can be written by"));
    }

    #[test]
    fn a_policy_of_fifty_megabytes_is_refused_with_words() {
        let site = Site::new();
        site.write("policy.toml", &"#".repeat(50 << 20));
        assert!(site.load().unwrap_err().contains("longer than"));
        let site = Site::new();
        site.write("policy.d/b.toml", &"#".repeat(50 << 20));
        assert!(site.load().unwrap_err().contains("longer than"));
    }

    #[test]
    fn a_fifo_or_a_folder_or_other_bytes_in_place_of_an_include_do_not_hang_or_pass() {
        let site = Site::new();
        let fifo = site.path("policy.d/b.toml");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
        assert!(site.load().unwrap_err().contains("is not a regular file"));
        let site = Site::new();
        std::fs::create_dir(site.path("policy.d/b.toml")).unwrap();
        assert_eq!(site.load(), Ok(1), "a folder is no file");
        std::fs::write(site.path("policy.d/c.toml"), b"# \xff").unwrap();
        assert!(site.load().unwrap_err().contains("c.toml` is not UTF-8 (line 1, column 3)"));
        std::fs::write(site.path("policy.d/c.toml"), "# \u{fffd}").unwrap();
        assert_eq!(site.load(), Ok(1), "the mark itself is text");
    }
}
