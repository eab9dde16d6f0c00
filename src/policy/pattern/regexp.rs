//! `regex:` patterns: the expression is parsed alone, then wrapped, so nothing in it can leave the wrap.

mod simple;

use self::simple::Simple;
use super::{Broken, ISSUE, PatternError, USER};
use crate::policy::name::{MAX_NAME, UserName};
use regex::bytes::{Regex, RegexBuilder};
use regex_automata::nfa::thompson::{
    self,
    pikevm::{Cache, PikeVM},
};
use regex_automata::util::syntax;
use regex_syntax::ast::{self, Ast};
use std::sync::{Arc, Mutex, PoisonError};

/// Largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Stands for `${user}` while the expression is parsed: as long as it, so positions stay.
const PLACEHOLDER: &str = "(?:uuu)";

/// How many times an expression is matched as it is written, or by its plain automaton, before it is
/// worth compiling better ones: a hook asks few questions of most, and that takes longer than those.
const FEW: u32 = 16;

/// A parsed regular expression over bytes; compiled when it is first needed.
#[derive(Debug, Clone)]
pub struct Regexp {
    expression: Box<str>,
    has_user: bool,
    engine: Arc<Mutex<Option<Engine>>>,
}

/// The expression compiled, with a name put in: that of the user who was asked about last, because
/// a push has one, and may have very many paths.
#[derive(Debug)]
struct Engine {
    user: Option<UserName>,
    plain: Result<Plain, String>,
    asked: u32,
    full: Option<Result<Regex, String>>,
}

/// What the first questions are answered by.
#[derive(Debug)]
enum Plain {
    Written(Simple),
    Automaton(Box<(PikeVM, Cache)>),
}

impl Plain {
    fn of(expression: &str) -> Result<Self, String> {
        let automaton = plain(expression)?;
        let cache = automaton.create_cache();
        Ok(Self::Automaton(Box::new((automaton, cache))))
    }

    fn is_match(&mut self, subject: &[u8]) -> bool {
        match self {
            Self::Written(simple) => simple.matches(subject),
            Self::Automaton(both) => {
                let (automaton, cache) = &mut **both;
                automaton.is_match(cache, subject)
            }
        }
    }
}

impl Regexp {
    pub(super) fn parse(expression: &str) -> Result<Self, PatternError> {
        if expression.is_empty() {
            return Err(PatternError::Empty);
        }
        if expression.contains(ISSUE) {
            return Err(PatternError::Issue("`${issue}` stands in globs, not in expressions"));
        }
        let plain = expression.replace(USER, PLACEHOLDER);
        let tree = ast::parse::Parser::new()
            .parse(&plain)
            .map_err(|error| PatternError::Regex(error.kind().to_string()))?;
        if !user_is_literal(expression, &tree) {
            return Err(PatternError::UserInClass);
        }
        let longest = expression.replace(USER, &"u".repeat(MAX_NAME));
        build(&wrap(&longest)).map_err(PatternError::Regex)?;
        Ok(Self::accepted(expression))
    }

    /// An expression that [`Regexp::parse`] accepted before: compiled at its first match only,
    /// because a hook reads many patterns and needs few.
    pub(super) fn accepted(expression: &str) -> Self {
        Self {
            expression: expression.into(),
            has_user: expression.contains(USER),
            engine: Arc::default(),
        }
    }

    pub(super) fn has_user(&self) -> bool {
        self.has_user
    }

    pub(super) fn matches(&self, subject: &[u8], user: Option<&UserName>) -> Result<bool, Broken> {
        let user = user.filter(|_| self.has_user);
        if self.has_user && user.is_none() {
            return Ok(false);
        }
        let mut last = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|known| known.user.as_ref() == user);
        let engine = last.insert(known.unwrap_or_else(|| self.engine(user)));
        let matches = engine.matches(subject, || self.to_regex(user));
        matches.map_err(|reason| Broken { expression: self.expression.clone(), reason })
    }

    fn engine(&self, user: Option<&UserName>) -> Engine {
        let plain = match Simple::parse(&self.expression) {
            Some(simple) => Ok(Plain::Written(simple)),
            None => Plain::of(&self.to_regex(user)),
        };
        Engine { user: user.cloned(), plain, asked: 0, full: None }
    }

    pub(super) fn to_regex(&self, user: Option<&UserName>) -> String {
        let name = user.map_or_else(
            || "[^\\x00-\\xff]".to_owned(),
            |user| format!("(?:{})", regex_syntax::escape(user.as_str())),
        );
        wrap(&self.expression.replace(USER, &name))
    }
}

impl Engine {
    fn matches(
        &mut self,
        subject: &[u8],
        expression: impl FnOnce() -> String,
    ) -> Result<bool, String> {
        if self.asked == FEW {
            let full = self.full.get_or_insert_with(|| build(&expression()));
            return full.as_ref().map(|regex| regex.is_match(subject)).map_err(String::clone);
        }
        self.asked += 1;
        let plain = self.plain.as_mut().map_err(|reason| reason.clone())?;
        Ok(plain.is_match(subject))
    }
}

/// The group keeps the expression's own flags and alternatives inside. Where `(?x)` is in force at the
/// expression's end, a comment runs to the end of the line, so the group is closed on another.
fn wrap(expression: &str) -> String {
    let with_end = |end: &str| format!("(?s-u)\\A(?:{expression}{end})\\z");
    match expression.contains('#') && ends_in_comment(expression) {
        true => with_end("\n"),
        false => with_end(""),
    }
}

/// Whether what follows the expression would be part of a comment in it.
fn ends_in_comment(expression: &str) -> bool {
    ast::parse::Parser::new().parse_with_comments(expression).is_ok_and(|tree| {
        tree.comments.last().is_some_and(|last| {
            last.span.end.offset == expression.len() && !expression.ends_with('\n')
        })
    })
}

fn build(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())
}

/// The same as [`build`] with the one automaton that takes least to make.
fn plain(expression: &str) -> Result<PikeVM, String> {
    let syntax = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true);
    let automaton = thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_LIMIT));
    let built = PikeVM::builder().syntax(syntax).thompson(automaton).build(expression);
    built.map_err(|error| error.to_string())
}

/// Whether each `${user}` became a group of its own in `tree`, and not part of a class.
fn user_is_literal(expression: &str, tree: &Ast) -> bool {
    struct Groups(Vec<usize>);
    impl ast::Visitor for Groups {
        type Output = Vec<usize>;
        type Err = std::convert::Infallible;
        fn finish(self) -> Result<Vec<usize>, Self::Err> {
            Ok(self.0)
        }
        fn visit_pre(&mut self, tree: &Ast) -> Result<(), Self::Err> {
            if let Ast::Group(group) = tree {
                self.0.push(group.span.start.offset);
            }
            Ok(())
        }
    }
    let Ok(groups) = ast::visit(tree, Groups(Vec::new()));
    expression.match_indices(USER).all(|(at, _)| groups.contains(&at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parts of expressions that are put together.
    const PARTS: [&str; 12] =
        ["a", "b", "(?:a|b)", "[^a]", ".", "x*", "(?i:B)", "\\d", "/", "a+?", "|", "\\b"];

    #[test]
    fn a_comment_at_the_end_does_not_swallow_the_wrap() {
        for (expression, yes, no) in [
            ("(?x)v # comment", &b"v"[..], &b"v "[..]),
            ("(?x) v #", b"v", b"v#"),
            ("(?x) v # c\n", b"v", b"v\n"),
            ("(?x) v | w # c", b"w", b"w\n"),
            ("v # c", b"v # c", b"v # c\n"),
            ("(?x:v) # c", b"v # c", b"v"),
            ("(?x)v\\#", b"v#", b"v#\n"),
            ("(?x)(?-x)v #", b"v #", b"v"),
        ] {
            let regexp = Regexp::parse(expression).unwrap();
            for _ in 0..FEW + 2 {
                assert!(regexp.matches(yes, None).unwrap(), "{expression}");
                assert!(!regexp.matches(no, None).unwrap(), "{expression}");
            }
        }
        // What leaves the wrap does not parse alone.
        assert!(Regexp::parse("(?x)v # c\n)|(?:x").is_err());
    }

    proptest! {
        #[test]
        fn few_and_many_questions_have_the_same_answers(
            parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 1..6),
            subject in prop::collection::vec(prop::sample::select(&b"abAB1/\n\xff"[..]), 0..8),
        ) {
            let regexp = Regexp::parse(&parts.concat()).unwrap();
            let first = regexp.matches(&subject, None).unwrap();
            let full = build(&wrap(&regexp.expression)).unwrap();
            prop_assert_eq!(first, full.is_match(&subject));
            for _ in 0..FEW + 2 {
                prop_assert_eq!(regexp.matches(&subject, None).unwrap(), first);
            }
            let engine = regexp.engine.lock().unwrap();
            prop_assert!(engine.as_ref().unwrap().full.is_some());
        }
    }
}
