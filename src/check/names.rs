//! `case-conflicts`, `reserved-names`: names that Windows or macOS can't keep apart, or can't have.
//!
//! Knows how names fold: canonical decomposition (macOS), upper and then lower case of each
//! character (NTFS, APFS; so `ß` and `ẞ` are `ss` and the Kelvin sign is `k`), and characters that HFS+
//! ignores left out. Names that are not UTF-8 fold their ASCII letters only.

use gix::bstr::ByteSlice as _;
use unicode_normalization::UnicodeNormalization as _;

/// Devices of Windows, with any extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// The name as such a file system compares it.
#[must_use]
pub fn fold(name: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(name) else { return name.to_ascii_lowercase() };
    if text.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let seen = text.chars().filter(|c| !is_ignored(*c));
    let turned = |c: char| c.to_uppercase().flat_map(char::to_lowercase);
    // Twice: the capital `ẞ` is one already, and only its small form is `SS` in capitals.
    seen.nfd().flat_map(turned).flat_map(turned).nfd().collect::<String>().into_bytes()
}

/// Characters that HFS+ leaves out when it compares names (git's `next_hfs_char`).
const fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Why one part of a path is no name on Windows or is another one there.
#[must_use]
pub fn reserved(name: &[u8]) -> Option<&'static str> {
    const ODD: &[u8] = b"<>:\"|?*\\";
    if name.iter().any(|byte| *byte < 0x20 || ODD.contains(byte)) {
        return Some("Windows has no names with control characters or one of `<>:\"|?*\\`");
    }
    if name.ends_with(b".") || name.ends_with(b" ") {
        return Some("Windows drops a dot or blank at the end of a name");
    }
    if is_git(name) {
        return Some("this is `.git` to Windows or macOS");
    }
    let folded = fold(name);
    let stem = folded.split(|byte| *byte == b'.').next().unwrap_or_default();
    is_device(stem.trim_ascii_end()).then_some("this is a device on Windows")
}

/// Whether one part of a path may lead to `.git` on Windows or macOS: case and ignored characters
/// do not count, nor do dots and blanks at the end or a stream of NTFS (`.git::$INDEX_ALLOCATION`).
#[must_use]
pub fn is_git(name: &[u8]) -> bool {
    let folded = fold(name);
    let stem = folded.split(|byte| *byte == b':').next().unwrap_or_default();
    let stem = stem.trim_end_with(|c| matches!(c, '.' | ' '));
    stem == b".git" || is_short_git(stem)
}

/// `git~1` and the like: the short name that NTFS gives `.git`.
fn is_short_git(folded: &[u8]) -> bool {
    let digits = folded.strip_prefix(b"git~").unwrap_or_default();
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn is_device(stem: &[u8]) -> bool {
    let Ok(stem) = std::str::from_utf8(stem) else { return false };
    let stem = stem.to_uppercase();
    let number = stem.strip_prefix("COM").or(stem.strip_prefix("LPT"));
    let is_number =
        |text: &str| matches!(text, "¹" | "²" | "³") || matches!(text.as_bytes(), [b'0'..=b'9']);
    DEVICES.contains(&stem.as_str()) || number.is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &[u8], other: &[u8]) -> bool {
        fold(one) == fold(other)
    }

    #[test]
    fn names_that_differ_in_case_or_in_how_they_are_composed_are_alike() {
        for (one, other) in [
            ("README", "readme"),
            ("É", "e\u{301}"),
            ("\u{e9}", "E\u{301}"),
            ("straße", "STRASSE"),
            ("STRA\u{1e9e}E", "strasse"),
            ("STRA\u{1e9e}E", "straße"),
            ("\u{212a}ey", "key"),
            ("Σ", "ς"),
            ("a\u{200d}b", "ab"),
            ("ﬀ", "FF"),
        ] {
            assert!(alike(one.as_bytes(), other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("e", "é"), ("a", "a "), ("", "a")] {
            assert!(!alike(one.as_bytes(), other.as_bytes()), "{one} {other}");
        }
        assert!(alike(b"A\xff", b"a\xff") && !alike(b"\xfe", b"\xff"));
    }

    #[test]
    fn names_that_windows_can_t_have_are_reserved() {
        for name in [
            "CON",
            "nul",
            "aux.txt",
            "Aux.tar.gz",
            "nul .txt",
            "com1",
            "LPT9.x",
            "COM²",
            "conin$",
            "a.",
            "a ",
            "...",
            "a:b",
            "a\\b",
            "what?",
            "tab\there",
            "git~1",
            "GIT~2",
            ".GIT",
            ".g\u{200c}it",
            ".git ",
            ".git.",
        ] {
            assert!(reserved(name.as_bytes()).is_some(), "{name:?}");
        }
        for name in [
            "console",
            "auxiliary.c",
            "com",
            "com10",
            "COMA",
            "nul-test",
            ".gitignore",
            "git~",
            "git~x",
            "a.b",
            " a",
            "é",
            "lpt",
            "x.con",
            ".con",
        ] {
            assert_eq!(reserved(name.as_bytes()), None, "{name:?}");
        }
        assert_eq!(reserved(b"\xff\xfe"), None);
    }
}
