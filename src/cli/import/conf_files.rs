//! gitolite's files: the configuration and what it includes, repositories that exist, users' keys.

use crate::import::gitolite::{Files, Found};
use crate::os::files;
use crate::policy::pattern::Pattern;
use anyhow::Context;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longest file that is read, in bytes.
const MAX_FILE: usize = 64 << 20;
/// How deep folders are walked.
const MAX_DEPTH: usize = 32;

/// The files of a configuration, and what was read of them.
pub(super) struct Folder {
    folder: PathBuf,
    read: RefCell<BTreeMap<String, String>>,
}

impl Folder {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), read: RefCell::default() }
    }

    /// Names and texts of all files that were read.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        self.read.borrow().clone()
    }
}

impl Files for Folder {
    fn read(&self, name: &str) -> Result<String, String> {
        let bytes = files::read_limited(&self.folder.join(name), MAX_FILE);
        let text = String::from_utf8_lossy(&bytes.map_err(|error| error.to_string())?).into_owned();
        self.read.borrow_mut().insert(name.to_owned(), text.clone());
        Ok(text)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![if pattern.starts_with('/') { "/".to_owned() } else { String::new() }];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            found = found.iter().flat_map(|folder| self.matching(folder, part)).collect();
        }
        found.retain(|name| self.folder.join(name).is_file());
        found
    }

    fn identity(&self, name: &str) -> String {
        let path = self.folder.join(name);
        std::fs::canonicalize(&path).unwrap_or(path).display().to_string()
    }
}

impl Folder {
    fn matching(&self, folder: &str, part: &str) -> Vec<String> {
        let join = |name: &str| match folder {
            "" | "/" => format!("{folder}{name}"),
            folder => format!("{folder}/{name}"),
        };
        if !part.contains(['*', '?', '[', '{']) {
            return vec![join(part)];
        }
        let Ok(pattern) = Pattern::parse(part) else { return Vec::new() };
        let mut names = names_in(&self.folder.join(folder));
        names.retain(|name| {
            let hidden = name.starts_with('.') && !part.starts_with('.');
            !hidden && pattern.matches(name.as_bytes(), None).unwrap_or(false)
        });
        names.iter().map(|name| join(name)).collect()
    }
}

/// Names in a folder, in order; those that are not UTF-8 left out.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The repositories below a root, with who made them and who has which role.
pub(super) fn repositories(root: &Path, roles: &BTreeSet<String>) -> anyhow::Result<Vec<Found>> {
    anyhow::ensure!(root.is_dir(), "`{}` is not a folder", root.display());
    let mut found = Vec::new();
    below(root, "", roles, 0, &mut found)?;
    Ok(found)
}

fn below(
    root: &Path,
    folder: &str,
    roles: &BTreeSet<String>,
    depth: usize,
    found: &mut Vec<Found>,
) -> anyhow::Result<()> {
    anyhow::ensure!(depth < MAX_DEPTH, "folders below `{}` are too deep", root.display());
    for name in names_in(&root.join(folder)) {
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let full = root.join(&path);
        if !full.is_dir() {
            continue;
        }
        match path.strip_suffix(".git") {
            Some(bare) => found.push(repository(&full, bare, roles)?),
            None => below(root, &path, roles, depth + 1, found)?,
        }
    }
    Ok(())
}

fn repository(path: &Path, name: &str, known: &BTreeSet<String>) -> anyhow::Result<Found> {
    let file = |name: &str| -> anyhow::Result<Option<String>> {
        match files::read_limited(&path.join(name), MAX_FILE) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error).context("read who may do what in a repository"),
        }
    };
    let creator = file("gl-creator")?.map(|text| text.trim_end().to_owned());
    let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in file("gl-perms")?.unwrap_or_default().lines() {
        let line = line.replacen('=', " ", 1);
        let line = line.trim();
        let line = line.strip_prefix('@').unwrap_or(line);
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        let Some(role) = words.next().filter(|role| known.contains(role) || role == "CREATOR")
        else {
            continue;
        };
        roles.entry(role).or_default().extend(words);
    }
    Ok(Found { name: name.to_owned(), creator: creator.filter(|name| !name.is_empty()), roles })
}

/// Public keys by the users whose names their files carry: `alice.pub`, `alice@home.pub`.
pub(super) fn keys(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    anyhow::ensure!(folder.is_dir(), "`{}` is not a folder", folder.display());
    let mut all = BTreeMap::new();
    keys_below(folder, 0, &mut all)?;
    Ok(all)
}

fn keys_below(
    folder: &Path,
    depth: usize,
    all: &mut BTreeMap<String, Vec<String>>,
) -> anyhow::Result<()> {
    anyhow::ensure!(depth < MAX_DEPTH, "folders below `{}` are too deep", folder.display());
    for name in names_in(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            keys_below(&path, depth + 1, all)?;
        } else if let Some(user) = crate::import::keys::user_of_file(&name) {
            let bytes = files::read_limited(&path, MAX_FILE)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            all.entry(user).or_default().extend(lines.map(str::to_owned));
        }
    }
    Ok(())
}
