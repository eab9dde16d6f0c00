//! Whether two sets of refs or paths have members in common, or one lies in the other.
//!
//! Where a user's name stands in a set any name may; what is too large to tell is taken to overlap,
//! and not to lie inside.

use crate::import::perl::Set;
use crate::policy::diff::walk::{BAD_REF, Machine, path_alphabet, ref_alphabet, walk};
use std::cell::RefCell;
use std::collections::HashMap;

/// How one set lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lie {
    /// They have members in common.
    pub meets: bool,
    /// The first has no member that the second lacks.
    pub inside: bool,
}

/// Answers, remembered.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    known: RefCell<HashMap<(String, String, bool), Lie>>,
}

impl Overlaps {
    /// How refs lie to refs.
    pub(super) fn refs(&self, one: &Set, other: &Set) -> Lie {
        self.sets(one, other, true)
    }

    /// How changed paths, `VREF/NAME/` before them, lie to others.
    pub(super) fn paths(&self, one: &Set, other: &Set) -> Lie {
        self.sets(one, other, false)
    }

    /// Whether a set of refs has any below this folder.
    pub(super) fn has_below(&self, set: &Set, folder: &str) -> bool {
        Set::read(&format!("^{folder}"), false).is_ok_and(|below| self.refs(set, &below).meets)
    }

    fn sets(&self, one: &Set, other: &Set, refs: bool) -> Lie {
        if one == other {
            return Lie { meets: true, inside: true };
        }
        let key = (one.to_regex(None), other.to_regex(None), refs);
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        let mut lie = compared(&key.0, &key.1, refs).unwrap_or(Lie { meets: true, inside: false });
        // One name may stand in both, or two.
        lie.inside &= !other.has_user();
        self.known.borrow_mut().insert(key, lie);
        lie
    }
}

fn compared(one: &str, other: &str, refs: bool) -> Option<Lie> {
    let none = r"[^\x00-\xff]";
    let (bad, prefix, alphabet): (&str, &[u8], Vec<u8>) = match refs {
        true => (BAD_REF, b"refs/", ref_alphabet()),
        false => (none, b"VREF/NAME/", path_alphabet()),
    };
    let machine = Machine::new(&[bad.to_owned(), one.to_owned(), other.to_owned()]).ok()?;
    let real = |_: &[u8], found: &[usize]| (!found.contains(&0)).then_some(());
    let found = walk(prefix, &alphabet, (&machine, None), real).ok()?;
    let meets = found.iter().any(|one| one.first == [1, 2]);
    let inside = !found.iter().any(|one| one.first == [1]);
    Some(Lie { meets, inside })
}
