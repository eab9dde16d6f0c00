//! An installation in a temporary folder, for tests of what looks at installations.

#![expect(clippy::disallowed_methods, reason = "tests lay out what is looked at")]

use super::change::{self, Plan, Step};
use super::layout::Hook;
use super::survey;
use super::target::{Installation, Target};
use crate::cli::finding::{Level, worst};
use crate::os::account::Account;
use crate::os::git_config;
use crate::os::site::Site;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One installation without install.sh.
pub struct Bed {
    /// Everything lies in it.
    pub folder: tempfile::TempDir,
    /// The installation.
    pub home: Installation,
}

impl Bed {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = git_config::real(folder.path()).unwrap();
        let programs = at.join("lib/refwarden");
        std::fs::create_dir_all(&programs).unwrap();
        std::fs::create_dir_all(at.join("srv")).unwrap();
        for hook in Hook::ALL {
            file(&programs.join(hook.name()), "#!/bin/sh\n", 0o755);
        }
        file(&programs.join("refwarden"), "#!/bin/sh\n", 0o755);
        file(&programs.join("site.toml"), "site", 0o644);
        let uid = rustix::process::geteuid().as_raw();
        let account =
            Account { name: "git".into(), uid, home: at.join("home"), groups: Vec::new() };
        let (policy, state) = (at.join("policy.toml"), at.join("state"));
        let site = Site::new(policy, state, "git".into(), uid, at.join("srv"));
        Self { folder, home: Installation { site, programs, account } }
    }

    pub fn git(&self, arguments: &[&str]) {
        let done = git_config::git_says(arguments, self.folder.path()).unwrap();
        assert!(done.is_some(), "{arguments:?}");
    }

    pub fn repository(&self) -> PathBuf {
        let path = self.home.site.root.join("it's a \"repository\".git");
        self.git(&["init", "-q", "--bare", path.to_str().unwrap()]);
        path
    }

    pub fn target(&self, path: &Path) -> Target {
        Target::repository(path, &self.home).unwrap()
    }

    pub fn install(&self, path: &Path, plan: &Plan) -> anyhow::Result<Vec<Step>> {
        let mut steps = Vec::new();
        change::install(&self.target(path), &self.home, plan, &mut steps)?;
        Ok(steps)
    }

    pub fn uninstall(&self, path: &Path) -> Vec<Step> {
        let mut steps = Vec::new();
        change::uninstall(&self.target(path), &self.home, true, &mut steps).unwrap();
        steps
    }

    pub fn worst(&self, path: &Path) -> Level {
        worst(&survey::survey(&self.target(path), &self.home).findings)
    }
}

/// Writes a file, and folders to it.
pub fn file(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}
