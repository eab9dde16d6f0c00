//! The environment of a hook, read once.
//!
//! Knows git's variables by type and all others by name; not which of them count as evidence.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Most push options a push may carry.
pub const MAX_PUSH_OPTIONS: usize = 64;
/// Most bytes of all push options together.
pub const MAX_PUSH_OPTION_BYTES: usize = 16 * 1024;

/// Why the environment is not what git makes (RW301).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// `GIT_PUSH_OPTION_COUNT` is not a number.
    #[error("`GIT_PUSH_OPTION_COUNT` is not a number")]
    OptionCount,
    /// More than [`MAX_PUSH_OPTIONS`].
    #[error("more than {MAX_PUSH_OPTIONS} push options")]
    TooManyOptions,
    /// More than [`MAX_PUSH_OPTION_BYTES`].
    #[error("push options of more than {MAX_PUSH_OPTION_BYTES} bytes")]
    OptionsTooLong,
    /// Fewer options than were announced.
    #[error("push option {0} was announced but is not there")]
    OptionMissing(usize),
    /// `GIT_PUSH_CERT` is not an object id.
    #[error("`GIT_PUSH_CERT` is not an object id")]
    PushCert,
}

/// The environment of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookEnv {
    /// `GIT_DIR`; git makes it the working folder as well.
    pub git_dir: Option<PathBuf>,
    /// `GIT_QUARANTINE_PATH`: where the pushed objects wait; pre-receive only.
    pub quarantine: Option<PathBuf>,
    /// `GIT_OBJECT_DIRECTORY`.
    pub object_dir: Option<PathBuf>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`, as it stands (`:` between, entries may be quoted).
    pub alternates: Option<OsString>,
    /// `GIT_NAMESPACE`.
    pub namespace: Option<OsString>,
    /// What the client gave with `-o`, verbatim: any bytes.
    pub push_options: Vec<Vec<u8>>,
    /// `GIT_PUSH_CERT`: hexadecimal id of the certificate's blob; none when no certificate came.
    pub push_cert: Option<String>,
    all: BTreeMap<OsString, OsString>,
}

impl HookEnv {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`EnvError`] when one of git's variables is malformed.
    pub fn capture() -> Result<Self, EnvError> {
        Self::from_list(std::env::vars_os())
    }

    /// Builds an environment from names and values.
    ///
    /// # Errors
    /// As [`HookEnv::capture`].
    pub fn from_list<N: Into<OsString>, V: Into<OsString>>(
        list: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, EnvError> {
        let all = list.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let path = |name: &str| filled(&all, name).map(PathBuf::from);
        Ok(Self {
            git_dir: path("GIT_DIR"),
            quarantine: path("GIT_QUARANTINE_PATH"),
            object_dir: path("GIT_OBJECT_DIRECTORY"),
            alternates: filled(&all, "GIT_ALTERNATE_OBJECT_DIRECTORIES").map(OsString::from),
            namespace: filled(&all, "GIT_NAMESPACE").map(OsString::from),
            push_options: push_options(&all)?,
            push_cert: push_cert(&all)?,
            all,
        })
    }

    /// All variables, by name.
    pub fn variables(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.all.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    /// A variable's value; none when it is not set or empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        filled(&self.all, name)
    }
}

/// One variable of this process; none when it is not set or empty.
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The arguments of this process, the name it was started by first.
#[must_use]
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// The folder that this process works in: the git directory, in a hook.
///
/// # Errors
/// It was removed, or can't be read.
pub fn working_folder() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

fn filled<'a>(all: &'a BTreeMap<OsString, OsString>, name: &str) -> Option<&'a OsStr> {
    all.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
}

fn push_options(all: &BTreeMap<OsString, OsString>) -> Result<Vec<Vec<u8>>, EnvError> {
    let Some(count) = all.get(OsStr::new("GIT_PUSH_OPTION_COUNT")) else {
        return Ok(Vec::new());
    };
    let digits = count.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let digits = digits.filter(|text| !text.is_empty()).ok_or(EnvError::OptionCount)?;
    let count: usize = digits.parse().map_err(|_| EnvError::TooManyOptions)?;
    if count > MAX_PUSH_OPTIONS {
        return Err(EnvError::TooManyOptions);
    }
    let mut left = MAX_PUSH_OPTION_BYTES;
    (0..count).map(|number| push_option(all, number, &mut left)).collect()
}

fn push_option(
    all: &BTreeMap<OsString, OsString>,
    number: usize,
    left: &mut usize,
) -> Result<Vec<u8>, EnvError> {
    let name = OsString::from(format!("GIT_PUSH_OPTION_{number}"));
    let value = all.get(&name).ok_or(EnvError::OptionMissing(number))?.as_bytes();
    *left = left.checked_sub(value.len()).ok_or(EnvError::OptionsTooLong)?;
    Ok(value.to_vec())
}

fn push_cert(all: &BTreeMap<OsString, OsString>) -> Result<Option<String>, EnvError> {
    let Some(value) = filled(all, "GIT_PUSH_CERT") else {
        return Ok(None);
    };
    let id = value.to_str().ok_or(EnvError::PushCert)?;
    let hexadecimal = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !hexadecimal || ![40, 64].contains(&id.len()) {
        return Err(EnvError::PushCert);
    }
    // git sets an all-zero id when it could not store the certificate.
    Ok(id.bytes().any(|b| b != b'0').then(|| id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(list: &[(&str, &str)]) -> Result<HookEnv, EnvError> {
        HookEnv::from_list(list.iter().copied())
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        let env = env(&[("REMOTE_USER", ""), ("GL_USER", "alice"), ("GIT_DIR", ".")]).unwrap();
        assert_eq!(env.var("REMOTE_USER"), None);
        assert_eq!(env.var("GL_USER"), Some(OsStr::new("alice")));
        assert_eq!(env.git_dir, Some(PathBuf::from(".")));
        assert_eq!(env.quarantine, None);
    }

    #[test]
    fn push_options_come_verbatim() {
        let list = [
            ("GIT_PUSH_OPTION_COUNT", "2"),
            ("GIT_PUSH_OPTION_0", "a\x1b[1m"),
            ("GIT_PUSH_OPTION_1", ""),
        ];
        assert_eq!(env(&list).unwrap().push_options, [b"a\x1b[1m".to_vec(), vec![]]);
        assert!(env(&[("GIT_PUSH_OPTION_0", "stray")]).unwrap().push_options.is_empty());
    }

    #[test]
    fn a_lying_count_of_push_options_is_refused() {
        let count = |text: &str| env(&[("GIT_PUSH_OPTION_COUNT", text)]).unwrap_err();
        for text in ["", "-1", "+1", "1x", " 1", "0x1"] {
            assert_eq!(count(text), EnvError::OptionCount, "{text}");
        }
        assert_eq!(count("1"), EnvError::OptionMissing(0));
        assert_eq!(count("65"), EnvError::TooManyOptions);
        assert_eq!(count("99999999999999999999999"), EnvError::TooManyOptions);
    }

    #[test]
    fn push_options_that_fill_memory_are_refused() {
        let long = "x".repeat(MAX_PUSH_OPTION_BYTES);
        let list = |second| {
            [
                ("GIT_PUSH_OPTION_COUNT", "2"),
                ("GIT_PUSH_OPTION_0", long.as_str()),
                ("GIT_PUSH_OPTION_1", second),
            ]
        };
        assert!(env(&list("")).is_ok());
        assert_eq!(env(&list("y")).unwrap_err(), EnvError::OptionsTooLong);
    }

    #[test]
    fn a_push_certificate_is_an_id_or_refused() {
        let cert = |id: &str| env(&[("GIT_PUSH_CERT", id)]).map(|env| env.push_cert);
        assert_eq!(cert(&"ab".repeat(20)).unwrap(), Some("ab".repeat(20)));
        assert_eq!(cert(&"ab".repeat(32)).unwrap(), Some("ab".repeat(32)));
        assert_eq!(cert(&"0".repeat(40)).unwrap(), None);
        assert_eq!(cert("").unwrap(), None);
        for id in ["HEAD", "ab", &"AB".repeat(20), &"--".repeat(20)] {
            assert_eq!(cert(id), Err(EnvError::PushCert), "{id}");
        }
    }
}
