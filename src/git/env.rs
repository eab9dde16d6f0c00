//! The variables through which git tells a hook about the repository.
//!
//! Knows which ones count here; who reads them from the process is `os::env`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What git set for the hook; built once from the hook's environment.
#[derive(Debug, Clone, Default)]
pub struct GitEnv(BTreeMap<OsString, OsString>);

impl GitEnv {
    /// Keeps those of `variables` that are read here.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let kept = |name: &OsStr| {
            name.as_bytes().starts_with(b"GIT_")
                || matches!(name.as_bytes(), b"HOME" | b"XDG_CONFIG_HOME" | b"PATH")
        };
        Self(variables.into_iter().filter(|(name, _)| kept(name)).collect())
    }

    /// The value of `name`, unless it is unset or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Whether `name` is set, be it to nothing.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.0.contains_key(OsStr::new(name))
    }

    /// The value of `name` as a path.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(|value| Path::new(value).to_owned())
    }
}
