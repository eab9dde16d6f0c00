//! Children: other programs, run with an environment that is spelt out, and with limits.
//!
//! Knows how to start, feed, limit and kill; not what any program is for. Nothing of this
//! process's environment reaches [`run`]'s child, so no `GIT_DIR` or `GIT_QUARANTINE_PATH` can
//! lead a git child into the wrong repository.

use super::clock;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// Where programs of the host are looked for by name.
pub const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:/run/current-system/sw/bin";

/// What to run, and within which limits.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The program: a path, or a name that is looked for in [`PATH`].
    pub program: &'a Path,
    /// What the program sees as its own name, if not `program`.
    pub name: Option<&'a OsStr>,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Its whole environment.
    pub environment: &'a [(OsString, OsString)],
    /// Its working folder; `/` when none.
    pub folder: Option<&'a Path>,
    /// What it reads.
    pub stdin: &'a [u8],
    /// When it and all that it started are killed.
    pub timeout: Duration,
    /// Most bytes of each of its outputs.
    pub max_output: usize,
}

/// How a child ended and what it wrote.
#[derive(Debug)]
pub struct Output {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Why a child gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It could not be started.
    #[error("can't run `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It was killed.
    #[error("`{program}` took longer than {} ms", after.as_millis())]
    Timeout {
        /// The program.
        program: String,
        /// Its limit.
        after: Duration,
    },
    /// It wrote too much and was killed.
    #[error("`{program}` wrote more than {limit} bytes")]
    TooMuch {
        /// The program.
        program: String,
        /// Its limit.
        limit: usize,
    },
    /// Reading from it, writing to it or waiting for it failed.
    #[error("`{program}`: {source}")]
    Lost {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Runs a program to its end.
///
/// # Errors
/// [`ChildError`]; its whole process group is dead then. A status other than 0 is no error here.
pub fn run(task: &Task<'_>) -> Result<Output, ChildError> {
    let program = || task.program.display().to_string();
    let mut child =
        start(task).map_err(|source| ChildError::Start { program: program(), source })?;
    let result = converse(task, &mut child);
    if result.is_err() {
        kill_group(&child);
        let _ = child.wait();
    }
    result.map_err(|failure| match failure {
        Failure::Timeout => ChildError::Timeout { program: program(), after: task.timeout },
        Failure::TooMuch => ChildError::TooMuch { program: program(), limit: task.max_output },
        Failure::Lost(source) => ChildError::Lost { program: program(), source },
    })
}

fn start(task: &Task<'_>) -> io::Result<Child> {
    let mut command = Command::new(task.program);
    command
        .args(task.arguments)
        .env_clear()
        .envs(task.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(task.folder.unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(name) = task.name {
        command.arg0(name);
    }
    command.spawn()
}

enum Failure {
    Timeout,
    TooMuch,
    Lost(io::Error),
}

enum Stream {
    Out,
    Err,
}

type Heard = (Stream, io::Result<Vec<u8>>);

/// Threads feed and read, so that neither side can block the other; they are not joined, since
/// a grandchild that left the group could hold a pipe open for ever.
fn converse(task: &Task<'_>, child: &mut Child) -> Result<Output, Failure> {
    let deadline = clock::now().boot + task.timeout;
    let (sender, receiver) = mpsc::channel();
    feed(child, task.stdin);
    read(child.stdout.take(), Stream::Out, task.max_output, sender.clone());
    read(child.stderr.take(), Stream::Err, task.max_output, sender);
    let (stdout, stderr) = collect(&receiver, deadline, task.max_output)?;
    let status = wait(child, deadline)?;
    Ok(Output { status, stdout, stderr })
}

/// A child that does not read its input is no failure.
fn feed(child: &mut Child, bytes: &[u8]) {
    if let Some(mut pipe) = child.stdin.take()
        && !bytes.is_empty()
    {
        let bytes = bytes.to_vec();
        std::thread::spawn(move || pipe.write_all(&bytes));
    }
}

fn read<R: Read + Send + 'static>(from: Option<R>, which: Stream, max: usize, to: Sender<Heard>) {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        let result = from.map_or(Ok(0), |pipe| pipe.take(limit).read_to_end(&mut bytes));
        let _ = to.send((which, result.map(|_| bytes)));
    });
}

fn collect(
    from: &Receiver<Heard>,
    deadline: Duration,
    max: usize,
) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let left = deadline.saturating_sub(clock::now().boot);
        let (which, result) = from.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => Failure::Timeout,
            RecvTimeoutError::Disconnected => Failure::Lost(io::Error::other("reader ended")),
        })?;
        let bytes = result.map_err(Failure::Lost)?;
        if bytes.len() > max {
            return Err(Failure::TooMuch);
        }
        match which {
            Stream::Out => stdout = bytes,
            Stream::Err => stderr = bytes,
        }
    }
    Ok((stdout, stderr))
}

fn wait(child: &mut Child, deadline: Duration) -> Result<ExitStatus, Failure> {
    let mut pause = Duration::from_micros(50);
    loop {
        if let Some(status) = child.try_wait().map_err(Failure::Lost)? {
            return Ok(status);
        }
        if clock::now().boot >= deadline {
            return Err(Failure::Timeout);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

fn kill_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Starts a program and leaves it to itself: nobody waits for it, and nothing of this process but its
/// user reaches it. It reads and writes `/dev/null`, so no pipe of git's stays open because of it; it
/// has a process group of its own, so a Ctrl-C at a local push does not end it.
///
/// Our own descriptors and git's close; one that git itself was given open by whoever started it is
/// handed on, as git's detached `gc` hands it on.
///
/// # Errors
/// It can't be started.
pub fn detach(program: &Path, arguments: &[&str]) -> Result<(), ChildError> {
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map(drop)
        .map_err(|source| ChildError::Start { program: program.display().to_string(), source })
}

/// Lets a person edit a file with `VISUAL`, `EDITOR` or `vi`, on the terminal.
///
/// # Errors
/// It can't be started, or ends with a failure.
pub fn edit(path: &Path) -> Result<(), ChildError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into());
    let name = editor.to_string_lossy().into_owned();
    // Editors are given with options, so a shell splits the words; the path is an argument.
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{name} \"$1\""))
        .arg("edit")
        .arg(path)
        .status()
        .map_err(|source| ChildError::Start { program: name.clone(), source })?;
    match status.success() {
        true => Ok(()),
        false => {
            Err(ChildError::Lost { program: name, source: io::Error::other("the editor failed") })
        }
    }
}

/// Runs a foreign hook as git would have run it: same arguments, input, environment and outputs.
///
/// Only variables that begin with `REFWARDEN_` are kept from it. Without `stdin` it reads
/// nothing. There is no timeout, as git has none.
///
/// # Errors
/// It can't be started, fed or waited for. That it does not read its input is no error.
pub fn pass_through(
    program: &Path,
    arguments: &[OsString],
    stdin: Option<&[u8]>,
) -> Result<ExitStatus, ChildError> {
    let name = || program.display().to_string();
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    remove_ours(&mut command, std::env::vars_os().map(|(variable, _)| variable));
    let mut child =
        command.spawn().map_err(|source| ChildError::Start { program: name(), source })?;
    let fed = match (child.stdin.take(), stdin) {
        (Some(mut pipe), Some(bytes)) => pipe.write_all(bytes),
        _ => Ok(()),
    };
    let status = child.wait().map_err(|source| ChildError::Lost { program: name(), source })?;
    match fed {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(ChildError::Lost { program: name(), source })
        }
        _ => Ok(status),
    }
}

/// Becomes another program of ours that takes the same words: the same process, environment,
/// descriptors, arguments and name. Returns only why that could not be.
#[must_use]
pub fn become_whole(program: &Path) -> ChildError {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let source = Command::new(program).arg0(name).args(words).exec();
    ChildError::Start { program: program.display().to_string(), source }
}

/// Becomes another program of ours: the same process, environment and descriptors. It is started as
/// `name`, and all words that this one was started with follow, its own name too. Returns only why
/// that could not be.
#[must_use]
pub fn become_program(program: &Path, name: &str) -> ChildError {
    let source = Command::new(program).arg0(name).args(std::env::args_os()).exec();
    ChildError::Start { program: program.display().to_string(), source }
}

fn remove_ours(command: &mut Command, variables: impl Iterator<Item = OsString>) {
    for variable in variables.filter(|variable| variable.as_bytes().starts_with(b"REFWARDEN_")) {
        command.env_remove(variable);
    }
}

#[cfg(test)]
mod tests;
