//! The repository that a client names, found below the site's root.
//!
//! Knows the ways in which people write a repository; whatever leads out of the root, by `..` or by
//! a link, is as absent as what is not there. Who may know of it is [`super::reading`]'s matter.

use crate::hook::judge;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest name that a client may give, in bytes.
const MAX_NAME: usize = 1024;

/// A repository on this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its git directory, links resolved.
    pub git_dir: PathBuf,
    /// Its name for the policy: below the root, without `.git`.
    pub name: Vec<u8>,
}

/// Finds what a client calls `asked`: below `root`, with or without `.git`, with or without a
/// leading `/`, or by its full path on the server.
///
/// `None` where there is none: also for names with empty, `.` or `..` components, control
/// characters, links that lead out, and worktrees of another repository.
#[must_use]
pub fn find(root: &Path, asked: &[u8]) -> Option<Place> {
    let root = std::fs::canonicalize(root).ok()?;
    let name = below(&root, asked)?;
    let bare = name.strip_suffix(b".git").filter(|bare| !bare.is_empty() && !bare.ends_with(b"/"));
    let base = bare.unwrap_or(name);
    // As git looks for it, and so that no spelling reaches another repository than the hooks name.
    let spelled =
        [name.to_vec(), [name, b"/.git"].concat(), [base, b".git"].concat(), base.to_vec()];
    spelled.iter().find_map(|name| open(&root, name))
}

/// What a client calls a repository, as the policy would: of what is not there, so that it is judged
/// as what is there would be.
#[must_use]
pub fn bare(asked: &[u8]) -> &[u8] {
    let name = asked.strip_prefix(b"/").unwrap_or(asked);
    let name = name.strip_suffix(b"/").unwrap_or(name);
    name.strip_suffix(b".git").unwrap_or(name)
}

/// The name below the root, if it can be one.
fn below<'a>(root: &Path, asked: &'a [u8]) -> Option<&'a [u8]> {
    if asked.len() > MAX_NAME || asked.iter().any(u8::is_ascii_control) {
        return None;
    }
    let full = asked.strip_prefix(root.as_os_str().as_bytes());
    let name = full.filter(|rest| rest.starts_with(b"/")).unwrap_or(asked);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    name.split(|byte| *byte == b'/').all(plain).then_some(name)
}

fn open(root: &Path, name: &[u8]) -> Option<Place> {
    let git_dir = std::fs::canonicalize(root.join(OsStr::from_bytes(name))).ok()?;
    let is_repository = git_dir.join("objects").is_dir()
        && git_dir.join("HEAD").symlink_metadata().is_ok()
        && !git_dir.join("commondir").exists();
    if !is_repository {
        return None;
    }
    let name = judge::repository(root, &git_dir)?;
    Some(Place { git_dir, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::files;
    use std::fs;

    fn repository(path: &Path) {
        fs::create_dir_all(path.join("objects")).unwrap();
        files::write_whole(&path.join("HEAD"), b"ref: refs/heads/main\n", 0o644).unwrap();
    }

    fn site() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("git");
        repository(&root.join("payments/api.git"));
        repository(&root.join("plain"));
        repository(&root.join("work/.git"));
        repository(&folder.path().join("outside.git"));
        std::os::unix::fs::symlink("../outside.git", root.join("out.git")).unwrap();
        std::os::unix::fs::symlink("payments/api.git", root.join("alias.git")).unwrap();
        (folder, root)
    }

    fn named(root: &Path, asked: &str) -> Option<String> {
        find(root, asked.as_bytes()).map(|place| String::from_utf8(place.name).unwrap())
    }

    #[test]
    fn every_spelling_of_a_repository_leads_to_its_one_name() {
        let (_folder, root) = site();
        let full = format!("{}/payments/api.git", root.canonicalize().unwrap().display());
        for asked in [
            "payments/api",
            "payments/api.git",
            "/payments/api.git",
            "payments/api/",
            "alias",
            &full,
        ] {
            assert_eq!(named(&root, asked).as_deref(), Some("payments/api"), "{asked}");
        }
        assert_eq!(named(&root, "plain.git").as_deref(), Some("plain"));
        assert_eq!(named(&root, "work").as_deref(), Some("work"));
        assert_eq!(named(&root, "work/.git").as_deref(), Some("work"));
    }

    #[test]
    fn nothing_outside_the_root_can_be_named() {
        let (folder, root) = site();
        let full = folder.path().join("outside.git").display().to_string();
        let long = "a/".repeat(600);
        for asked in [
            "",
            "/",
            ".",
            "..",
            "../outside",
            "../outside.git",
            "payments/../../outside.git",
            "out",
            "out.git",
            &full,
            "payments",
            "payments//api",
            "payments/./api",
            "payments/api.git/objects",
            "payments/api\0",
            "payments/api\n",
            ".git",
            &long,
            "//payments/api.git",
            "~/payments/api",
        ] {
            assert_eq!(named(&root, asked), None, "{asked:?}");
        }
    }
}
