//! Which files were searched lately, so that one under many names is searched once.
//!
//! Knows what a search rests on: the rule, the file as it is, and what it was before. Names don't
//! count.

use crate::check::content::Searcher;
use gix::ObjectId;
use std::cell::RefCell;
use std::collections::HashMap;

/// After so many all are forgotten.
const KEPT: usize = 4096;

/// One search.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Search {
    /// Where the rule is: each is at one place as long as a push is looked at.
    rule: usize,
    pub(super) new: ObjectId,
    pub(super) olds: Vec<ObjectId>,
}

impl Search {
    pub(super) fn new(rule: &Searcher<'_>, new: ObjectId, olds: Vec<ObjectId>) -> Self {
        Self { rule: std::ptr::from_ref(rule).addr(), new, olds }
    }
}

/// Whether something was found, by search.
#[derive(Default)]
pub(super) struct Searched(RefCell<HashMap<Search, bool>>);

impl Searched {
    pub(super) fn found(&self, search: &Search) -> Option<bool> {
        self.0.borrow().get(search).copied()
    }

    pub(super) fn note(&self, search: Search, found: bool) {
        let mut all = self.0.borrow_mut();
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(search, found);
    }
}
