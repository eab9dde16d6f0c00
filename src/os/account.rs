//! The hosting account as the host knows it: number, home, groups.
//!
//! Knows `getent` and `id`; not who the hosting account should be (`os::site`).

use super::child::{self, ChildError, Task};
use super::files;
use rustix::fs::{Access, Stat};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_OUTPUT: usize = 64 * 1024;
const MAX_PASSWD: usize = 4 * 1024 * 1024;

/// An account of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Where its `.gitconfig` is looked for.
    pub home: PathBuf,
    /// The numbers of all its groups.
    pub groups: Vec<u32>,
}

/// Why the host did not say.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No such account, or the directory that knows it is down.
    #[error("the host knows no account `{0}`")]
    Unknown(String),
    /// `getent` or `id` could not be run.
    #[error(transparent)]
    Child(#[from] ChildError),
}

impl Account {
    /// Asks the host about an account by its name.
    ///
    /// # Errors
    /// The host does not know it, or can't be asked.
    pub fn find(name: &str) -> Result<Self, AccountError> {
        let unknown = || AccountError::Unknown(name.to_owned());
        if name.is_empty() || name.starts_with(['-', '+']) || name.contains([':', '\n']) {
            return Err(unknown());
        }
        let line = ask("getent", &["passwd", name])?.ok_or_else(unknown)?;
        let groups = ask("id", &["-G", name])?.ok_or_else(unknown)?;
        Self::parse(&line, &groups).filter(|found| found.name == name).ok_or_else(unknown)
    }

    /// `name:password:uid:gid:words:home:shell`
    fn parse(line: &str, groups: &str) -> Option<Self> {
        let fields: Vec<&str> = line.lines().next()?.split(':').collect();
        let groups: Result<_, _> = groups.split_ascii_whitespace().map(str::parse).collect();
        Some(Self {
            name: (*fields.first()?).to_owned(),
            uid: fields.get(2)?.parse().ok()?,
            home: PathBuf::from(fields.get(5)?),
            groups: groups.ok()?,
        })
    }

    /// The first of `path` and the folders above it that keeps the account from running it.
    ///
    /// Exact when this process runs as the account; else by owner, group and mode.
    #[must_use]
    pub fn kept_from_running(&self, path: &Path) -> Option<PathBuf> {
        let mut steps: Vec<&Path> = path.ancestors().collect();
        steps.reverse();
        steps.into_iter().find(|step| !self.may_execute(step)).map(Path::to_owned)
    }

    fn may_execute(&self, path: &Path) -> bool {
        if rustix::process::geteuid().as_raw() == self.uid {
            return rustix::fs::access(path, Access::EXEC_OK).is_ok();
        }
        rustix::fs::stat(path).is_ok_and(|stat| self.has_bit(&stat, 0o1))
    }

    /// Whether the account may write to the folder or file, by owner, group and mode.
    #[must_use]
    pub fn may_write(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|stat| self.has_bit(&stat, 0o2))
    }

    fn has_bit(&self, stat: &Stat, bit: u32) -> bool {
        if self.uid == 0 {
            return bit != 0o1 || stat.st_mode & 0o111 != 0;
        }
        let shift = match () {
            () if stat.st_uid == self.uid => 6,
            () if self.groups.contains(&stat.st_gid) => 3,
            () => 0,
        };
        stat.st_mode & (bit << shift) != 0
    }
}

/// The home of a local account, out of `/etc/passwd`: no other program is asked.
#[must_use]
pub fn local_home(uid: u32) -> Option<PathBuf> {
    let lines = files::read_limited(Path::new("/etc/passwd"), MAX_PASSWD).ok()?;
    let lines = String::from_utf8(lines).ok()?;
    lines.lines().find_map(|line| home_in(line, uid))
}

fn home_in(line: &str, uid: u32) -> Option<PathBuf> {
    let fields: Vec<&str> = line.split(':').collect();
    let is_it = fields.get(2)?.parse() == Ok(uid);
    fields.get(5).filter(|home| is_it && home.starts_with('/')).map(PathBuf::from)
}

/// The login shell of an account; `None` where the host does not say.
#[must_use]
pub fn login_shell(name: &str) -> Option<String> {
    let line = ask("getent", &["passwd", name]).ok()??;
    let shell = line.lines().next()?.split(':').nth(6)?.to_owned();
    // passwd(5): an empty field is /bin/sh.
    Some(if shell.is_empty() { "/bin/sh".to_owned() } else { shell })
}

/// Accounts in a group, as the group lists them and as `/etc/passwd` has it for their own.
#[must_use]
pub fn members(gid: u32) -> Vec<String> {
    let listed = ask("getent", &["group", &gid.to_string()]).ok().flatten().unwrap_or_default();
    let listed = listed.trim_end().rsplit(':').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> =
        listed.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let local = files::read_limited(Path::new("/etc/passwd"), MAX_PASSWD).unwrap_or_default();
    for line in String::from_utf8_lossy(&local).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let (Some(name), Some(Ok(own))) =
            (fields.first(), fields.get(3).map(|f| f.parse::<u32>()))
            && own == gid
        {
            names.push((*name).to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

fn ask(program: &str, arguments: &[&str]) -> Result<Option<String>, ChildError> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let output = child::run(&Task {
        program: Path::new(program),
        name: None,
        arguments: &arguments,
        environment: &[("PATH".into(), child::PATH.into()), ("LC_ALL".into(), "C".into())],
        folder: None,
        stdin: b"",
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    })?;
    Ok(Some(output.stdout)
        .filter(|_| output.status.success())
        .and_then(|b| String::from_utf8(b).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn account(uid: u32, groups: &[u32]) -> Account {
        Account { name: "git".into(), uid, home: "/srv".into(), groups: groups.to_vec() }
    }

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        assert_eq!(Account::find("root").unwrap().uid, 0);
        for name in ["", "0", "no such account", "-x", "root:x"] {
            assert!(Account::find(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_home_of_a_local_account_is_found_without_asking() {
        assert_eq!(local_home(0).unwrap(), Account::find("root").unwrap().home);
        assert_eq!(home_in("git:x:997:995::/srv/git:/bin/sh", 997).unwrap(), Path::new("/srv/git"));
        for line in
            ["git:x:99:995::/srv/git:/bin/sh", "git:x:997:995::srv:/bin/sh", "git:x:997", ""]
        {
            assert_eq!(home_in(line, 997), None, "{line}");
        }
    }

    #[test]
    fn a_passwd_line_is_read() {
        let line = "git:x:997:995:Git, hosting:/srv/git:/usr/bin/git-shell\n";
        let found = Account::parse(line, "995 33\n").unwrap();
        assert_eq!(found.home, Path::new("/srv/git"));
        assert_eq!((found.uid, found.groups), (997, vec![995, 33]));
        assert_eq!(Account::parse("git:x:many:1::/:", "1"), None);
    }

    #[test]
    fn a_closed_folder_above_a_program_keeps_the_account_out() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("p");
        std::fs::write(&program, "").unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        set(&program, 0o755);
        set(folder.path(), 0o700);
        let stranger = account(4242, &[]);
        assert_eq!(stranger.kept_from_running(&program).as_deref(), Some(folder.path()));
        set(folder.path(), 0o755);
        assert_eq!(stranger.kept_from_running(&program), None);
        set(&program, 0o700);
        assert_eq!(stranger.kept_from_running(&program), Some(program));
    }

    #[test]
    fn the_group_counts_only_for_its_members_and_not_for_the_owner() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o060)).unwrap();
        let stat = rustix::fs::stat(file.path()).unwrap();
        let stranger = if stat.st_uid == 4242 { 4243 } else { 4242 };
        assert!(account(stranger, &[stat.st_gid]).may_write(file.path()));
        assert!(!account(stranger, &[]).may_write(file.path()));
    }
}
