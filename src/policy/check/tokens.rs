//! `[tokens]`: how long a personal access token may hold.

use super::Check;
use super::notify::{Address, address};
use crate::policy::diag::{At, PolicyCode, Problem};
use crate::policy::model::TokenSettings;
use crate::policy::raw::{Table, Word};

impl Check<'_> {
    pub(super) fn tokens(&mut self) -> Option<TokenSettings> {
        let root = self.root;
        let table = root.table("tokens")?;
        let at = root.get("tokens").map_or(At::top(0), |item| item.key);
        self.require(table, at, "max-lifetime");
        let longest = self.span(table, "max-lifetime");
        let usual = self.span(table, "default-lifetime");
        let url = self.door(table);
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
        let default_lifetime = usual.unwrap_or(max_lifetime);
        Some(TokenSettings { max_lifetime, default_lifetime, url })
    }

    /// Scheme and host: a path would belong to a repository.
    fn door(&mut self, table: &Table) -> Option<Box<str>> {
        let Word { text, at } = table.text("url")?;
        let what = "`url` is where the HTTP door is, as in `https://git.example.org`";
        let found = self.safe_url(text, at, what);
        if let Some(Address { rest, .. }) = found.then(|| address(text)).flatten()
            && !matches!(rest, "" | "/")
        {
            let message = format!("`{text}`: {what}, nothing after it");
            self.report(PolicyCode::BadUrl, at, message);
        }
        Some(text.trim_end_matches('/').into())
    }
}
