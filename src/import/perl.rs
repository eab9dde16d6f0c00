//! The regular expressions of Perl that a plain automaton can run, read as a set of texts.
//!
//! Knows the syntax as perlre(1) has it, over bytes and without modifiers: a search, so that only `^`
//! and `$` tie it to the ends, and only of the alternative in which they stand. What remembers or looks
//! around is refused by name. How such a set is written in a policy is [`say`]'s matter.

mod read;
mod say;

pub use say::Said;

use regex::bytes::{Regex, RegexBuilder};

/// What stands for the user's name; no expression may hold the byte itself.
pub(super) const USER: u8 = 1;

/// A part of an expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Byte(u8),
    /// The user's name.
    User,
    Any,
    /// One of these ranges.
    Class(Vec<(u8, u8)>),
    Start,
    End,
    /// A place between a word and something else, or not such a place.
    Edge(bool),
    Group(Vec<Vec<Node>>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// One way to match: a text that contains, begins with, ends with, or is what the nodes match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Branch {
    /// Whether anything may come before.
    open_front: bool,
    nodes: Vec<Node>,
    /// Whether anything may follow.
    open_back: bool,
}

/// A set of texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set(Vec<Branch>);

impl Set {
    /// What an expression finds; `/USER/`, the first one, stands for the user's name between slashes
    /// where `user` says so.
    ///
    /// # Errors
    /// Why it can't be said, in words.
    pub fn read(expression: &str, user: bool) -> Result<Self, String> {
        let text = match user {
            true => expression.replacen("/USER/", "/\u{1}/", 1),
            false => expression.to_owned(),
        };
        let alternatives = read::read(text.as_bytes())?;
        let set = Self(alternatives.into_iter().map(Branch::new).collect());
        match build(&set.to_regex(Some("user"))) {
            Ok(_) => Ok(set),
            Err(_) => Err("it is too large, or repeats what can't be repeated".into()),
        }
    }

    /// Each way to match by itself.
    pub fn branches(&self) -> impl Iterator<Item = &Branch> {
        self.0.iter()
    }

    /// Whether the user's name stands in it.
    #[must_use]
    pub fn has_user(&self) -> bool {
        self.0.iter().any(Branch::has_user)
    }

    /// Whether a text is in it.
    #[must_use]
    pub fn contains(&self, text: &str, user: Option<&str>) -> bool {
        build(&self.to_regex(user)).is_ok_and(|regex| regex.is_match(text.as_bytes()))
    }

    /// As an expression over bytes for [`regex_syntax`], anchored at both ends. Without a user any
    /// name stands for theirs.
    #[must_use]
    pub fn to_regex(&self, user: Option<&str>) -> String {
        let each: Vec<String> = self.0.iter().map(|branch| branch.inner(user)).collect();
        format!(r"(?s-u)\A(?:{})\z", each.join("|"))
    }
}

impl Branch {
    fn new(mut nodes: Vec<Node>) -> Self {
        let (mut open_front, mut open_back) = (true, true);
        while nodes.first() == Some(&Node::Start) {
            nodes.remove(0);
            open_front = false;
        }
        while nodes.last() == Some(&Node::End) {
            nodes.pop();
            open_back = false;
        }
        let all = |node: Option<&Node>| matches!(node, Some(Node::Repeat(inner, 0, None)) if **inner == Node::Any);
        while all(nodes.first()) {
            nodes.remove(0);
            open_front = true;
            open_back |= nodes.is_empty();
        }
        while all(nodes.last()) {
            nodes.pop();
            open_back = true;
        }
        Self { open_front, nodes, open_back }
    }

    fn has_user(&self) -> bool {
        fn any(nodes: &[Node]) -> bool {
            nodes.iter().any(|node| match node {
                Node::User => true,
                Node::Group(all) => all.iter().any(|nodes| any(nodes)),
                Node::Repeat(inner, ..) => any(std::slice::from_ref(&**inner)),
                _ => false,
            })
        }
        any(&self.nodes)
    }

    /// The same as a set of its own.
    #[must_use]
    pub fn alone(&self) -> Set {
        Set(vec![self.clone()])
    }
}

fn build(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).unicode(false).size_limit(4 << 20).build()
}

#[cfg(test)]
mod tests;
