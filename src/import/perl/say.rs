//! How a set of texts is written in a policy: as globs where they say the same, else as `regex:`.

use super::{Branch, Node};
use crate::policy::pattern::USER;
use std::fmt::Write as _;

/// Below `refs/`, what has keys of its own.
const HEADS: &[u8] = b"refs/heads/";
const TAGS: &[u8] = b"refs/tags/";

/// One way to match, as a policy says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// Every ref there is.
    All,
    /// A pattern for `branches`.
    Branch(String),
    /// A pattern for `tags`.
    Tag(String),
    /// Patterns for `refs`: globs that spell their folder out.
    Folder(Vec<String>),
    /// A pattern for `refs` that reaches into several folders.
    Refs(String),
    /// No ref at all.
    Nothing,
}

impl Branch {
    /// The refs that it matches.
    #[must_use]
    pub fn refs(&self) -> Said {
        if self.open_back && !self.has_user() && self.is_text(b"refs/") {
            return Said::All;
        }
        let as_text = |said: String, whole: &str| match said.trim_start_matches("regex:") {
            // There a pattern may not begin so; the full name says the same.
            text if text.starts_with("refs/") => Said::Refs(whole.to_owned()),
            _ => said_or_nothing(said),
        };
        if let Some(rest) = self.below(HEADS) {
            return match as_text(rest.pattern(), &format!("regex:{}", self.inner_said())) {
                Said::Branch(text) => Said::Branch(text),
                other => other,
            };
        }
        if let Some(rest) = self.below(TAGS) {
            return match as_text(rest.pattern(), &format!("regex:{}", self.inner_said())) {
                Said::Branch(text) => Said::Tag(text),
                other => other,
            };
        }
        match self.folder() {
            Some(globs) => Said::Folder(globs),
            None => Said::Refs(format!("regex:{}", self.inner_said())),
        }
    }

    /// The paths that it matches, all of them as `**`.
    #[must_use]
    pub fn path(&self) -> String {
        self.pattern()
    }

    /// The same set as globs over repository names, where globs can say it.
    #[must_use]
    pub fn globs(&self) -> Option<Vec<String>> {
        if self.open_front {
            return (self.nodes.is_empty() && self.open_back).then(|| vec!["**".to_owned()]);
        }
        // `x.+` and `x..*` are all that begins with `x` and goes on.
        let goes_on = |node: &Node| {
            *node == Node::Any
                || matches!(node, Node::Repeat(inner, 1, None) if **inner == Node::Any)
        };
        if let Some((last, before)) = self.nodes.split_last()
            && goes_on(last)
            && (self.open_back || *last != Node::Any)
            && (before.is_empty() || before.last() == Some(&Node::Byte(b'/')))
        {
            let folder = glob(before)?;
            return Some(vec![format!("{folder}**")]);
        }
        match self.open_back {
            false => glob(&self.nodes).map(|glob| vec![glob]),
            true => self.beginning(),
        }
    }

    /// Whether it is a plain text that `whole` begins with, `whole` included.
    fn is_text(&self, whole: &[u8]) -> bool {
        let text: Option<Vec<u8>> = self
            .nodes
            .iter()
            .map(|node| if let Node::Byte(byte) = node { Some(*byte) } else { None })
            .collect();
        text.is_some_and(|text| whole.starts_with(&text))
    }

    /// What follows a plain beginning; nothing where a place is asked for that was not the same there.
    fn below(&self, prefix: &[u8]) -> Option<Self> {
        let plain = self.nodes.iter().zip(prefix).all(|(node, byte)| *node == Node::Byte(*byte));
        let rest = self.nodes.get(prefix.len()..).filter(|_| plain && !self.open_front)?;
        if looks_back(rest) {
            return None;
        }
        Some(Self { open_front: false, nodes: rest.to_vec(), open_back: self.open_back })
    }

    /// The same without a plain beginning, for what is matched below it.
    #[must_use]
    pub fn without(&self, prefix: &str) -> Option<Self> {
        self.below(prefix.as_bytes())
    }

    /// As a glob, or as `regex:`; empty where nothing is matched.
    fn pattern(&self) -> String {
        if self.nodes.is_empty() {
            return if self.open_back || self.open_front { "**".into() } else { String::new() };
        }
        if !self.open_front {
            let glob = glob(&self.nodes);
            match (glob, self.open_back) {
                (Some(glob), false) if !glob.ends_with('/') => return glob,
                (Some(glob), true) if glob.ends_with('/') => return format!("{glob}**"),
                _ => {}
            }
        }
        format!("regex:{}", self.inner_said())
    }

    /// Globs that spell a folder below `refs/` out.
    fn folder(&self) -> Option<Vec<String>> {
        if self.open_front {
            return None;
        }
        let below = self.below(b"refs/")?;
        let plain = below.nodes.iter().take_while(|node| matches!(node, Node::Byte(_)));
        let whole = !self.open_back && below.nodes.iter().all(|n| matches!(n, Node::Byte(_)));
        if !whole && !plain.into_iter().any(|node| *node == Node::Byte(b'/')) {
            return None;
        }
        match self.open_back {
            false => glob(&self.nodes).map(|glob| vec![glob]),
            true => self.beginning(),
        }
    }

    /// Globs for all that begins so.
    fn beginning(&self) -> Option<Vec<String>> {
        let glob = glob(&self.nodes)?;
        match glob.as_str() {
            "" => Some(vec!["**".into()]),
            glob if glob.ends_with('/') => Some(vec![format!("{glob}**")]),
            glob => Some(vec![format!("{glob}*"), format!("{glob}*/**")]),
        }
    }

    /// As a regular expression without ends, `${user}` in it.
    fn inner_said(&self) -> String {
        self.inner(Some(USER))
    }

    /// As a regular expression without ends.
    pub(super) fn inner(&self, user: Option<&str>) -> String {
        let mut text = String::new();
        if self.open_front {
            text.push_str(".*");
        }
        sequence(&mut text, &self.nodes, user);
        if self.open_back {
            text.push_str(".*");
        }
        text
    }
}

/// Whether what matches depends on what stands before.
fn looks_back(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Start | Node::Edge(_) => true,
        Node::Group(all) => all.iter().any(|nodes| looks_back(nodes)),
        Node::Repeat(inner, ..) => looks_back(std::slice::from_ref(&**inner)),
        _ => false,
    })
}

fn said_or_nothing(text: String) -> Said {
    if text.is_empty() { Said::Nothing } else { Said::Branch(text) }
}

fn sequence(text: &mut String, nodes: &[Node], user: Option<&str>) {
    nodes.iter().for_each(|node| expression(text, node, user));
}

fn expression(text: &mut String, node: &Node, user: Option<&str>) {
    match node {
        Node::Byte(byte) => literal(text, *byte),
        Node::User => match user {
            Some(USER) => text.push_str(USER),
            Some(name) => text.push_str(&regex_syntax::escape(name)),
            None => text.push_str("[A-Za-z0-9][A-Za-z0-9._-]*"),
        },
        Node::Any => text.push('.'),
        Node::Class(ranges) => class(text, ranges),
        Node::Start => text.push('^'),
        Node::End => text.push('$'),
        Node::Edge(true) => text.push_str("\\b"),
        Node::Edge(false) => text.push_str("\\B"),
        Node::Group(all) => {
            text.push('(');
            for (at, nodes) in all.iter().enumerate() {
                text.push_str(if at > 0 { "|" } else { "" });
                sequence(text, nodes, user);
            }
            text.push(')');
        }
        Node::Repeat(inner, least, most) => {
            let grouped = matches!(**inner, Node::Repeat(..) | Node::User);
            text.push_str(if grouped { "(" } else { "" });
            expression(text, inner, user);
            text.push_str(if grouped { ")" } else { "" });
            let _ = match (least, most) {
                (0, None) => text.write_str("*"),
                (1, None) => text.write_str("+"),
                (0, Some(1)) => text.write_str("?"),
                (least, None) => write!(text, "{{{least},}}"),
                (least, Some(most)) if least == most => write!(text, "{{{least}}}"),
                (least, Some(most)) => write!(text, "{{{least},{most}}}"),
            };
        }
    }
}

fn literal(text: &mut String, byte: u8) {
    match byte {
        b' '..=b'~' => {
            let c = char::from(byte);
            if regex_syntax::is_meta_character(c) && !b"-&~#".contains(&byte) {
                text.push('\\');
            }
            text.push(c);
        }
        byte => _ = write!(text, "\\x{byte:02x}"),
    }
}

fn class(text: &mut String, ranges: &[(u8, u8)]) {
    let mut others = Vec::new();
    let mut next = Some(0_u8);
    for (low, high) in ranges {
        if let Some(from) = next.filter(|from| from < low) {
            others.push((from, low.saturating_sub(1)));
        }
        next = high.checked_add(1);
    }
    others.extend(next.map(|from| (from, u8::MAX)));
    let negated = others.len() <= ranges.len();
    let said = if negated { &others[..] } else { ranges };
    match (said.is_empty(), negated) {
        (true, true) => return text.push('.'),
        (true, false) => return text.push_str("[^\\x00-\\xff]"),
        _ => {}
    }
    text.push_str(if negated { "[^" } else { "[" });
    for (low, high) in said {
        member(text, *low);
        if high > low {
            if *high > low.saturating_add(1) {
                text.push('-');
            }
            member(text, *high);
        }
    }
    text.push(']');
}

fn member(text: &mut String, byte: u8) {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'@' | b'+' => {
            text.push(char::from(byte));
        }
        b'!'..=b'~' => {
            text.push('\\');
            text.push(char::from(byte));
        }
        byte => _ = write!(text, "\\x{byte:02x}"),
    }
}

/// The nodes as a glob, where one says exactly the same of names without empty components.
fn glob(nodes: &[Node]) -> Option<String> {
    let mut text = String::new();
    for (at, node) in nodes.iter().enumerate() {
        let edge = |node: Option<&Node>| node.is_none_or(|node| *node == Node::Byte(b'/'));
        let before = at.checked_sub(1).and_then(|at| nodes.get(at));
        let whole = edge(before) && edge(nodes.get(at + 1));
        match node {
            Node::Byte(byte) => plain(&mut text, *byte)?,
            Node::User => text.push_str(USER),
            Node::Class(ranges) => glob_class(&mut text, ranges)?,
            Node::Repeat(inner, least, None) if is_component(inner) => {
                if *least > 1 || (*least == 1 && !whole) || (*least == 0 && whole) {
                    return None;
                }
                text.push('*');
            }
            Node::Group(all) => braces(&mut text, all)?,
            _ => return None,
        }
    }
    // Two stars side by side would mean something else, and an empty component matches nothing.
    let odd = text.contains("**") || text.contains("//") || text.starts_with('/');
    (!odd).then_some(text)
}

/// `[^/]`
fn is_component(node: &Node) -> bool {
    *node == Node::Class(vec![(0, b'/' - 1), (b'/' + 1, u8::MAX)])
}

fn plain(text: &mut String, byte: u8) -> Option<()> {
    if !(b' '..=b'~').contains(&byte) {
        return None;
    }
    if b"*?[]{}\\$".contains(&byte) {
        text.push('\\');
    }
    text.push(char::from(byte));
    Some(())
}

fn glob_class(text: &mut String, ranges: &[(u8, u8)]) -> Option<()> {
    if is_component(&Node::Class(ranges.to_vec())) {
        text.push('?');
        return Some(());
    }
    let simple = |byte: u8| byte.is_ascii_alphanumeric();
    let good = ranges.iter().all(|(low, high)| simple(*low) && simple(*high));
    let same = |low: u8, high: u8| {
        low == high
            || low.is_ascii_digit() == high.is_ascii_digit()
                && low.is_ascii_lowercase() == high.is_ascii_lowercase()
    };
    if ranges.is_empty() || !good || !ranges.iter().all(|(low, high)| same(*low, *high)) {
        return None;
    }
    text.push('[');
    for (low, high) in ranges {
        text.push(char::from(*low));
        if high > low {
            text.push('-');
            text.push(char::from(*high));
        }
    }
    text.push(']');
    Some(())
}

/// `(a|b)` of plain texts as `{a,b}`.
fn braces(text: &mut String, all: &[Vec<Node>]) -> Option<()> {
    let simple = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte);
    let mut words = Vec::new();
    for nodes in all {
        let word: Option<String> = nodes
            .iter()
            .map(|node| match node {
                Node::Byte(byte) if simple(*byte) => Some(char::from(*byte)),
                _ => None,
            })
            .collect();
        words.push(word.filter(|word| !word.is_empty())?);
    }
    match words.as_slice() {
        [one] => text.push_str(one),
        _ => _ = write!(text, "{{{}}}", words.join(",")),
    }
    Some(())
}
