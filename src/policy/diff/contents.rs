//! Numbers entries by what they say, wherever they are written: schemes that say the same share
//! all work.

use super::super::entry::Entry;
use std::collections::HashMap;

/// The numbers given so far.
#[derive(Default)]
pub(super) struct Contents {
    by_text: HashMap<Vec<u8>, u32>,
    by_address: HashMap<usize, u32>,
}

impl Contents {
    /// The same for two entries that differ at most in their places. Entries must stay where they
    /// are in memory.
    pub(super) fn number(&mut self, entry: &Entry) -> u32 {
        let address = std::ptr::from_ref(entry).addr();
        if let Some(known) = self.by_address.get(&address) {
            return *known;
        }
        let next = u32::try_from(self.by_text.len()).unwrap_or(u32::MAX);
        let number = *self.by_text.entry(text(entry, address)).or_insert(next);
        self.by_address.insert(address, number);
        number
    }

    pub(super) fn numbers(&mut self, entries: &[&Entry]) -> Vec<u32> {
        entries.iter().map(|entry| self.number(entry)).collect()
    }
}

/// All of an entry but its place. One that can't be written down is like no other.
fn text(entry: &Entry, address: usize) -> Vec<u8> {
    let Entry {
        kind,
        place: _,
        permissions,
        to,
        except,
        refs,
        paths,
        when,
        checks,
        reason,
        enforce,
        within,
    } = entry;
    let all = (kind, permissions, to, except, refs, paths, when, checks, reason, (enforce, within));
    postcard::to_stdvec(&all).unwrap_or_else(|_| address.to_le_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::Place;
    use super::super::super::lab::{self, Dice};
    use super::*;

    #[test]
    fn only_the_place_of_an_entry_does_not_count() {
        let mut dice = Dice::new(7);
        let entries: Vec<Entry> = (0..200).map(|_| lab::entry(&mut dice, None)).collect();
        let moved: Vec<Entry> = entries
            .iter()
            .map(|entry| Entry { place: Place { file: 1, line: 7 }, ..entry.clone() })
            .collect();
        let mut contents = Contents::default();
        for (at, one) in entries.iter().enumerate() {
            for (other, two) in entries.iter().zip(&moved).skip(at) {
                let same = Entry { place: one.place, ..other.clone() } == *one;
                assert_eq!(contents.number(one) == contents.number(other), same);
                assert_eq!(contents.number(one) == contents.number(two), same);
            }
        }
    }
}
