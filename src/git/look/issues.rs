//! `issue`: the issues that a ref and the commits that are new to the check name.
//!
//! Knows which commits count: those of a ref that are no merges. A ref that names an issue names it
//! for all of its commits.

use super::paint::{Bits, bits};
use super::ready::Ready;
use super::sides::{Seat, Side};
use super::tally::{Reach, Tally};
use super::{Known, Push, commit, merges};
use crate::check::issue::{self, Fault, Issues};
use crate::check::text::CommitText;
use crate::check::{Found, Subject};
use crate::git::GitError;
use crate::git::commits::Node;
use crate::git::limits::Meter;
use crate::policy::issue_rule::IssueRule;
use gix::ObjectId;

/// A commit that names no issue, or a wrong one: its words are made again for the few that are shown.
struct Doubtful {
    commit: u32,
    /// It is fine where its ref names an issue.
    by_ref: bool,
}

/// Judges every check that asks for issues.
pub(super) fn judge(
    push: &Push<'_>,
    sides: &[Side<'_>],
    ready: &[&Ready<'_>],
    known: &Known<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), GitError> {
    for ((side, ready), bit) in sides.iter().zip(ready).zip(bits()) {
        let Some((place, rule)) = ready.issue else { continue };
        let one = One { push, known, rule, issues: push.people.issues(), bit, place };
        let doubtful = one.doubtful()?;
        let tips: Vec<Node> = side.seats.iter().map(|seat| seat.tip).collect();
        for seat in &side.seats {
            one.seat(seat, &tips, &doubtful, tally)?;
        }
    }
    Ok(())
}

/// One check's rule.
struct One<'a> {
    push: &'a Push<'a>,
    known: &'a Known<'a>,
    rule: &'a IssueRule,
    issues: &'a dyn Issues,
    bit: Bits,
    /// Which of the check's rules.
    place: usize,
}

impl One<'_> {
    fn doubtful(&self) -> Result<Vec<Doubtful>, GitError> {
        if !issue::looks_at_commits(self.issues) {
            return Ok(Vec::new());
        }
        let meter = Meter::new(self.push.limits);
        let mut all = Vec::new();
        for (index, (node, commit, bits)) in (0..).zip(&self.known.painted.commits) {
            if bits & self.bit == 0 || merges::is_merge(self.push, commit, self.known)? {
                continue;
            }
            let by_ref = match self.commit(*node, commit.size, &meter)?.1 {
                Some(Fault::Unnamed(_)) if self.rule.required => true,
                Some(Fault::Wrong(_)) => false,
                _ => continue,
            };
            all.push(Doubtful { commit: index, by_ref });
        }
        Ok(all)
    }

    fn commit(
        &self,
        node: Node,
        size: u64,
        meter: &Meter<'_>,
    ) -> Result<(ObjectId, Option<Fault>), GitError> {
        meter.step()?;
        // Jira may take its time.
        meter.time()?;
        let id = self.push.history.id(node)?;
        let object = commit::read(self.push.history, id, size, meter)?;
        let text = CommitText::parse(&object.data);
        Ok((id, issue::of_commit(&text, self.rule, self.issues)))
    }

    fn seat(
        &self,
        seat: &Seat,
        tips: &[Node],
        doubtful: &[Doubtful],
        tally: &mut Tally<'_>,
    ) -> Result<(), GitError> {
        let names_one = self.of_ref(seat, tally);
        let mine = |one: &&Doubtful| !(one.by_ref && names_one);
        if !doubtful.iter().any(|one| mine(&one)) {
            return Ok(());
        }
        let meter = Meter::new(self.push.limits);
        let reach = Reach::of(seat.tip, tips, self.bit, self.known, &meter)?;
        let reached = doubtful.iter().filter(mine).filter(|one| reach.has(one.commit));
        let wanted = tally.count(seat, reached.map(|one| (one.commit, self.place, 1)));
        for index in wanted {
            let Some((node, commit, _)) = self.known.painted.commits.get(index as usize) else {
                continue;
            };
            if let (id, Some(Fault::Unnamed(words) | Fault::Wrong(words))) =
                self.commit(*node, commit.size, &meter)?
            {
                let found = Found { subject: Subject::Object(id), words };
                tally.show((seat.at, seat.run, self.place), found);
            }
        }
        Ok(())
    }

    /// What the ref's own issues are worth; whether it names any.
    fn of_ref(&self, seat: &Seat, tally: &mut Tally<'_>) -> bool {
        let Some(asked) = self.push.asked.get(seat.at) else { return false };
        let name = asked.update.name.as_bytes();
        let keys = issue::of_ref(name, self.issues);
        let words = match keys.is_empty() {
            false => issue::wrong(&keys, self.rule, self.issues),
            true => (self.rule.required && !issue::looks_at_commits(self.issues))
                .then(|| issue::unnamed_ref(name, self.issues)),
        };
        if let Some(words) = words {
            let found = Found { subject: Subject::Ref, words: words.into_bytes() };
            tally.tell((seat.at, seat.run, self.place), found);
        }
        !keys.is_empty()
    }
}
