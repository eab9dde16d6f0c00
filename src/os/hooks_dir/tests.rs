use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

struct Bed {
    _folder: tempfile::TempDir,
    hooks: HooksDir,
}

const P: &str = "pre-receive";

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("lib/refwarden");
        std::fs::create_dir_all(&programs).unwrap();
        let hooks = HooksDir::make(&folder.path().join("r.git/hooks"), &programs).unwrap();
        let bed = Self { _folder: folder, hooks };
        bed.program("version 1");
        std::fs::write(bed.hooks.programs.join("site.toml"), "site").unwrap();
        write(&bed.hooks.programs.join("refwarden"), "admin", 0o755);
        bed
    }

    fn program(&self, text: &str) {
        write(&self.hooks.programs.join(P), text, 0o755);
    }

    fn foreign(&self, text: &str, mode: u32) {
        write(&self.path(P), text, mode);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.hooks.path.join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::symlink_metadata(self.path(name)).unwrap().mode() & 0o7777
    }

    fn install(&self, way: Way) -> Result<Change, HookError> {
        self.hooks.install(P, P, way, true)
    }

    fn uninstall(&self) -> Change {
        let change = self.hooks.uninstall(P, P, true).unwrap();
        self.hooks.forget_copies(&[(P, P)]).unwrap();
        change
    }

    fn names(&self) -> Vec<String> {
        let all = std::fs::read_dir(&self.hooks.path).unwrap();
        let mut all: Vec<_> = all.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        all.sort();
        all
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_foreign_hook_is_kept_with_its_mode_and_comes_back() {
    for (way, mode) in [(Way::Link, 0o750), (Way::Copy, 0o711), (Way::Link, 0o644)] {
        let bed = Bed::new();
        bed.foreign("theirs", mode);
        assert_eq!(bed.install(way).unwrap(), Change::KeptForeign);
        assert_eq!(bed.read(P), "version 1");
        assert_eq!(bed.mode("pre-receive.before-refwarden"), mode);
        assert_eq!(bed.hooks.kept(P).unwrap(), Some(mode & 0o111 != 0));
        assert_eq!(bed.uninstall(), Change::Restored);
        assert_eq!((bed.read(P).as_str(), bed.mode(P)), ("theirs", mode));
        assert_eq!(bed.names(), [P]);
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for way in [Way::Link, Way::Copy] {
        let bed = Bed::new();
        bed.foreign("theirs", 0o755);
        bed.install(way).unwrap();
        let before = (bed.names(), std::fs::symlink_metadata(bed.path(P)).unwrap().ino());
        assert_eq!(bed.install(way).unwrap(), Change::None);
        assert_eq!(before, (bed.names(), std::fs::symlink_metadata(bed.path(P)).unwrap().ino()));
    }
}

#[test]
fn an_older_copy_is_ours_and_is_replaced_not_kept() {
    let bed = Bed::new();
    bed.install(Way::Copy).unwrap();
    let running = std::fs::File::open(bed.path(P)).unwrap();
    bed.program("version 2");
    let old = Standing::Ours { way: Way::Copy, current: false };
    assert_eq!(bed.hooks.standing(P, P).unwrap(), old);
    assert_eq!(bed.install(Way::Copy).unwrap(), Change::Replaced);
    assert_eq!(bed.read(P), "version 2");
    assert_eq!(std::io::read_to_string(running).unwrap(), "version 1");
    assert_eq!(bed.hooks.kept(P).unwrap(), None);
    assert_eq!(bed.install(Way::Link).unwrap(), Change::Replaced);
    assert_eq!(bed.uninstall(), Change::Removed);
    assert!(bed.names().is_empty());
}

#[test]
fn a_copy_that_was_edited_is_somebody_elses() {
    let bed = Bed::new();
    bed.install(Way::Copy).unwrap();
    bed.foreign("exit 0", 0o755);
    assert_eq!(bed.hooks.standing(P, P).unwrap(), Standing::Foreign);
    assert_eq!(bed.uninstall(), Change::None);
    assert_eq!(bed.read(P), "exit 0");
}

#[test]
fn a_second_foreign_hook_is_never_overwritten() {
    let bed = Bed::new();
    bed.foreign("first", 0o755);
    bed.install(Way::Link).unwrap();
    bed.foreign("second", 0o755);
    assert!(matches!(bed.install(Way::Link), Err(HookError::KeptAlready(_))));
    assert_eq!(bed.read(P), "second");
    assert_eq!(bed.read("pre-receive.before-refwarden"), "first");
}

#[test]
fn an_installation_that_died_between_its_two_steps_goes_on() {
    let bed = Bed::new();
    bed.foreign("theirs", 0o755);
    bed.hooks.keep(P, true).unwrap();
    assert_eq!(bed.install(Way::Link).unwrap(), Change::KeptForeign);
    assert_eq!(bed.read("pre-receive.before-refwarden"), "theirs");
}

#[test]
fn a_foreign_link_is_kept_as_a_link() {
    let bed = Bed::new();
    symlink("/nowhere/hook", bed.path(P)).unwrap();
    bed.install(Way::Link).unwrap();
    assert_eq!(bed.hooks.kept(P).unwrap(), Some(false));
    bed.uninstall();
    assert_eq!(std::fs::read_link(bed.path(P)).unwrap(), Path::new("/nowhere/hook"));
}

#[test]
fn a_link_to_another_installation_is_replaced_but_not_removed() {
    let bed = Bed::new();
    symlink("/opt/old/lib/refwarden/pre-receive", bed.path(P)).unwrap();
    assert!(matches!(bed.hooks.standing(P, P).unwrap(), Standing::Other(_)));
    assert_eq!(bed.uninstall(), Change::Left);
    assert_eq!(bed.install(Way::Link).unwrap(), Change::Replaced);
    assert_eq!(bed.hooks.kept(P).unwrap(), None);
}

#[test]
fn a_program_without_its_execute_bit_is_not_called_installed() {
    let bed = Bed::new();
    write(&bed.hooks.programs.join(P), "x", 0o644);
    assert!(matches!(bed.install(Way::Link), Err(HookError::WouldNotRun { .. })));
}

#[test]
fn telling_changes_nothing() {
    let bed = Bed::new();
    bed.foreign("theirs", 0o755);
    assert_eq!(bed.hooks.install(P, P, Way::Copy, false).unwrap(), Change::KeptForeign);
    assert_eq!(bed.names(), [P]);
    bed.install(Way::Link).unwrap();
    assert_eq!(bed.hooks.uninstall(P, P, false).unwrap(), Change::Restored);
    assert_eq!(bed.read(P), "version 1");
}

#[test]
fn a_folder_or_a_strange_site_file_in_the_way_stops_the_installation() {
    let bed = Bed::new();
    std::fs::create_dir(bed.path(P)).unwrap();
    assert!(matches!(bed.install(Way::Link), Err(HookError::NotAFile(_))));
    std::fs::remove_dir(bed.path(P)).unwrap();
    std::fs::write(bed.path("site.toml"), "theirs").unwrap();
    assert!(matches!(bed.install(Way::Copy), Err(HookError::SiteTaken(_))));
    assert_eq!(bed.read("site.toml"), "theirs");
}

#[test]
fn the_folder_of_the_programs_is_never_changed() {
    let bed = Bed::new();
    let programs = bed.hooks.programs.clone();
    let own = HooksDir::open(&programs, &programs).unwrap().unwrap();
    assert_eq!(own.install(P, P, Way::Copy, true).unwrap(), Change::None);
    assert_eq!(own.uninstall(P, P, true).unwrap(), Change::None);
    assert_eq!(std::fs::read_to_string(programs.join(P)).unwrap(), "version 1");
}

#[test]
fn root_gives_no_file_away_that_has_a_second_name_elsewhere() {
    use std::os::unix::fs::MetadataExt;
    if !rustix::process::geteuid().is_root() {
        return; // only root can give a file away
    }
    let bed = Bed::new();
    let victim = bed._folder.path().join("victim");
    std::fs::write(&victim, "root's").unwrap();
    std::fs::hard_link(&victim, bed.path("new")).unwrap();
    rustix::fs::chown(&bed.hooks.path, Some(Uid::from_raw(4242)), None).unwrap();
    assert!(bed.hooks.give(OsStr::new("new")).is_err());
    assert_eq!(victim.metadata().unwrap().uid(), 0);
    bed.install(Way::Link).unwrap();
    assert_eq!(bed.path(P).symlink_metadata().unwrap().uid(), 4242);
}
