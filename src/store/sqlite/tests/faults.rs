//! Processes that die, disks that are full or closed, many at once.

use super::child::command;
use super::*;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use std::time::Duration;

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.signal(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn killed_at_every_write_that_makes_a_file_longer_leaves_each_change_whole() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    let (mut killed, mut done) = (0, 0);
    // The kernel ends a process that writes past its limit: every write is reached in turn.
    for most in (0..160_000).step_by(2500) {
        let before = both(&opened(&path));
        let (signal, text) = said(&mut command(&format!("commit {most}"), &path));
        let after = both(&read_only(&path));
        if text.contains("done") {
            assert_eq!((signal, after), (None, before + 1), "{most}: {text}");
            done += 1;
        } else {
            assert_eq!(signal, Some(25), "{most}: killed by SIGXFSZ, not {text}");
            assert!(after == before || after == before + 1, "{most}");
            killed += 1;
        }
        opened(&path).commit(&next(both(&opened(&path)))).unwrap();
    }
    assert!(killed > 5 && done > 5, "{killed} killed, {done} done");
}

#[test]
fn killed_at_any_moment_loses_nothing_that_was_durable() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    let mut last = 0;
    for round in 0..60_u64 {
        let mut child = command("commit-on", &path).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: String| line.strip_prefix("durable ").map(|n| n.parse().unwrap());
        last = lines.by_ref().map_while(Result::ok).find_map(number).unwrap_or(last);
        std::thread::sleep(Duration::from_micros(round * 331 % 12_000));
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.map_while(Result::ok).filter_map(number).last().unwrap_or(last);
        let found = both(&read_only(&path));
        assert!(found == last || found == last + 1, "{found} events, {last} were durable");
        last = found;
    }
    assert!(last > 60);
}

#[test]
fn a_full_disk_refuses_and_leaves_the_store_as_it_was() {
    let (_folder, path) = made();
    two_grants(&opened(&path));
    let before = both(&opened(&path));
    let mut refused = 0;
    for most in (0..60_000).step_by(4096) {
        // With the signal ignored the write fails, as on a full disk.
        let whole = command(&format!("commit {most}"), &path);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' 25; exec \"$@\"", "sh"]).arg(whole.get_program());
        shell.args(whole.get_args());
        for (name, value) in whole.get_envs() {
            shell.env(name, value.unwrap());
        }
        let (signal, text) = said(&mut shell);
        assert_eq!(signal, None, "{text}");
        if text.contains("done") {
            break;
        }
        assert!(text.contains("error: the store at "), "{text}");
        assert_eq!(both(&read_only(&path)), before);
        refused += 1;
    }
    assert!(refused > 3, "{refused}");
    opened(&path).commit(&next(both(&opened(&path)))).unwrap();
}

#[test]
fn thirty_two_processes_at_once_leave_one_winner_and_every_record() {
    let (_folder, path) = made();
    history(&opened(&path), &id(9), vec![asked(request()), yes()]);
    let start = |number| command(&format!("race {number}"), &path).spawn().unwrap();
    let all: Vec<_> = (0..32).map(start).collect();
    let mut won = 0;
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        won += usize::from(String::from_utf8_lossy(&output.stdout).contains("won"));
    }
    assert_eq!(won, 1);
    let store = opened(&path);
    store.check().unwrap();
    assert_eq!(store.list(&Filter::default()).unwrap().len(), 1 + 32 * 3);
    assert_eq!(store.of_person(&user("bob"), at(20)).unwrap().token, 3 + 32 * 3);
}

/// Gives the folder to an ordinary account, whom permission bits stop; its number.
fn given_away(folder: &Path) -> u32 {
    if me() != 0 {
        return me();
    }
    let ordinary = 65_534;
    for name in ["", FILE_NAME] {
        std::os::unix::fs::chown(folder.join(name), Some(ordinary), Some(ordinary)).unwrap();
    }
    ordinary
}

/// Whether an ordinary account can run this test binary at all.
fn reachable(uid: u32, path: &Path) -> bool {
    let said = command("open", path).uid(uid).output();
    said.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("running 1 test"))
}

#[test]
fn a_read_only_file_or_folder_refuses_changes() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = made();
    two_grants(&opened(&path));
    let uid = given_away(folder.path());
    if !reachable(uid, &path) {
        return println!("skipped: another account can't run this program");
    }
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let run = |task: &str| said(command(task, &path).uid(uid)).1;
    for task in ["open", "write"] {
        let text = run(task);
        assert!(text.contains("done"), "{task}: {text}");
    }
    let bytes = std::fs::read(&path).unwrap();
    for (file, dir) in [(0o400, 0o700), (0o600, 0o500), (0o400, 0o500)] {
        chmod(&path, file);
        chmod(folder.path(), dir);
        let text = run("write");
        assert!(text.contains("can't be used"), "{file:o} {dir:o}: {text}");
        chmod(folder.path(), 0o700);
        chmod(&path, 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    assert!(run("write").contains("done"));
}
