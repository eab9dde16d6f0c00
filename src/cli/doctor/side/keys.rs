//! Keys in the hosting account's own `authorized_keys` that open something else than the door.
//!
//! Knows the file's syntax (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"); whose keys they are is the
//! policy's matter.

use super::sshd::Settings;
use super::{Look, not_looked_at};
use crate::cli::finding::Finding;
use crate::os::files;
use crate::pusher::Source;
use std::path::{Path, PathBuf};

/// Longest file that is looked at, in bytes.
const MAX_FILE: usize = 64 * 1024 * 1024;
/// Lines that are named.
const MOST: usize = 10;

/// What a line lets its key do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// The door, and nothing else.
    Door,
    /// The door, and whatever else sshd allows: forwarding, a terminal.
    DoorAndMore,
    /// A program that is not ours.
    Program,
    /// The login shell.
    Shell,
}

/// Every file of keys that sshd reads for the account.
pub fn judge(settings: Option<&Settings<'_>>, look: &Look<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in paths(settings, &look.home.account.home, &look.home.site.account) {
        match files::read_limited(&path, MAX_FILE) {
            Ok(bytes) => found.extend(file(&path, &String::from_utf8_lossy(&bytes), look)),
            Err(error) if error.is_absent() => {}
            Err(error) => found.push(not_looked_at(error.to_string(), look.as_root())),
        }
    }
    found
}

fn paths(settings: Option<&Settings<'_>>, home: &Path, account: &str) -> Vec<PathBuf> {
    let usual = ".ssh/authorized_keys .ssh/authorized_keys2";
    let value = settings.map_or(usual, |s| s.all("authorizedkeysfile").next().unwrap_or(usual));
    let names = value.split_ascii_whitespace().filter(|name| *name != "none");
    let full = names.map(|name| {
        let parts: Vec<String> = name
            .split("%%")
            .map(|part| part.replace("%h", &home.display().to_string()).replace("%u", account))
            .collect();
        home.join(parts.join("%"))
    });
    full.collect()
}

fn file(path: &Path, text: &str, look: &Look<'_>) -> Vec<Finding> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let lines: Vec<(usize, Opens)> =
        numbered.filter_map(|(number, line)| Some((number, opens(line, look)?))).collect();
    let of = |kind| {
        let numbers = lines.iter().filter(|(_, opens)| *opens == kind).map(|(number, _)| *number);
        numbers.collect::<Vec<usize>>()
    };
    let by_ssh = look.lists(&Source::Ssh);
    let kinds = [
        (Opens::Shell, "the login shell, which can write every ref without a push"),
        (Opens::Program, "a program that is not the door"),
        (Opens::DoorAndMore, "the door, but without `restrict`, so forwarding too"),
    ];
    let mut found = Vec::new();
    for (kind, what) in kinds {
        let numbers = of(kind);
        // A wrapper of the admin's own is what `env:` is for.
        if numbers.is_empty() || (kind == Opens::Program && !by_ssh && !look.secure) {
            continue;
        }
        let what = format!("`{}`, {}: {what}", path.display(), named(&numbers));
        let cure = cure(path, look);
        found.push(match (kind, by_ssh) {
            (Opens::Shell, true) => Finding::open("ssh-keys", what, cure),
            _ => Finding::warn("ssh-keys", what, cure),
        });
    }
    if found.is_empty() && by_ssh && !lines.is_empty() {
        found.push(Finding::ok("ssh-keys", format!("`{}` opens the door alone", path.display())));
    }
    found
}

fn cure(path: &Path, look: &Look<'_>) -> String {
    let path = path.display();
    match look.lists(&Source::Ssh) {
        true => format!(
            "remove these lines; keys belong into `[users.NAME] ssh-keys` of the policy, then \
             refwarden policy apply && refwarden ssh-keys --write {path}"
        ),
        false => format!("remove these lines of {path}, or give each `restrict,command=\"...\"`"),
    }
}

fn named(numbers: &[usize]) -> String {
    let mut words: Vec<String> = numbers.iter().take(MOST).map(ToString::to_string).collect();
    if numbers.len() > MOST {
        words.push(format!("and {} more", numbers.len() - MOST));
    }
    let lines = if numbers.len() == 1 { "line" } else { "lines" };
    format!("{lines} {}", words.join(", "))
}

/// What a line opens; `None` for a comment.
fn opens(line: &str, look: &Look<'_>) -> Option<Opens> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let options = options(line);
    let is = |option: &str, name: &str| option.eq_ignore_ascii_case(name);
    let restricted = options.iter().any(|option| is(option, "restrict"));
    let command = options.iter().find_map(|option| {
        let (name, value) = option.split_once('=')?;
        is(name, "command").then(|| value.trim_matches('"').replace("\\\"", "\""))
    });
    Some(match command {
        None => Opens::Shell,
        Some(command) if !look.is_ours(&command, "ssh") => Opens::Program,
        Some(_) if restricted => Opens::Door,
        Some(_) => Opens::DoorAndMore,
    })
}

/// The options before the key, split at commas that stand in no quotes.
fn options(line: &str) -> Vec<&str> {
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    let mut found = Vec::new();
    for (index, byte) in line.bytes().enumerate() {
        let ends = !quoted && matches!(byte, b',' | b' ' | b'\t');
        if ends {
            found.extend(line.get(start..index));
            start = index + 1;
            if byte != b',' {
                break;
            }
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
    }
    // A line without options begins with the key's type, which is no option's name.
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_the_first_blank_outside_quotes() {
        let line = r#"restrict,command="a, \"b\" c",pty ssh-ed25519 AAAA me"#;
        assert_eq!(options(line), ["restrict", r#"command="a, \"b\" c""#, "pty"]);
        assert_eq!(options("ssh-ed25519 AAAA"), ["ssh-ed25519"]);
    }

    #[test]
    fn the_files_are_those_that_sshd_names() {
        let home = Path::new("/srv/git");
        let named = |text| paths(Some(&Settings(text)), home, "git");
        assert!(named("authorizedkeysfile none").is_empty());
        assert_eq!(
            named("authorizedkeysfile .ssh/a /etc/keys/%u %h/%%b"),
            ["/srv/git/.ssh/a", "/etc/keys/git", "/srv/git/%b"].map(PathBuf::from)
        );
        assert_eq!(paths(None, home, "git").len(), 2);
    }

    #[test]
    fn many_lines_are_counted_not_listed() {
        assert_eq!(named(&[3]), "line 3");
        assert_eq!(named(&[1, 2]), "lines 1, 2");
        assert!(named(&(1..=12).collect::<Vec<_>>()).ends_with("10, and 2 more"));
    }
}
