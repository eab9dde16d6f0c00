//! Push certificates: what `git push --signed` signs (git's gitprotocol-pack documentation).
//!
//! Knows the certificate's form, how git makes its nonce, and that a certificate counts only for
//! the very push it came with. Does not know whose a key is, and believes none of git's own
//! `GIT_PUSH_CERT_*` findings: everything is verified again from the blob.

pub use super::signature::KeyRing;
use super::signature::{self, SignatureError};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Longest certificate, in bytes; one of 100 000 refs fits.
const MAX_CERTIFICATE: usize = 32 * 1024 * 1024;
/// How much later than it was a process may seem to have begun, in seconds: `/proc` counts from a
/// boot time that is rounded.
const ROUNDING: u64 = 1;
/// Most time between the start of a process and its nonce, in seconds: a forced command may look
/// something up before it becomes `git receive-pack`.
const STARTING: u64 = 10;

/// A certificate that holds for this push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCertificate {
    /// The signing key: `SHA256:…` for ssh, 40 capital hex digits (primary key) for OpenPGP.
    pub fingerprint: String,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The caller could not read the blob that git names.
    #[error("the push certificate can't be read: {0}")]
    Unreadable(String),
    /// Not the form that git writes.
    #[error("the push certificate is malformed: {0}")]
    Malformed(&'static str),
    /// Other refs than this push.
    #[error("the push certificate lists other refs than this push")]
    Refs,
    /// Other push options than this push.
    #[error("the push certificate lists other push options than this push")]
    Options,
    /// `receive.certNonceSeed` is not set, so any certificate could be replayed.
    #[error("this repository has no `receive.certNonceSeed`")]
    NoSeed,
    /// No nonce, or one that this server did not make for this repository.
    #[error("the push certificate's nonce was not made for this repository")]
    ForeignNonce,
    /// A nonce of another push.
    #[error("the push certificate's nonce is not of this push: push again")]
    StaleNonce,
    /// A signature that does not count.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// One ref of a push: ids in hex and a name, as stdin has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefLine<'a> {
    /// The ref's name.
    pub name: &'a [u8],
    /// Its old id.
    pub old: &'a [u8],
    /// Its new id.
    pub new: &'a [u8],
}

impl<'a> RefLine<'a> {
    /// Splits `OLD NEW NAME`, without the line's end; ids are not looked at.
    #[must_use]
    pub fn split(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (old, new, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_full = !old.is_empty() && !new.is_empty() && !name.is_empty();
        is_full.then_some(Self { name, old, new })
    }
}

/// What is needed to recompute a nonce. Times are Unix seconds.
#[derive(Debug, Clone)]
pub struct NonceCheck<'a> {
    /// `receive.certNonceSeed`.
    pub seed: &'a [u8],
    /// The folder argument of `git receive-pack`, as it was given. `git http-backend` always gives
    /// `.`, so over HTTP only a seed of its own ties a nonce to one repository.
    pub service_dir: &'a [u8],
    /// The repository's hash algorithm.
    pub hash: gix::hash::Kind,
    /// When this `git receive-pack` began; now, where that is not known. It makes its nonce at
    /// once, so however long the upload takes, the nonce is of this time.
    pub began: u64,
    /// `receive.certNonceSlop`, in seconds; 0 when unset. Over HTTP an earlier process made the
    /// nonce, so there it must cover the time between two requests.
    pub slop: u64,
}

/// Verifies that `blob` is a certificate for exactly this push, by a key that the policy lists.
///
/// # Errors
/// [`CertificateError`], the first that applies; signatures are looked at last.
pub fn verify(
    blob: &[u8],
    stdin: &[RefLine<'_>],
    push_options: &[Vec<u8>],
    keys: &dyn KeyRing,
    nonce: &NonceCheck<'_>,
) -> Result<VerifiedCertificate, CertificateError> {
    if blob.len() > MAX_CERTIFICATE {
        return Err(CertificateError::Malformed("over-long"));
    }
    let certificate = Certificate::parse(blob)?;
    check_refs(certificate.refs, stdin)?;
    if !certificate.push_options.iter().copied().eq(push_options.iter().map(Vec::as_slice)) {
        return Err(CertificateError::Options);
    }
    nonce.check(certificate.nonce)?;
    let verified = signature::verify(certificate.payload, certificate.signature, keys);
    let fingerprint = verified.map_err(|error| match error {
        SignatureError::Kind => CertificateError::Malformed("an unknown kind of signature"),
        SignatureError::Malformed(words) => CertificateError::Malformed(words),
        error => CertificateError::Signature(error),
    })?;
    Ok(VerifiedCertificate { fingerprint })
}

/// The parts of a certificate.
#[derive(Debug)]
struct Certificate<'a> {
    payload: &'a [u8],
    signature: &'a [u8],
    nonce: &'a [u8],
    push_options: Vec<&'a [u8]>,
    refs: Vec<RefLine<'a>>,
}

impl<'a> Certificate<'a> {
    fn parse(blob: &'a [u8]) -> Result<Self, CertificateError> {
        let malformed = CertificateError::Malformed;
        let (payload, signature) = split_signature(blob)?;
        let text = payload.strip_suffix(b"\n").ok_or(malformed("the last line has no end"))?;
        let mut lines = text.split(|byte| *byte == b'\n');
        if lines.next() != Some(b"certificate version 0.1") {
            return Err(malformed("not version 0.1"));
        }
        let mut push_options = Vec::new();
        let (mut pushers, mut pushees, mut nonces) = (0, 0, Vec::new());
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let space = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
            let (key, value) = line.split_at(space);
            let value = value.get(1..).ok_or(malformed("a header has no value"))?;
            match key {
                // Who pushes, and where to, are the client's words: the key and the nonce decide.
                b"pusher" => pushers += 1,
                b"pushee" => pushees += 1,
                b"nonce" => nonces.push(value),
                b"push-option" => push_options.push(value),
                _ => return Err(malformed("an unknown header")),
            }
        }
        if pushers != 1 || pushees > 1 {
            return Err(malformed("not one pusher and at most one pushee"));
        }
        let nonce = match nonces.as_slice() {
            [nonce] => *nonce,
            [] => return Err(CertificateError::ForeignNonce),
            _ => return Err(malformed("more than one nonce")),
        };
        let refs: Option<Vec<_>> = lines.map(RefLine::split).collect();
        let refs = refs.ok_or(malformed("a line that is no ref"))?;
        Ok(Self { payload, signature, nonce, push_options, refs })
    }
}

/// Cuts before the first line that begins a signature. git cuts before the last; they are the same
/// in every certificate that parses.
fn split_signature(blob: &[u8]) -> Result<(&[u8], &[u8]), CertificateError> {
    let mut at = 0;
    for line in blob.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"-----BEGIN ") {
            return blob.split_at_checked(at).ok_or(CertificateError::Malformed("cut short"));
        }
        at += line.len();
    }
    Err(CertificateError::Malformed("not signed"))
}

/// The same refs, none missing, none more, none twice. Their order does not matter.
fn check_refs(
    mut certified: Vec<RefLine<'_>>,
    stdin: &[RefLine<'_>],
) -> Result<(), CertificateError> {
    let mut pushed = stdin.to_vec();
    certified.sort_unstable();
    pushed.sort_unstable();
    let twice = certified.windows(2).any(|pair| matches!(pair, [a, b] if a.name == b.name));
    if twice || certified.is_empty() || certified != pushed {
        return Err(CertificateError::Refs);
    }
    Ok(())
}

impl NonceCheck<'_> {
    /// A nonce is `TIME-MAC`. git's builtin/receive-pack.c computes the MAC with `PATH:TIME` as the
    /// key and the seed as the message, the reverse of what one expects.
    fn check(&self, nonce: &[u8]) -> Result<(), CertificateError> {
        if self.seed.is_empty() {
            return Err(CertificateError::NoSeed);
        }
        let foreign = CertificateError::ForeignNonce;
        let text = std::str::from_utf8(nonce).map_err(|_| foreign.clone())?;
        let (stamp, mac) = text.split_once('-').ok_or(foreign.clone())?;
        let stamp: u64 = canonical_number(stamp).ok_or(foreign.clone())?;
        let mac = unhex(mac).ok_or(foreign.clone())?;
        let mut key = self.service_dir.to_vec();
        key.extend_from_slice(format!(":{stamp}").as_bytes());
        let is_ours = match self.hash {
            gix::hash::Kind::Sha1 => is_mac::<Hmac<Sha1>>(&key, self.seed, &mac),
            gix::hash::Kind::Sha256 => is_mac::<Hmac<Sha256>>(&key, self.seed, &mac),
            _ => false,
        };
        if !is_ours {
            return Err(foreign);
        }
        // Not "until now": whoever holds a connection open could replay what was signed meanwhile.
        let earliest = self.began.saturating_sub(self.slop).saturating_sub(ROUNDING);
        let latest = self.began.saturating_add(self.slop).saturating_add(STARTING);
        let is_fresh = (earliest..=latest).contains(&stamp);
        if is_fresh { Ok(()) } else { Err(CertificateError::StaleNonce) }
    }
}

/// Compares in constant time.
fn is_mac<M: Mac + KeyInit>(key: &[u8], message: &[u8], mac: &[u8]) -> bool {
    let Ok(computed) = <M as KeyInit>::new_from_slice(key) else { return false };
    computed.chain_update(message).verify_slice(mac).is_ok()
}

fn canonical_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Lower-case hex, as git writes it.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
