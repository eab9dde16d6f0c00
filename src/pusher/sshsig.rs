//! SSH signatures as `ssh-keygen -Y sign` and git make them (OpenSSH's PROTOCOL.sshsig).
//!
//! Knows which signatures count: namespace, key type, digest. Does not know whose a key is: a
//! verified signature says no more than that the key it carries has made it.

use super::keys::{self, KeyError};
use ssh_key::{PublicKey, SshSig};

/// The namespace in which git signs commits, tags and push certificates.
pub const GIT_NAMESPACE: &str = "git";
/// First line of an armored signature.
pub const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// Longest armored signature, in bytes; one by an RSA key of 4096 bits has about 1600.
const MAX_ARMORED: usize = 16 * 1024;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshSigError {
    /// Not an armored SSH signature, something follows it, or its algorithm is none that counts:
    /// RSA with SHA-1 is not even parsed.
    #[error("the ssh signature is malformed")]
    Syntax,
    /// By a key that is too weak, or cannot be verified here.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Made for something other than git.
    #[error("the ssh signature was made for another purpose than git")]
    Namespace,
    /// By a FIDO authenticator that nobody touched: whoever holds the file of the key could have it.
    #[error("nobody touched the security key that made the ssh signature")]
    Untouched,
    /// Made over something else, or by another key.
    #[error("the ssh signature does not match")]
    Mismatch,
}

/// A signature that is well-formed and strong enough, and not yet verified.
#[derive(Debug, Clone)]
pub struct Signature(SshSig);

impl Signature {
    /// Parses an armored signature, which must be all of `armored`.
    ///
    /// # Errors
    /// [`SshSigError`] when it is malformed, or its key or algorithm is weak.
    pub fn parse(armored: &[u8]) -> Result<Self, SshSigError> {
        let text = armored.strip_suffix(b"\n").unwrap_or(armored);
        if text.len() > MAX_ARMORED
            || !text.starts_with(BEGIN.as_bytes())
            || !text.ends_with(END.as_bytes())
        {
            return Err(SshSigError::Syntax);
        }
        let signature = SshSig::from_pem(text).map_err(|_| SshSigError::Syntax)?;
        keys::check_strength(signature.public_key())?;
        Ok(Self(signature))
    }

    /// The `SHA256:…` fingerprint of the key that the signature carries.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        keys::fingerprint(self.0.public_key())
    }

    /// Verifies that the carried key signed `payload` in [`GIT_NAMESPACE`].
    ///
    /// # Errors
    /// [`SshSigError::Namespace`], [`SshSigError::Mismatch`], [`SshSigError::Untouched`].
    pub fn verify(&self, payload: &[u8]) -> Result<(), SshSigError> {
        if self.0.namespace() != GIT_NAMESPACE {
            return Err(SshSigError::Namespace);
        }
        PublicKey::from(self.0.public_key().clone())
            .verify(GIT_NAMESPACE, payload, &self.0)
            .map_err(|_| SshSigError::Mismatch)?;
        match self.was_touched() {
            true => Ok(()),
            false => Err(SshSigError::Untouched),
        }
    }

    /// What an authenticator signs ends with its flags, of which the lowest says that a user was
    /// there, and a counter of four bytes (OpenSSH's PROTOCOL.u2f). The library checks neither.
    fn was_touched(&self) -> bool {
        use ssh_key::public::KeyData;
        let by_authenticator =
            matches!(self.0.public_key(), KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_));
        let signed = self.0.signature().as_bytes();
        let flags = signed.len().checked_sub(5).and_then(|at| signed.get(at));
        !by_authenticator || flags.is_some_and(|flags| flags & 1 == 1)
    }
}

#[cfg(test)]
mod tests;
