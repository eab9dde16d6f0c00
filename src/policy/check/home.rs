//! `[server] policy-repository` and `policy-branch`: where a policy comes from by a push.

use super::Check;
use crate::policy::diag::PolicyCode;
use crate::policy::model::{NoProject, PolicyHome, Project, project_of};
use crate::policy::name::ProjectName;
use crate::policy::raw::{Table, Word};
use std::collections::BTreeMap;

const KEY: &str = "policy-repository";
const BRANCH: &str = "policy-branch";
const DEFAULT_BRANCH: &str = "refs/heads/main";

impl Check<'_> {
    pub(super) fn home(&mut self, server: &Table) -> Option<PolicyHome> {
        let branch = server.text(BRANCH).and_then(|word| self.branch(BRANCH, word));
        let Some(word) = server.text(KEY) else {
            if let Some(item) = server.get(BRANCH) {
                let message = format!("`{BRANCH}` is a branch of the `{KEY}`, and there is none");
                self.report(PolicyCode::PolicyHome, item.key, message);
            }
            return None;
        };
        let repository = self.repository_name(word)?;
        Some(PolicyHome { repository, branch: branch.unwrap_or_else(|| DEFAULT_BRANCH.into()) })
    }

    /// The name of one repository, as projects name them; `.git` may stand behind it.
    fn repository_name(&mut self, Word { text, at }: Word<'_>) -> Option<Box<str>> {
        let name = text.strip_suffix(".git").unwrap_or(text);
        let plain = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.chars().any(char::is_control)
        };
        if name.split('/').all(plain) {
            return Some(name.into());
        }
        let message = format!("`{text}` is not a repository below the server's root");
        let help = "write its folder below the root, as in `admin/policy`";
        self.report_help(PolicyCode::PolicyHome, at, message, help);
        None
    }

    /// Pushes to a repository of no project are refused: no policy could ever come from it.
    pub(super) fn home_has_a_project(
        &mut self,
        home: Option<&PolicyHome>,
        projects: &BTreeMap<ProjectName, Project>,
    ) {
        let word = self.root.table("server").and_then(|server| server.text(KEY));
        let (Some(home), Some(word)) = (home, word) else { return };
        let all = projects.iter().map(|(name, one)| (name, one.repositories.as_slice()));
        let why = match project_of(home.repository.as_bytes(), all) {
            Ok(_) => return,
            Err(NoProject::None) => "no project has it".to_owned(),
            Err(NoProject::Ambiguous(one, two)) => format!("`{one}` and `{two}` both have it"),
        };
        let message = format!("no policy can be pushed to `{}`: {why}", home.repository);
        let help = "name it in `repositories` of one project, where only administrators may push";
        self.report_help(PolicyCode::PolicyHome, word.at, message, help);
    }
}
