//! Faults asked of the programs, by `faults.toml` beside them (builds with `test-faults` only).

use super::Site;
use std::path::PathBuf;

/// A fault in force for as long as this lives.
#[derive(Debug)]
pub struct Fault {
    path: PathBuf,
}

impl Fault {
    /// Puts these lines of TOML in force.
    pub fn set(site: &Site, text: &str) -> Self {
        let path = site.programs().join("faults.toml");
        // Whole or not at all: a hook may be reading it.
        let draft = path.with_extension("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(&draft, &path).unwrap();
        Self { path }
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
