//! Parts of a policy whose meaning is not built yet: their syntax is checked, they are noted, and
//! `policy apply` refuses them, so that nothing that is written is ignored.

use super::Check;
use crate::policy::raw::Table;

impl Check<'_> {
    /// Sections that later parts of refwarden will read.
    pub(super) fn later_parts(&mut self) {}

    pub(super) fn unbuilt_settings(&mut self, server: &Table) {
        if let Some(item) = server.get("policy-repository") {
            self.mark_unbuilt("`[server] policy-repository`", item.key);
        }
    }
}
