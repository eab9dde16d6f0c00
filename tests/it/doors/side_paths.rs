//! `doctor` finds the ways past the doors, and each printed cure closes what it is printed for.

use crate::support::{Policy, Repo, Run, Site, find_program, is_root, own_account, permit, skip};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Settings of sshd that leave nothing open.
const CLOSED: &str = "AuthorizedKeysFile none\nDisableForwarding yes\nAcceptEnv GIT_PROTOCOL\n\
                      AuthenticationMethods publickey\n";

/// A site with the repository `app`, and sshd's configuration for it.
struct Lab {
    site: Site,
    repo: Repo,
}

fn policy(sources: &str) -> Policy {
    Policy::new(&[permit("alice", "write", "")]).sources(sources)
}

impl Lab {
    fn new(policy: &Policy) -> Self {
        let site = Site::new(policy);
        site.refwarden(&["store", "init"]).ends(0, "");
        let (repo, _) = site.started();
        let lab = Self { site, repo };
        lab.sshd(CLOSED);
        lab
    }

    fn config(&self) -> PathBuf {
        self.site.path("sshd_config")
    }

    /// Another configuration of sshd.
    fn sshd(&self, text: &str) {
        let key = self.site.path("host");
        if !key.exists() && find_program("ssh-keygen").is_some() {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key)
                .status();
            assert!(made.unwrap().success());
        }
        let text = format!("HostKey {}\n{text}", key.display());
        std::fs::write(self.config(), text).unwrap();
    }

    fn doctor(&self, more: &[&str]) -> Run {
        let config = self.config().display().to_string();
        let all = [&["doctor", "--sshd-config", &config], more].concat();
        self.site.refwarden(&all)
    }

    /// What a check finds wrong.
    fn findings(&self, check: &str) -> Vec<Value> {
        let run = self.doctor(&["--json", "--quiet"]);
        let said: Value = serde_json::from_str(&run.stdout).unwrap();
        let all = said["findings"].as_array().unwrap().clone();
        all.into_iter().filter(|finding| finding["check"] == check).collect()
    }

    /// The one that is there.
    #[track_caller]
    fn finding(&self, check: &str, level: &str, words: &str) -> Value {
        let mut all = self.findings(check);
        assert_eq!(all.len(), 1, "{check}: {all:#?}");
        let one = all.remove(0);
        assert_eq!(one["level"], level, "{one:#?}");
        assert!(one["what"].as_str().unwrap().contains(words), "{one:#?}");
        one
    }

    /// Runs the cure as it is printed.
    #[track_caller]
    fn cured(&self, finding: &Value) {
        let check = finding["check"].as_str().unwrap();
        let sudo = format!("sudo -u {} ", own_account());
        let cure = finding["cure"].as_str().unwrap().replace(&sudo, "");
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.site.programs().display());
        let run = Command::new("sh").args(["-c", &cure]).env("PATH", path).output().unwrap();
        assert!(run.status.success(), "{cure}: {run:?}");
        assert!(self.findings(check).is_empty(), "{check} after {cure}");
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = self.site.git().command(&self.repo.path);
        let run = git.args(arguments).output().unwrap();
        assert!(run.status.success(), "{arguments:?}: {run:?}");
    }

    fn keys(&self) -> PathBuf {
        self.site.path("keys")
    }
}

/// The line of a cure for the hosting account's `Match`, or the one before it.
fn line_of(finding: &Value) -> String {
    let cure = finding["cure"].as_str().unwrap();
    let line = cure.split_once(": ").unwrap().1;
    line.split(" (then").next().unwrap().to_owned()
}

#[test]
fn settings_of_sshd_that_open_side_paths_are_closed_by_the_printed_lines() {
    if !is_root() || find_program("sshd").is_none() {
        return skip("no sshd, or not root");
    }
    let lab = Lab::new(&policy("[\"ssh\"]"));
    let open = "PermitUserEnvironment yes\nX11Forwarding yes\nAcceptEnv LANG GIT_* LC_*\n\
                ForceCommand /bin/false\nAuthorizedKeysCommand /bin/cat\nAuthorizedKeysCommandUser root\n\
                AuthorizedKeysFile none\nTrustedUserCAKeys /etc/ssh/ca.pub\nPasswordAuthentication yes\n";
    lab.sshd(open);
    let global = lab.finding("sshd-user-environment", "warn", "`PermitUserEnvironment yes`");
    let own = [
        lab.finding("sshd-accept-env", "fail-open", "`AcceptEnv GIT_*`"),
        lab.finding("sshd-forwarding", "warn", "AllowTcpForwarding, "),
        lab.finding("sshd-force-command", "warn", "`ForceCommand /bin/false`"),
        lab.finding("sshd-keys-command", "warn", "`AuthorizedKeysCommand /bin/cat`"),
        lab.finding("sshd-authorities", "warn", "`TrustedUserCAKeys /etc/ssh/ca.pub`"),
        lab.finding("sshd-methods", "warn", "PasswordAuthentication"),
    ];
    let before = line_of(&global);
    let mut text = format!("{before}\n{open}Match User {}\n", own_account());
    for finding in &own {
        text.push_str(&format!("    {}\n", line_of(finding)));
    }
    lab.sshd(&text);
    for check in ["sshd-user-environment", "sshd-accept-env", "sshd-forwarding"] {
        assert!(lab.findings(check).is_empty(), "{check}");
    }
    for check in [
        "sshd-force-command",
        "sshd-keys-command",
        "sshd-authorities",
        "sshd-methods",
        "not-looked-at",
    ] {
        assert!(lab.findings(check).is_empty(), "{check}");
    }
}

#[test]
fn variables_that_start_nothing_are_a_warning_and_the_usual_ones_none() {
    if !is_root() || find_program("sshd").is_none() {
        return skip("no sshd, or not root");
    }
    let lab = Lab::new(&policy("[\"ssh\"]"));
    let rest = "DisableForwarding yes\nAuthorizedKeysFile none\n";
    lab.sshd(&format!("AcceptEnv LANG LC_* GIT_PROTOCOL COLORTERM NO_COLOR\n{rest}"));
    assert!(lab.findings("sshd-accept-env").is_empty());
    lab.sshd(&format!("AcceptEnv EDITOR\n{rest}"));
    lab.finding("sshd-accept-env", "warn", "`AcceptEnv EDITOR`");
    lab.sshd("NoSuchSetting yes\n");
    lab.finding("not-looked-at", "warn", "sshd's configuration");
}

#[test]
fn keys_that_open_something_else_than_the_door_are_named_by_line() {
    if !is_root() || find_program("sshd").is_none() {
        return skip("no sshd, or not root");
    }
    let lab = Lab::new(&policy("[\"ssh\"]"));
    let keys = lab.keys().display().to_string();
    lab.sshd(&format!("DisableForwarding yes\nAuthorizedKeysFile {keys}\n"));
    let program = lab.site.programs().join("refwarden").display().to_string();
    let good =
        format!("restrict,command=\"{program} ssh alice --key SHA256:x\" ssh-ed25519 AAAA a\n");
    let loose = good.replace("restrict,", "");
    let other = "restrict,command=\"/bin/sh -c \\\"git-shell\\\"\" ssh-ed25519 AAAA b\n";
    let tail = good.replace("SHA256:x", "SHA256:x; sh");
    let text = format!("# a comment\n{good}ssh-ed25519 AAAA bare\n{other}{loose}{tail}");
    std::fs::write(lab.keys(), text).unwrap();
    let found = lab.findings("ssh-keys");
    let said: Vec<(&str, &str)> =
        found.iter().map(|f| (f["level"].as_str().unwrap(), f["what"].as_str().unwrap())).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].0 == "fail-open" && said[0].1.contains("line 3: the login shell"), "{said:?}");
    assert!(said[1].0 == "warn" && said[1].1.contains("lines 4, 6: a program"), "{said:?}");
    assert!(said[2].0 == "warn" && said[2].1.contains("line 5: the door, but"), "{said:?}");
    // The cure: these lines go, and refwarden writes the policy's.
    std::fs::write(lab.keys(), good).unwrap();
    lab.site.refwarden(&["ssh-keys", "--write", &keys]).ends(0, "");
    assert!(lab.findings("ssh-keys").is_empty());
}

#[test]
fn a_door_key_that_is_gone_or_open_is_made_anew() {
    let lab = Lab::new(&policy("[\"http\"]"));
    let key = lab.site.path("state/door.key");
    std::fs::remove_file(&key).unwrap();
    lab.cured(&lab.finding("door-key", "broken", "is not there"));
    crate::support::chmod(&key, 0o644);
    lab.cured(&lab.finding("door-key", "fail-open", "can be read by others"));
    std::fs::write(&key, "short").unwrap();
    lab.cured(&lab.finding("door-key", "broken", "is damaged"));
}

#[test]
fn repositories_that_every_account_can_read_are_closed_at_the_root() {
    let lab = Lab::new(&policy("[\"http\"]"));
    let what = lab.finding("readable", "warn", "by every account of this host");
    lab.cured(&what);
    // Whom nobody asks to guard reading is not told of it.
    let lab = Lab::new(&policy("[\"remote-user\"]"));
    assert!(lab.findings("readable").is_empty());
}

#[test]
fn what_git_http_backend_serves_by_itself_is_named() {
    let lab = Lab::new(&policy("[\"remote-user\"]"));
    lab.finding("http-getanyfile", "warn", "as it is by default");
    lab.git(&["config", "http.getanyfile", "false"]);
    assert!(lab.findings("http-getanyfile").is_empty());
    lab.git(&["config", "http.uploadarchive", "true"]);
    lab.cured(&lab.finding("http-uploadarchive", "warn", "http.uploadarchive is on"));
}

#[test]
fn what_git_daemon_may_serve_or_take_is_named() {
    let lab = Lab::new(&policy("[\"http\"]"));
    std::fs::write(lab.repo.path.join("git-daemon-export-ok"), "").unwrap();
    lab.cured(&lab.finding("daemon-export", "warn", "git-daemon-export-ok"));
    lab.git(&["config", "daemon.receivepack", "true"]);
    lab.cured(&lab.finding("daemon-config", "warn", "daemon.receivepack is on"));
}

#[test]
fn objects_borrowed_across_projects_are_named_and_repacked() {
    let more = "[projects.SECRET]\nrepositories = [\"secret\"]\nscheme = \"default\"\n";
    let policy = policy("[\"http\"]")
        .project("repositories = [\"app\", \"fork\"]\nbase = \"main\"")
        .also(more);
    let lab = Lab::new(&policy);
    let secret = lab.site.repo("secret");
    let alternates = |repo: &Repo, from: &Path| {
        let text = format!("{}\n", from.join("objects").display());
        std::fs::write(repo.path.join("objects/info/alternates"), text).unwrap();
    };
    let fork = lab.site.repo("fork");
    alternates(&fork, &lab.repo.path);
    assert!(lab.findings("alternates").is_empty(), "one project, the same readers");
    alternates(&lab.repo, &secret.path);
    lab.cured(&lab.finding("alternates", "warn", "of another project"));
}

/// `http` alone, in secure mode, with everything closed that a site of the tests leaves open.
fn closed() -> Lab {
    let lab = Lab::new(&policy("[\"http\"]").server("secure-mode = true"));
    lab.git(&["config", "http.getanyfile", "false"]);
    lab.git(&["config", "receive.fsckObjects", "true"]);
    crate::support::chmod(&lab.site.path("root"), 0o700);
    lab
}

#[test]
fn secure_mode_fails_while_one_side_path_is_open() {
    if !is_root() || find_program("sshd").is_none() {
        return skip("no sshd, or not root");
    }
    let lab = closed();
    lab.doctor(&[]).ends(0, "ok        secure-mode: met: no side path is open");
    lab.doctor(&["--secure-mode"]).ends(0, "secure-mode: met");
    let repo = lab.repo.path.display().to_string();
    let config = lab.config().display().to_string();
    let install = ["repo", "install", "--sshd-config", &config, &repo];
    lab.site.refwarden(&install).ends(0, "");

    let mark = lab.repo.path.join("git-daemon-export-ok");
    std::fs::write(&mark, "").unwrap();
    lab.doctor(&[]).ends(1, "FAIL OPEN secure-mode: not met: 1 side path is open");
    lab.doctor(&["--secure-mode"]).ends(1, "FAIL OPEN daemon-export: ");
    let run = lab.site.refwarden(&install);
    run.ends(1, "FAIL OPEN daemon-export: ").ends(1, &format!("cure: rm {}", mark.display()));
    std::fs::remove_file(&mark).unwrap();
    lab.site.refwarden(&install).ends(0, "");

    // A repository without hooks is the widest of all.
    let bare = lab.site.path("root/new.git");
    let made = lab
        .site
        .git()
        .command(&lab.site.path("root"))
        .args(["init", "-q", "--bare"])
        .arg(&bare)
        .status();
    assert!(made.unwrap().success());
    lab.site.refwarden(&install).ends(1, "FAIL OPEN hooks: ");
}

#[test]
fn without_secure_mode_an_open_side_path_is_told_and_nothing_fails() {
    let lab = Lab::new(&policy("[\"http\"]"));
    let run = lab.doctor(&["--secure-mode"]);
    assert!(run.code == Some(0) && run.stdout.is_empty(), "{run:#?}");
    let run = lab.doctor(&[]);
    run.ends(0, "warning   readable: ");
    assert!(!run.stdout.contains("secure-mode"), "{run:#?}");
    let repo = lab.repo.path.display().to_string();
    lab.site.refwarden(&["repo", "install", &repo]).ends(0, "");
}

#[test]
fn a_policy_of_secure_mode_knows_everybody() {
    let lab = closed();
    let anyone = policy("[\"http\"]")
        .server("secure-mode = true")
        .also("[[schemes.default.permit]]\npermissions = [\"read\"]\nto = [\"anyone\"]\n");
    lab.site.write_policy(&anyone);
    lab.site.refwarden(&["policy", "apply"]).ends(4, "RW677");
    lab.site.write_policy(&policy("[\"unix\"]").server("secure-mode = true"));
    lab.site.refwarden(&["policy", "apply"]).ends(4, "RW677");
    lab.site.write_policy(&policy("[\"http\"]"));
    lab.site
        .refwarden(&["policy", "apply", "--dry-run"])
        .ends(0, "`[server] secure-mode` is false, was true");
}
