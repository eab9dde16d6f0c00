//! The branch that a policy is pushed to: who may push there decides over everything.

use super::super::diag::At;
use super::super::lockout::{lockout, others_who_may};
use super::super::name::UserName;
use super::Lint;

/// Most people that are named.
const NAMED: usize = 5;

impl Lint<'_> {
    pub(super) fn home(&mut self) {
        let Some(home) = &self.policy.settings.home else { return };
        let server = self.root.table("server");
        let word = server.and_then(|server| server.text("policy-repository"));
        let at = word.map_or(At::top(0), |word| word.at);
        if let Some(why) = lockout(self.policy, home, self.now) {
            let cure = "let somebody who administers push there: no pushed policy is taken before";
            self.report("locked-out", at, why, cure);
        }
        let others = others_who_may(self.policy, home, self.now);
        if !others.is_empty() {
            let mut names: Vec<&str> = others.iter().take(NAMED).map(UserName::as_str).collect();
            if others.len() > NAMED {
                names.push("...");
            }
            let what = format!(
                "who may push there decides over all rights, and not in `[global] administer` are: {}",
                names.join(", ")
            );
            let cure =
                "give the repository a project and a scheme of its own, or let them administer";
            self.report("policy-for-others", at, what, cure);
        }
    }
}
