//! The text of a commit or tag object: who, which message, which signature.
//!
//! Knows what git writes (git's gitformat-signature(5), `commit.c`) and takes nothing else: where
//! two readers could see two things, such as a second `committer` line, there is no answer.

use gix::bstr::ByteSlice;
use std::cell::OnceCell;

/// Largest commit or tag object whose text is judged, in bytes.
pub const LARGEST: u64 = 4 << 20;

/// A commit's text in its parts.
#[derive(Debug)]
pub struct CommitText<'a> {
    /// What follows `author `, where there is exactly one such line.
    pub author: Option<&'a [u8]>,
    /// What follows `committer `, where there is exactly one such line.
    pub committer: Option<&'a [u8]>,
    encoding: Encoding<'a>,
    message: &'a [u8],
    /// The message in UTF-8, once it was asked for.
    decoded: OnceCell<Vec<u8>>,
}

/// What a message's bytes stand for.
#[derive(Debug, Clone, Copy)]
enum Encoding<'a> {
    Utf8,
    Latin1,
    Other(&'a [u8]),
}

impl<'a> CommitText<'a> {
    /// Takes a commit apart.
    #[must_use]
    pub fn parse(raw: &'a [u8]) -> Self {
        let (headers, message) = split(raw);
        // Some readers stop at a NUL, others do not.
        let whole = !headers.contains(&0);
        let only = |key: &[u8]| {
            let mut all = headers.lines().filter_map(|line| line.strip_prefix(key));
            all.next().filter(|_| whole && all.next().is_none())
        };
        let mut encodings = headers.lines().filter_map(|line| line.strip_prefix(b"encoding "));
        let encoding = match (encodings.next(), encodings.next()) {
            (None, _) => Encoding::Utf8,
            (Some(one), None) => named(one),
            (Some(_), Some(_)) => Encoding::Other(b"two encodings"),
        };
        let (author, committer) = (only(b"author "), only(b"committer "));
        Self { author, committer, encoding, message, decoded: OnceCell::new() }
    }

    /// The whole message in UTF-8, as far as it is text at all; decoded once.
    ///
    /// # Errors
    /// In words, when readers would not see the message as it stands.
    pub fn message(&self) -> Result<&[u8], String> {
        if self.message.contains(&0) {
            return Err("the message has a NUL byte, behind which git hides the rest".into());
        }
        match self.encoding {
            Encoding::Utf8 => Ok(self.message),
            Encoding::Latin1 if self.message.is_ascii() => Ok(self.message),
            Encoding::Latin1 => Ok(self.decoded.get_or_init(|| {
                let text: String = self.message.iter().map(|byte| char::from(*byte)).collect();
                text.into_bytes()
            })),
            Encoding::Other(name) => {
                let name = name.get(..name.len().min(40)).unwrap_or(name).as_bstr();
                Err(format!("the message's encoding is `{name}`: write UTF-8"))
            }
        }
    }
}

fn named(encoding: &[u8]) -> Encoding<'_> {
    match encoding.to_ascii_lowercase().as_slice() {
        b"utf-8" | b"utf8" | b"us-ascii" | b"ascii" => Encoding::Utf8,
        b"iso-8859-1" | b"iso8859-1" | b"iso_8859-1" | b"latin1" | b"latin-1" => Encoding::Latin1,
        _ => Encoding::Other(encoding),
    }
}

/// Headers and what follows the first empty line.
fn split(raw: &[u8]) -> (&[u8], &[u8]) {
    match raw.find(b"\n\n") {
        Some(at) => (raw.get(..=at).unwrap_or(raw), raw.get(at + 2..).unwrap_or_default()),
        None => (raw, b""),
    }
}

/// The e-mail address of `NAME <ADDRESS> SECONDS ZONE`; `None` for anything else, such as two
/// addresses, of which readers may take the one or the other.
#[must_use]
pub fn address(line: &[u8]) -> Option<&str> {
    let (before, rest) = line.split_once_str(b"<")?;
    let (address, date) = rest.split_once_str(b">")?;
    let date = date.strip_prefix(b" ")?;
    let (seconds, zone) = date.split_once_str(b" ")?;
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let is_zone = matches!(zone, [b'+' | b'-', rest @ ..] if rest.len() == 4 && digits(rest));
    let odd = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || *byte == b'<';
    let sound = !address.is_empty() && !address.iter().any(odd) && !before.contains(&b'>');
    (sound && digits(seconds) && is_zone).then(|| address.to_str().ok()).flatten()
}

/// What was signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The object's text without its signatures.
    pub payload: Vec<u8>,
    /// Armored; `None` where there is none.
    pub signature: Option<Vec<u8>>,
}

/// The header with the signature of a commit in a repository of this hash.
fn header(format: gix::hash::Kind) -> &'static [u8] {
    match format {
        gix::hash::Kind::Sha1 => b"gpgsig",
        _ => b"gpgsig-sha256",
    }
}

/// Parts a commit from its signature as git does (`parse_buffer_signed_by_header`): all headers
/// `gpgsig…` are left out of what is signed, the one of the repository's hash is the signature.
///
/// # Errors
/// When there is more than one, or a header `gpgsig…` of neither hash, which nothing would sign; or
/// the headers do not stand as git writes them (see [`in_order`]).
pub fn signed_commit(raw: &[u8], format: gix::hash::Kind) -> Result<Signed, &'static str> {
    let ours = header(format);
    let (headers, _) = split(raw);
    in_order(headers, format)?;
    let mut payload = Vec::with_capacity(raw.len());
    let mut signature: Option<Vec<u8>> = None;
    // Which header a continued line belongs to: none that matters, ours, another signature.
    let (mut in_ours, mut in_other) = (false, false);
    for line in headers.lines_with_terminator() {
        if let Some(rest) = line.strip_prefix(b" ") {
            if in_ours {
                signature.get_or_insert_default().extend_from_slice(rest);
            } else if !in_other {
                payload.extend_from_slice(line);
            }
            continue;
        }
        let key = line.split_once_str(b" ").map_or(line, |(key, _)| key);
        (in_ours, in_other) = (key == ours, false);
        if in_ours {
            if signature.is_some() {
                return Err("it has two signatures");
            }
            signature = Some(line.get(ours.len() + 1..).unwrap_or_default().to_vec());
        } else if key == b"gpgsig" || key == b"gpgsig-sha256" {
            in_other = true;
        } else if key.starts_with(b"gpgsig") {
            return Err("it has a header that no signature covers");
        } else {
            payload.extend_from_slice(line);
        }
    }
    payload.extend_from_slice(raw.get(headers.len()..).unwrap_or_default());
    Ok(Signed { payload, signature })
}

/// Whether the headers are `tree`, `parent`…, `author`, `committer`, each whole, then others. git
/// takes a line for a parent only where it follows the tree or another parent, so a signature that
/// stands among them, and is left out of what is signed, would hide the ones after it.
fn in_order(headers: &[u8], format: gix::hash::Kind) -> Result<(), &'static str> {
    const MOVED: &str = "its headers are not in git's order, so the signature can't be for what git \
                         reads: sign it anew";
    if headers.contains(&0) {
        return Err("it has a NUL byte in its headers, behind which readers differ");
    }
    let mut lines = headers.split(|byte| *byte == b'\n').peekable();
    let named = |key: &[u8], line: &[u8]| {
        let id = line.strip_prefix(key);
        id.is_some_and(|id| id.len() == format.len_in_hex() && id.iter().all(u8::is_ascii_hexdigit))
    };
    lines.next_if(|line| named(b"tree ", line)).ok_or(MOVED)?;
    while lines.next_if(|line| named(b"parent ", line)).is_some() {}
    lines.next_if(|line| line.starts_with(b"author ")).ok_or(MOVED)?;
    lines.next_if(|line| line.starts_with(b"committer ")).ok_or(MOVED)?;
    // Nothing that is read above may come again, nor go on in another line.
    let early = [&b"tree"[..], b"parent", b"author", b"committer"];
    let is_early = |line: &[u8]| {
        let key = line.split_once_str(b" ").map_or(line, |(key, _)| key);
        early.contains(&key)
    };
    let goes_on = lines.peek().is_some_and(|line| line.starts_with(b" "));
    if goes_on || lines.any(is_early) { Err(MOVED) } else { Ok(()) }
}

/// An annotated tag's text in its parts.
#[derive(Debug, Clone)]
pub struct TagText<'a> {
    /// What it is called by itself.
    pub name: &'a [u8],
    /// What follows `tagger `.
    pub tagger: Option<&'a [u8]>,
    /// The text before the signature, and the signature.
    pub signed: Signed,
}

impl<'a> TagText<'a> {
    /// Takes a tag apart: the signature stands at the end, from its first line on.
    ///
    /// # Errors
    /// When it is not as git writes it.
    pub fn parse(raw: &'a [u8]) -> Result<Self, &'static str> {
        let (headers, _) = split(raw);
        let mut lines = headers.lines();
        let mut next = |key: &[u8]| lines.next().and_then(|line| line.strip_prefix(key));
        let odd = "it is not as git writes a tag";
        let (Some(_), Some(_)) = (next(b"object "), next(b"type ")) else { return Err(odd) };
        let name = next(b"tag ").ok_or(odd)?;
        let tagger = next(b"tagger ");
        if lines.next().is_some() {
            return Err("it has a header that is not looked at");
        }
        let at = signature_at(raw, headers.len());
        let (payload, signature) = raw.split_at_checked(at).unwrap_or((raw, b""));
        let signature = (!signature.is_empty()).then(|| signature.to_vec());
        Ok(Self { name, tagger, signed: Signed { payload: payload.to_vec(), signature } })
    }
}

/// Where a line begins a signature, or the text's end. git takes the last such line: with another
/// one before it the signature does not parse.
fn signature_at(raw: &[u8], from: usize) -> usize {
    let mut at = from;
    for line in raw.get(from..).unwrap_or_default().lines_with_terminator() {
        let begins = |kind: &[u8]| {
            line.strip_prefix(b"-----BEGIN ").is_some_and(|rest| rest.starts_with(kind))
        };
        if [
            &b"PGP SIGNATURE-----"[..],
            b"PGP MESSAGE-----",
            b"SIGNED MESSAGE-----",
            b"SSH SIGNATURE-----",
        ]
        .into_iter()
        .any(begins)
        {
            return at;
        }
        at += line.len();
    }
    raw.len()
}

#[cfg(test)]
mod tests;
