//! The command that an ssh client asked for (`SSH_ORIGINAL_COMMAND`), taken apart.
//!
//! Knows quotes and backslashes as a shell reads them, and nothing else of a shell: whatever would
//! be expanded, piped or chained there is plain text here. Does not know what the words may do.

use crate::door::serve::Service;

/// Longest command, in bytes.
pub const MAX_LINE: usize = 8 * 1024;

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing: somebody only logged in.
    Nothing,
    /// A service of git for a repository, by the name that the client gives it.
    Git(Service, Vec<u8>),
    /// A verb of refwarden's with its arguments.
    Verb(Vec<String>),
}

/// Why a command can't be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Over-long.
    #[error("the command has more than {MAX_LINE} bytes")]
    TooLong,
    /// A newline, a zero byte or the like.
    #[error("the command holds a control character")]
    Control,
    /// A quote that is never closed, or a backslash at the end.
    #[error("a quote in the command is never closed")]
    Open,
    /// Not UTF-8.
    #[error("the command is not UTF-8")]
    Bytes,
    /// A service of git with options, or without exactly one repository.
    #[error("git-{} takes one repository and no options", .0.command())]
    Arguments(Service),
}

/// Takes a command apart.
///
/// # Errors
/// [`LineError`].
pub fn parse(line: &[u8]) -> Result<Line, LineError> {
    if line.len() > MAX_LINE {
        return Err(LineError::TooLong);
    }
    if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(LineError::Control);
    }
    let words = words(line)?;
    let Some((first, rest)) = words.split_first() else { return Ok(Line::Nothing) };
    if let Some((service, arguments)) = service(first, rest) {
        return match arguments {
            [one] if !one.is_empty() && !one.starts_with(b"-") => {
                Ok(Line::Git(service, one.clone()))
            }
            _ => Err(LineError::Arguments(service)),
        };
    }
    let text = |word: Vec<u8>| String::from_utf8(word).map_err(|_| LineError::Bytes);
    words.into_iter().map(text).collect::<Result<_, _>>().map(Line::Verb)
}

/// Whether a git client asks, who understands a refusal in git's own form only.
#[must_use]
pub fn is_for_git(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(b"git-") || line.starts_with(b"git ")
}

/// `git-upload-pack X`, or `git upload-pack X`, as some clients write it.
fn service<'a>(first: &[u8], rest: &'a [Vec<u8>]) -> Option<(Service, &'a [Vec<u8>])> {
    if first != b"git" {
        return Some((Service::named(first)?, rest));
    }
    let (second, rest) = rest.split_first()?;
    Some((Service::named(&[b"git-", second.as_slice()].concat())?, rest))
}

/// Words, quotes and backslashes taken away as a shell does it.
fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, LineError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\'' => single(&mut bytes, word.get_or_insert_default())?,
            b'"' => double(&mut bytes, word.get_or_insert_default())?,
            b'\\' => word.get_or_insert_default().push(bytes.next().ok_or(LineError::Open)?),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single(bytes: &mut impl Iterator<Item = u8>, word: &mut Vec<u8>) -> Result<(), LineError> {
    loop {
        match bytes.next().ok_or(LineError::Open)? {
            b'\'' => return Ok(()),
            byte => word.push(byte),
        }
    }
}

/// Within double quotes a backslash counts only before what would mean something there.
fn double(bytes: &mut impl Iterator<Item = u8>, word: &mut Vec<u8>) -> Result<(), LineError> {
    loop {
        match bytes.next().ok_or(LineError::Open)? {
            b'"' => return Ok(()),
            b'\\' => match bytes.next().ok_or(LineError::Open)? {
                byte @ (b'"' | b'\\' | b'$' | b'`') => word.push(byte),
                byte => word.extend([b'\\', byte]),
            },
            byte => word.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn git(service: Service, repository: &str) -> Result<Line, LineError> {
        Ok(Line::Git(service, repository.into()))
    }

    fn verb(words: &[&str]) -> Result<Line, LineError> {
        Ok(Line::Verb(words.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn what_git_clients_send_is_understood() {
        for line in [
            "git-upload-pack '/srv/git/a.git'",
            "git-upload-pack \"/srv/git/a.git\"",
            "git-upload-pack /srv/git/a.git",
            "git upload-pack '/srv/git/a.git'",
            "  git-upload-pack   /srv/git/a.git  ",
        ] {
            assert_eq!(parse(line.as_bytes()), git(Service::UploadPack, "/srv/git/a.git"));
        }
        assert_eq!(parse(b"git-receive-pack 'a'"), git(Service::ReceivePack, "a"));
        assert_eq!(parse(b"git-upload-archive 'a b'"), git(Service::UploadArchive, "a b"));
        // git writes `'` and `!` so.
        assert_eq!(parse(br"git-upload-pack 'it'\''s'\!"), git(Service::UploadPack, "it's!"));
    }

    #[test]
    fn options_and_further_words_never_reach_git() {
        for line in [
            "git-upload-pack",
            "git-upload-pack ''",
            "git-upload-pack --upload-pack=id a",
            "git-upload-pack '--upload-pack=id'",
            "git-upload-pack -- a",
            "git-upload-pack '-oProxyCommand=id'",
            "git-upload-pack a b",
            "git-upload-pack 'a'; id",
            "git-upload-pack 'a' && id",
            "git-upload-pack 'a' | id",
            "git-upload-pack 'a' > /tmp/x",
        ] {
            let refused = Err(LineError::Arguments(Service::UploadPack));
            assert_eq!(parse(line.as_bytes()), refused, "{line}");
        }
    }

    #[test]
    fn nothing_is_expanded() {
        for text in ["$(id)", "`id`", "$HOME", "~/a", "*", "a;id", "${IFS}", "a&b", "{a,b}", "%00"]
        {
            let line = format!("git-upload-pack {text}");
            assert_eq!(parse(line.as_bytes()), git(Service::UploadPack, text));
            let line = format!("git-upload-pack \"{text}\"").replace('`', "\\`");
            assert_eq!(parse(line.as_bytes()), git(Service::UploadPack, text));
        }
    }

    #[test]
    fn control_characters_and_open_quotes_are_refused() {
        for line in ["git-upload-pack 'a\n'", "who\0", "who\r", "\x1b[2J", "who\n\nid", "a\x7f"] {
            assert_eq!(parse(line.as_bytes()), Err(LineError::Control), "{line:?}");
        }
        for line in ["git-upload-pack 'a", "who \"a", "who \"a\\", "who \\"] {
            assert_eq!(parse(line.as_bytes()), Err(LineError::Open), "{line:?}");
        }
        assert_eq!(parse(b"who \xff"), Err(LineError::Bytes));
        assert_eq!(parse(&[b'a'; MAX_LINE + 1]), Err(LineError::TooLong));
        assert!(parse(&[b'a'; MAX_LINE]).is_ok());
    }

    #[test]
    fn a_repository_s_name_may_be_any_bytes() {
        let expected = Line::Git(Service::UploadPack, b"caf\xe9".to_vec());
        assert_eq!(parse(b"git-upload-pack 'caf\xe9'"), Ok(expected));
    }

    #[test]
    fn everything_else_is_a_verb() {
        assert_eq!(parse(b""), Ok(Line::Nothing));
        assert_eq!(parse(b" \t "), Ok(Line::Nothing));
        assert_eq!(
            parse(br#"access deny 7f3k-92qd --note 'not now' "" a\ b"#),
            verb(&["access", "deny", "7f3k-92qd", "--note", "not now", "", "a b"])
        );
        assert_eq!(parse(b"git"), verb(&["git"]));
        assert_eq!(parse(b"git push"), verb(&["git", "push"]));
        assert_eq!(parse(b"/usr/bin/git-upload-pack a"), verb(&["/usr/bin/git-upload-pack", "a"]));
        assert_eq!(parse(b"git-shell"), verb(&["git-shell"]));
        assert!(is_for_git(b" git-lfs-authenticate a") && !is_for_git(b"gitx"));
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(words in prop::collection::vec("[^\\p{Cc}]{0,12}", 1..6)) {
            prop_assume!(!words[0].starts_with("git"));
            let quote = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
            let single: Vec<String> = words.iter().map(quote).collect();
            prop_assert_eq!(parse(single.join(" ").as_bytes()), Ok(Line::Verb(words.clone())));
            let escape = |word: &String| {
                let text: String = word.chars().flat_map(|c| match c {
                    '"' | '\\' | '$' | '`' => vec!['\\', c],
                    c => vec![c],
                }).collect();
                format!("\"{text}\"")
            };
            let double: Vec<String> = words.iter().map(escape).collect();
            prop_assert_eq!(parse(double.join("\t").as_bytes()), Ok(Line::Verb(words)));
        }

        #[test]
        fn no_line_makes_git_see_an_option(line in "(git-upload-pack|git receive-pack) .{0,40}") {
            if let Ok(Line::Git(_, repository)) = parse(line.as_bytes()) {
                prop_assert!(!repository.is_empty() && !repository.starts_with(b"-"));
            }
        }
    }
}
