//! Processes of a site, found in `/proc`.

use super::wait_until;
use rustix::process::{Pid, Signal};
use std::path::Path;

/// What is below one process, as `/proc` shows it at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    state: char,
}

impl Process {
    fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything: the fields begin after the last `)`.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        Some(Self { pid, parent: fields.next()?.parse().ok()?, state })
    }

    /// It has ended, though its parent may not have asked for its end yet.
    fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// The file name of its program; `None` once it has ended.
    pub fn program(&self) -> Option<String> {
        let exe = std::fs::read_link(format!("/proc/{}/exe", self.pid)).ok()?;
        Some(exe.file_name()?.to_string_lossy().into_owned())
    }

    /// Whether it is `git receive-pack` in any spelling.
    pub fn is_receive_pack(&self) -> bool {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let git = self.program().is_some_and(|name| name.starts_with("git"));
        git && String::from_utf8_lossy(&line).contains("receive-pack")
    }

    /// Kills it (SIGKILL); says whether that is what it died of.
    ///
    /// A signal to a process that ends just now is no error. So it is stopped first: what stands
    /// still has not ended, and does nothing more.
    pub fn kill(&self) -> bool {
        let now = || Self::of(self.pid).filter(|now| now.parent == self.parent && !now.is_dead());
        if now().is_none() || !self.send(Signal::STOP) {
            return false;
        }
        while let Some(now) = now() {
            if now.state == 'T' {
                return self.send(Signal::KILL);
            }
            std::thread::yield_now();
        }
        false
    }

    fn send(&self, signal: Signal) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
    }
}

fn pids() -> impl Iterator<Item = u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Everything below `root`, itself included, that runs; it has to be quick. Pids are given in
/// turn: what has a lower one was there before, but for the rare time when they begin anew.
pub fn below(root: u32) -> Vec<Process> {
    let all: Vec<Process> = pids()
        .filter(|pid| *pid >= root)
        .filter_map(Process::of)
        .filter(|one| !one.is_dead())
        .collect();
    let mut found: Vec<Process> = all.iter().filter(|one| one.pid == root).cloned().collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|one| one.pid) {
        found.extend(all.iter().filter(|one| one.parent == parent && one.pid != root).cloned());
        next += 1;
    }
    found
}

/// What `parent` has started and runs, by one look at it alone: for what is over in a millisecond.
pub fn children(parent: u32) -> Vec<Process> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let list = list.unwrap_or_default();
    let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter_map(Process::of).filter(|one| !one.is_dead()).collect()
}

/// Processes that work in `folder` or have it in their command line.
pub fn in_folder(folder: &Path) -> Vec<Process> {
    let name = folder.display().to_string();
    let all = pids().filter(|pid| *pid != std::process::id());
    let there = all.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&name) || cwd.starts_with(folder)
    });
    there.filter_map(Process::of).filter(|one| !one.is_dead()).collect()
}

/// Waits until nothing works in `folder` any more.
#[track_caller]
pub fn settle(folder: &Path) {
    wait_until("all processes of the site have ended", || in_folder(folder).is_empty());
}
