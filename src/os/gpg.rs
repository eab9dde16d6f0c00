//! OpenPGP signatures, verified by the host's `gpg`.
//!
//! Knows how to ask gpg so that nothing but the policy's keys counts: a private home that is made
//! for the first question of a program, a clean environment, no agent, no network, a deadline. Which signatures are wanted at
//! all is the callers' matter.
#![expect(clippy::disallowed_methods, reason = "an effect: runs gpg, and gives it files")]

use crate::pusher::openpgp::OpenPgp;
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Where gpg is looked for; `PATH` comes from the environment, and is not.
const PROGRAMS: [&str; 3] = ["/usr/bin/gpg", "/bin/gpg", "/usr/local/bin/gpg"];
/// Most bytes of gpg's status lines that are read.
const MAX_STATUS: u64 = 64 * 1024;
/// Names tried for a private home before giving up; old ones stay when a hook is killed, until the
/// next `refwarden sweep`.
const HOMES: u32 = 64;

const QUIET: [&str; 13] = [
    "--no-options",
    "--batch",
    "--no-tty",
    "--quiet",
    "--no-autostart",
    "--disable-dirmngr",
    "--no-auto-key-retrieve",
    "--no-auto-key-locate",
    "--no-auto-check-trustdb",
    // Being listed in the policy is the trust; gpg's own web of trust plays no part.
    "--trust-model",
    "always",
    "--status-fd",
    "1",
];

/// Why gpg gave no answer, or a refusing one.
#[derive(Debug, thiserror::Error)]
pub enum GpgError {
    /// None of the known places has it.
    #[error("`gpg` is not installed")]
    Missing,
    /// A file, folder or process.
    #[error("{doing} `{path}`: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Not done in time.
    #[error("`gpg` took longer than {0:?}")]
    Timeout(Duration),
    /// An answer, and it is no.
    #[error("{0}")]
    Refused(&'static str),
}

/// The policy's OpenPGP keys, and the gpg to ask.
#[derive(Debug)]
pub struct Gpg {
    program: PathBuf,
    folder: PathBuf,
    keys: Vec<String>,
    limit: Duration,
    /// With the keys in it, once there was a question: they are taken in once for all signatures.
    home: OnceCell<Home>,
}

/// The host's gpg, where there is one.
#[must_use]
pub fn installed() -> Option<PathBuf> {
    PROGRAMS.iter().map(PathBuf::from).find(|path| path.is_file())
}

impl Gpg {
    /// Prepares to verify by `keys` (armored public key blocks).
    ///
    /// `folder` is one that only the hosting account can enter; the private home lives there, as
    /// long as this. `limit` bounds each run of gpg: one a question, and one before the first.
    ///
    /// # Errors
    /// [`GpgError::Missing`].
    pub fn new(folder: &Path, keys: Vec<String>, limit: Duration) -> Result<Self, GpgError> {
        let program = installed().ok_or(GpgError::Missing)?;
        Ok(Self { program, folder: folder.to_owned(), keys, limit, home: OnceCell::new() })
    }

    /// The primary key's fingerprint of the one good signature over `payload`.
    ///
    /// # Errors
    /// [`GpgError`].
    pub fn ask(&self, payload: &[u8], signature: &[u8]) -> Result<String, GpgError> {
        let home = self.home()?;
        let payload = home.put("payload", payload)?;
        let signature = home.put("signature", signature)?;
        let (status, lines) = self.run(home, &["--verify".as_ref(), &signature, &payload])?;
        let fingerprint = judge(&lines).map_err(GpgError::Refused)?;
        if !status.success() {
            return Err(GpgError::Refused("gpg says that something is wrong"));
        }
        Ok(fingerprint)
    }

    fn home(&self) -> Result<&Home, GpgError> {
        if let Some(home) = self.home.get() {
            return Ok(home);
        }
        let home = Home::make(&self.folder)?;
        let keys = home.put("keys", self.keys.join("\n").as_bytes())?;
        // Keys that gpg does not take are missing later, so the result of this is not needed.
        self.run(&home, &["--import".as_ref(), &keys])?;
        Ok(self.home.get_or_init(|| home))
    }

    fn run(&self, home: &Home, args: &[&Path]) -> Result<(ExitStatus, String), GpgError> {
        let mut command = Command::new(&self.program);
        command.arg("--homedir").arg(&home.0).args(QUIET).args(args).env_clear();
        command.envs([("HOME", home.0.as_os_str()), ("GNUPGHOME", home.0.as_os_str())]);
        command.envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C")]).current_dir(&home.0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        run_child(command, self.limit).map_err(|problem| match problem {
            Some(source) => io_error("running", &self.program)(source),
            None => GpgError::Timeout(self.limit),
        })
    }
}

impl OpenPgp for Gpg {
    fn verify(&self, payload: &[u8], signature: &[u8]) -> Result<String, String> {
        self.ask(payload, signature).map_err(|error| error.to_string())
    }
}

/// Runs a child to its end and gives its output; `None` when it did not end within `limit`.
fn run_child(
    mut command: Command,
    limit: Duration,
) -> Result<(ExitStatus, String), Option<io::Error>> {
    let start = Instant::now();
    let mut child = command.spawn()?;
    let pipe = child.stdout.take();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = pipe.map_or(Ok(0), |pipe| pipe.take(MAX_STATUS).read_to_end(&mut text));
        sender.send(read.map(|_| String::from_utf8_lossy(&text).into_owned())).ok();
    });
    loop {
        if let Some(status) = child.try_wait()? {
            // A child of its own that lives on could hold the pipe open.
            let left = limit.saturating_sub(start.elapsed());
            return Ok((status, receiver.recv_timeout(left).map_err(|_| None)??));
        }
        if start.elapsed() > limit {
            end(&mut child);
            return Err(None);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills and reaps; a child that is gone already is as good.
fn end(child: &mut Child) {
    if child.kill().is_ok() {
        child.wait().ok();
    }
}

/// Whether a folder is named as one of gpg's private homes: what stays when a hook is killed.
#[must_use]
pub fn is_home(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let numbers = name.strip_prefix("gpg-").and_then(|rest| rest.split_once('-'));
    let number = |text: &str| text.parse::<u32>().is_ok();
    numbers.is_some_and(|(pid, count)| number(pid) && number(count))
}

/// A folder of one program, removed with everything in it at its end.
#[derive(Debug)]
struct Home(PathBuf);

impl Home {
    fn make(folder: &Path) -> Result<Self, GpgError> {
        let mut problem = None;
        for number in 0..HOMES {
            let path = folder.join(format!("gpg-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                    problem = Some(source);
                }
                Err(source) => return Err(io_error("making", &path)(source)),
            }
        }
        let source = problem.unwrap_or_else(|| io::ErrorKind::AlreadyExists.into());
        Err(io_error("making a private home in", folder)(source))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, GpgError> {
        let path = self.0.join(name);
        fs::write(&path, bytes).map_err(io_error("writing", &path))?;
        Ok(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed holds public keys and a signature, no secret.
        fs::remove_dir_all(&self.0).ok();
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GpgError {
    let path = path.to_owned();
    move |source| GpgError::Io { doing, path, source }
}

/// Digests that count (SHA-256, SHA-384, SHA-512), as RFC 4880 section 9.4 numbers them.
const DIGESTS: [&str; 3] = ["8", "9", "10"];
/// Algorithms that count: RSA, RSA for signing, ECDSA, EdDSA (section 9.1).
const ALGORITHMS: [&str; 4] = ["1", "3", "19", "22"];
/// A signature over bytes, not over text with its line ends changed (section 5.2.1).
const BINARY: &str = "00";
/// Status words that spoil a signature, whatever else is said.
const BAD: [&str; 7] =
    ["BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA", "FAILURE"];

/// Judges gpg's status lines (GnuPG's doc/DETAILS): one signature, good, by a live key.
fn judge(lines: &str) -> Result<String, &'static str> {
    let words: Vec<Vec<&str>> = lines
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split(' ').collect())
        .collect();
    let all = |word: &'static str| words.iter().filter(move |line| line.first() == Some(&word));
    if all("EXPKEYSIG").next().is_some() || all("EXPSIG").next().is_some() {
        return Err("the key or the signature has expired");
    }
    if all("REVKEYSIG").next().is_some() {
        return Err("the key is revoked");
    }
    if all("NO_PUBKEY").next().is_some() {
        return Err("the policy lists the signing key for nobody");
    }
    if BAD.iter().any(|word| all(word).next().is_some()) || all("GOODSIG").count() != 1 {
        return Err("the signature is not good");
    }
    let valid: Vec<_> = all("VALIDSIG").collect();
    let [valid] = valid.as_slice() else { return Err("the signature is not good") };
    let [_, _, _, _, _, _, _, algorithm, digest, class, primary] = valid.as_slice() else {
        return Err("gpg's answer is not understood");
    };
    if !DIGESTS.contains(digest) || !ALGORITHMS.contains(algorithm) || *class != BINARY {
        return Err("the signature is of a kind too weak to count");
    }
    let is_v4 = primary.len() == 40 && primary.bytes().all(|b| b.is_ascii_hexdigit());
    if is_v4 { Ok((*primary).to_owned()) } else { Err("gpg's answer is not understood") }
}

#[cfg(test)]
mod tests;
