//! What a client says of itself in `Authorization`.
//!
//! Knows the two schemes that carry a token (RFC 7617, RFC 6750); not what a token is, nor whether
//! it is good. Whatever can't be read is [`Credentials::Malformed`], never nothing.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::fmt;

/// Longest header, in bytes.
pub const MAX_HEADER: usize = 4096;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A secret: the password of `Basic`, whoever its user name names, or that of `Bearer`.
    Secret(Secret),
    /// Something else, or something that can't be read.
    Malformed,
}

/// A secret that no message and no log may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Credentials {
    /// Reads the header's value.
    #[must_use]
    pub fn parse(header: Option<&[u8]>) -> Self {
        let Some(header) = header else { return Self::None };
        secret(header).map_or(Self::Malformed, |secret| Self::Secret(Secret(secret)))
    }
}

fn secret(header: &[u8]) -> Option<String> {
    if header.len() > MAX_HEADER {
        return None;
    }
    let at = header.iter().position(|byte| *byte == b' ')?;
    let (scheme, value) = header.split_at(at);
    let value = value.trim_ascii();
    let secret = if scheme.eq_ignore_ascii_case(b"basic") {
        let pair = BASE64.decode(value).ok()?;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        pair.get(colon.checked_add(1)?..)?.to_vec()
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        value.to_vec()
    } else {
        return None;
    };
    let plain = !secret.is_empty() && secret.iter().all(u8::is_ascii_graphic);
    String::from_utf8(secret).ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(header: &[u8]) -> Option<String> {
        match Credentials::parse(Some(header)) {
            Credentials::Secret(secret) => Some(secret.expose().to_owned()),
            Credentials::Malformed => None,
            Credentials::None => panic!("a header was given"),
        }
    }

    #[test]
    fn a_token_is_the_password_whoever_the_name_names() {
        // alice:s:cret, :s, and without padding.
        assert_eq!(secret(b"Basic YWxpY2U6czpjcmV0").as_deref(), Some("s:cret"));
        assert_eq!(secret(b"bAsIc OnM=").as_deref(), Some("s"));
        assert_eq!(secret(b"Basic  OnM ").as_deref(), Some("s"));
        assert_eq!(secret(b"Bearer s").as_deref(), Some("s"));
        assert_eq!(Credentials::parse(None), Credentials::None);
    }

    #[test]
    fn a_header_that_can_t_be_read_is_not_taken_for_none() {
        let long = [b"Bearer ".as_slice(), &[b'x'; MAX_HEADER]].concat();
        for header in [
            b"".as_slice(),
            b"Basic",
            b"Basic ",
            b"Basic !!!!",
            b"Basic YWxpY2U=",         // no colon
            b"Basic YWxpY2U6",         // an empty password
            b"Basic YTpiCg==",         // a line feed in the password
            b"Basic YTr/",             // not UTF-8
            b"Basic OnM=, Basic OnM=", // two headers joined by the server
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a\0",
            b"Digest username=\"alice\"",
            b"Negotiate abc",
            &long,
        ] {
            assert_eq!(secret(header), None, "{}", header.escape_ascii());
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let shown = format!("{:?}", Credentials::parse(Some(b"Bearer hush")));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
