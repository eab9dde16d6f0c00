//! Processes that a test holds, and the FIFOs it holds them by.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Output};
use std::time::{Duration, Instant};

/// A process that does not outlive the test.
#[derive(Debug)]
pub struct Guard(Option<Child>);

impl Guard {
    /// Takes care of `child`.
    pub fn new(child: Child) -> Self {
        Self(Some(child))
    }

    /// Kills it now (SIGKILL).
    #[cfg(feature = "test-faults")]
    pub fn kill(&mut self) {
        self.0.as_mut().unwrap().kill().unwrap();
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until `test` holds.
///
/// # Panics
/// After 20 s.
#[track_caller]
pub fn wait_until(what: &str, mut test: impl FnMut() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < Duration::from_secs(20), "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Two FIFOs: a script says that it has arrived, and waits to be let on.
#[derive(Debug)]
pub struct Gate {
    arrived: (PathBuf, File),
    go: (PathBuf, File),
}

impl Gate {
    /// Makes both below `folder`. They are held open on both ends, so that no side waits to open.
    pub fn new(folder: &Path) -> Self {
        let fifo = |name: &str| {
            let path = folder.join(name);
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
            (path, File::from(file))
        };
        Self { arrived: fifo("arrived"), go: fifo("go") }
    }

    /// Shell code that waits at the gate.
    pub fn wait(&self) -> String {
        format!("echo here >'{}'; read _ <'{}'", self.arrived.0.display(), self.go.0.display())
    }

    /// Waits until the script is at the gate.
    pub fn arrived(&self) {
        let mut word = [0; 16];
        wait_until("the script has arrived", || (&self.arrived.1).read(&mut word).is_ok());
        assert!(word.starts_with(b"here\n"));
    }

    /// Lets it on.
    pub fn open(&self) {
        (&self.go.1).write_all(b"go\n").unwrap();
    }
}
