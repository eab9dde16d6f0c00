//! A hand-made client of receive-pack: says on the wire what git never would.

use super::{Guard, Outcome, Person};
use std::io::{Read, Write};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

/// The id that stands for "no such ref".
pub fn null() -> String {
    "0".repeat(40)
}

/// A pack of everything that `revisions` (words of `git rev-list --objects`) reach.
pub fn pack_of(person: &Person, revisions: &str) -> Vec<u8> {
    let mut command = person.command();
    command.args(["pack-objects", "--quiet", "--stdout", "--revs"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(revisions.replace(' ', "\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// One connection to `git receive-pack`.
#[derive(Debug)]
pub struct Wire {
    child: Child,
}

impl Wire {
    /// Starts the service as the person's `git push file://` would, and reads its greeting.
    pub fn open(person: &Person) -> Self {
        let mut command = person.command();
        command.arg("receive-pack").arg(&person.repo.path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut wire = Self { child: command.spawn().unwrap() };
        while wire.read_packet().is_some() {}
        wire
    }

    /// The next packet; none for a flush.
    fn read_packet(&mut self) -> Option<Vec<u8>> {
        let from = self.child.stdout.as_mut().unwrap();
        let mut head = [0; 4];
        from.read_exact(&mut head).unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&head).unwrap(), 16).unwrap();
        let mut packet = vec![0; length.checked_sub(4)?];
        from.read_exact(&mut packet).unwrap();
        Some(packet)
    }

    /// Sends commands (`old`, `new`, name as any bytes) and a pack.
    pub fn send(mut self, commands: &[(String, String, &[u8])], pack: &[u8]) -> Guard {
        let mut bytes = Vec::new();
        for (number, (old, new, name)) in commands.iter().enumerate() {
            let mut line = [old.as_bytes(), b" ", new.as_bytes(), b" ", name].concat();
            if number == 0 {
                let format = if old.len() == 64 { " object-format=sha256" } else { "" };
                line.extend(format!("\0report-status side-band-64k{format}").into_bytes());
            }
            bytes.extend(format!("{:04x}", line.len() + 4).into_bytes());
            bytes.extend(line);
        }
        bytes.extend(b"0000");
        bytes.extend(pack);
        let mut to = self.child.stdin.take().unwrap();
        // The service may refuse before it has read everything.
        let _ = to.write_all(&bytes);
        drop(to);
        Guard::new(self.child)
    }

    /// Sends them and waits for the end.
    pub fn push(person: &Person, commands: &[(String, String, &[u8])], pack: &[u8]) -> Outcome {
        Self::push_slowly(person, commands, pack, Duration::ZERO)
    }

    /// The same, but reads nothing of the answer for a while.
    pub fn push_slowly(
        person: &Person,
        commands: &[(String, String, &[u8])],
        pack: &[u8],
        pause: Duration,
    ) -> Outcome {
        let mut outcome = Outcome::of(&person.repo, || {
            let service = Self::open(person).send(commands, pack);
            std::thread::sleep(pause);
            as_client(&service.finish())
        });
        outcome.ok = !outcome.words().contains("\nng ") && outcome.words().contains("unpack ok");
        outcome
    }
}

/// What git would print: band 2 with `remote: ` before each line, then the status report.
fn as_client(output: &Output) -> Output {
    let (mut remote, mut status) = (Vec::new(), Vec::new());
    let mut rest = output.stdout.as_slice();
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let length =
            std::str::from_utf8(head).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(length) = length.and_then(|length| length.checked_sub(4)) else {
            rest = tail;
            continue;
        };
        let (packet, tail) = tail.split_at(length.min(tail.len()));
        rest = tail;
        match packet.split_first() {
            Some((2, text)) => remote.extend(text),
            Some((_, text)) => status.extend(text),
            None => {}
        }
    }
    let mut stderr = Vec::new();
    for line in String::from_utf8_lossy(&remote).lines() {
        stderr.extend(format!("remote: {line}\n").into_bytes());
    }
    for line in String::from_utf8_lossy(&status).lines() {
        // Each status line still carries its packet length.
        stderr.extend(format!("{}\n", line.get(4..).unwrap_or(line)).into_bytes());
    }
    stderr.extend(&output.stderr);
    Output { status: output.status, stdout: Vec::new(), stderr }
}
