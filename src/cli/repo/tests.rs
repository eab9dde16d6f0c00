#![expect(clippy::disallowed_methods, reason = "tests look at what really lies there")]

use super::bed::{Bed, file};
use super::*;
use crate::os::git_config::{self, GitConfig, Place};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn plan(host: Option<Host>) -> Plan {
    Plan {
        hooks: layout::chosen(&[], host).unwrap(),
        host,
        way: Way::Link,
        take_over: false,
        act: true,
    }
}

/// Every path below with its mode and bytes.
fn tree(path: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let about = std::fs::symlink_metadata(&path).unwrap();
        let bytes = match () {
            () if about.is_dir() => {
                all.extend(tree(&path));
                Vec::new()
            }
            () if about.is_symlink() => {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            }
            () => std::fs::read(&path).unwrap(),
        };
        all.insert(path, (about.mode(), bytes));
    }
    all
}

#[test]
fn what_was_installed_in_any_layout_goes_without_a_trace() {
    let gitea = "for h in hooks/pre-receive.d/* update.d post-receive.d; do $h; done";
    for host in [None, Some(Host::Gitea), Some(Host::Gitlab), Some(Host::Gitolite)] {
        for way in [Way::Link, Way::Copy] {
            let bed = Bed::new();
            let path = bed.repository();
            for hook in Hook::ALL {
                file(&path.join("hooks").join(hook.name()), gitea, 0o750);
                file(&path.join("hooks").join(format!("{}.d/gitea", hook.name())), "x", 0o755);
            }
            let before = tree(&path);
            let plan = Plan { way, ..plan(host) };
            assert!(!bed.install(&path, &plan).unwrap().is_empty());
            assert!(bed.worst(&path) <= Level::Warn, "{host:?} {way:?}");
            let between = tree(&path);
            assert_eq!(bed.install(&path, &plan).unwrap(), []);
            assert_eq!(tree(&path), between);
            assert!(!bed.uninstall(&path).is_empty());
            assert_eq!(tree(&path), before, "{host:?} {way:?}");
            assert_eq!(bed.uninstall(&path), []);
        }
    }
}

#[test]
fn telling_changes_nothing_at_all() {
    let bed = Bed::new();
    let path = bed.repository();
    file(&path.join("hooks/update"), "theirs", 0o755);
    let before = tree(bed.folder.path());
    let told = bed.install(&path, &Plan { act: false, ..plan(None) }).unwrap();
    assert_eq!(tree(bed.folder.path()), before);
    assert_eq!(told, bed.install(&path, &plan(None)).unwrap());
}

#[test]
fn a_repository_without_our_pre_receive_fails_open() {
    let bed = Bed::new();
    let path = bed.repository();
    assert_eq!(bed.worst(&path), Level::FailOpen);
    bed.install(&path, &plan(None)).unwrap();
    assert_eq!(bed.worst(&path), Level::Ok);
    let program = bed.home.programs.join("pre-receive");
    file(&program, "x", 0o644);
    assert_eq!(bed.worst(&path), Level::FailOpen);
    file(&program, "x", 0o755);
    assert_eq!(bed.worst(&path), Level::Ok);
    std::fs::remove_file(path.join("hooks/pre-receive")).unwrap();
    assert_eq!(bed.worst(&path), Level::FailOpen);
}

#[test]
fn hooks_path_elsewhere_is_where_the_hooks_go_and_what_status_believes() {
    let bed = Bed::new();
    let path = bed.repository();
    bed.install(&path, &plan(None)).unwrap();
    let git_dir = format!("--git-dir={}", path.display());
    bed.git(&[&git_dir, "config", "core.hooksPath", "other hooks"]);
    assert_eq!(bed.worst(&path), Level::FailOpen);
    bed.install(&path, &plan(None)).unwrap();
    assert!(path.join("other hooks/pre-receive").is_symlink());
    assert_eq!(bed.worst(&path), Level::Ok);
    bed.git(&[&git_dir, "config", "core.hooksPath", "/dev/null"]);
    assert_eq!(bed.worst(&path), Level::FailOpen);
    assert!(bed.install(&path, &plan(None)).is_err());
}

#[test]
fn the_accounts_own_hooks_path_is_seen() {
    let bed = Bed::new();
    let path = bed.repository();
    bed.install(&path, &plan(None)).unwrap();
    file(&bed.home.account.home.join(".gitconfig"), "[core]\nhooksPath = ~/empty\n", 0o644);
    assert_eq!(bed.worst(&path), Level::FailOpen);
    let found = survey::survey(&bed.target(&path), &bed.home);
    assert_eq!(found.hooks_path_scope.as_deref(), Some("global"));
}

#[test]
fn a_repository_outside_the_root_is_refused_also_through_a_link() {
    let bed = Bed::new();
    let outside = bed.folder.path().join("outside.git");
    bed.git(&["init", "-q", "--bare", outside.to_str().unwrap()]);
    let link = bed.home.site.root.join("inside.git");
    symlink(&outside, &link).unwrap();
    for path in [&outside, &link] {
        let words = Target::repository(path, &bed.home).unwrap_err().to_string();
        assert!(words.contains("outside the root"), "{words}");
    }
    let inside = bed.repository();
    let far = bed.folder.path().join("far.git");
    symlink(&inside, &far).unwrap();
    assert_eq!(bed.target(&far).git_folder, git_config::real(&inside).unwrap());
}

#[test]
fn hooks_that_are_not_wanted_any_more_go() {
    let bed = Bed::new();
    let path = bed.repository();
    file(&path.join("hooks/update"), "theirs", 0o755);
    bed.install(&path, &plan(None)).unwrap();
    bed.install(&path, &plan(Some(Host::Gitolite))).unwrap();
    assert_eq!(std::fs::read_to_string(path.join("hooks/update")).unwrap(), "theirs");
    assert!(path.join("hooks/pre-receive").is_symlink());
}

#[test]
fn a_pre_receive_that_cannot_be_installed_leaves_no_update_behind() {
    let bed = Bed::new();
    let path = bed.repository();
    std::fs::create_dir(path.join("hooks/pre-receive")).unwrap();
    assert!(bed.install(&path, &plan(None)).is_err());
    assert!(!path.join("hooks/update").exists());
}

#[test]
fn gitea_without_its_dispatcher_is_refused_before_anything_changes() {
    let bed = Bed::new();
    let path = bed.repository();
    for text in ["exit 0", "pre-receive.d"] {
        file(&path.join("hooks/pre-receive"), text, 0o644);
        let before = tree(&path);
        assert!(bed.install(&path, &plan(Some(Host::Gitea))).is_err());
        assert_eq!(tree(&path), before);
    }
}

#[test]
fn programs_that_the_account_cannot_reach_are_refused() {
    let mut bed = Bed::new();
    bed.home.account.uid = 4242;
    let path = bed.repository();
    std::fs::set_permissions(bed.folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let words = bed.install(&path, &plan(None)).unwrap_err().to_string();
    assert!(words.contains("can't reach"), "{words}");
    assert!(!path.join("hooks/pre-receive").exists());
}

#[test]
fn push_options_go_back_to_what_they_were() {
    for before in [
        "",
        "[receive]\n\tadvertisePushOptions = no\n",
        "[receive]\n\tadvertisepushoptions = ON # mine\n",
    ] {
        let bed = Bed::new();
        let path = bed.repository();
        let config = path.join("config");
        let text = std::fs::read_to_string(&config).unwrap() + before;
        std::fs::write(&config, &text).unwrap();
        bed.install(&path, &plan(None)).unwrap();
        assert!(bed.target(&path).config.is_on(change::PUSH_OPTIONS).unwrap());
        bed.uninstall(&path);
        assert_eq!(std::fs::read_to_string(&config).unwrap(), text);
    }
}

#[test]
fn new_repositories_get_the_hooks_of_a_template() {
    let bed = Bed::new();
    let folder = bed.folder.path().join("template");
    std::fs::create_dir(&folder).unwrap();
    let target = Target::template(&folder, &bed.home);
    change::install(&target, &bed.home, &plan(None), &mut Vec::new()).unwrap();
    let path = bed.home.site.root.join("new.git");
    let option = format!("--template={}", folder.display());
    bed.git(&["init", "-q", "--bare", &option, path.to_str().unwrap()]);
    assert_eq!(bed.worst(&path), Level::Ok);
    change::uninstall(&target, &bed.home, true, &mut Vec::new()).unwrap();
    assert!(!folder.join("config").exists());
    assert_eq!(std::fs::read_dir(folder.join("hooks")).unwrap().count(), 0);
}

#[test]
fn the_systems_hooks_path_is_ours_or_refused() {
    let bed = Bed::new();
    let file = bed.folder.path().join("gitconfig");
    let config = wide::system(&bed.home, Some(file.clone()));
    let ours = bed.home.programs.display().to_string();
    for _ in 0..2 {
        wide::install_system(&config, &bed.home, true, &mut Vec::new()).unwrap();
        assert_eq!(config.own("core.hooksPath").unwrap(), [ours.as_str()]);
    }
    wide::uninstall_system(&config, &bed.home, true, &mut Vec::new()).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    let theirs = "[core]\n\thooksPath = /theirs\n";
    std::fs::write(&file, theirs).unwrap();
    let taken = wide::install_system(&config, &bed.home, true, &mut Vec::new());
    assert!(matches!(taken, Err(wide::WideError::Taken(_))));
    wide::uninstall_system(&config, &bed.home, true, &mut Vec::new()).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), theirs);
}

#[test]
fn a_template_set_by_the_account_is_found() {
    let bed = Bed::new();
    let folder = git_config::real(bed.folder.path()).unwrap();
    file(&bed.home.account.home.join(".gitconfig"), "[init]\ntemplateDir = ~/../srv\n", 0o644);
    assert_eq!(wide::template_folder(None, &bed.home).unwrap(), folder.join("srv"));
    let named = wide::template_folder(Some(&folder), &bed.home).unwrap();
    assert_eq!(named, folder);
}

#[test]
fn a_setting_of_a_repository_shows_in_its_own_file_alone() {
    let bed = Bed::new();
    let path = bed.repository();
    bed.install(&path, &plan(None)).unwrap();
    let other = bed.home.site.root.join("other.git");
    bed.git(&["init", "-q", "--bare", other.to_str().unwrap()]);
    let config = GitConfig::new(Place::Repository(other), &bed.home.account);
    assert!(config.own(change::PUSH_OPTIONS).unwrap().is_empty());
}

#[test]
fn root_does_not_follow_a_repository_into_folders_and_files_of_others() {
    if !rustix::process::geteuid().is_root() {
        return; // only root could write there
    }
    for how in ["link", "setting", "config"] {
        let bed = Bed::new();
        let path = bed.repository();
        let roots = bed.folder.path().join("roots");
        file(&roots.join("conf"), "[user]\n", 0o644);
        match how {
            "link" => {
                std::fs::remove_dir_all(path.join("hooks")).unwrap();
                symlink(&roots, path.join("hooks")).unwrap();
            }
            "setting" => {
                let at = roots.join("new");
                let arguments = ["-C", path.to_str().unwrap(), "config", "core.hooksPath"];
                bed.git(&[&arguments[..], &[at.to_str().unwrap()]].concat());
            }
            _ => {
                std::fs::remove_file(path.join("config")).unwrap();
                symlink(roots.join("conf"), path.join("config")).unwrap();
            }
        }
        for owned in tree(&path).into_keys().chain([path.clone()]) {
            std::os::unix::fs::lchown(&owned, Some(4242), Some(4242)).unwrap();
        }
        let before = tree(&roots);
        let error = bed.install(&path, &plan(None)).unwrap_err().to_string();
        assert!(error.contains("root does not follow"), "{how}: {error}");
        let mut steps = Vec::new();
        assert!(change::uninstall(&bed.target(&path), &bed.home, true, &mut steps).is_err());
        assert_eq!(tree(&roots), before, "{how}");
    }
}

#[test]
fn what_another_installation_put_there_keeps_its_setting() {
    let bed = Bed::new();
    let path = bed.repository();
    bed.install(&path, &plan(None)).unwrap();
    for hook in Hook::ALL {
        let link = path.join("hooks").join(hook.name());
        std::fs::remove_file(&link).unwrap();
        symlink(Path::new("/opt/other/lib/refwarden").join(hook.name()), link).unwrap();
    }
    let before = tree(&path);
    bed.uninstall(&path);
    assert_eq!(tree(&path), before);
}

#[test]
fn the_hooks_of_another_installation_are_not_replaced_unless_asked() {
    let bed = Bed::new();
    let path = bed.repository();
    let other = bed.folder.path().join("other/lib/refwarden");
    std::fs::create_dir_all(&other).unwrap();
    let link = path.join("hooks/pre-receive");
    std::fs::write(other.join("pre-receive"), "#!/bin/sh\n").unwrap();
    symlink(other.join("pre-receive"), &link).unwrap();
    let before = tree(&path);
    let error = bed.install(&path, &plan(None)).unwrap_err().to_string();
    assert!(error.contains("another installation") && error.contains("--take-over"), "{error}");
    assert_eq!(tree(&path), before, "nothing was changed");
    bed.install(&path, &Plan { take_over: true, ..plan(None) }).unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), bed.home.programs.join("pre-receive"));
}

#[test]
fn what_a_removed_installation_left_behind_is_replaced() {
    let bed = Bed::new();
    let path = bed.repository();
    let link = path.join("hooks/pre-receive");
    symlink("/opt/gone/lib/refwarden/pre-receive", &link).unwrap();
    bed.install(&path, &plan(None)).unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), bed.home.programs.join("pre-receive"));
}
