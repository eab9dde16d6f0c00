//! What identifies a user identifies nobody else.

use super::Check;
use crate::policy::diag::{At, PolicyCode, Problem};
use std::collections::BTreeMap;

/// Who has what, by kind and folded value.
#[derive(Debug, Default)]
pub(super) struct Taken {
    by: BTreeMap<(&'static str, String), (Box<str>, At)>,
}

impl Check<'_> {
    /// Notes that `user` has `value`; reports it where somebody has it already.
    pub(super) fn take(
        &mut self,
        taken: &mut Taken,
        what: &'static str,
        value: String,
        user: &str,
        at: At,
    ) {
        match taken.by.get(&(what, value.clone())) {
            None => {
                taken.by.insert((what, value), (user.into(), at));
            }
            Some((other, first)) if **other == *user => {
                let problem = Problem::new(
                    PolicyCode::Shared,
                    at,
                    format!("this {what} is given twice for `{user}`"),
                );
                self.problems.push(problem.also(*first, "the other one"));
            }
            Some((other, first)) => {
                let message = format!("`{other}` and `{user}` have the same {what}");
                let problem = Problem::new(PolicyCode::Shared, at, message);
                self.problems.push(problem.also(*first, format!("`{other}` has it here")));
            }
        }
    }
}
