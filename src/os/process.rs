//! The `git receive-pack` above a hook, and whether it still runs.
//!
//! Knows `/proc`; not what is keyed by what it finds. Processes may vanish at any time.

use super::clock;
use super::files::{self, FileError};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How far above a hook a door may be: git, a web server's wrapper and shells in between.
const MAX_ANCESTORS: usize = 32;
/// How far above a hook receive-pack may be (dispatchers like Gitea's put shells between).
const MAX_STEPS: usize = 4;
/// How long a receive-pack that was asked to end may take.
const ENDING: Duration = Duration::from_secs(2);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(2);
const MAX_STAT: usize = 4096;
const MAX_COMMAND_LINE: usize = 1024 * 1024;

/// A process that runs `git receive-pack`, named so that no other can be taken for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivePack {
    /// Process id, in this pid namespace.
    pub pid: u32,
    /// When it started: clock ticks since boot.
    pub start_time: u64,
    /// Where pids and ticks count.
    pub host: Host,
    /// Its last argument: the repository as the service was asked for it.
    pub service_dir: OsString,
}

/// One boot and one pid namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Inode of `/proc/self/ns/pid`.
    pub pid_namespace: u64,
}

impl Host {
    /// This boot and this process's pid namespace.
    ///
    /// # Errors
    /// `/proc` is not there or not as Linux has it.
    pub fn current() -> Result<Self, FileError> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let bytes = files::read_limited(path, 64)?;
        let text = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        if text.len() != 36 || !text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            return Err(FileError::new(path, "read", std::io::Error::other("not a boot id")));
        }
        let path = Path::new("/proc/self/ns/pid");
        let stat = rustix::fs::stat(path).map_err(|e| FileError::new(path, "read", e))?;
        Ok(Self { boot_id: text, pid_namespace: stat.st_ino })
    }
}

/// The nearest ancestor, at most four steps up, that is `git receive-pack`.
///
/// None when there is none, or when an ancestor vanishes meanwhile.
///
/// # Errors
/// `/proc` can't be read.
pub fn receive_pack() -> Result<Option<ReceivePack>, FileError> {
    receive_pack_from(parent())
}

/// The first that serves among `pid` and the processes above it, [`MAX_STEPS`] in all.
fn receive_pack_from(mut pid: u32) -> Result<Option<ReceivePack>, FileError> {
    for _ in 0..MAX_STEPS {
        let Some(stat) = Stat::of(pid)? else {
            return Ok(None);
        };
        if let Some(service_dir) = served(&command_line(pid)?) {
            let same = is_still(pid, &stat)?;
            return same.then(|| found(pid, stat.start_time, service_dir)).transpose();
        }
        pid = stat.parent;
    }
    Ok(None)
}

/// Whether the command line that was read of `pid` was that process's, of which `stat` was read.
fn is_still(pid: u32, stat: &Stat) -> Result<bool, FileError> {
    // Our parent until now was so all the while: its pid becomes free only when it is none any more.
    if parent() == pid {
        return Ok(true);
    }
    Ok(Stat::of(pid)?.is_some_and(|again| again.start_time == stat.start_time))
}

fn parent() -> u32 {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    u32::try_from(parent).unwrap_or(0)
}

fn found(pid: u32, start_time: u64, service_dir: OsString) -> Result<ReceivePack, FileError> {
    Ok(ReceivePack { pid, start_time, host: Host::current()?, service_dir })
}

/// Whether the process with this pid and start time runs in this pid namespace.
///
/// # Errors
/// `/proc` can't be read.
pub fn runs(pid: u32, start_time: u64) -> Result<bool, FileError> {
    Ok(Stat::of(pid)?.is_some_and(|stat| stat.start_time == start_time && !stat.dead))
}

/// Whether the process with this pid and start time is above this one.
///
/// # Errors
/// `/proc` can't be read.
pub fn is_above(pid: u32, start_time: u64) -> Result<bool, FileError> {
    let mut above = parent();
    for _ in 0..MAX_ANCESTORS {
        let Some(stat) = Stat::of(above)? else { return Ok(false) };
        if above == pid {
            return Ok(stat.start_time == start_time && !stat.dead);
        }
        above = stat.parent;
    }
    Ok(false)
}

/// Ends the receive-pack that this hook belongs to, so that it moves nothing more, and tells whether
/// it is gone. Whatever else has its pid by now is left alone.
///
/// # Errors
/// `/proc` can't be read, or it may not be ended.
pub fn end(service: &ReceivePack) -> Result<bool, FileError> {
    // One that was started with the first signal ignored gets the other.
    for signal in [Signal::TERM, Signal::KILL] {
        let above = receive_pack()?.filter(|above| {
            (above.pid, above.start_time, &above.host)
                == (service.pid, service.start_time, &service.host)
        });
        let pid = i32::try_from(service.pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| above.is_some()) else { break };
        if let Err(error) = kill_process(pid, signal) {
            return Err(FileError::new(&proc_file(service.pid, ""), "end", error));
        }
        let deadline = clock::now().boot + ENDING;
        while clock::now().boot < deadline {
            if !runs(service.pid, service.start_time)? {
                return Ok(true);
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(!runs(service.pid, service.start_time)?)
}

/// This process: its pid, and when it started in clock ticks since boot.
///
/// # Errors
/// `/proc` can't be read.
pub fn own() -> Result<(u32, u64), FileError> {
    let pid = std::process::id();
    match Stat::of(pid)? {
        Some(stat) => Ok((pid, stat.start_time)),
        None => Err(FileError::new(
            &proc_file(pid, "stat"),
            "read",
            std::io::Error::from(std::io::ErrorKind::NotFound),
        )),
    }
}

/// Whether the other end of our standard error is closed: whoever started us to listen is gone.
/// False where that can't be seen, because it is no pipe.
#[must_use]
pub fn nobody_listens() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stderr = rustix::stdio::stderr();
    let mut polled = [PollFd::new(&stderr, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let seen = poll(&mut polled, Some(&at_once)).is_ok();
    let gone = PollFlags::ERR | PollFlags::HUP;
    seen && polled.iter().any(|one| one.revents().intersects(gone))
}

#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    start_time: u64,
    dead: bool,
}

impl Stat {
    /// None when there is no such process.
    fn of(pid: u32) -> Result<Option<Self>, FileError> {
        if pid == 0 {
            return Ok(None);
        }
        let path = proc_file(pid, "stat");
        match files::read_limited(&path, MAX_STAT) {
            Ok(bytes) => match Self::parse(&bytes) {
                Some(stat) => Ok(Some(stat)),
                None => Err(FileError::new(&path, "read", std::io::Error::other("malformed"))),
            },
            Err(error) if vanished(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name may hold anything, blanks and `)` too: the fields begin after the last `)`.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(bytes.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let start_time = fields.nth(17)?.parse().ok()?;
        Some(Self { parent, start_time, dead: matches!(state, "Z" | "X" | "x") })
    }
}

fn proc_file(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

fn vanished(error: &FileError) -> bool {
    let gone = Some(rustix::io::Errno::SRCH.raw_os_error());
    error.is_absent() || error.source.raw_os_error() == gone
}

/// Empty when the process is gone or its command line is hidden from us.
fn command_line(pid: u32) -> Result<Vec<u8>, FileError> {
    match files::read_limited(&proc_file(pid, "cmdline"), MAX_COMMAND_LINE) {
        Ok(bytes) => Ok(bytes),
        Err(error) if vanished(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The last argument, if the command line is that of `git receive-pack`.
fn served(command_line: &[u8]) -> Option<OsString> {
    let line = command_line.strip_suffix(b"\0").unwrap_or(command_line);
    let mut words = line.split(|b| *b == 0);
    let program = Path::new(OsStr::from_bytes(words.next()?)).file_name()?;
    let serves = match program.as_bytes() {
        b"git-receive-pack" => true,
        b"git" => git_command(&mut words) == Some(b"receive-pack"),
        _ => false,
    };
    let last = words.next_back().filter(|_| serves)?;
    Some(OsString::from_vec(last.to_vec()))
}

/// The first argument of `git` that is neither an option nor an option's value.
fn git_command<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    const WITH_VALUE: [&[u8]; 8] = [
        b"-C",
        b"-c",
        b"--git-dir",
        b"--work-tree",
        b"--namespace",
        b"--config-env",
        b"--super-prefix",
        b"--attr-source",
    ];
    loop {
        let word = words.next()?;
        if WITH_VALUE.contains(&word) {
            words.next()?;
        } else if !word.starts_with(b"-") {
            return Some(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_above_is_above() {
        let stat = Stat::of(parent()).unwrap().unwrap();
        assert!(is_above(parent(), stat.start_time).unwrap());
        assert!(!is_above(parent(), stat.start_time + 1).unwrap(), "a pid that was given again");
        let (own, start) = own().unwrap();
        assert!(!is_above(own, start).unwrap(), "itself");
        assert!(!is_above(u32::MAX, 1).unwrap());
    }
    use std::process::{Command, Stdio};

    fn served_by(line: &str) -> Option<OsString> {
        served(format!("{}\0", line.replace(' ', "\0")).as_bytes())
    }

    #[test]
    fn receive_pack_is_known_in_every_spelling() {
        for line in [
            "git-receive-pack /srv/r.git",
            "/usr/lib/git-core/git-receive-pack /srv/r.git",
            "git receive-pack /srv/r.git",
            "/usr/bin/git -c a=b -C /x --git-dir /y --no-pager receive-pack --stateless-rpc /srv/r.git",
        ] {
            assert_eq!(served_by(line), Some("/srv/r.git".into()), "{line}");
        }
    }

    #[test]
    fn what_only_mentions_receive_pack_is_not_it() {
        for line in [
            "",
            "git",
            "git receive-pack",
            "git-receive-pack",
            "git upload-pack receive-pack",
            "git -c receive-pack push x",
            "git -C",
            "sh -c git-receive-pack /srv/r.git",
            "not-git-receive-pack /srv/r.git",
            "git-receive-packs /srv/r.git",
        ] {
            assert_eq!(served_by(line), None, "{line}");
        }
    }

    #[test]
    fn a_process_named_to_confuse_the_parser_is_read_right() {
        let line = b"42 (a) R 1 2 (b) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 9 9\n";
        let want = Stat { parent: 7, start_time: 98765, dead: false };
        assert_eq!(Stat::parse(line), Some(want));
        for bad in
            [&b""[..], b"1 (x", b"1 (x)", b"1 (x) S", b"1 (x) S z", b"1 (x) S 1 2 3", b")\xff"]
        {
            assert_eq!(Stat::parse(bad), None);
        }
    }

    #[test]
    fn this_process_runs_and_a_recycled_pid_does_not_pass_for_another() {
        let me = std::process::id();
        let stat = Stat::of(me).unwrap().unwrap();
        assert!(runs(me, stat.start_time).unwrap());
        assert!(!runs(me, stat.start_time + 1).unwrap());
        assert!(!runs(0, 0).unwrap());
    }

    #[test]
    fn a_process_that_is_gone_does_not_run() {
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let start = Stat::of(child.id()).unwrap().unwrap().start_time;
        assert!(runs(child.id(), start).unwrap());
        child.kill().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!runs(child.id(), start).unwrap(), "a zombie does nothing any more");
        child.wait().unwrap();
        assert!(!runs(child.id(), start).unwrap());
    }

    /// A shell that passes for receive-pack, with shells below it that print their pids.
    fn service(below: &str) -> (std::process::Child, Vec<u32>) {
        use std::io::{BufRead, BufReader};
        use std::os::unix::process::CommandExt;
        let mut child = Command::new("/bin/sh")
            .arg0("git-receive-pack")
            .args(["-c", below, "/srv/r.git"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let pids = lines.map(Result::unwrap).take_while(|line| line != "end");
        let pids = pids.map(|line| line.parse().unwrap()).collect();
        (child, pids)
    }

    #[test]
    fn receive_pack_is_found_through_dispatchers_but_not_five_steps_up() {
        // each shell prints its pid and runs the next; `:` keeps it from replacing itself
        let shell = |inner: &str| format!("echo $$; sh -c '{inner}'; :");
        let quote = |text: &str| text.replace('\'', "'\\''");
        let mut script = "echo $$; echo end; read x".to_owned();
        for _ in 0..4 {
            script = shell(&quote(&script));
        }
        let (mut child, pids) = service(&script);
        assert_eq!(pids.len(), 5, "receive-pack and four below");
        let top = child.id();
        // `receive_pack_from` begins at the parent, so the process itself is one step below
        let found = receive_pack_from(pids[3]).unwrap().unwrap();
        assert_eq!((found.pid, found.service_dir), (top, "/srv/r.git".into()));
        assert!(runs(top, found.start_time).unwrap());
        assert_eq!(receive_pack_from(pids[4]).unwrap(), None);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(receive_pack_from(pids[3]).unwrap(), None, "all have vanished");
    }

    #[test]
    fn a_receive_pack_that_does_not_run_this_process_is_never_ended() {
        let (mut child, _) = service("echo end; read x");
        let start = Stat::of(child.id()).unwrap().unwrap().start_time;
        let other = ReceivePack {
            pid: child.id(),
            start_time: start,
            host: Host::current().unwrap(),
            service_dir: "/srv/r.git".into(),
        };
        assert!(!end(&other).unwrap(), "it runs on");
        assert!(end(&ReceivePack { start_time: start + 1, ..other.clone() }).unwrap(), "another");
        let parent = ReceivePack { pid: parent(), ..other };
        end(&parent).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn the_host_names_itself() {
        let host = Host::current().unwrap();
        assert_eq!(host, Host::current().unwrap());
        assert!(host.pid_namespace > 0);
        assert_eq!(receive_pack().unwrap(), None, "a test is no hook");
    }
}
