//! `ref-name`, `ref-case-conflicts`: what a new ref is called.
//!
//! Knows that only creations are judged: names that exist may be updated and deleted.

use crate::policy::name::UserName;
use crate::policy::pattern::{Broken, Pattern};
use crate::push::{Change, RefName, RefUpdate};

/// Whether the update makes a ref.
#[must_use]
pub const fn is_new(update: &RefUpdate) -> bool {
    matches!(update.change, Change::Create { .. })
}

/// `ref-name`
///
/// # Errors
/// [`Broken`] when the pattern can't be evaluated.
pub fn odd_name(
    name: &RefName,
    asked: &Pattern,
    user: &UserName,
) -> Result<Option<String>, Broken> {
    let short = name.branch().or(name.tag()).unwrap_or(name.as_bytes());
    let text = asked.text().strip_prefix("regex:").unwrap_or(asked.text());
    let fits = asked.matches(short, Some(user))?;
    Ok((!fits).then(|| format!("the name is not as `{text}` asks")))
}
