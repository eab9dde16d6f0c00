//! Which entitlements somebody could ask for, narrowest first.

use crate::policy::entry::Permissions;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::refs::{RefPattern, RefScope, Space};
use crate::policy::span::Span;

/// How much an entitlement lends: a smaller one is the narrower.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breadth {
    // What is for emergencies comes last.
    break_glass: bool,
    refs: u32,
    permissions: u32,
    all_paths: bool,
    repositories: bool,
    duration: Span,
    name: EntitlementName,
}

/// The breadth of an entitlement, to sort by.
#[must_use]
pub fn breadth(name: &EntitlementName, entitlement: &Entitlement) -> Breadth {
    let each = [Permissions::CREATE, Permissions::UPDATE, Permissions::FORCE, Permissions::DELETE];
    let count = each.iter().filter(|one| entitlement.entry.permissions.intersects(**one)).count();
    Breadth {
        break_glass: entitlement.break_glass,
        refs: refs(&entitlement.entry.refs),
        permissions: u32::try_from(count).unwrap_or(u32::MAX),
        all_paths: entitlement.entry.paths.is_none(),
        repositories: entitlement.projects.is_empty(),
        duration: entitlement.max_duration,
        name: name.clone(),
    }
}

/// 0 for exact names, then by how far the widest pattern reaches.
fn refs(scope: &RefScope) -> u32 {
    let widest = scope.include.iter().map(reach).max();
    widest.unwrap_or(u32::MAX)
}

fn reach(one: &RefPattern) -> u32 {
    let Some(glob) = one.pattern.as_glob() else { return 50 };
    if glob.is_literal() {
        return 0;
    }
    let text = one.pattern.text();
    let deep = if text.contains("**") { 40 } else { 10 };
    let open = if one.space == Space::Refs { 5 } else { 0 };
    let spelled = u32::try_from(glob.literal_prefix().len()).unwrap_or(u32::MAX).min(9);
    deep + open + 9 - spelled
}

/// Sorts entitlements that fit, the narrowest first.
pub fn narrowest_first(fitting: &mut [(EntitlementName, Entitlement)]) {
    fitting.sort_by_cached_key(|(name, entitlement)| breadth(name, entitlement));
}
