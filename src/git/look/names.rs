//! Names of new refs: the project's convention, and twins that differ only in case.
//!
//! Knows how to meet all names once for all refs; what alike means is `push::hygiene`'s matter.

use super::tally::Tally;
use crate::check::{Asked, Found, Subject, refs};
use crate::git::GitError;
use crate::git::refs::Refs;
use crate::policy::checks::Rule;
use crate::policy::name::UserName;
use crate::push::RefName;
use crate::push::hygiene::CaseTwins;
use std::collections::HashMap;

/// Judges `ref-name` and `ref-case-conflicts`.
pub(super) fn judge(
    all: &Refs,
    asked: &[Asked<'_>],
    user: &UserName,
    tally: &mut Tally<'_>,
) -> Result<(), GitError> {
    let mut twins = Vec::new();
    for (at, one) in asked.iter().enumerate().filter(|(_, asked)| refs::is_new(asked.update)) {
        for (run, check) in one.runs.iter().enumerate() {
            for (rule, asked) in check.check.rules.iter().enumerate() {
                let place = (at, run, rule);
                match asked {
                    Rule::RefName(pattern) => {
                        let found = refs::odd_name(&one.update.name, pattern, user);
                        if let Some(words) = found.map_err(GitError::Pattern)? {
                            tally.tell(place, found_on_ref(words.into_bytes()));
                        }
                    }
                    Rule::RefCaseConflicts => twins.push((place, &one.update.name)),
                    _ => {}
                }
            }
        }
    }
    if twins.is_empty() {
        return Ok(());
    }
    let created: Vec<&RefName> = asked
        .iter()
        .filter(|asked| refs::is_new(asked.update))
        .map(|asked| &asked.update.name)
        .collect();
    let mut met = CaseTwins::new(&created);
    all.each_name(&mut |name| met.meet(name))?;
    let faults: HashMap<RefName, String> =
        met.faults().into_iter().map(|(name, fault)| (name, fault.to_string())).collect();
    for (place, name) in twins {
        if let Some(words) = faults.get(name) {
            tally.tell(place, found_on_ref(words.clone().into_bytes()));
        }
    }
    Ok(())
}

const fn found_on_ref(words: Vec<u8>) -> Found {
    Found { subject: Subject::Ref, words }
}
