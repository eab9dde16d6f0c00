//! Who looks: each check once, with the refs on which the same commits are new to it.
//!
//! Knows which values are known to a check from the start: those that the pushed refs had.

use crate::check::{Asked, Knows, refs};
use crate::git::GitError;
use crate::git::commits::{History, Node};
use crate::git::limits::Meter;
use crate::policy::checks::{Check, Rule};
use gix::ObjectId;

/// A check and the refs on which it is run.
pub(super) struct Side<'a> {
    pub(super) check: &'a Check,
    pub(super) knows: Knows<'a>,
    /// The refs, with what stands for a commit in them.
    pub(super) seats: Vec<Seat>,
    /// Values known from the start.
    pub(super) olds: Vec<Node>,
    /// For one ref alone: its old value is known by no other.
    alone: Option<usize>,
}

/// One ref on which a check is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Which of the asked.
    pub(super) at: usize,
    /// Which of its runs.
    pub(super) run: usize,
    pub(super) tip: Node,
}

/// One pushed ref: its values, as commits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) old: Option<Node>,
    /// `None` for what stands for no commit, and for deletions.
    pub(super) new: Option<Node>,
}

/// The values of each ref.
pub(super) fn ends(
    history: &History,
    asked: &[Asked<'_>],
    meter: &Meter<'_>,
) -> Result<Vec<Ends>, GitError> {
    let peel = |id: Option<ObjectId>| match id {
        Some(id) => history.peel(id, meter)?.map(|id| history.node(id)).transpose(),
        None => Ok(None),
    };
    let ends = |asked: &Asked<'_>| {
        let change = asked.update.change;
        let new = peel(change.new_id())?;
        // Nobody looks at the old value of a ref that goes away.
        let old = if new.is_some() { peel(change.old())? } else { None };
        Ok(Ends { old, new })
    };
    asked.iter().map(ends).collect()
}

/// Brings runs of one check together.
pub(super) fn of<'a>(asked: &[Asked<'a>], ends: &[Ends]) -> Result<Vec<Side<'a>>, GitError> {
    let mut sides: Vec<Side<'a>> = Vec::new();
    for (at, (asked, ends)) in asked.iter().zip(ends).enumerate() {
        let Some(tip) = ends.new else { continue };
        for (index, run) in asked.runs.iter().enumerate() {
            if !run.check.rules.iter().any(needs_commits) {
                continue;
            }
            let name = asked.update.name.as_bytes();
            let shares =
                refs::is_new(asked.update) || (run.knows)(name).map_err(GitError::Pattern)?;
            let alone = (!shares).then_some(at);
            let same =
                |side: &&mut Side<'_>| std::ptr::eq(side.check, run.check) && side.alone == alone;
            let seat = Seat { at, run: index, tip };
            let old = ends.old;
            if let Some(side) = sides.iter_mut().find(same) {
                side.seats.push(seat);
                side.olds.extend(old);
            } else {
                let (check, knows) = (run.check, run.knows);
                let olds = old.into_iter().collect();
                sides.push(Side { check, knows, seats: vec![seat], olds, alone });
            }
        }
    }
    Ok(sides)
}

/// Whether a rule looks at commits, or at what they change.
pub(super) const fn needs_commits(rule: &Rule) -> bool {
    !matches!(
        rule,
        Rule::AnnotatedTags
            | Rule::Signed { commits: false, .. }
            | Rule::RefName(_)
            | Rule::RefCaseConflicts
    )
}
