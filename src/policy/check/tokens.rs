//! `[tokens]`: how long a personal access token may hold.

use super::Check;
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::model::TokenSettings;

impl Check<'_> {
    pub(super) fn tokens(&mut self) -> Option<TokenSettings> {
        let root = self.root;
        let table = root.table("tokens")?;
        let at = root.get("tokens").map_or(At::top(0), |item| item.key);
        self.require(table, at, "max-lifetime");
        let longest = self.span(table, "max-lifetime");
        let usual = self.span(table, "default-lifetime");
        let max_lifetime = longest?;
        if let (Some(usual), Some(word)) = (usual, table.text("default-lifetime"))
            && usual > max_lifetime
        {
            let message = format!(
                "`default-lifetime` is {usual}, longer than `max-lifetime`, {max_lifetime}"
            );
            let problem = Problem::new(PolicyCode::OverCap, word.at, message);
            let cap = table.text("max-lifetime").map_or(word.at, |cap| cap.at);
            self.problems.push(problem.also(cap, "the cap"));
        }
        Some(TokenSettings { max_lifetime, default_lifetime: usual.unwrap_or(max_lifetime) })
    }
}
