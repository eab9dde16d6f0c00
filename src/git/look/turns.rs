//! Which of the commits that wait is visited next.
//!
//! Knows no colours, and that dates are what others wrote: for a while the date alone says where to
//! look, as it is right nearly always. Then one commit of three goes on from what is known in the
//! order in which it was come by, and one is new as far as is known: whoever has a long history of
//! the far future, or a ref of the far past, keeps nobody waiting.

use super::paint::FEW;
use crate::git::walk::{Queue, Visit};
use std::collections::VecDeque;

/// Visits by date, once refs were read, before there are other turns as well.
const HEAD_START: u32 = if cfg!(test) { 2 } else { 4096 };

/// What waits.
#[derive(Default)]
pub(super) struct Turns {
    /// All but the urgent ones.
    by_rank: Queue,
    /// Known commits that were told on as new: whoever was told has to be told of it at once, or the
    /// walk would run after itself.
    urgent: Vec<Visit>,
    /// Visits that are left of the head start.
    head_start: Option<u32>,
    others: Option<Others>,
}

/// The other turns; what waits in them waits by rank too.
#[derive(Default)]
struct Others {
    /// As they were come by.
    known: VecDeque<Visit>,
    /// Perhaps new, and not in the commit-graph, whose order is to be trusted and kept.
    open: Queue,
    /// How many of those were visited before their dates' turn.
    ahead: usize,
    turn: u8,
}

impl Turns {
    /// Refs were read: from now on there is something known to be looked for.
    pub(super) const fn start(&mut self) {
        self.head_start = Some(HEAD_START);
    }

    pub(super) fn push(&mut self, visit: Visit, is_open: bool) {
        if let Some(others) = &mut self.others {
            others.push(visit.clone(), is_open);
        }
        self.by_rank.put_back(visit);
    }

    /// A commit that waits as a new one is known.
    pub(super) fn push_known(&mut self, visit: Visit) {
        if let Some(others) = &mut self.others {
            others.known.push_back(visit);
        }
    }

    /// Whether the head start is over, and the other turns have to begin.
    pub(super) fn is_over(&self) -> bool {
        self.head_start == Some(0) && self.others.is_none()
    }

    /// Begins the other turns with what waits.
    pub(super) fn begin(&mut self, is_open: impl Fn(&Visit) -> bool) {
        self.others = Some(Others::default());
        let before = std::mem::take(&mut self.by_rank);
        before.waiting().for_each(|visit| {
            let is_open = is_open(&visit);
            self.push(visit, is_open);
        });
    }

    /// Whether there are other turns than by rank.
    pub(super) const fn has_others(&self) -> bool {
        self.others.is_some()
    }

    pub(super) fn push_urgent(&mut self, visit: Visit) {
        self.urgent.push(visit);
    }

    pub(super) fn is_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The next one; it may have been visited meanwhile.
    pub(super) fn pop(&mut self) -> Option<Visit> {
        if let Some(visit) = self.urgent.pop() {
            return Some(visit);
        }
        if let Some(left) = &mut self.head_start {
            *left = left.saturating_sub(1);
        }
        self.others.as_mut().and_then(Others::pop).or_else(|| self.by_rank.pop())
    }

    /// The next one, whoever's turn it is.
    pub(super) fn pop_any(&mut self) -> Option<Visit> {
        self.urgent.pop().or_else(|| self.by_rank.pop())
    }
}

impl Others {
    fn push(&mut self, visit: Visit, is_open: bool) {
        match is_open {
            true if visit.node.is_in_graph() => {}
            true => self.open.put_back(visit),
            false => self.known.push_back(visit),
        }
    }

    /// `None` where it is another's turn, or nothing waits.
    fn pop(&mut self) -> Option<Visit> {
        self.turn = (self.turn + 1) % 3;
        match self.turn {
            1 => self.known.pop_front(),
            2 if self.ahead < FEW => {
                let next = self.open.pop();
                self.ahead += usize::from(next.is_some());
                next
            }
            _ => None,
        }
    }
}
