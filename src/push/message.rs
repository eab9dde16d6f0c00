//! A commit's message in its two parts, as git tells them apart.
//!
//! Knows what git takes for the subject; not where a message comes from, nor what is asked of it.

use gix::bstr::ByteSlice;
use std::borrow::Cow;

/// The subject as git shows it (`format_subject`): the first paragraph, each line without blanks at
/// its end, joined by one blank. A form feed is a character like any other.
#[must_use]
pub fn subject(message: &[u8]) -> Cow<'_, [u8]> {
    let mut lines = paragraph(message).0.lines().map(trimmed);
    let mut subject = Cow::Borrowed(lines.next().unwrap_or_default());
    for line in lines {
        let subject = subject.to_mut();
        subject.push(b' ');
        subject.extend_from_slice(line);
    }
    subject
}

/// What follows the subject.
#[must_use]
pub fn body(message: &[u8]) -> &[u8] {
    paragraph(message).1
}

/// The first paragraph, and what follows it.
fn paragraph(message: &[u8]) -> (&[u8], &[u8]) {
    let is_blank = |line: &&[u8]| trimmed(line).is_empty();
    let blank: usize = message.lines_with_terminator().take_while(is_blank).map(<[u8]>::len).sum();
    let message = message.get(blank..).unwrap_or_default();
    let lines = message.lines_with_terminator().take_while(|line| !is_blank(line));
    message.split_at_checked(lines.map(<[u8]>::len).sum()).unwrap_or_default()
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.trim_end_with(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_first_paragraph_as_git_log_shows_it() {
        // What `git log --format=%s` prints of each, and what git leaves for the body.
        for (message, shown, rest) in [
            ("one\n\ntwo", "one", "\ntwo"),
            ("PAY-1: x\nsecond line \n third\n\nbody", "PAY-1: x second line  third", "\nbody"),
            ("\n \t\n one \r\ntwo", " one two", ""),
            ("a\n \nb", "a", " \nb"),
            ("a\r\n\r\nb", "a", "\r\nb"),
            ("\x0c\nPAY-1: x\n", "\x0c PAY-1: x", ""),
            ("\x0b\nx", "\x0b x", ""),
            ("x \x0c\ny", "x \x0c y", ""),
            ("evil\rPAY-1: x\n", "evil\rPAY-1: x", ""),
            ("", "", ""),
            ("\n\n", "", ""),
        ] {
            assert_eq!(subject(message.as_bytes()).as_bstr(), shown, "{message:?}");
            assert_eq!(body(message.as_bytes()).as_bstr(), rest, "{message:?}");
        }
    }
}
