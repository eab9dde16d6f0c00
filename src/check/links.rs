//! `symlinks = "inside"`: links that stay in the tree.
//!
//! Knows a link's place and its target, and no other link: a target that would need one to be
//! looked at is refused. So whatever other links stand in the tree, now or later, none leads out.

use super::names::is_git;
use gix::bstr::ByteSlice;

/// Longest target that is read, in bytes: Linux follows none that is longer.
pub const LONGEST: u64 = 4096;

/// Why the link at `path` may leave the tree, or lead into `.git`, which is not part of it.
#[must_use]
pub fn leaves(path: &[u8], target: &[u8]) -> Option<&'static str> {
    // To git on Windows a backslash parts a target too.
    let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
    let drive = matches!(target, [letter, b':', ..] if letter.is_ascii_alphabetic());
    if target.first().is_none_or(is_slash) || drive {
        return Some("the link's target is absolute or empty");
    }
    let depth = path.find_iter(b"/").count();
    let (mut up, mut named) = (0, false);
    for part in target.split(is_slash) {
        match part {
            b"" | b"." => {}
            b".." if named => {
                return Some(
                    "the link's target goes up behind a name, so others could lead it out",
                );
            }
            b".." => up += 1,
            _ if is_git(part) => return Some("the link's target leads into `.git`"),
            _ => named = true,
        }
    }
    (up > depth).then_some("the link's target is outside of the tree")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_inside_however_others_are_set_and_however_git_s_folder_is_spelt() {
        for (path, target) in [
            ("a", "b"),
            ("a", "./b/c"),
            ("d/a", "../b"),
            ("d/e/a", "../../b/c"),
            ("d/a", ".."),
            ("a", "b//c"),
            ("a", "..b"),
            ("a", "..."),
            ("a", ".gitignore"),
            ("a", "git~x"),
            ("a", "x.git"),
        ] {
            assert_eq!(leaves(path.as_bytes(), target.as_bytes()), None, "{path} {target}");
        }
        for (path, target) in [
            ("a", ".."),
            ("a", "../b"),
            ("d/a", "../../b"),
            ("d/a", "./../../b"),
            ("a", "/etc/passwd"),
            ("a", ""),
            ("a", "b/../../c"),
            // `b` may itself be a link to somewhere higher up.
            ("d/a", "b/.."),
            ("a", ".git/hooks/x"),
            ("a", ".GIT"),
            ("a", "git~1/hooks/x"),
            ("a", "GIT~2"),
            ("a", ".git /hooks"),
            ("a", ".git./x"),
            ("a", ".git. . /x"),
            ("a", ".git::$INDEX_ALLOCATION/x"),
            ("a", "git~1:x"),
            ("a", ".g\u{200c}it/x"),
            ("a", ".git\u{200c} /x"),
            ("d/a", "../.git\\hooks\\x"),
            ("d/a", "..\\..\\x"),
            ("a", "C:\\x"),
            ("a", "c:x"),
            ("a", "\\\\host\\x"),
        ] {
            assert!(leaves(path.as_bytes(), target.as_bytes()).is_some(), "{path} {target}");
        }
    }
}
