//! Signatures over what git signs: commits, tags, push certificates.
//!
//! Knows which kinds of signature there are and that only keys of the policy count. Does not know
//! whose a key is.

use super::openpgp::{self, OpenPgp};
use super::sshsig::{self, SshSigError};

/// First line of an armored OpenPGP signature.
pub const PGP_BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Neither of ssh nor of OpenPGP.
    #[error("the signature is of an unknown kind")]
    Kind,
    /// An OpenPGP signature that is not the form that git writes.
    #[error("the OpenPGP signature is malformed: {0}")]
    Malformed(&'static str),
    /// A bad ssh signature.
    #[error(transparent)]
    Ssh(#[from] SshSigError),
    /// A bad OpenPGP signature.
    #[error("the OpenPGP signature does not count: {0}")]
    OpenPgp(String),
    /// A key of nobody.
    #[error("the policy lists the signing key for nobody")]
    UnknownKey,
    /// The keys could not be looked up.
    #[error("keys can't be looked up: {0}")]
    Lookup(String),
}

/// The keys that the policy lists.
pub trait KeyRing {
    /// Whether some user has the ssh key with this `SHA256:…` fingerprint.
    ///
    /// # Errors
    /// When the look-up itself failed.
    fn has_ssh_key(&self, fingerprint: &str) -> Result<bool, String>;

    /// What verifies OpenPGP signatures by the policy's keys; `None` where it lists none.
    fn openpgp(&self) -> Option<&dyn OpenPgp>;
}

/// The fingerprint of the listed key that signed `payload`: `SHA256:…` for ssh, 40 capital hex
/// digits (primary key) for OpenPGP.
///
/// # Errors
/// [`SignatureError`]. Whether the key is listed is looked at before the signature is verified.
pub fn verify(
    payload: &[u8],
    signature: &[u8],
    keys: &dyn KeyRing,
) -> Result<String, SignatureError> {
    if signature.starts_with(sshsig::BEGIN.as_bytes()) {
        let signature = sshsig::Signature::parse(signature)?;
        let fingerprint = signature.fingerprint();
        if !keys.has_ssh_key(&fingerprint).map_err(SignatureError::Lookup)? {
            return Err(SignatureError::UnknownKey);
        }
        signature.verify(payload)?;
        return Ok(fingerprint);
    }
    if !signature.starts_with(PGP_BEGIN.as_bytes()) {
        return Err(SignatureError::Kind);
    }
    let openpgp = keys.openpgp().ok_or(SignatureError::UnknownKey)?;
    let packet = openpgp::lone_signature(signature).map_err(SignatureError::Malformed)?;
    openpgp.verify(payload, &packet).map_err(SignatureError::OpenPgp)
}
