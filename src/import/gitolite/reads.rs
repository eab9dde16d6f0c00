//! Who may read, which gitolite asks without a ref.
//!
//! Whoever has a permit for a push may read in a policy; so only those who have none need to be named.

use super::conf::Rule;
use super::push::Ground;
use super::world::Person;
use crate::import::page::Entry;
use crate::policy::entry::Permissions;
use std::collections::BTreeSet;

impl Ground<'_> {
    pub(super) fn read_entries(&self, pushes: &[Entry]) -> Vec<Entry> {
        let mut covered: BTreeSet<&Person> = BTreeSet::new();
        for entry in pushes.iter().filter(|entry| !entry.forbid) {
            covered.extend(self.covered(entry));
        }
        let mut entries: Vec<Entry> = Vec::new();
        // Rules that say no more than reading first: they are what people wrote down for it.
        let (plain, writing): (Vec<_>, Vec<_>) = self
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.perm.reads())
            .partition(|(_, rule)| !rule.perm.writes());
        for (at, rule) in plain.into_iter().chain(writing) {
            let entry = self.read(at, rule);
            let mut new = self.covered(&entry);
            new.retain(|person| !covered.contains(person));
            if new.is_empty() {
                continue;
            }
            covered.extend(new);
            match entries.iter_mut().find(|other| other.list("except") == entry.list("except")) {
                Some(other) => {
                    other.add("to", entry.list("to").iter().cloned());
                    other.places.extend(entry.places);
                }
                None => entries.push(entry),
            }
        }
        entries
    }

    fn read(&self, at: usize, rule: &Rule) -> Entry {
        let mut entry = Entry { permissions: Permissions::READ, ..Entry::default() };
        entry.places.insert(rule.place.clone());
        entry.add("to", rule.users.iter().cloned());
        if self.class.deny_rules {
            let denials = self.rules.iter().take(at).filter(|deny| deny.perm.is_deny());
            let named =
                denials.flat_map(|deny| &deny.users).filter(|word| self.touches(word, rule));
            entry.add("except", named.cloned());
        }
        entry
    }

    fn covered(&self, entry: &Entry) -> Vec<&Person> {
        self.meant(entry.list("to"), &entry.list("except").iter().cloned().collect())
    }
}
