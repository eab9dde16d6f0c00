//! `install.sh` as an admin runs it, against real repositories.
//!
//! The hooks are tiny scripts, and `refwarden` is the real one for its verb `repo` alone: what
//! `policy` and `doctor` say is told by the test, so that each failure can be had at will.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run programs and look at what lies there"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HOOKS: [&str; 3] = ["pre-receive", "update", "post-receive"];

/// A folder with a release of refwarden, a place for repositories and a prefix to install to.
struct Bed {
    folder: tempfile::TempDir,
    name: &'static str,
}

/// Spaces and quotes everywhere.
const HARD: &str = "it's \"here\"";
/// systemd runs no program in a folder with quotes.
const PLAIN: &str = "100% \u{fc}ber here";

impl Bed {
    fn new() -> Self {
        Self::named(HARD)
    }

    fn named(name: &'static str) -> Self {
        let bed = Self { folder: tempfile::tempdir().unwrap(), name };
        bed.run(Command::new("cp").arg(source("install.sh")).arg(bed.at("install.sh")));
        bed.release("version 1");
        bed.refwarden("exit 0");
        bed
    }

    fn at(&self, name: &str) -> PathBuf {
        let at = std::fs::canonicalize(self.folder.path()).unwrap().join(self.name);
        std::fs::create_dir_all(&at).unwrap();
        at.join(name)
    }

    fn release(&self, words: &str) {
        for hook in HOOKS.into_iter().chain(["door"]) {
            file(&self.at("bin").join(hook), &format!("#!/bin/sh\n# {words}\n"), 0o755);
        }
    }

    /// `others` is what happens for verbs but `repo`.
    fn refwarden(&self, others: &str) {
        let script = format!(
            "#!/bin/sh\n\
             [ \"$1\" = repo ] || {{ {others}; }}\n\
             real=$(dirname \"$(readlink -f \"$0\")\")/.real.$$\n\
             ln '{0}' \"$real\" 2>/dev/null || cp '{0}' \"$real\"\n\
             \"$real\" \"$@\"; status=$?\n\
             rm \"$real\"; exit $status\n",
            env!("CARGO_BIN_EXE_refwarden")
        );
        file(&self.at("bin/refwarden"), &script, 0o755);
    }

    fn repository(&self, name: &str) -> PathBuf {
        let path = self.at("repositories").join(name);
        self.run(Command::new("git").args(["init", "-q", "--bare"]).arg(&path));
        path
    }

    fn run(&self, command: &mut Command) -> String {
        let done = command.output().unwrap();
        assert!(done.status.success(), "{command:?}: {}", words(&done));
        words(&done)
    }

    fn install_sh(&self, arguments: &[&str], paths: &[&Path]) -> Output {
        Command::new("sh")
            .arg(self.at("install.sh"))
            .arg("--prefix")
            .arg(self.at("prefix"))
            .args(arguments)
            .args(paths)
            .output()
            .unwrap()
    }

    fn install(&self, arguments: &[&str], paths: &[&Path]) -> String {
        let done = self.install_sh(arguments, paths);
        assert!(done.status.success(), "{}", words(&done));
        words(&done)
    }

    fn refused(&self, arguments: &[&str], paths: &[&Path]) -> String {
        let done = self.install_sh(arguments, paths);
        assert!(!done.status.success(), "{}", words(&done));
        words(&done)
    }

    fn lib(&self, name: &str) -> PathBuf {
        self.at("prefix/lib/refwarden").join(name)
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn words(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn file(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Every path below, with owner, mode and content.
fn tree(path: &Path) -> BTreeMap<PathBuf, (u32, u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let about = std::fs::symlink_metadata(&path).unwrap();
        let content = match () {
            () if about.is_dir() => {
                all.extend(tree(&path));
                Vec::new()
            }
            () if about.is_symlink() => {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            }
            () => std::fs::read(&path).unwrap(),
        };
        all.insert(path, (about.uid(), about.mode(), content));
    }
    all
}

#[test]
fn shellcheck_has_nothing_to_say() {
    match Command::new("shellcheck").arg(source("install.sh")).output() {
        Ok(done) => assert!(done.status.success(), "{}", words(&done)),
        Err(_) => println!("skipped: shellcheck is not installed"),
    }
}

#[test]
fn everything_is_where_the_layout_says() {
    let bed = Bed::new();
    let repository = bed.repository("a b.git");
    bed.install(&[], &[&repository]);
    for hook in HOOKS {
        let link = std::fs::read_link(repository.join("hooks").join(hook)).unwrap();
        assert_eq!(link, bed.lib(hook));
    }
    let link = std::fs::read_link(bed.at("prefix/bin/refwarden")).unwrap();
    assert_eq!(link, Path::new("../lib/refwarden/refwarden"));
    let site = refwarden::os::site::Site::read(&bed.lib("")).unwrap();
    assert_eq!(site.root, bed.at("repositories"));
    assert_eq!(site.policy, bed.at("prefix/etc/refwarden/policy.toml"));
    assert_eq!(site.account_uid, std::fs::metadata(&repository).unwrap().uid());
    for folder in ["prefix/var/lib/refwarden", "prefix/var/log/refwarden"] {
        let about = std::fs::metadata(bed.at(folder)).unwrap();
        assert_eq!((about.mode() & 0o7777, about.uid()), (0o700, site.account_uid));
    }
    let git_dir = format!("--git-dir={}", repository.display());
    let set = ["config", "receive.advertisePushOptions"];
    assert_eq!(bed.run(Command::new("git").arg(git_dir).args(set)), "true\n");
}

#[test]
fn the_second_run_changes_nothing() {
    for options in [[].as_slice(), &["--copy"], &["--host", "gitolite"]] {
        let bed = Bed::new();
        let repository = bed.repository("a.git");
        file(&repository.join("hooks/pre-receive"), "theirs", 0o755);
        bed.install(options, &[&repository]);
        let before = tree(bed.folder.path());
        let said = bed.install(options, &[&repository]);
        assert_eq!(tree(bed.folder.path()), before, "{options:?}");
        assert!(!said.contains("install completions"), "{said}");
    }
}

#[test]
fn telling_changes_nothing() {
    let bed = Bed::new();
    let repository = bed.repository("a.git");
    file(&repository.join("hooks/update"), "theirs", 0o755);
    let dry = |options: &[&str]| {
        let before = tree(bed.folder.path());
        let said = bed.install(&[["--dry-run"].as_slice(), options].concat(), &[&repository]);
        assert_eq!(tree(bed.folder.path()), before);
        said
    };
    let said = dry(&[]);
    for step in ["site.toml", "policy.toml", "apply the policy", "a.git"] {
        assert!(said.contains(step), "{said}");
    }
    bed.install(&[], &[&repository]);
    bed.release("version 2");
    assert!(dry(&["--copy"]).contains("would be: replaced"));
    assert!(dry(&["--uninstall"]).contains("would be: removed; the hook that was there"));
}

#[test]
fn uninstalling_gives_back_bytes_modes_and_settings() {
    for options in [[].as_slice(), &["--copy"]] {
        let bed = Bed::new();
        let repository = bed.repository("a.git");
        file(&repository.join("hooks/pre-receive"), "off", 0o640);
        file(&repository.join("hooks/update"), "theirs", 0o751);
        symlink("/nowhere", repository.join("hooks/post-receive")).unwrap();
        let config = std::fs::read_to_string(repository.join("config")).unwrap();
        let config = config + "[receive]\n\tadvertisePushOptions = false # mine\n";
        file(&repository.join("config"), &config, 0o644);
        let before = tree(&repository);
        bed.install(options, &[&repository]);
        let kept = |name: &str| repository.join("hooks").join(format!("{name}.before-refwarden"));
        let mode = |name| std::fs::metadata(kept(name)).unwrap().mode() & 0o7777;
        assert_eq!((mode("pre-receive"), mode("update")), (0o640, 0o751));
        bed.install(&["--uninstall"], &[&repository]);
        assert_eq!(tree(&repository), before, "{options:?}");
        assert!(!bed.lib("").exists());
        assert!(!bed.at("prefix/bin").exists());
        assert!(bed.at("prefix/etc/refwarden/policy.toml").exists());
        assert!(bed.at("prefix/var/lib/refwarden").exists());
        assert!(bed.at("prefix/var/log/refwarden").exists());
    }
}

#[test]
fn programs_stay_while_another_repository_needs_them() {
    let bed = Bed::new();
    let (one, two) = (bed.repository("one.git"), bed.repository("deep/er/two.git"));
    bed.install(&["--root", bed.at("repositories").to_str().unwrap()], &[&one]);
    // What was said once need not be said again.
    bed.install(&[], &[&two]);
    let said = bed.install(&["--uninstall"], &[&one]);
    assert!(said.contains("the programs stay: 1 other"), "{said}");
    assert!(two.join("hooks/pre-receive").exists() && !one.join("hooks/pre-receive").exists());
    bed.install(&["--uninstall"], &[]);
    assert!(!two.join("hooks/pre-receive").is_symlink());
    assert!(!bed.lib("").exists());
}

#[test]
fn an_upgrade_leaves_a_running_hook_its_file() {
    for options in [[].as_slice(), &["--copy"]] {
        let bed = Bed::new();
        let repository = bed.repository("a.git");
        bed.install(options, &[&repository]);
        let hook = repository.join("hooks/update");
        let running = std::fs::File::open(&hook).unwrap();
        bed.release("version 2");
        bed.install(options, &[&repository]);
        assert!(std::io::read_to_string(running).unwrap().contains("version 1"));
        assert!(std::fs::read_to_string(&hook).unwrap().contains("version 2"));
    }
}

#[test]
fn a_repository_named_by_a_link_is_the_one_that_it_leads_to() {
    let bed = Bed::new();
    let repository = bed.repository("real.git");
    let link = bed.at("link.git");
    symlink(&repository, &link).unwrap();
    bed.install(&[], &[&link]);
    assert!(repository.join("hooks/pre-receive").is_symlink());
    bed.install(&["--uninstall"], &[&link]);
    assert!(link.is_symlink());
    assert!(!repository.join("hooks/pre-receive").exists());
}

#[test]
fn a_repository_outside_the_root_or_none_at_all_is_refused_before_anything_is_done() {
    let bed = Bed::new();
    let inside = bed.repository("a.git");
    let root = bed.at("repositories/other");
    std::fs::create_dir_all(&root).unwrap();
    let before = tree(bed.folder.path());
    let said = bed.refused(&["--root", root.to_str().unwrap()], &[&inside]);
    assert!(said.contains("is not below the root"), "{said}");
    assert!(bed.refused(&[], &[&root]).contains("is not a git repository"));
    assert!(bed.refused(&[], &[]).contains("name a repository"));
    assert_eq!(tree(bed.folder.path()), before);
}

#[test]
fn an_upgrade_names_no_repository_and_the_first_run_says_what_comes_next() {
    let bed = Bed::new();
    let repository = bed.repository("a.git");
    let dry = bed.install(&["--dry-run"], &[&repository]);
    assert!(dry.contains("install completions and man pages"), "{dry}");
    assert!(dry.ends_with("nothing was changed (--dry-run)\n"), "{dry}");
    assert!(bed.install(&[], &[&repository]).contains("repo install --all"));
    bed.release("version 2");
    let again = bed.install(&[], &[]);
    assert!(!again.contains("repo install --all"), "{again}");
    assert!(std::fs::read_to_string(bed.lib("update")).unwrap().contains("version 2"));
    assert!(repository.join("hooks/update").is_symlink());
}

#[test]
fn a_policy_that_is_not_accepted_stops_before_the_hooks() {
    let bed = Bed::new();
    bed.refwarden("echo 'RW601 no' >&2; exit 4");
    let repository = bed.repository("a.git");
    let before = tree(&repository);
    let said = bed.refused(&[], &[&repository]);
    assert!(said.contains("stopped while applying the policy; in place: programs in"), "{said}");
    assert_eq!(tree(&repository), before);
}

#[test]
fn what_doctor_finds_ends_the_installation_with_an_error() {
    let bed = Bed::new();
    bed.refwarden("if [ \"$1\" = doctor ]; then exit 1; else exit 0; fi");
    let repository = bed.repository("a.git");
    let said = bed.refused(&[], &[&repository]);
    assert!(said.contains("(refwarden doctor); in place:"), "{said}");
    assert!(said.trim_end().ends_with("the hooks"), "{said}");
}

#[test]
fn a_half_installed_repository_never_has_update_alone() {
    let bed = Bed::new();
    let (good, bad) = (bed.repository("good.git"), bed.repository("bad.git"));
    std::fs::create_dir(bad.join("hooks/pre-receive")).unwrap();
    let said = bed.refused(&[], &[&bad, &good]);
    assert!(said.contains("is not a file") && said.contains("stopped while"), "{said}");
    assert!(!bad.join("hooks/update").exists());
    assert!(good.join("hooks/pre-receive").exists());
    let said = bed.refused(&["--hooks", "update,post-receive"], &[&good]);
    assert!(said.contains("needs pre-receive"), "{said}");
}

#[test]
fn gitlab_and_gitolite_get_their_places_and_no_update() {
    let bed = Bed::new();
    let (one, two) = (bed.repository("one.git"), bed.repository("two.git"));
    file(&two.join("hooks/update"), "gitolite's", 0o755);
    bed.install(&["--host", "gitlab"], &[&one]);
    assert!(one.join("custom_hooks/pre-receive.d/refwarden").exists());
    assert!(!one.join("custom_hooks/update.d").exists());
    assert!(!one.join("hooks/pre-receive").exists());
    bed.install(&["--host=gitolite"], &[&two]);
    assert!(two.join("hooks/pre-receive").exists());
    assert_eq!(std::fs::read_to_string(two.join("hooks/update")).unwrap(), "gitolite's");
    bed.refused(&["--host", "gitolite", "--hooks", "pre-receive,update"], &[&two]);
}

#[test]
fn somebody_elses_command_of_that_name_is_not_overwritten() {
    let bed = Bed::new();
    let repository = bed.repository("a.git");
    file(&bed.at("prefix/bin/refwarden"), "theirs", 0o755);
    assert!(bed.refused(&[], &[&repository]).contains("not ours"));
    let there = std::fs::read_to_string(bed.at("prefix/bin/refwarden")).unwrap();
    assert_eq!(there, "theirs");
}

#[test]
fn links_laid_in_the_way_of_new_files_are_not_written_through() {
    let bed = Bed::new();
    let repository = bed.repository("a.git");
    let victim = bed.at("victim");
    file(&victim, "theirs", 0o600);
    let ways = ["lib/refwarden/.update.new", "lib/refwarden/.site.toml.new"];
    let ways = ways.into_iter().chain(["etc/refwarden/policy.toml.new"]);
    for way in ways.map(|way| bed.at("prefix").join(way)) {
        std::fs::create_dir_all(way.parent().unwrap()).unwrap();
        symlink(&victim, &way).unwrap();
    }
    bed.install(&[], &[&repository]);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs");
    assert!(std::fs::read_to_string(bed.lib("site.toml")).unwrap().contains("version = 1"));
}

/// A `systemctl` that notes what it is told, and what it answers with.
struct Systemd {
    tools: tempfile::TempDir,
}

impl Systemd {
    fn new(answer: &str) -> Self {
        let tools = tempfile::tempdir().unwrap();
        let script = format!("#!/bin/sh\necho \"$*\" >> \"${{0%/*}}/asked\"\n{answer}\n");
        file(&tools.path().join("systemctl"), &script, 0o755);
        Self { tools }
    }

    fn asked(&self) -> String {
        let asked = self.tools.path().join("asked");
        let words = std::fs::read_to_string(&asked).unwrap_or_default();
        let _ = std::fs::remove_file(asked);
        words.replace("--user ", "")
    }

    fn run(&self, bed: &Bed, arguments: &[&str], paths: &[&Path]) -> Output {
        let tools = self.tools.path().display();
        let mut command = Command::new("sh");
        command.arg(bed.at("install.sh")).arg("--prefix").arg(bed.at("prefix"));
        command.env("PATH", format!("{tools}:{}", std::env::var("PATH").unwrap()));
        command.env("XDG_CONFIG_HOME", bed.at("config"));
        command.args(arguments).args(paths).output().unwrap()
    }

    fn install(&self, bed: &Bed, arguments: &[&str], paths: &[&Path]) -> String {
        let done = self.run(bed, arguments, paths);
        assert!(done.status.success(), "{}", words(&done));
        words(&done)
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn unit(bed: &Bed, name: &str) -> PathBuf {
    let folder = if is_root() { "prefix/etc/systemd/system" } else { "config/systemd/user" };
    bed.at(folder).join(format!("refwarden-sweep.{name}"))
}

#[test]
fn the_sweep_gets_a_service_within_walls_and_a_timer() {
    let (bed, systemd) = (Bed::named(PLAIN), Systemd::new("exit 0"));
    let repository = bed.repository("a 100%.git");
    systemd.install(&bed, &["--systemd"], &[&repository]);
    let asked = systemd.asked();
    assert!(asked.contains("daemon-reload\n"), "{asked}");
    assert!(asked.ends_with("\nenable --quiet --now refwarden-sweep.timer\n"), "{asked}");
    let service = std::fs::read_to_string(unit(&bed, "service")).unwrap();
    for line in ["NoNewPrivileges=yes", "MemoryDenyWriteExecute=yes"] {
        assert!(service.contains(&format!("\n{line}\n")), "{service}");
    }
    if is_root() {
        for line in
            ["ProtectSystem=strict", "PrivateTmp=yes", "CapabilityBoundingSet=", "User=root"]
        {
            assert!(service.contains(&format!("\n{line}\n")), "{service}");
        }
        let writable = service.lines().find(|line| line.starts_with("ReadWritePaths=")).unwrap();
        assert_eq!(writable.matches("/prefix/var/lib/refwarden\"").count(), 1, "{writable}");
        assert_eq!(writable.matches("/prefix/var/log/refwarden\"").count(), 1, "{writable}");
    }
    let units = [unit(&bed, "service"), unit(&bed, "timer")];
    match Command::new("systemd-analyze").arg("verify").args(&units).output() {
        Ok(done) => assert!(done.status.success() && done.stderr.is_empty(), "{}", words(&done)),
        Err(_) => println!("skipped: systemd-analyze is not installed"),
    }
    let before = tree(bed.folder.path());
    systemd.install(&bed, &["--systemd"], &[]);
    assert_eq!(tree(bed.folder.path()), before);
    systemd.asked();
    let said = systemd.install(&bed, &["--uninstall"], &[]);
    assert!(said.contains("remove ") && said.contains("refwarden-sweep.service"), "{said}");
    assert!(systemd.asked().contains("disable --quiet --now refwarden-sweep.timer\n"));
    assert!(units.iter().all(|unit| !unit.exists()));
}

#[test]
fn the_sweep_writes_where_the_policy_keeps_the_trail() {
    let (bed, systemd) = (Bed::named(PLAIN), Systemd::new("exit 0"));
    let policy = bed.at("policy.toml");
    file(
        &policy,
        "version = 1\n[audit]\n# there\nfile = \"/srv/trail/audit.jsonl\"\n[x]\nfile = \"/y/z\"\n",
        0o600,
    );
    let policy = policy.to_str().unwrap();
    systemd.install(&bed, &["--systemd", "--policy", policy], &[&bed.repository("a.git")]);
    if is_root() {
        let service = std::fs::read_to_string(unit(&bed, "service")).unwrap();
        assert!(service.contains(" \"/srv/trail\"\n") && !service.contains("/y"), "{service}");
    }
}

#[test]
fn without_a_running_systemd_the_units_lie_ready_and_the_command_is_told() {
    let (bed, systemd) =
        (Bed::named(PLAIN), Systemd::new("echo 'Failed to connect to bus' >&2; exit 1"));
    let said = systemd.install(&bed, &["--systemd"], &[&bed.repository("a.git")]);
    assert!(said.contains("no systemd answers here"), "{said}");
    assert!(said.contains("enable --now refwarden-sweep.timer"), "{said}");
    assert!(!said.contains("Failed to connect"), "{said}");
    assert_eq!(systemd.asked(), "show-environment\n");
    assert!(unit(&bed, "timer").exists());
    systemd.install(&bed, &["--uninstall"], &[]);
    assert!(!unit(&bed, "timer").exists() && !unit(&bed, "service").exists());
}

#[test]
fn a_path_that_systemd_would_not_run_is_told_before_anything_is_done() {
    let (bed, systemd) = (Bed::named(HARD), Systemd::new("exit 0"));
    let repository = bed.repository("a.git");
    let before = tree(bed.folder.path());
    let done = systemd.run(&bed, &["--systemd"], &[&repository]);
    assert_eq!(done.status.code(), Some(2), "{}", words(&done));
    assert!(words(&done).contains("systemd runs no program"), "{}", words(&done));
    assert_eq!(tree(bed.folder.path()), before);
}

#[test]
fn a_unit_that_runs_another_program_is_neither_overwritten_nor_removed() {
    let (bed, systemd) = (Bed::named(PLAIN), Systemd::new("exit 0"));
    let repository = bed.repository("a.git");
    file(&unit(&bed, "service"), "[Service]\nExecStart=/opt/refwarden sweep\n", 0o644);
    let done = systemd.run(&bed, &["--systemd"], &[&repository]);
    assert!(!done.status.success() && words(&done).contains("not ours"), "{}", words(&done));
    systemd.asked();
    systemd.install(&bed, &["--uninstall"], &[]);
    assert!(unit(&bed, "service").exists());
    assert_eq!(systemd.asked(), "");
}

#[test]
fn telling_shows_the_units_and_an_ordinary_user_gets_those_of_a_user() {
    let (bed, systemd) = (Bed::named(PLAIN), Systemd::new("exit 0"));
    let repository = bed.repository("a.git");
    let mut command = Command::new("sh");
    if is_root() {
        // Nothing is changed, so that looking is enough for whoever this is.
        let folders = [bed.folder.path().to_owned(), bed.at(""), systemd.tools.path().to_owned()];
        for folder in folders {
            std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
        }
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
    }
    let tools = systemd.tools.path().display();
    command.arg(bed.at("install.sh")).args(["--dry-run", "--systemd", "--prefix"]);
    command.arg(bed.at("prefix")).arg(&repository).env("HOME", "/home/somebody");
    command.env_remove("XDG_CONFIG_HOME").current_dir("/");
    command.env("PATH", format!("{tools}:{}", std::env::var("PATH").unwrap()));
    let before = tree(bed.folder.path());
    let said = bed.run(&mut command);
    assert_eq!(tree(bed.folder.path()), before);
    let place = "write /home/somebody/.config/systemd/user/refwarden-sweep.";
    assert!(said.contains(&format!("{place}service\n")), "{said}");
    assert!(said.contains(&format!("{place}timer\n")), "{said}");
    assert!(said.contains("\n    NoNewPrivileges=yes\n"), "{said}");
    assert!(said.contains("\n    OnCalendar=minutely\n"), "{said}");
    for root_only in ["User=", "ProtectSystem=", "CapabilityBoundingSet="] {
        assert!(!said.contains(root_only), "{said}");
    }
    assert!(said.contains("loginctl enable-linger"), "{said}");
    assert_eq!(systemd.asked().trim(), "show-environment");
}

/// The words, in this order.
#[track_caller]
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        assert!(rest.contains(word), "`{word}` does not follow in:\n{text}");
        rest = rest.split_once(word).unwrap().1;
    }
}

#[test]
fn the_demo_asks_approves_pushes_expires_and_leaves_nothing() {
    let bed = Bed::new();
    for name in HOOKS.into_iter().chain(["refwarden"]) {
        let built = Path::new(env!("CARGO_BIN_EXE_refwarden")).with_file_name(name);
        bed.run(Command::new("cp").arg(built).arg(bed.at("bin").join(name)));
    }
    let scratch = bed.at("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let mut command = Command::new("sh");
    command.arg(bed.at("install.sh")).arg("--demo").env("TMPDIR", &scratch).current_dir("/");
    let said = bed.run(&mut command);
    in_order(
        &said,
        &[
            "\n$ env DEMO_USER=bob git push origin HEAD:main\n",
            "RW201 no permit",
            "git push -o access=hotfix",
            "waiting for approval (nothing was changed)",
            "\n$ refwarden access approve ",
            " --as alice\n",
            "  active ",
            "\n$ env DEMO_USER=bob git push origin HEAD:main\n",
            "allowed by grant ",
            "approved by alice",
            "HEAD -> main",
            "\n$ env DEMO_USER=bob git push origin HEAD:main\n",
            "RW201 no permit",
            "RW454 your grant ",
            "access.approved",
            "push.decided allowed",
            "the chain is whole",
            "and is gone",
        ],
    );
    assert!(!said.contains('\x1b'), "{said}");
    assert_eq!(tree(&scratch), BTreeMap::new());
}

#[test]
fn a_policy_that_is_there_is_not_touched() {
    let bed = Bed::new();
    let repository = bed.repository("a.git");
    let policy = bed.at("my policy.toml");
    file(&policy, "version = 1\n", 0o600);
    let before = tree(policy.parent().unwrap()).remove(&policy);
    bed.install(&["--policy", policy.to_str().unwrap()], &[&repository]);
    assert_eq!(tree(policy.parent().unwrap()).remove(&policy), before);
    let site = refwarden::os::site::Site::read(&bed.lib("")).unwrap();
    assert_eq!(site.policy, policy);
}

#[test]
fn the_first_policy_is_toml_that_names_its_own_folders() {
    let bed = Bed::new();
    bed.install(&[], &[&bed.repository("a.git")]);
    let text = std::fs::read_to_string(bed.at("prefix/etc/refwarden/policy.toml")).unwrap();
    let policy: toml::Table = text.parse().unwrap();
    let at = |table: &str, key: &str| policy[table][key].as_str().map(PathBuf::from);
    assert_eq!(at("store", "path").unwrap(), bed.at("prefix/var/lib/refwarden"));
    let trail = bed.at("prefix/var/log/refwarden/audit.jsonl");
    assert_eq!(at("audit", "file").unwrap(), trail);
    assert_eq!(policy["projects"]["all"]["scheme"].as_str(), Some("default"));
}

#[test]
fn what_the_first_policy_hints_at_is_valid_all_at_once() {
    let bed = Bed::new();
    bed.install(&[], &[&bed.repository("a.git")]);
    let text = std::fs::read_to_string(bed.at("prefix/etc/refwarden/policy.toml")).unwrap();
    let setting = |line: &&str| {
        let word = line.trim_start_matches(|one: char| one.is_ascii_lowercase() || one == '-');
        line.starts_with('[') || (word != *line && word.starts_with(" = "))
    };
    let uncommented = |line| match str::strip_prefix(line, "# ").filter(setting) {
        Some(setting) => setting,
        None => line,
    };
    let all: Vec<&str> = text.lines().map(uncommented).collect();
    assert!(all.contains(&"[entitlements.hotfix]") && all.contains(&"[users.bob]"), "{all:?}");
    let policy = bed.at("all.toml");
    file(&policy, &(all.join("\n") + "\n"), 0o600);
    let check = ["policy", "check"];
    bed.run(Command::new(env!("CARGO_BIN_EXE_refwarden")).args(check).arg(&policy));
}

#[test]
fn misuse_is_told_and_changes_nothing() {
    let bed = Bed::new();
    let repository = bed.repository("a.git");
    let before = tree(bed.folder.path());
    for arguments in [
        ["--colour"].as_slice(),
        &["--host", "svn"],
        &["--prefix"],
        &["--policy="],
        &["--root", "a\nb"],
        &["--account", "no such account"],
        &["--account", "-x"],
    ] {
        let paths = if arguments == ["--prefix"] { [].as_slice() } else { &[&*repository] };
        let done = bed.install_sh(arguments, paths);
        assert!(matches!(done.status.code(), Some(1 | 2)), "{arguments:?}: {}", words(&done));
    }
    assert!(bed.install(&["--help"], &[]).starts_with("usage: install.sh"));
    assert_eq!(tree(bed.folder.path()), before);
}

#[test]
fn without_built_programs_cargo_builds_static_ones() {
    for (musl, target, flags) in [
        (true, "x86_64-unknown-linux-musl", " -C link-arg=-Wl,-z,pack-relative-relocs"),
        (false, "x86_64-unknown-linux-gnu", " -C target-feature=+crt-static"),
    ] {
        let bed = Bed::new();
        let repository = bed.repository("a.git");
        std::fs::rename(bed.at("bin"), bed.at("made")).unwrap();
        file(&bed.at("Cargo.toml"), "", 0o644);
        if musl {
            std::fs::create_dir_all(bed.at("lib/rustlib/x86_64-unknown-linux-musl")).unwrap();
        }
        let rustc = "#!/bin/sh\n[ \"$1\" = -vV ] && echo 'host: x86_64-unknown-linux-gnu' || pwd\n";
        file(&bed.at("tools/rustc"), rustc, 0o755);
        let cargo = "#!/bin/sh\n\
            printf '%s|%s' \"$*\" \"$RUSTFLAGS\" > asked\n\
            while [ $# -gt 1 ]; do [ \"$1\" = --target ] && to=$2; shift; done\n\
            mkdir -p \"$1/$to\" && cp -r made \"$1/$to/release\"\n";
        file(&bed.at("tools/cargo"), cargo, 0o755);
        let path = format!("{}:{}", bed.at("tools").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.arg(bed.at("install.sh")).arg("--prefix").arg(bed.at("prefix")).arg(&repository);
        bed.run(command.env("PATH", path).env("RUSTFLAGS", ""));
        let asked = std::fs::read_to_string(bed.at("asked")).unwrap();
        assert!(
            asked.contains(&format!("--release --locked --bins --target {target} ")),
            "{asked}"
        );
        assert!(asked.ends_with(&format!("|{flags} --cfg sha2_256_backend=\"soft\"")), "{asked}");
        assert!(repository.join("hooks/pre-receive").exists());
    }
}

/// sshd as far as install.sh asks it: `-t -f FILE`.
fn fake_sshd(bed: &Bed, ends: &str) -> String {
    let script = format!("#!/bin/sh\ncat \"$3\" > '{}'\n{ends}\n", bed.at("asked").display());
    file(&bed.at("tools/sshd"), &script, 0o755);
    file(&bed.at("tools/fcgiwrap"), "#!/bin/sh\n", 0o755);
    format!("{}:{}", bed.at("tools").display(), std::env::var("PATH").unwrap())
}

fn with_path(bed: &Bed, path: &str, arguments: &[&str], paths: &[&Path]) -> Output {
    let mut command = Command::new("sh");
    command.arg(bed.at("install.sh")).arg("--prefix").arg(bed.at("prefix"));
    command.args(arguments).args(paths).env("PATH", path).output().unwrap()
}

#[test]
fn the_doors_are_written_once_sshd_takes_them_and_taken_away_again() {
    if !is_root() {
        return println!("skipped: not root");
    }
    let bed = Bed::named("doors");
    let repository = bed.repository("a.git");
    bed.install(&[], &[&repository]);
    let before = tree(&bed.at("prefix"));
    let doors = ["--ssh-door", "--http-door"];

    let path = fake_sshd(&bed, "echo 'bad line 3' >&2; exit 1");
    let said = words(&with_path(&bed, &path, &doors, &[&repository]));
    assert!(
        said.contains("sshd does not take it, so it was not put in place: bad line 3"),
        "{said}"
    );
    assert!(!bed.at("prefix/etc/ssh/sshd_config.d/refwarden.conf").exists());

    let path = fake_sshd(&bed, "exit 0");
    let dry = words(&with_path(&bed, &path, &["--ssh-door", "--dry-run"], &[&repository]));
    assert!(dry.contains("    AuthorizedKeysFile none\n"), "{dry}");
    let done = with_path(&bed, &path, &doors, &[&repository]);
    assert!(done.status.success(), "{}", words(&done));
    let said = words(&done);
    assert!(said.contains("until you reload it") && said.contains("fastcgi_pass"), "{said}");
    let conf = bed.at("prefix/etc/ssh/sshd_config.d/refwarden.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    let program = bed.lib("refwarden").display().to_string();
    assert!(
        text.contains(&format!("AuthorizedKeysCommand {program} ssh-keys %u %f %t %k\n")),
        "{text}"
    );
    assert!(std::fs::read_to_string(bed.at("asked")).unwrap().contains("refwarden.conf.new\n"));
    let units = bed.at("prefix/etc/systemd/system");
    let service = std::fs::read_to_string(units.join("refwarden-http.service")).unwrap();
    assert!(service.contains("fcgiwrap -f -c 64 -p \"") && service.contains("refwarden-http\"\n"));
    let socket = std::fs::read_to_string(units.join("refwarden-http.socket")).unwrap();
    assert!(socket.contains("SocketMode=0600\n"), "{socket}");

    let again = tree(&bed.at("prefix"));
    assert!(with_path(&bed, &path, &doors, &[&repository]).status.success());
    assert_eq!(tree(&bed.at("prefix")), again);
    // What is there and not ours stays.
    file(&conf, "Match User git\n", 0o644);
    let said = words(&with_path(&bed, &path, &["--ssh-door"], &[&repository]));
    assert!(said.contains("refwarden.conf is there and not ours"), "{said}");
    std::fs::write(&conf, &text).unwrap();
    let said = words(&with_path(&bed, &path, &["--uninstall"], &[]));
    assert!(said.contains("refwarden-http.socket") && said.contains("uninstalled"), "{said}");
    for folder in ["prefix/etc/ssh", "prefix/etc/systemd"] {
        assert!(!bed.at(folder).exists(), "{folder}");
    }
    assert!(before.contains_key(&bed.lib("site.toml")));
}

#[test]
fn what_sshd_gets_is_what_the_documents_show_and_what_a_real_sshd_takes() {
    if !is_root() {
        return println!("skipped: not root");
    }
    let bed = Bed::named("doors");
    let path = fake_sshd(&bed, "exit 0");
    let repository = bed.repository("a.git");
    assert!(with_path(&bed, &path, &["--ssh-door"], &[&repository]).status.success());
    let conf = bed.at("prefix/etc/ssh/sshd_config.d/refwarden.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    let page = std::fs::read_to_string(source("docs/doors.md")).unwrap();
    let shown = page.split("<!-- test: sshd -->\n```\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let me = me.trim();
    let lib = bed.lib("").display().to_string();
    let expected = shown
        .replace("/usr/local/lib/refwarden/", &lib)
        .replace("account git ", &format!("account {me} "))
        .replace("Match User git", &format!("Match User {me}"))
        .replace("CommandUser git", &format!("CommandUser {me}"));
    assert_eq!(text, expected);
    let sshd = Path::new("/usr/sbin/sshd");
    if !sshd.exists() {
        return println!("skipped: no sshd");
    }
    let key = bed.at("host");
    bed.run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    file(
        &bed.at("sshd_config"),
        &format!("HostKey {}\nInclude {}\n", key.display(), conf.display()),
        0o644,
    );
    std::fs::create_dir_all("/run/sshd").unwrap();
    let user = format!("user={me},host=localhost,addr=127.0.0.1");
    let said =
        bed.run(Command::new(sshd).args(["-T", "-C", &user, "-f"]).arg(bed.at("sshd_config")));
    for line in ["acceptenv GIT_PROTOCOL\n", "disableforwarding yes\n", "authorizedkeysfile none\n"]
    {
        assert!(said.contains(line), "{line} {said}");
    }
}

#[test]
fn in_secure_mode_the_installation_fails_while_a_side_path_is_open() {
    let bed = Bed::named("secure");
    for name in HOOKS.into_iter().chain(["refwarden"]) {
        let built = Path::new(env!("CARGO_BIN_EXE_refwarden")).with_file_name(name);
        bed.run(Command::new("cp").arg(built).arg(bed.at("bin").join(name)));
    }
    let repository = bed.repository("a.git");
    let policy = bed.at("policy.toml");
    let write = |secure: bool| {
        let text = format!(
            "version = 1\n[server]\nsecure-mode = {secure}\n[identity]\nsources = [\"http\"]\n\
             [store]\npath = \"{0}/var/lib/refwarden\"\n[audit]\nfile = \"{0}/var/log/refwarden/audit.jsonl\"\n\
             [users.alice]\n[schemes.default]\n[projects.A]\nrepositories = [\"**\"]\n",
            bed.at("prefix").display()
        );
        file(&policy, &text, 0o644);
    };
    let arguments = ["--policy", policy.to_str().unwrap()];
    write(true);
    let said = bed.refused(&arguments, &[&repository]);
    assert!(said.contains("FAIL OPEN http-getanyfile: "), "{said}");
    assert!(said.contains("cure: git config --system http.getanyfile false"), "{said}");
    let ended = "stopped while holding the host to secure mode, which is not met; in place: ";
    let told = said.lines().find_map(|line| line.strip_prefix(ended));
    assert!(told.is_some_and(|placed| placed.ends_with(", the hooks")), "{said}");
    assert!(repository.join("hooks/pre-receive").exists(), "hooks close a side path themselves");
    // An upgrade names no repository, and looks all the same.
    let said = bed.refused(&arguments, &[]);
    assert!(said.contains("FAIL OPEN secure-mode: not met"), "{said}");
    write(false);
    let said = bed.install(&arguments, &[]);
    assert!(!said.contains("FAIL OPEN") && !said.contains("getanyfile"), "{said}");
    assert!(!said.contains("make the store"), "it is there: {said}");
}
