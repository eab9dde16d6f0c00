//! The lines that git gives pre-receive and post-receive on stdin: `old SP new SP name LF`.
//!
//! Knows their form (githooks(5)) and nothing of any repository. An all-zero id stands for "no
//! such ref" there; past this parser there is none.

use super::RefName;
use crate::code::Code;
use gix::ObjectId;
use gix::hash::Kind;
use std::collections::HashSet;

/// One ref of a push and what is to become of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefUpdate {
    /// The ref's full name.
    pub name: RefName,
    /// From what to what.
    pub change: Change,
}

/// From what to what; the old id is the client's claim until it was compared with the ref store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// The ref does not exist yet.
    Create {
        /// Its first value.
        new: ObjectId,
    },
    /// The ref changes its value.
    Update {
        /// The value the client saw.
        old: ObjectId,
        /// The value it asks for.
        new: ObjectId,
    },
    /// The ref goes away.
    Delete {
        /// The value the client saw.
        old: ObjectId,
    },
}

impl Change {
    /// The value before, where there is one.
    #[must_use]
    pub const fn old(&self) -> Option<ObjectId> {
        match *self {
            Self::Create { .. } => None,
            Self::Update { old, .. } | Self::Delete { old } => Some(old),
        }
    }

    /// The value after, where there is one.
    #[must_use]
    pub const fn new_id(&self) -> Option<ObjectId> {
        match *self {
            Self::Delete { .. } => None,
            Self::Create { new } | Self::Update { new, .. } => Some(new),
        }
    }
}

/// One reason for which a push is no push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The line's number, from 1.
    pub line: usize,
    /// The ref, as far as the line says.
    pub name: Option<RefName>,
    /// What is wrong with it.
    pub fault: LineFault,
}

impl LineProblem {
    /// The stable code of the fault.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self.fault {
            LineFault::Duplicate => Code::Duplicate,
            LineFault::TooMany { .. } => Code::Limit,
            _ => Code::Malformed,
        }
    }
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Nothing came.
    #[error("git named no ref at all")]
    Empty,
    /// The last line does not end.
    #[error("the list of refs ends in the middle of a line")]
    Truncated,
    /// Not two ids and a name.
    #[error("a line is not `old new name`")]
    Shape,
    /// An id of another length than the repository's.
    #[error("an object id has {found} digits, this repository's have {wanted}")]
    IdLength {
        /// Length of what stands there.
        found: usize,
        /// Length of this repository's ids.
        wanted: usize,
    },
    /// An id with something else than `0-9a-f`.
    #[error("an object id has something other than the digits 0-9a-f")]
    IdDigits,
    /// Neither an old nor a new value.
    #[error("the ref has neither an old nor a new value")]
    NullNull,
    /// The old value again.
    #[error("the new value is the old one")]
    SameValue,
    /// A ref that an earlier line names.
    #[error("the ref is named twice in one push")]
    Duplicate,
    /// More lines than are judged.
    #[error("a push may name at most {max} refs at once: push them in parts")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

/// Reads all lines of a push into a repository with ids of `format`, at most `max_refs` of them.
///
/// # Errors
/// Every problem, in the order of the lines; lines past `max_refs` are counted, not read.
pub fn parse(
    input: &[u8],
    format: Kind,
    max_refs: usize,
) -> Result<Vec<RefUpdate>, Vec<LineProblem>> {
    let mut updates = Vec::new();
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    if input.is_empty() {
        problems.push(LineProblem { line: 1, name: None, fault: LineFault::Empty });
    }
    for (index, whole) in input.split_inclusive(|&b| b == b'\n').enumerate() {
        let line = index + 1;
        if line > max_refs {
            let fault = LineFault::TooMany { max: max_refs };
            problems.push(LineProblem { line, name: None, fault });
            break;
        }
        match parse_line(whole, format) {
            Ok(update) if seen.insert(update.name.clone()) => updates.push(update),
            Ok(RefUpdate { name, .. }) => {
                problems.push(LineProblem { line, name: Some(name), fault: LineFault::Duplicate });
            }
            Err((name, fault)) => problems.push(LineProblem { line, name, fault }),
        }
    }
    if problems.is_empty() { Ok(updates) } else { Err(problems) }
}

fn parse_line(whole: &[u8], format: Kind) -> Result<RefUpdate, (Option<RefName>, LineFault)> {
    // The name may be cut too, so it is not repeated to anybody.
    let line = whole.strip_suffix(b"\n").ok_or((None, LineFault::Truncated))?;
    let mut parts = line.splitn(3, |&b| b == b' ');
    let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err((None, LineFault::Shape));
    };
    if name.is_empty() || name.contains(&0) {
        return Err((None, LineFault::Shape));
    }
    let name = RefName::new(name);
    match parse_change(old, new, format) {
        Ok(change) => Ok(RefUpdate { name, change }),
        Err(fault) => Err((Some(name), fault)),
    }
}

fn parse_change(old: &[u8], new: &[u8], format: Kind) -> Result<Change, LineFault> {
    match (parse_id(old, format)?, parse_id(new, format)?) {
        (None, None) => Err(LineFault::NullNull),
        (Some(old), Some(new)) if old == new => Err(LineFault::SameValue),
        (Some(old), Some(new)) => Ok(Change::Update { old, new }),
        (None, Some(new)) => Ok(Change::Create { new }),
        (Some(old), None) => Ok(Change::Delete { old }),
    }
}

/// The id, or `None` for the all-zero one.
fn parse_id(hex: &[u8], format: Kind) -> Result<Option<ObjectId>, LineFault> {
    let wanted = format.len_in_hex();
    if hex.len() != wanted {
        return Err(LineFault::IdLength { found: hex.len(), wanted });
    }
    if !hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(LineFault::IdDigits);
    }
    let id = ObjectId::from_hex(hex).map_err(|_| LineFault::IdDigits)?;
    Ok(Some(id).filter(|id| !id.is_null()))
}

#[cfg(test)]
mod tests;
