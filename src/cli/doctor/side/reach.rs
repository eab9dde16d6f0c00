//! Ways to read repositories without asking anybody of ours: other accounts, plain git-http-backend,
//! git daemon, objects that are shared.

use super::{Look, not_looked_at};
use crate::cli::finding::Finding;
use crate::cli::out::counted;
use crate::cli::repo::target::Target;
use crate::hook::judge;
use crate::os::account::members;
use crate::os::files;
use crate::os::git_config;
use crate::os::sshd::command_lines;
use crate::text::shell_path;
use rustix::fs::stat;
use std::path::{Path, PathBuf};

/// Longest list of alternates that is looked at, in bytes.
const MAX_ALTERNATES: usize = 64 * 1024;

/// Most repositories that a finding names.
const MAX_NAMED: usize = 5;

/// Who else than the hosting account and root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    Group(u32),
    World,
}

/// Accounts of this host that can read repositories with no door between.
pub fn others(look: &Look<'_>, repositories: &[Target]) -> Vec<Finding> {
    if !look.guards_reading() {
        return Vec::new();
    }
    let open = |who: &dyn Fn(&Path) -> Option<Others>| -> Vec<&Target> {
        repositories
            .iter()
            .filter(|target| {
                who(&target.git_folder).is_some_and(|who| reaches(&target.git_folder, who))
            })
            .collect()
    };
    let mut found = Vec::new();
    let world = open(&|_| Some(Others::World));
    if !world.is_empty() {
        found.push(readable(look, &world, "by every account of this host"));
        return found;
    }
    let group = open(&|folder| group_of(folder).map(Others::Group));
    if let Some(first) = group.first() {
        let gid = group_of(&first.git_folder).unwrap_or_default();
        let account = &look.home.site.account;
        let people: Vec<String> =
            members(gid).into_iter().filter(|name| name != account && name != "root").collect();
        if !people.is_empty() {
            let words = format!("by the group {gid}: {}", people.join(", "));
            found.push(readable(look, &group, &words));
        }
    }
    found
}

fn readable(look: &Look<'_>, open: &[&Target], whom: &str) -> Finding {
    let count = counted(open.len(), "repository can", "repositories can");
    let what = format!("{count} be read {whom}, past the doors: {}", named(open));
    let root = shell_path(&look.home.site.root);
    let owner = stat(&look.home.site.root).map(|about| about.st_uid);
    let own = owner == Ok(look.home.site.account_uid);
    let cure = match own {
        true => format!("chmod 0700 {root}"),
        false => format!("chown {} {root} && chmod 0700 {root}", look.home.site.account),
    };
    Finding::warn("readable", what, cure)
}

/// A few by name, and how many more there are.
fn named(all: &[&Target]) -> String {
    let names: Vec<String> =
        all.iter().take(MAX_NAMED).map(|target| format!("`{}`", target.named.display())).collect();
    let more = all.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn group_of(folder: &Path) -> Option<u32> {
    stat(folder.join("objects")).ok().map(|about| about.st_gid)
}

/// Whether `who` gets through every folder above, and may list and read the objects.
fn reaches(git_folder: &Path, who: Others) -> bool {
    let may = |path: &Path, bits: u32| {
        let Ok(about) = stat(path) else { return false };
        let shift = match who {
            Others::Group(gid) if about.st_gid == gid => 3,
            _ => 0,
        };
        about.st_mode & (bits << shift) == bits << shift
    };
    git_folder.ancestors().all(|path| may(path, 0o1)) && may(&git_folder.join("objects"), 0o5)
}

/// What git-http-backend serves by itself, where a web server starts it without the door.
pub fn served(look: &Look<'_>, repositories: &[Target]) -> Vec<Finding> {
    if !look.by_web() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let dumb: Vec<&Target> = repositories.iter().filter(|target| any_file(target)).collect();
    if !dumb.is_empty() {
        let count = counted(dumb.len(), "repository", "repositories");
        let what = format!(
            "http.getanyfile is on in {count}, as it is by default: a git-http-backend that is \
             started without the door gives out all files: {}",
            named(&dumb)
        );
        let cure = "git config --system http.getanyfile false, and nothing else in the \
                    repositories' own config; clients with git's own protocol don't need it";
        found.push(Finding::warn("http-getanyfile", what, cure));
    }
    let archive: Vec<&Target> =
        repositories.iter().filter(|target| is_on(target, "http.uploadarchive")).collect();
    if let Some(first) = archive.first() {
        let what = format!(
            "http.uploadarchive is on in {}: git-http-backend without the door serves archives",
            named(&archive)
        );
        found.push(Finding::warn("http-uploadarchive", what, unset(first, "http.uploadarchive")));
    }
    found
}

/// The account's own configuration is not that of the web server's account.
fn any_file(target: &Target) -> bool {
    match target.config.effective("http.getanyfile", "bool") {
        Ok(Some(set)) => set.value != "false" || set.scope == "global",
        Ok(None) => true,
        Err(_) => false,
    }
}

fn is_on(target: &Target, key: &str) -> bool {
    target.config.is_on(key).unwrap_or(false)
}

fn unset(target: &Target, key: &str) -> String {
    let folder = shell_path(&target.git_folder);
    match target.config.own(key).is_ok_and(|values| !values.is_empty()) {
        true => format!("git --git-dir={folder} config --unset-all {key}"),
        false => format!("git --git-dir={folder} config {key} false"),
    }
}

/// git daemon serves without asking who it is.
pub fn daemon(look: &Look<'_>) -> Option<Finding> {
    if !look.guards_reading() {
        return None;
    }
    command_lines().iter().any(|line| is_daemon(line)).then(|| {
        let what = "git daemon runs on this host: what it exports is read without the doors";
        Finding::warn("git-daemon", what, "stop it: systemctl disable --now git-daemon")
    })
}

fn is_daemon(line: &[String]) -> bool {
    let program = line.first().and_then(|word| Path::new(word).file_name()?.to_str());
    match program {
        Some("git-daemon") => true,
        Some("git") => line.get(1).is_some_and(|word| word == "daemon"),
        _ => false,
    }
}

/// What git daemon is told to serve or take.
pub fn exported(repositories: &[Target]) -> Vec<Finding> {
    let mut found = Vec::new();
    for target in repositories {
        let mark = target.git_folder.join("git-daemon-export-ok");
        if stat(&mark).is_ok() {
            let what = format!(
                "`{}` is there: git daemon, and git-http-backend without the door, may serve that \
                 repository to anybody",
                mark.display()
            );
            found.push(Finding::warn("daemon-export", what, format!("rm {}", shell_path(&mark))));
        }
        for key in ["daemon.receivepack", "daemon.uploadarch"] {
            if is_on(target, key) {
                let what = format!("{key} is on in `{}`", target.named.display());
                found.push(Finding::warn("daemon-config", what, unset(target, key)));
            }
        }
    }
    found
}

/// Objects that are borrowed from a repository which other people may read.
pub fn shared_objects(look: &Look<'_>, repositories: &[Target]) -> Vec<Finding> {
    if !look.guards_reading() {
        return Vec::new();
    }
    repositories.iter().flat_map(|target| borrowed(look, target)).collect()
}

fn borrowed(look: &Look<'_>, target: &Target) -> Vec<Finding> {
    let objects = target.git_folder.join("objects");
    let file = objects.join("info/alternates");
    let bytes = match files::read_limited(&file, MAX_ALTERNATES) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absent() => return Vec::new(),
        Err(error) => return vec![not_looked_at(error.to_string(), look.as_root())],
    };
    let own = project(look, &target.git_folder);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let others = lines.map(|line| objects.join(line.trim_matches('"')));
    let foreign = others.filter(|other| {
        let there = lender(other).and_then(|folder| project(look, &folder));
        there.is_none() || there != own
    });
    foreign
        .map(|other| {
            let what = format!(
                "`{}` borrows objects from `{}`, which is of no or of another project: who may read \
                 the one reads what is in the other",
                target.named.display(),
                other.display()
            );
            let folder = shell_path(&target.git_folder);
            let cure = format!(
                "sudo -u {} git --git-dir={folder} repack -a -d && rm {}",
                look.home.site.account,
                shell_path(&file)
            );
            Finding::warn("alternates", what, cure)
        })
        .collect()
}

/// The git folder of a folder of objects.
fn lender(objects: &Path) -> Option<PathBuf> {
    Some(git_config::real(objects).ok()?.parent()?.to_owned())
}

fn project(look: &Look<'_>, git_folder: &Path) -> Option<String> {
    let name = judge::repository(&look.home.site.root, git_folder)?;
    look.policy.ground(None, &name).ok().map(|ground| ground.name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn git_daemon_is_known_by_its_command_line() {
        let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, yes) in [
            ("/usr/lib/git-core/git-daemon --export-all", true),
            ("git daemon --base-path=/srv", true),
            ("git push daemon", false),
            ("vi git-daemon", false),
            ("", false),
        ] {
            assert_eq!(is_daemon(&line(text)), yes, "{text}");
        }
    }

    #[test]
    fn a_repository_is_reached_only_through_every_folder_above() {
        // Folders above a temporary one are open to all; it is closed itself.
        let folder = tempfile::tempdir().unwrap();
        let git_folder = folder.path().join("a.git");
        let objects = git_folder.join("objects");
        std::fs::create_dir_all(&objects).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        let group = Others::Group(std::fs::metadata(&objects).unwrap().gid());
        for (folder_mode, objects_mode, by_world, by_group) in [
            (0o755, 0o755, true, true),
            (0o700, 0o755, false, false),
            (0o750, 0o755, false, true),
            (0o711, 0o750, false, true),
            (0o755, 0o700, false, false),
        ] {
            set(folder.path(), folder_mode);
            set(&git_folder, 0o755);
            set(&objects, objects_mode);
            let reached = (reaches(&git_folder, Others::World), reaches(&git_folder, group));
            assert_eq!(reached, (by_world, by_group), "{folder_mode:o} {objects_mode:o}");
        }
    }
}
