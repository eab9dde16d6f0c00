//! `regex:` patterns: the expression is parsed alone, then wrapped, so nothing in it can leave the wrap.

use super::{Broken, PatternError, USER};
use crate::policy::name::{MAX_NAME, UserName};
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// Stands for `${user}` while the expression is parsed: as long as it, so positions stay.
const PLACEHOLDER: &str = "(?:uuu)";

/// A parsed regular expression over bytes; compiled when it is first needed.
#[derive(Debug, Clone)]
pub struct Regexp {
    expression: Box<str>,
    has_user: bool,
    compiled: Arc<OnceLock<Result<Regex, String>>>,
    for_user: Arc<Mutex<Option<ForUser>>>,
}

/// The expression with a name put in, for the user who was asked about last: a push has one, and
/// may have very many paths.
#[derive(Debug)]
struct ForUser {
    name: UserName,
    compiled: Result<Regex, String>,
}

impl Regexp {
    pub(super) fn parse(expression: &str) -> Result<Self, PatternError> {
        if expression.is_empty() {
            return Err(PatternError::Empty);
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
            compiled: Arc::default(),
            for_user: Arc::default(),
        }
    }

    pub(super) fn has_user(&self) -> bool {
        self.has_user
    }

    pub(super) fn matches(&self, subject: &[u8], user: Option<&UserName>) -> Result<bool, Broken> {
        let broken = |reason: &String| Broken {
            expression: self.expression.clone(),
            reason: reason.clone(),
        };
        if !self.has_user {
            let compiled = self.compiled.get_or_init(|| build(&wrap(&self.expression)));
            return compiled.as_ref().map(|regex| regex.is_match(subject)).map_err(broken);
        }
        let Some(name) = user else { return Ok(false) };
        let mut last = self.for_user.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|known| known.name == *name);
        let known = last.insert(known.unwrap_or_else(|| ForUser {
            name: name.clone(),
            compiled: build(&self.to_regex(user)),
        }));
        known.compiled.as_ref().map(|regex| regex.is_match(subject)).map_err(broken)
    }

    pub(super) fn to_regex(&self, user: Option<&UserName>) -> String {
        let name = user.map_or_else(
            || "[^\\x00-\\xff]".to_owned(),
            |user| format!("(?:{})", regex_syntax::escape(user.as_str())),
        );
        wrap(&self.expression.replace(USER, &name))
    }
}

/// The group keeps the expression's own flags and alternatives inside.
fn wrap(expression: &str) -> String {
    format!("(?s-u)\\A(?:{expression})\\z")
}

fn build(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())
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
