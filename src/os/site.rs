//! The site file: where this installation's policy, state and repositories are, and whose.
//!
//! Knows `site.toml` beside the real executable; not what stands in the files that it names.
//! Nothing of it can come from the environment.

use super::files::{self, FileError};
use super::trust::{self, TrustError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file's name, beside the executable.
pub const FILE_NAME: &str = "site.toml";
/// What the admin command is called beside hooks that are copies; a host that runs every file of a
/// folder skips dot files.
pub const PROGRAM_COPY: &str = ".refwarden";
const VERSION: u32 = 1;
const MAX_BYTES: usize = 64 * 1024;

/// One installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Site {
    version: u32,
    /// The policy that `policy apply` reads.
    pub policy: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    /// The hosting account's name, for words.
    pub account: String,
    /// The hosting account: the only one that hooks run as.
    pub account_uid: u32,
    /// The folder that all repositories lie in.
    pub root: PathBuf,
}

/// Why there is no usable site.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Others could have written the file.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Not the TOML that it should be.
    #[error("`{}` is not a site file: {reason}", path.display())]
    Malformed {
        /// The site file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file changed while it was read.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The site file.
        path: PathBuf,
    },
    /// Run by somebody else than the hosting account (RW502).
    #[error("runs as uid {uid}, not as the hosting account `{account}` (uid {account_uid})")]
    OtherAccount {
        /// Who runs it.
        uid: u32,
        /// The hosting account.
        account: String,
        /// Its uid.
        account_uid: u32,
    },
}

impl Site {
    /// A site of the current version.
    #[must_use]
    pub fn new(
        policy: PathBuf,
        state: PathBuf,
        account: String,
        account_uid: u32,
        root: PathBuf,
    ) -> Self {
        Self { version: VERSION, policy, state, account, account_uid, root }
    }

    /// Reads the site file beside the running executable.
    ///
    /// # Errors
    /// None there, not trusted, or malformed.
    pub fn find() -> Result<Self, SiteError> {
        Self::read(&Self::home()?)
    }

    /// The folder of the running executable, links resolved.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn home() -> Result<PathBuf, SiteError> {
        let link = Path::new("/proc/self/exe");
        let exe = std::fs::read_link(link).map_err(|e| FileError::new(link, "read", e))?;
        Ok(exe.parent().unwrap_or(Path::new("/")).to_owned())
    }

    /// The admin command, which also does what the hooks' own programs leave to it: the copy beside a
    /// hook that is a copy, else the program beside the installed ones.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn program() -> Result<PathBuf, SiteError> {
        let home = Self::home()?;
        let copy = home.join(PROGRAM_COPY);
        Ok(if copy.is_file() { copy } else { home.join("refwarden") })
    }

    /// Reads the site file of a folder; it must be root's or the account's that it names.
    ///
    /// # Errors
    /// As [`Site::find`].
    pub fn read(folder: &Path) -> Result<Self, SiteError> {
        let path = folder.join(FILE_NAME);
        let unchecked = files::read_limited(&path, MAX_BYTES)?;
        let site = Self::parse(&unchecked, &path)?;
        // Who may own the file stands in the file: look again, at the one that was checked.
        let file = trust::open_file(&path, site.account_uid)?;
        if files::read_opened(&file, &path, MAX_BYTES)? != unchecked {
            return Err(SiteError::Changed { path });
        }
        Ok(site)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, SiteError> {
        let wrong = |reason: String| SiteError::Malformed { path: path.to_owned(), reason };
        let site = match Self::written(bytes) {
            Some(site) => site,
            None => toml::from_slice(bytes).map_err(|e| wrong(e.message().to_owned()))?,
        };
        if site.version != VERSION {
            return Err(wrong(format!("version {} is not known, only {VERSION}", site.version)));
        }
        let relative =
            [&site.policy, &site.state, &site.root].into_iter().find(|p| !p.is_absolute());
        if let Some(relative) = relative {
            return Err(wrong(format!("`{}` is not absolute", relative.display())));
        }
        Ok(site)
    }

    /// Reads what the installation writes, every key once and nothing that has to be unquoted: each
    /// hook of each push reads it. Anything else is left to the TOML library.
    fn written(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?;
        let mut fields = BTreeMap::new();
        for line in text.lines() {
            let (key, value) = line.split_once(" = ")?;
            if value.bytes().any(|byte| byte == b'\\' || byte.is_ascii_control())
                || fields.insert(key, value).is_some()
            {
                return None;
            }
        }
        let mut number = |key| {
            let digits: &str = fields.remove(key)?;
            let plain = !digits.starts_with('0') || digits == "0";
            let digits = Some(digits).filter(|d| plain && d.bytes().all(|b| b.is_ascii_digit()));
            digits?.parse::<u32>().ok()
        };
        let (version, account_uid) = (number("version")?, number("account-uid")?);
        let mut word = |key| {
            let inner = fields.remove(key)?.strip_prefix('"')?.strip_suffix('"')?;
            (!inner.contains('"')).then(|| inner.to_owned())
        };
        let (policy, state, root) =
            (word("policy")?.into(), word("state")?.into(), word("root")?.into());
        let account = word("account")?;
        fields.is_empty().then_some(Self { version, policy, state, account, account_uid, root })
    }

    /// Writes the site file of a folder, readable by everybody.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), SiteError> {
        let path = folder.join(FILE_NAME);
        let text = toml::to_string(self)
            .map_err(|e| SiteError::Malformed { path: path.clone(), reason: e.to_string() })?;
        Ok(files::write_whole(&path, text.as_bytes(), 0o644)?)
    }

    /// Refuses anybody but the hosting account, root included: their environment is their own.
    ///
    /// # Errors
    /// [`SiteError::OtherAccount`] (RW502).
    pub fn check_account(&self) -> Result<(), SiteError> {
        self.check_uid(rustix::process::geteuid().as_raw())
    }

    fn check_uid(&self, uid: u32) -> Result<(), SiteError> {
        if uid == self.account_uid {
            return Ok(());
        }
        let (account, account_uid) = (self.account.clone(), self.account_uid);
        Err(SiteError::OtherAccount { uid, account, account_uid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn site() -> Site {
        let uid = rustix::process::geteuid().as_raw();
        Site::new("/etc/p.toml".into(), "/var/lib/r".into(), "git".into(), uid, "/srv".into())
    }

    fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        Site::read(folder.path()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        site().write(folder.path()).unwrap();
        assert_eq!(Site::read(folder.path()).unwrap(), site());
        site().check_account().unwrap();
    }

    /// Values as they may stand in a site file, right and wrong ones.
    const VALUES: [&str; 16] = [
        "1",
        "0",
        "01",
        "+1",
        "-1",
        "1_0",
        "4294967296",
        "\"/a\"",
        "\"/a b\"",
        "\"\"",
        "'/a'",
        "\"/\\u0041\"",
        "\"a\" # b",
        "\"a\"\"",
        "\"ä\"",
        "[]",
    ];

    proptest! {
        #[test]
        fn what_is_read_at_a_glance_means_the_same_in_toml(
            values in prop::collection::vec(prop::sample::select(&VALUES[..]), 6),
            keys in Just(["version", "policy", "state", "account", "account-uid", "root"].to_vec())
                .prop_shuffle(),
            likely in prop::collection::vec(any::<bool>(), 6),
            more in prop::sample::select(&["", "\n", "root = \"/\"\n", "x = 1\n", "# x\n"][..]),
        ) {
            let mut text = String::new();
            for ((key, value), likely) in keys.iter().zip(&values).zip(&likely) {
                let number = matches!(*key, "version" | "account-uid");
                let value = if *likely { if number { "1" } else { "\"/a\"" } } else { value };
                text += &format!("{key} = {value}\n");
            }
            text += more;
            if let Some(site) = Site::written(text.as_bytes()) {
                prop_assert_eq!(Ok(site), toml::from_str::<Site>(&text).map_err(|_| text));
            }
        }
    }

    #[test]
    fn what_the_installation_writes_is_read_at_a_glance() {
        let folder = tempfile::tempdir().unwrap();
        site().write(folder.path()).unwrap();
        let bytes = std::fs::read(folder.path().join(FILE_NAME)).unwrap();
        assert_eq!(Site::written(&bytes), Some(site()));
    }

    #[test]
    fn a_world_writable_site_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        site().write(folder.path()).unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        assert!(matches!(Site::read(folder.path()), Err(SiteError::Trust(_))));
    }

    #[test]
    fn another_account_is_refused_root_too() {
        let mut site = site();
        site.account_uid = 4242;
        assert!(site.check_account().is_err());
        let words = site.check_uid(0).unwrap_err().to_string();
        assert_eq!(words, "runs as uid 0, not as the hosting account `git` (uid 4242)");
    }

    #[test]
    fn unknown_keys_versions_and_relative_paths_are_refused() {
        let good = toml::to_string(&site()).unwrap();
        assert!(refused(&format!("{good}extra = 1\n")).contains("unknown field"));
        let newer = good.replace("version = 1", "version = 2");
        assert!(refused(&newer).contains("version 2 is not known"));
        assert!(refused(&good.replace("/srv", "srv")).contains("`srv` is not absolute"));
        assert!(refused("").contains("missing field"));
    }
}
