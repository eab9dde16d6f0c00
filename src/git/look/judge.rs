//! One commit before all rules of all checks that it is new to: its text is read once, its trees
//! are compared once.

use super::commit::{self, Seen};
use super::paint::{Bits, bits};
use super::path::Files;
use super::ready::{OfCommit, Ready};
use crate::check::modules;
use crate::check::text::CommitText;
use crate::check::{Found, People, Subject};
use crate::git::GitError;
use crate::git::commits::{Commit, History, Node};
use crate::git::limits::Meter;
use crate::git::tree::{Difference, Trees};
use gix::ObjectId;

/// Tells of a violation: of which side, which rule.
pub(super) type Tell<'a> = &'a mut dyn FnMut(usize, usize, Found);

/// What is needed to judge commits.
pub(super) struct Judge<'a> {
    pub(super) history: &'a History,
    pub(super) people: &'a dyn People,
    pub(super) sides: &'a [&'a Ready<'a>],
    pub(super) meter: &'a Meter<'a>,
    files: Files<'a>,
    trees: Trees<'a>,
    text_bits: Bits,
    path_bits: Bits,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        history: &'a History,
        people: &'a dyn People,
        sides: &'a [&'a Ready<'a>],
        meter: &'a Meter<'a>,
    ) -> Self {
        let having = |has: fn(&Ready<'_>) -> bool| {
            sides.iter().zip(bits()).filter(|(ready, _)| has(ready)).map(|(_, bit)| bit).sum()
        };
        Self {
            history,
            people,
            sides,
            meter,
            files: Files::new(history, people.pusher(), meter),
            trees: Trees::new(history),
            text_bits: having(|ready| !ready.of_commit.is_empty()),
            path_bits: having(|ready| !ready.of_path.is_empty()),
        }
    }

    /// What was compared until now counts as new: it is this server that looks at it once more.
    pub(super) fn forget(&mut self) {
        self.trees = Trees::new(self.history);
    }

    /// Judges a commit for the sides of `bits`; `tree` gives the trees of its parents.
    pub(super) fn commit(
        &mut self,
        node: Node,
        commit: &Commit,
        bits: Bits,
        tree: &dyn Fn(Node) -> Result<ObjectId, GitError>,
        tell: Tell<'_>,
    ) -> Result<(), GitError> {
        self.meter.step()?;
        let id = self.history.id(node)?;
        if bits & self.text_bits != 0 {
            self.text(id, commit, bits, tell)?;
        }
        if bits & self.path_bits != 0 {
            let parents = commit.parents.iter().map(|parent| tree(*parent));
            let parents = parents.collect::<Result<Vec<_>, _>>()?;
            self.paths(id, commit.tree, &parents, bits, tell)?;
        }
        Ok(())
    }

    fn text(
        &self,
        id: ObjectId,
        commit: &Commit,
        new_to: Bits,
        tell: Tell<'_>,
    ) -> Result<(), GitError> {
        let object = commit::read(self.history, id, commit.size, self.meter)?;
        let seen = Seen {
            raw: &object.data,
            text: CommitText::parse(&object.data),
            parents: commit.parents.len(),
            format: self.history.objects.format(),
        };
        for (side, (ready, _)) in of(self.sides, new_to) {
            for (rule, asked) in &ready.of_commit {
                // Each rule goes over all of it.
                match asked {
                    OfCommit::Signed => self.meter.time()?,
                    _ => self.meter.bytes(object.data.len() as u64)?,
                }
                if let Some(words) = commit::judge(asked, &seen, self.people)? {
                    tell(side, *rule, Found { subject: Subject::Object(id), words });
                }
            }
        }
        Ok(())
    }

    fn paths(
        &mut self,
        id: ObjectId,
        tree: ObjectId,
        parents: &[ObjectId],
        new_to: Bits,
        tell: Tell<'_>,
    ) -> Result<(), GitError> {
        let (files, sides, meter, history) = (&self.files, self.sides, self.meter, self.history);
        let modules = || {
            let root = history.objects.get(&tree)?.0;
            Ok(entry(&root.data, modules::FILE, history.objects.format()))
        };
        self.trees.each_difference(tree, parents, meter, &mut |difference| {
            meter.step()?;
            for (side, (ready, _)) in of(sides, new_to) {
                for (rule, asked) in &ready.of_path {
                    let mut found = |line, words| {
                        let path = difference.path.clone();
                        let subject = Subject::Path { commit: Some(id), path, line };
                        tell(side, *rule, Found { subject, words });
                    };
                    files.judge(asked, difference, &modules, &mut found)?;
                }
            }
            Ok(())
        })
    }

    /// Compares two trees; for net differences.
    pub(super) fn compare(
        &mut self,
        new: ObjectId,
        olds: &[ObjectId],
        show: &mut dyn FnMut(&Files<'_>, &Difference<'_>) -> Result<(), GitError>,
    ) -> Result<(), GitError> {
        let files = &self.files;
        self.trees.each_difference(new, olds, self.meter, &mut |difference| {
            if difference.is_settled || difference.is_folder() {
                return Ok(());
            }
            show(files, difference)
        })
    }
}

/// The sides of `bits`.
fn of<'r, 'a>(
    sides: &'r [&'a Ready<'a>],
    new_to: Bits,
) -> impl Iterator<Item = (usize, (&'r Ready<'a>, Bits))> {
    sides.iter().copied().zip(bits()).enumerate().filter(move |(_, (_, bit))| new_to & bit != 0)
}

/// The blob of a name in a tree's text.
fn entry(tree: &[u8], name: &[u8], format: gix::hash::Kind) -> Option<ObjectId> {
    let entries = gix::objs::TreeRefIter::from_bytes(tree, format);
    let mut entries = entries.filter_map(Result::ok);
    entries.find(|entry| entry.filename == name && entry.mode.is_blob()).map(|e| e.oid.to_owned())
}
