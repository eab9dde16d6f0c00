//! Processes that a test holds, and the FIFOs it holds them by.

use rustix::fs::{CWD, FileType, Mode};
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
    arrived: PathBuf,
    go: PathBuf,
}

impl Gate {
    /// Makes both below `folder`.
    pub fn new(folder: &Path) -> Self {
        let fifo = |name: &str| {
            let path = folder.join(name);
            let mode = Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, mode, 0).unwrap();
            path
        };
        Self { arrived: fifo("arrived"), go: fifo("go") }
    }

    /// Shell code that waits at the gate.
    pub fn wait(&self) -> String {
        format!("echo here >'{}'; read _ <'{}'", self.arrived.display(), self.go.display())
    }

    /// Waits until the script is at the gate.
    pub fn arrived(&self) {
        let mut word = String::new();
        std::fs::File::open(&self.arrived).unwrap().read_to_string(&mut word).unwrap();
        assert_eq!(word, "here\n");
    }

    /// Lets it on.
    pub fn open(&self) {
        let mut file = std::fs::OpenOptions::new().write(true).open(&self.go).unwrap();
        file.write_all(b"go\n").unwrap();
    }
}
