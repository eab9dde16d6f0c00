//! `forbid-paths`, `only-paths`, `max-path-length`: where files lie.
//!
//! Knows that every change of a path counts, a deletion too; only new paths are too long.

use crate::policy::name::UserName;
use crate::policy::pattern::Broken;
use crate::policy::refs::{ChangedPath, PathScope};
use gix::bstr::ByteSlice;

/// `forbid-paths`
///
/// # Errors
/// [`Broken`] when a pattern can't be evaluated.
pub fn forbidden(
    scope: &PathScope,
    path: &ChangedPath,
    user: &UserName,
) -> Result<Option<&'static str>, Broken> {
    Ok(scope.forbids(path, Some(user))?.then_some("this path may not change"))
}

/// `only-paths`
///
/// # Errors
/// [`Broken`] when a pattern can't be evaluated.
pub fn outside(
    scope: &PathScope,
    path: &ChangedPath,
    user: &UserName,
) -> Result<Option<&'static str>, Broken> {
    Ok((!scope.permits(path, Some(user))?).then_some("only other paths may change"))
}

/// `max-path-length`: in UTF-16 units, as Windows counts; in bytes where the path is no UTF-8.
#[must_use]
pub fn too_long(path: &[u8], most: u32) -> Option<String> {
    let length = path.to_str().map_or(path.len(), |text| text.encode_utf16().count());
    let fits = u32::try_from(length).is_ok_and(|length| length <= most);
    (!fits).then(|| format!("the path has {length} characters, at most {most} may be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_as_windows_counts_and_in_bytes_for_what_is_no_text() {
        assert_eq!(too_long(b"abc", 3), None);
        assert!(too_long(b"abcd", 3).unwrap().contains("has 4 characters"));
        // One unit for `é`, two for what lies outside the first plane.
        assert_eq!(too_long("éé".as_bytes(), 2), None);
        assert!(too_long("a🦀".as_bytes(), 2).is_some());
        assert!(too_long(b"\xff\xfe\xfd", 2).is_some());
    }
}
