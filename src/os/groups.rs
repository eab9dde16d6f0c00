//! Membership that the host or a command of the admin's knows.
//!
//! Knows how to ask; not what a membership gives. "Not a member" is said only when somebody who
//! knows has said so: a directory that is down and a command that crashes are errors (RW508).

use super::child::{self, ChildError, Output, Task};
use super::trust::{self, TrustError};
use crate::policy::model::Lookup;
use crate::policy::name::UserName;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

/// How long each question may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_OUTPUT: usize = 1024 * 1024;
const NOT_FOUND: i32 = 2;

/// Why nobody could say (RW508).
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// The host has no such group, or its directory is down: both look alike.
    #[error("the host knows no group `{0}`")]
    NoSuchGroup(String),
    /// The host has no such account, or its directory is down.
    #[error("the host knows no account `{0}`")]
    NoSuchUser(String),
    /// Not something to ask the host about: it would be taken for an option or a number.
    #[error("`{0}` is not a name of the host's")]
    BadName(String),
    /// The command is nothing that may be run.
    #[error("the group command's path must be absolute")]
    NotAbsolute,
    /// Others could have written the command.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// It could not be run, or took too long.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// It failed, or did not answer as it must.
    #[error("`{program}` gave no usable answer ({status})")]
    NoAnswer {
        /// The program.
        program: String,
        /// How it ended.
        status: String,
    },
}

/// Whether the host's account `user` is in the host's group `group`, LDAP and SSSD included.
///
/// # Errors
/// [`GroupError`]: unknown group or account, or the host can't say.
pub fn unix(group: &str, user: &str) -> Result<bool, GroupError> {
    let (group_number, members) = unix_group(group)?;
    // The host has no account of such a name, and must not be asked: it would look the number up.
    if is_number(user) && !user.is_empty() {
        return Ok(false);
    }
    check_name(user)?;
    if members.iter().any(|member| member == user) {
        return Ok(true);
    }
    let output = ask("id", &["-G", user])?;
    if output.status.code() == Some(1) && output.stdout.is_empty() {
        return Err(GroupError::NoSuchUser(user.to_owned()));
    }
    let text = succeeded("id", &output)?;
    let numbers: Result<Vec<u32>, _> = text.split_ascii_whitespace().map(str::parse).collect();
    match numbers {
        Ok(numbers) if !numbers.is_empty() => Ok(numbers.contains(&group_number)),
        _ => Err(no_answer("id", &output)),
    }
}

/// The group's number, and the members that the group itself lists.
fn unix_group(group: &str) -> Result<(u32, Vec<String>), GroupError> {
    check_name(group)?;
    let output = ask("getent", &["group", group])?;
    if output.status.code() == Some(NOT_FOUND) {
        return Err(GroupError::NoSuchGroup(group.to_owned()));
    }
    let text = succeeded("getent", &output)?;
    parse_group(text, group).ok_or_else(|| no_answer("getent", &output))
}

/// `name:password:number:member,member`
fn parse_group(text: &str, group: &str) -> Option<(u32, Vec<String>)> {
    let mut fields = text.lines().next()?.split(':');
    fields.next().filter(|name| *name == group)?;
    let number = fields.nth(1)?.parse().ok()?;
    let members = fields.next()?.split(',').filter(|name| !name.is_empty());
    Some((number, members.map(str::to_owned).collect()))
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}

/// `getent` and `id` take numbers for names: user `0` would be root.
fn check_name(name: &str) -> Result<(), GroupError> {
    let number = is_number(name);
    let option = name.starts_with(['-', '+']);
    let bad = name.contains([':', ',']) || name.chars().any(char::is_control);
    if number || option || bad || name.len() > 256 {
        return Err(GroupError::BadName(name.to_owned()));
    }
    Ok(())
}

fn ask(program: &str, arguments: &[&str]) -> Result<Output, GroupError> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    Ok(child::run(&Task {
        program: Path::new(program),
        name: None,
        arguments: &arguments,
        environment: &[("PATH".into(), child::PATH.into()), ("LC_ALL".into(), "C".into())],
        folder: None,
        stdin: b"",
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    })?)
}

fn succeeded<'a>(program: &str, output: &'a Output) -> Result<&'a str, GroupError> {
    match std::str::from_utf8(&output.stdout) {
        Ok(text) if output.status.success() => Ok(text),
        _ => Err(no_answer(program, output)),
    }
}

fn no_answer(program: &str, output: &Output) -> GroupError {
    GroupError::NoAnswer { program: program.to_owned(), status: output.status.to_string() }
}

/// Asks the admin's command whether `user` is a member.
///
/// `${user}` is replaced in every argument but the program. The program is absolute and trusted
/// like the policy, its environment is empty, and it prints `member` or `not-a-member` (a line
/// end may follow) and exits 0 within [`TIMEOUT`].
///
/// # Errors
/// [`GroupError`]: anything else.
pub fn command(argv: &[String], user: &str, account_uid: u32) -> Result<bool, GroupError> {
    let (program, arguments) = argv.split_first().ok_or(GroupError::NotAbsolute)?;
    if !Path::new(program).is_absolute() {
        return Err(GroupError::NotAbsolute);
    }
    // What links led to is what is run: a link may be moved after the check.
    let (_checked, real) = trust::open_resolved(Path::new(program), account_uid)?;
    let arguments: Vec<OsString> =
        arguments.iter().map(|argument| argument.replace("${user}", user).into()).collect();
    let output = child::run(&Task {
        program: &real,
        name: Some(OsStr::new(program)),
        arguments: &arguments,
        environment: &[],
        folder: None,
        stdin: b"",
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    })?;
    let answer = output.stdout.strip_suffix(b"\n").unwrap_or(&output.stdout);
    match answer {
        b"member" if output.status.success() => Ok(true),
        b"not-a-member" if output.status.success() => Ok(false),
        _ => Err(no_answer(program, &output)),
    }
}

/// Whether a user of the policy is in a looked-up group; `unix` is their account, where it is not
/// their name. The error is for the admin.
///
/// # Errors
/// The look-up failed: never taken for a no.
pub fn member(
    lookup: &Lookup,
    user: &UserName,
    unix_name: Option<&str>,
    account_uid: u32,
) -> Result<bool, String> {
    let answer = match lookup {
        Lookup::Unix(group) => unix(group, unix_name.unwrap_or(user.as_str())),
        Lookup::Command(argv) => {
            let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
            command(&argv, user.as_str(), account_uid)
        }
        Lookup::Jira(_) => return Err("Jira's groups are not looked up by this version".into()),
    };
    match answer {
        // Looked-up groups only ever add rights: somebody without a host account has none of them.
        Err(GroupError::NoSuchUser(_)) => Ok(false),
        other => other.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn asked(script: &str, arguments: &[&str]) -> Result<bool, GroupError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("command");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        let mut argv = vec![path.to_str().unwrap().to_owned()];
        argv.extend(arguments.iter().map(|a| (*a).to_owned()));
        // another test's fork may hold the new file open for writing for a moment
        for _ in 0..50 {
            match command(&argv, "alice", me()) {
                Err(GroupError::Child(ChildError::Start { source, .. }))
                    if source.kind() == std::io::ErrorKind::ExecutableFileBusy =>
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                other => return other,
            }
        }
        panic!("always busy")
    }

    #[test]
    fn a_command_says_yes_or_no() {
        assert!(asked("echo member", &[]).unwrap());
        assert!(!asked("printf not-a-member", &[]).unwrap());
    }

    #[test]
    fn the_user_stands_in_arguments_whole_or_inside_and_the_environment_is_empty() {
        let script = r#"[ "$1" = alice ] && [ "$2" = --who=alice.x ] && [ -z "$HOME$CARGO" ] && echo member"#;
        assert!(asked(script, &["${user}", "--who=${user}.x"]).unwrap());
    }

    #[test]
    fn a_command_that_crashes_or_babbles_is_an_error_never_a_no() {
        for script in [
            "exit 1",
            "echo not-a-member; exit 1",
            "echo member; exit 3",
            "true",
            "echo Member",
            "echo ' member'",
            "echo member; echo member",
            "printf 'member\\r\\n'",
            "kill -9 $$",
        ] {
            assert!(matches!(asked(script, &[]), Err(GroupError::NoAnswer { .. })), "{script}");
        }
    }

    #[test]
    fn a_command_that_others_can_write_or_that_is_relative_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("command");
        std::fs::write(&path, "#!/bin/sh\necho member\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        let argv = [path.to_str().unwrap().to_owned()];
        assert!(matches!(command(&argv, "alice", me()), Err(GroupError::Trust(_))));
        assert!(matches!(command(&["sh".into()], "a", me()), Err(GroupError::NotAbsolute)));
        assert!(matches!(command(&[], "a", me()), Err(GroupError::NotAbsolute)));
    }

    #[test]
    fn a_slow_command_is_an_error() {
        let error = asked("sleep 30", &[]).unwrap_err();
        assert!(matches!(error, GroupError::Child(ChildError::Timeout { .. })));
    }

    #[test]
    fn root_is_in_its_group_and_not_in_another() {
        assert!(unix("root", "root").unwrap());
        assert!(!unix("nogroup", "root").unwrap());
    }

    #[test]
    fn an_unknown_group_or_account_is_an_error_never_a_no() {
        assert!(matches!(unix("no-such-group", "root"), Err(GroupError::NoSuchGroup(_))));
        assert!(matches!(unix("root", "no-such-user"), Err(GroupError::NoSuchUser(_))));
    }

    #[test]
    fn a_user_named_0_is_not_root_and_options_are_not_names() {
        for name in ["0", "+0", "-r", "", "a:b", "a,b", "a\nb"] {
            // A user who is called a number is nobody's account, and no number is looked up.
            match name {
                "0" => assert!(!unix("root", name).unwrap()),
                _ => assert!(matches!(unix("root", name), Err(GroupError::BadName(_))), "{name:?}"),
            }
            assert!(matches!(unix(name, "root"), Err(GroupError::BadName(_))), "{name:?}");
        }
    }

    #[test]
    fn a_group_line_of_another_group_is_no_answer() {
        assert_eq!(parse_group("a:x:7:b,c\n", "a"), Some((7, vec!["b".into(), "c".into()])));
        assert_eq!(parse_group("a:x:7:\n", "a"), Some((7, vec![])));
        for text in ["", "b:x:7:\n", "a:x:\n", "a:x:z:\n", "a"] {
            assert_eq!(parse_group(text, "a"), None, "{text}");
        }
    }
}
