//! One line to the host's log, by a datagram to `/dev/log`.
//!
//! Knows syslog's framing; not what is worth a line. Best effort: it never waits and never fails
//! anything.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

const SOCKET: &str = "/dev/log";
const MAX_BYTES: usize = 2048;
/// Facility `authpriv`, as sshd and sudo use it (RFC 3164, 4.1.1).
const AUTHPRIV: u8 = 10 << 3;

/// How bad it is, as syslog counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something an admin must see to.
    Error = 3,
    /// Worth a look.
    Warning = 4,
    /// The ordinary course of things.
    Info = 6,
}

/// Sends one line; says whether the log took it.
#[must_use]
pub fn send(severity: Severity, text: &str) -> bool {
    send_to(Path::new(SOCKET), severity, text)
}

fn send_to(socket: &Path, severity: Severity, text: &str) -> bool {
    let message = message(severity, text);
    let sent = UnixDatagram::unbound().and_then(|sender| {
        sender.set_nonblocking(true)?;
        sender.send_to(&message, socket)
    });
    sent.is_ok_and(|bytes| bytes == message.len())
}

/// No byte of it can begin a line of its own in the log.
fn message(severity: Severity, text: &str) -> Vec<u8> {
    let priority = AUTHPRIV | severity as u8;
    let head = format!("<{priority}>refwarden[{}]: ", std::process::id());
    let text = text.bytes().map(|b| if matches!(b, b' '..=b'~') { b } else { b'?' });
    head.into_bytes().into_iter().chain(text).take(MAX_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_framed_and_without_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        assert!(send_to(&path, Severity::Info, "seq 7\n<0>forged\x1b"));
        let mut buffer = [0; 200];
        let size = receiver.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..size]).unwrap();
        assert_eq!(text, format!("<86>refwarden[{}]: seq 7?<0>forged?", std::process::id()));
    }

    #[test]
    fn a_log_that_is_absent_or_full_neither_fails_nor_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(!send_to(&path, Severity::Error, "x"));
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let taken = (0..10_000).take_while(|_| send_to(&path, Severity::Error, "x")).count();
        assert!(taken < 10_000);
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(message(Severity::Warning, &"x".repeat(9000)).len(), MAX_BYTES);
    }
}
