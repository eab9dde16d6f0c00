//! Rules about refs as permits and forbids.
//!
//! A denial takes refs from every later permit of the people whom it names. Where it takes nothing from
//! what they were allowed before, a forbid says the same; else each later permit is cut: one permit for
//! those whom no such denial names, and one for each group of people whom the same ones do.

use super::conf::Rule;
use super::overlap::Overlaps;
use super::world::{Class, Person, World};
use crate::import::Notes;
use crate::import::page::Entry;
use crate::import::perl::{Branch, Said, Set};
use crate::policy::entry::Permissions;
use std::collections::{BTreeMap, BTreeSet};

/// One list of rules, and those whom it is about.
pub(super) struct Ground<'a> {
    pub world: &'a World<'a>,
    pub class: &'a Class,
    pub rules: Vec<&'a Rule>,
    pub people: Vec<Person>,
    pub overlaps: &'a Overlaps,
    /// Further folders that a permit for every ref names.
    pub folders: &'a [String],
}

impl Ground<'_> {
    pub(super) fn is_in(&self, person: &Person, rule: &Rule) -> bool {
        self.world.is_in(person, &rule.users)
    }

    /// What gitolite asks before it knows a ref: whether anything at all may be written.
    pub(super) fn may_write(&self, person: &Person) -> bool {
        for rule in self.rules.iter().filter(|rule| self.is_in(person, rule)) {
            if rule.perm.is_deny() && self.class.deny_rules {
                return false;
            }
            if rule.perm.writes() {
                return true;
            }
        }
        false
    }

    /// What the letters of a rule allow here.
    pub(super) fn permissions(&self, rule: &Rule) -> Permissions {
        let when = |is: bool, permission: Permissions| {
            if is { permission } else { Permissions::default() }
        };
        let (force, class) = (rule.perm.has('+'), self.class);
        let create = !class.create_is_c || rule.perm.has('C');
        let delete = if class.delete_is_d { rule.perm.has('D') } else { force };
        let moves = !self.lacks_merges(rule);
        when(create, Permissions::CREATE)
            .with(when(moves, Permissions::UPDATE))
            .with(when(moves && force, Permissions::FORCE))
            .with(when(delete, Permissions::DELETE))
    }

    /// Whether merges are asked for that this rule does not allow.
    pub(super) fn lacks_merges(&self, rule: &Rule) -> bool {
        self.class.merge_check && !rule.perm.has('M')
    }

    /// The people whom an entry with these lists would speak about.
    pub(super) fn meant(&self, to: &[String], except: &BTreeSet<String>) -> Vec<&Person> {
        let except: Vec<String> = except.iter().cloned().collect();
        let all = self.people.iter().filter(|person| self.world.is_in(person, to));
        all.filter(|person| !self.world.is_in(person, &except)).collect()
    }

    /// A list of people by name that means exactly these, where there is one.
    pub(super) fn by_name(&self, wanted: &[&Person]) -> Option<Vec<String>> {
        let names: Option<BTreeSet<String>> =
            wanted.iter().map(|person| person.name.clone()).collect();
        let names: Vec<String> = names?.into_iter().collect();
        let meant = self.meant(&names, &BTreeSet::new());
        meant.iter().all(|person| wanted.contains(person)).then_some(names)
    }

    pub(super) fn entries(&self, notes: &mut Notes) -> Vec<Entry> {
        let mut entries = Vec::new();
        let forbids: Vec<bool> = (0..self.rules.len()).map(|at| self.is_forbid(at)).collect();
        for (at, rule) in self.rules.iter().enumerate() {
            if rule.perm.is_deny() && forbids.get(at) == Some(&true) {
                entries.extend(self.forbid(rule));
            } else if rule.perm.writes() && !rule.refs.is_empty() {
                self.permits(at, rule, &forbids, &mut entries, notes);
            }
        }
        entries
    }

    /// Whether the denial takes nothing from what was allowed before to those whom it names.
    fn is_forbid(&self, at: usize) -> bool {
        let Some(deny) = self.rules.get(at).filter(|r| r.perm.is_deny() && !r.refs.is_empty())
        else {
            return false;
        };
        let earlier = self.rules.iter().take(at).filter(|r| r.perm.writes() && !r.refs.is_empty());
        let named: Vec<&Person> = self.people.iter().filter(|p| self.is_in(p, deny)).collect();
        earlier.into_iter().all(|allow| {
            let shared = named.iter().any(|person| self.is_in(person, allow));
            !shared || !self.meets(&allow.refs, &deny.refs)
        })
    }

    fn meets(&self, one: &[Set], other: &[Set]) -> bool {
        one.iter().any(|a| other.iter().any(|b| self.overlaps.refs(a, b).meets))
    }

    fn forbid(&self, rule: &Rule) -> Option<Entry> {
        let mut entry = Entry { forbid: true, permissions: Permissions::WRITE, ..Entry::default() };
        if !rule.users.iter().any(|user| user == "@all") {
            entry.add("to", rule.users.iter().cloned());
        }
        entry.places.insert(rule.place.clone());
        self.with_refs(&mut entry, &rule.refs, false).then_some(entry)
    }

    fn permits(
        &self,
        at: usize,
        rule: &Rule,
        forbids: &[bool],
        entries: &mut Vec<Entry>,
        notes: &mut Notes,
    ) {
        let permissions = self.permissions(rule);
        if self.lacks_merges(rule) {
            let words = "only pushes without a merge, which no permit can tell: these people create and \
                         delete as before, and move nothing";
            notes.lost(&rule.place, words);
        }
        if permissions.is_empty() {
            return;
        }
        let earlier = self.rules.iter().enumerate().take(at);
        let cuts: Vec<(usize, &Rule)> = earlier
            .filter(|(at, deny)| deny.perm.is_deny() && forbids.get(*at) != Some(&true))
            .filter(|(_, deny)| self.meets(&rule.refs, &deny.refs))
            .map(|(at, deny)| (at, *deny))
            .collect();
        let mut groups: BTreeMap<BTreeSet<usize>, Vec<&Person>> = BTreeMap::new();
        for person in self.people.iter().filter(|p| self.is_in(p, rule) && self.may_write(p)) {
            let cut = cuts.iter().filter(|(_, deny)| self.is_in(person, deny)).map(|(at, _)| *at);
            groups.entry(cut.collect()).or_default().push(person);
        }
        for (cut, people) in groups {
            let (inside, outside): (Vec<&Rule>, Vec<&Rule>) = {
                let (inside, outside): (Vec<_>, Vec<_>) =
                    cuts.iter().partition(|(at, _)| cut.contains(at));
                (
                    inside.iter().map(|(_, r)| *r).collect(),
                    outside.iter().map(|(_, r)| *r).collect(),
                )
            };
            let Some((include, exclude)) = self.left(&rule.refs, &inside) else { continue };
            let except: BTreeSet<String> =
                outside.iter().flat_map(|deny| &deny.users).cloned().collect();
            let mut entry = Entry { permissions, ..Entry::default() };
            if !self.speaks_for(&mut entry, (at, rule), &except, &people) {
                let words = "only some of these people, whom no list of holders can tell from the others: \
                             they have nothing by this rule";
                notes.lost(&rule.place, words);
                continue;
            }
            entry.places.insert(rule.place.clone());
            entry.places.extend(inside.iter().map(|deny| deny.place.clone()));
            self.elsewhere(rule, &include, notes);
            if self.with_refs(&mut entry, &include, true) && self.without_refs(&mut entry, &exclude)
            {
                entries.push(entry);
            }
        }
    }

    /// Says whom a permit is for: those of the rule but for some, or these people by name.
    fn speaks_for(
        &self,
        entry: &mut Entry,
        (at, rule): (usize, &Rule),
        except: &BTreeSet<String>,
        people: &[&Person],
    ) -> bool {
        // Where denials count before a ref is known, they shut people out altogether.
        let denials =
            self.rules.iter().take(at).filter(|r| r.perm.is_deny() && self.class.deny_rules);
        let mut shut = except.clone();
        shut.extend(denials.flat_map(|deny| deny.users.iter().cloned()));
        for except in [except, &shut] {
            let except = except.iter().filter(|word| self.touches(word, rule)).cloned().collect();
            let meant = self.meant(&rule.users, &except);
            // Those from whom fewer denials take are meant too, by a permit for no more than they have.
            let fits = meant.iter().all(|person| self.may_write(person));
            if fits && people.iter().all(|person| meant.contains(person)) {
                entry.add("to", rule.users.iter().cloned());
                entry.add("except", except);
                return true;
            }
        }
        let names = self.by_name(people);
        entry.add("to", names.iter().flatten().cloned());
        names.is_some()
    }

    /// Whether a word means anybody whom the rule is about.
    pub(super) fn touches(&self, word: &str, rule: &Rule) -> bool {
        self.people
            .iter()
            .any(|person| self.world.is_meant(person, word) && self.is_in(person, rule))
    }

    /// What denials leave of refs, and what of them has to be named as left out; `None` where nothing
    /// is left.
    fn left(&self, refs: &[Set], cuts: &[&Rule]) -> Option<(Vec<Set>, Vec<Set>)> {
        let denied: Vec<&Set> = cuts.iter().flat_map(|deny| &deny.refs).collect();
        let left: Vec<Set> = refs
            .iter()
            .filter(|one| !denied.iter().any(|deny| self.overlaps.refs(one, deny).inside))
            .cloned()
            .collect();
        if left.is_empty() {
            return None;
        }
        let needed = denied
            .into_iter()
            .filter(|deny| left.iter().any(|one| self.overlaps.refs(one, deny).meets));
        let needed: Vec<Set> = needed.cloned().collect();
        Some((left, needed))
    }

    /// Says which refs; whether any are left.
    fn with_refs(&self, entry: &mut Entry, refs: &[Set], permit: bool) -> bool {
        let said: Vec<(Said, &Branch)> =
            refs.iter().flat_map(Set::branches).map(|branch| (branch.refs(), branch)).collect();
        if said.iter().any(|(said, _)| *said == Said::All) {
            if permit && !self.folders.is_empty() {
                let usual = ["refs/heads/**".to_owned(), "refs/tags/**".to_owned()];
                entry.add("refs", usual);
                entry.add("refs", self.folders.iter().map(|folder| format!("refs/{folder}/**")));
            }
            return true;
        }
        for (said, branch) in said {
            match said {
                Said::Branch(text) => entry.add("branches", [text]),
                Said::Tag(text) => entry.add("tags", [text]),
                Said::Folder(all) => entry.add("refs", all),
                Said::Refs(text) if !permit || self.is_usual(branch) => entry.add("refs", [text]),
                Said::Refs(_) | Said::All | Said::Nothing => {}
            }
        }
        ["branches", "tags", "refs"].iter().any(|key| !entry.list(key).is_empty())
    }

    /// Refs outside heads and tags are covered by what spells their folder out, and no expression does.
    fn elsewhere(&self, rule: &Rule, refs: &[Set], notes: &mut Notes) {
        let expressions = refs.iter().flat_map(Set::branches);
        let expressions = expressions.filter(|branch| matches!(branch.refs(), Said::Refs(_)));
        let meets = |branch: &Branch, folder: &String| {
            self.overlaps.has_below(&branch.alone(), &format!("refs/{folder}/"))
        };
        for branch in expressions {
            if let Some(folder) = self.folders.iter().find(|folder| meets(branch, folder)) {
                let words = format!("no pattern says which refs of refs/{folder} are meant");
                notes.lost(&rule.place, words);
            }
        }
    }

    /// Whether a permit with an expression for it would cover anything.
    fn is_usual(&self, branch: &Branch) -> bool {
        let set = branch.alone();
        ["refs/heads/", "refs/tags/"].iter().any(|folder| self.overlaps.has_below(&set, folder))
    }

    fn without_refs(&self, entry: &mut Entry, refs: &[Set]) -> bool {
        for branch in refs.iter().flat_map(Set::branches) {
            match branch.refs() {
                Said::All => return false,
                Said::Branch(text) => entry.add("except-branches", [text]),
                Said::Tag(text) => entry.add("except-tags", [text]),
                Said::Folder(all) => entry.add("except-refs", all),
                Said::Refs(text) => entry.add("except-refs", [text]),
                Said::Nothing => {}
            }
        }
        true
    }
}
