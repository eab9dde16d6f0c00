//! What `[server] secure-mode = true` rules out: whoever reads or writes is somebody whom the policy
//! knows, and who has proved it.

use super::Check;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::raw::Table;

impl Check<'_> {
    /// `anyone` among those who get a right.
    pub(super) fn secure_reader(&mut self, at: At) {
        let Some(secure) = self.secure else { return };
        let message = "`anyone` is also people without an identity, and `secure-mode` is on";
        let problem =
            Problem::new(PolicyCode::SecureMode, at, message).also(secure, "it is set here");
        self.problems.push(problem.help("`authenticated` is everybody who is identified"));
    }

    /// Sources that name somebody without a proof that we know of.
    pub(super) fn secure_sources(&mut self, identity: &Table) {
        let Some(secure) = self.secure else { return };
        let listed = identity.texts("sources").map(|words| words.words).unwrap_or_default();
        for word in listed {
            let (code, message, help) = if word.text == "unix" {
                (
                    PolicyCode::SecureMode,
                    "`unix` takes everybody who reaches the hosting account for one person, and \
                     `secure-mode` is on"
                        .to_owned(),
                    "`ssh` and `http` are refwarden's own doors",
                )
            } else if word.text.starts_with("env:") {
                (
                    PolicyCode::SecureSource,
                    format!(
                        "`{}` is as good as the program that sets it, which nobody checks",
                        word.text
                    ),
                    "what that program lets through for reading is its matter alone; `ssh` and `http` \
                     are refwarden's own doors",
                )
            } else {
                continue;
            };
            let problem =
                Problem::new(code, word.at, message).also(secure, "`secure-mode` is set here");
            self.problems.push(problem.help(help));
        }
    }
}
