//! Layout: a prelude, then pieces in any order, one of them the header that leads to the others.
//!
//! Numbers are little-endian, pieces are postcard. A table is an array of slots, one a hash bucket;
//! a slot leads to the piece with that bucket's keys and values.

use super::super::members::LookupsOf;
use super::super::model::Settings;
use super::super::pattern::Pattern;
use crate::code::Code;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;

/// What every compiled policy begins with.
pub(super) const MAGIC: [u8; 8] = *b"rwpolicy";
/// The layout that this build writes and reads.
pub(super) const VERSION: u32 = 5;
/// Bytes of magic, version and the header's extent.
pub(super) const PRELUDE: usize = MAGIC.len() + 4 + EXTENT;
/// Bytes of an [`Extent`].
pub(super) const EXTENT: usize = 8 + 4 + 8;

/// Reads at a position, as `pread` does, so that nothing else of a large file is touched.
pub trait ReadAt {
    /// Exactly `length` bytes from `offset` on.
    ///
    /// # Errors
    /// Whatever the system says, also where the file ends earlier.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(length)?));
        let found = range.and_then(|range| self.get(range));
        found.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Why a compiled policy can't be used; the push is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompiledError {
    /// The file is something else.
    #[error("this is not a compiled policy: run `refwarden policy apply`")]
    NotOurs,
    /// Another version of refwarden wrote it.
    #[error(
        "the applied policy has format {0}, this build reads format {VERSION}: \
         run `refwarden policy apply`"
    )]
    Version(u32),
    /// It does not hold together.
    #[error("the applied policy is damaged ({0}): run `refwarden policy apply`")]
    Damaged(&'static str),
    /// The system can't read it.
    #[error("the applied policy can't be read: {0}")]
    Read(String),
}

impl CompiledError {
    /// Whether the file is not what any program of ours wrote.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::NotOurs | Self::Damaged(_))
    }

    /// The code of the refusal.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::NoPolicy
    }
}

/// A file of the policy, and what it held when it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// As messages name it.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: [u8; 32],
}

/// What leads to everything else, and what every push needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub length: u64,
    pub digest: [u8; 32],
    pub files: Vec<SourceFile>,
    /// The commit that it came from, in its own repository; `None` is a policy applied by hand.
    pub commit: Option<String>,
    pub settings: Settings,
    pub lookups_of: LookupsOf,
    pub tables: Tables,
    /// Whether there is any check, so that a push need not look for some where there is none.
    pub has_checks: bool,
    pub whole: Extent,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tables {
    /// By name.
    pub users: Table,
    /// By [`external_key`].
    pub externals: Table,
    /// By fingerprint.
    pub keys: Table,
    /// By [`folded`] address.
    pub emails: Table,
    /// By name; looked-up ones only.
    pub lookups: Table,
    /// Patterns over repositories, by [`place_key`].
    pub places: Table,
    /// By name.
    pub projects: Table,
    /// Entries, by the scheme's name.
    pub schemes: Table,
    /// By project's name.
    pub project_grants: Table,
    /// By [`place_key`].
    pub place_grants: Table,
    /// By name.
    pub entitlements: Table,
    /// By project's name.
    pub project_entitlements: Table,
    /// By [`place_key`].
    pub place_entitlements: Table,
    /// By project's name.
    pub project_checks: Table,
    /// By [`place_key`]; those that apply everywhere under the empty one.
    pub place_checks: Table,
}

/// Where a piece lies, and what it and its place sum up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    pub offset: u64,
    pub length: u32,
    pub sum: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Table {
    /// Tells the slots of one table from those of another.
    pub id: u32,
    /// Of the first slot.
    pub offset: u64,
    /// At least one.
    pub buckets: u32,
}

impl Extent {
    /// The sum of a piece: of what it is for, where it lies, and its bytes.
    pub(super) fn sum(purpose: u64, offset: u64, bytes: &[u8]) -> u64 {
        let hash = fnv(FNV_START, &purpose.to_le_bytes());
        let hash = fnv(hash, &offset.to_le_bytes());
        fnv(fnv(hash, &(bytes.len() as u64).to_le_bytes()), bytes)
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        [
            self.offset.to_le_bytes().as_slice(),
            self.length.to_le_bytes().as_slice(),
            self.sum.to_le_bytes().as_slice(),
        ]
        .concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        rest.is_empty().then(|| Self {
            offset: u64::from_le_bytes(*offset),
            length: u32::from_le_bytes(*length),
            sum: u64::from_le_bytes(*sum),
        })
    }
}

impl Table {
    /// The bucket of a key.
    pub(super) fn bucket(buckets: u32, key: &[u8]) -> u32 {
        let hash = fnv(FNV_START, key);
        let folded = (hash ^ (hash >> 32)) % u64::from(buckets.max(1));
        u32::try_from(folded).unwrap_or_default()
    }

    /// What the piece of a bucket is for, as [`Extent::sum`] takes it.
    pub(super) fn purpose(self, bucket: u32) -> u64 {
        (u64::from(self.id) << 32) | u64::from(bucket)
    }
}

/// What the header is for.
pub(super) const HEADER_PURPOSE: u64 = 1;
/// What the whole policy is for.
pub(super) const WHOLE_PURPOSE: u64 = 2;

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits: each step is a bijection, so a single changed byte never goes unseen.
fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Decodes the whole of `bytes`.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CompiledError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(CompiledError::Damaged("a piece is too long")),
        Err(_) => Err(CompiledError::Damaged("a piece can't be decoded")),
    }
}

/// The key of what a source calls somebody.
pub(super) fn external_key(name_key: &str, external: &str) -> Vec<u8> {
    [name_key.as_bytes(), external.as_bytes()].join(&0)
}

/// The key of an e-mail address: case does not tell two apart.
pub(super) fn folded(email: &str) -> Vec<u8> {
    email.to_lowercase().into_bytes()
}

/// The key of a pattern over repository names: the name itself where it spells one out, else the
/// folder that it spells out before anything else, else nothing.
pub(super) fn place_key(pattern: &Pattern) -> &[u8] {
    let Some(glob) = pattern.as_glob() else { return b"" };
    let prefix = glob.literal_prefix();
    // A literal in braces, `x/{y}`, matches one name too, but does not begin with all of it.
    if glob.is_literal() && pattern.matches(prefix, None) == Ok(true) {
        return prefix;
    }
    let folder = prefix.iter().rposition(|&b| b == b'/').unwrap_or_default();
    prefix.get(..folder).unwrap_or_default()
}

/// Every key under which a pattern that matches `repository` can lie.
pub(super) fn place_keys(repository: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = repository.iter().enumerate().filter(|(_, b)| **b == b'/');
    let folders = slashes.filter_map(|(at, _)| repository.get(..at));
    [b"".as_slice(), repository].into_iter().chain(folders)
}
