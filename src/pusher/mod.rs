//! Who is pushing, as far as the policy's listed sources can tell.
//!
//! Knows what each source's evidence looks like, how signatures prove a key, and how several
//! sources are brought together into one [`Pusher`]. Does not know the environment, the policy or
//! the clock: variables come through a closure, users through [`Directory`], time as a number.
//!
//! Read [`source`] (what may be listed), [`evidence`] (what a source says), [`mod@resolve`] (who that
//! is); [`proof`] (what our own doors say); [`certificate`], [`sshsig`] and [`keys`] serve signed pushes.

pub mod certificate;
pub mod evidence;
pub mod keys;
#[cfg(test)]
pub(crate) mod lab;
pub mod openpgp;
pub mod proof;
pub mod resolve;
pub mod signature;
pub mod source;
pub mod sshsig;
pub mod token;

pub use evidence::{Claim, Evidence, Statement};
pub use resolve::{Directory, IdentityRefusal, Pusher, Status, resolve};
pub use source::Source;
