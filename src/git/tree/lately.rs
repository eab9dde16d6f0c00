//! Which folders were compared lately, to tell what a push has compared again and again.
//!
//! Knows hashes alone, in a table of one size: what is met once may be taken for new again later,
//! and never the other way round but by a chance of one in 2^48.

use gix::ObjectId;
use std::hash::{BuildHasher, RandomState};

/// Hashes that are kept; a power of two.
const SLOTS: usize = 1 << 16;

/// The folders that were compared lately.
pub(super) struct Lately {
    /// Empty until something is compared.
    slots: Vec<u64>,
    /// Keyed, or ids could be found that push each other out.
    hasher: RandomState,
}

impl Lately {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), hasher: RandomState::new() }
    }

    /// Notes that a folder is compared with others, and says whether the very same was done lately.
    pub(super) fn again(&mut self, new: Option<ObjectId>, olds: &[Option<ObjectId>]) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![0; SLOTS];
        }
        // Never that of an empty slot.
        let hash = self.hasher.hash_one((new, olds)) | 1;
        let place = usize::try_from(hash >> 1).unwrap_or_default() % SLOTS;
        self.slots.get_mut(place).is_some_and(|slot| std::mem::replace(slot, hash) == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_folders_are_known_again_and_others_are_not() {
        let id = |byte: u8| Some(ObjectId::from_bytes_or_panic(&[byte; 20]));
        let mut lately = Lately::new();
        assert!(!lately.again(id(1), &[id(2)]));
        assert!(lately.again(id(1), &[id(2)]));
        for (new, olds) in [(id(2), vec![id(1)]), (id(1), vec![id(2), None]), (id(1), vec![None])] {
            assert!(!lately.again(new, &olds));
        }
        assert!(!lately.again(None, &[id(2)]));
    }
}
