//! The lines by which sshd lets a key in, and only to `refwarden ssh`.
//!
//! Knows keys and user certificates as sshd hands them over, and the form of `authorized_keys`.
//! A certificate's signature, window, principals and critical options are sshd's to check: it does
//! so against the line that it gets, for the very key that was offered.

use crate::policy::model::SshCa;
use crate::policy::name::UserName;
use crate::pusher::keys::{self, KeyError, check_strength, ssh_fingerprint};
use chrono::{DateTime, SecondsFormat, Utc};
use ssh_key::Certificate;
use ssh_key::certificate::CertType;
use std::path::Path;

/// First line of what [`block`] writes into a file.
const BEGIN: &[u8] = b"# refwarden: begin (written by `refwarden ssh-keys --write`)";
/// Last line of it.
const END: &[u8] = b"# refwarden: end";

/// A key that a client offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// A plain key.
    Key {
        /// `TYPE BASE64`.
        line: String,
        /// `SHA256:…`.
        fingerprint: String,
    },
    /// A user certificate.
    Certificate(Certified),
}

/// What a certificate says of itself; believed only because sshd checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// Of the key that was signed.
    pub fingerprint: String,
    /// Of the key that signed it.
    pub ca: String,
    /// Whom it is for.
    pub principals: Vec<String>,
    /// Its end.
    pub until: DateTime<Utc>,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// Not a key that may open anything.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Not a certificate that can be read.
    #[error("this is not a certificate: {0}")]
    Certificate(String),
    /// Valid for ever: a key that no policy lists and that nothing ends.
    #[error("a certificate without an end opens nothing")]
    NoEnd,
    /// Of a host.
    #[error("this certificate is not a user's")]
    NotForUsers,
    /// The program's own path can't stand in such a line.
    #[error("the path of the program can't stand in a line of `authorized_keys`")]
    Path,
    /// A block of ours without an end, or two of them.
    #[error("the marks of refwarden's own block are not one pair: mend the file by hand")]
    Marks,
}

/// Reads a key as sshd's `%t %k` has it.
///
/// # Errors
/// [`OfferError`]: malformed, or weak.
pub fn read(kind: &str, base64: &str) -> Result<Offered, OfferError> {
    let line = format!("{kind} {base64}");
    match ssh_fingerprint(&line) {
        Ok(fingerprint) => Ok(Offered::Key { line, fingerprint }),
        Err(KeyError::Certificate) => certificate(&line).map(Offered::Certificate),
        Err(error) => Err(error.into()),
    }
}

fn certificate(line: &str) -> Result<Certified, OfferError> {
    let read = Certificate::from_openssh(line).map_err(|error| match error {
        // An end past what a signed number of seconds can say is how ssh-keygen writes "forever".
        ssh_key::Error::Time => OfferError::NoEnd,
        error => OfferError::Certificate(error.to_string()),
    })?;
    if read.cert_type() != CertType::User {
        return Err(OfferError::NotForUsers);
    }
    check_strength(read.public_key())?;
    check_strength(read.signature_key())?;
    let until = i64::try_from(read.valid_before()).ok();
    let until = until.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    Ok(Certified {
        fingerprint: keys::fingerprint(read.public_key()),
        ca: keys::fingerprint(read.signature_key()),
        principals: read.valid_principals().to_vec(),
        until: until.ok_or(OfferError::NoEnd)?,
    })
}

/// The line for a plain key, `TYPE BASE64`.
///
/// # Errors
/// [`OfferError::Path`].
pub fn key_line(
    program: &Path,
    user: &UserName,
    line: &str,
    fingerprint: &str,
) -> Result<String, OfferError> {
    let command = format!("{} ssh {user} --key {fingerprint}", shell_word(program)?);
    Ok(format!("restrict,command=\"{command}\" {line}"))
}

/// The line for a certificate of `user`, whom it calls `principal`: it names the authority's key,
/// and sshd checks the certificate against that.
///
/// # Errors
/// [`OfferError::Path`]; and a principal that can't stand in such a line.
pub fn certificate_line(
    program: &Path,
    (user, principal): (&UserName, &str),
    certified: &Certified,
    ca: &SshCa,
) -> Result<String, OfferError> {
    if !is_plain_principal(principal) {
        return Err(OfferError::Certificate(format!("its principal `{principal:?}` is not plain")));
    }
    let Certified { fingerprint, ca: authority, until, .. } = certified;
    let program = shell_word(program)?;
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    // Whatever is no blank and no quote may be in it: one word of the shell, and no option.
    let command = format!(
        "{program} ssh {user} --key {fingerprint} --ca {authority} --principal='{principal}' --until {until}"
    );
    let options = format!("cert-authority,principals=\"{principal}\",command=\"{command}\"");
    Ok(format!("restrict,{options} {}", ca.line))
}

/// Printable, and nothing that ends an option or begins another principal.
#[must_use]
pub fn is_plain_principal(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"',\\*?!".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// A path as one word of the account's shell, inside double quotes of `authorized_keys`.
fn shell_word(path: &Path) -> Result<String, OfferError> {
    let text = path.to_str().ok_or(OfferError::Path)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
    let quotable = |byte: u8| (b' '..=b'~').contains(&byte) && !b"'\"\\".contains(&byte);
    match text {
        text if text.bytes().all(plain) => Ok(text.to_owned()),
        text if text.bytes().all(quotable) => Ok(format!("'{text}'")),
        _ => Err(OfferError::Path),
    }
}

/// The lines of several keys as a block with marks, ending with a newline.
#[must_use]
pub fn block(lines: &[String]) -> Vec<u8> {
    let inner = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]);
    let all = [BEGIN, b"\n"].into_iter().chain(inner).chain([END, b"\n"]);
    all.collect::<Vec<_>>().concat()
}

/// `file` with the block in place of the one that it has, or at its end; every other line stays.
///
/// # Errors
/// [`OfferError::Marks`].
pub fn replaced(file: &[u8], block: &[u8]) -> Result<Vec<u8>, OfferError> {
    let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), Seen::Before);
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.trim_ascii();
        seen = match seen {
            Seen::Before if bare == BEGIN => Seen::Inside,
            Seen::Inside if bare == END => Seen::After,
            _ if bare == BEGIN || bare == END => return Err(OfferError::Marks),
            Seen::Before => {
                before.extend_from_slice(line);
                Seen::Before
            }
            Seen::Inside => Seen::Inside,
            Seen::After => {
                after.extend_from_slice(line);
                Seen::After
            }
        };
    }
    if matches!(seen, Seen::Inside) {
        return Err(OfferError::Marks);
    }
    if !before.is_empty() && !before.ends_with(b"\n") {
        before.push(b'\n');
    }
    Ok([before.as_slice(), block, &after].concat())
}

enum Seen {
    Before,
    Inside,
    After,
}

#[cfg(test)]
mod tests;
