//! `-o wait=`: keeps a push open until its request is answered.
//!
//! Off unless `[access] max-wait` says otherwise: a client that goes away can't be seen from a hook,
//! and the ref would move later.

use super::desk::Desk;
use super::{Refusal, lent, say};
use crate::access::{Id, Standing};
use crate::code::Code;
use crate::os::clock;
use crate::policy::span::Span;
use std::time::Duration;

/// How often the store is asked.
const POLL: Duration = Duration::from_secs(1);
/// How often the pusher is told how long is left.
const TELL: Duration = Duration::from_secs(30);

/// Waits until the request is approved; everything is to be decided again then.
///
/// # Errors
/// [`Refusal`]: it was denied (RW453), nobody answered in time (RW452), or the store is gone.
pub fn for_answer(desk: &Desk, id: &Id, longest: Span) -> Result<(), Refusal> {
    let begun = clock::now().boot;
    let end = begun + Duration::from_secs(u64::from(longest.seconds()));
    let mut told = begun;
    say(&format!("waiting for an answer to {id}, at most {longest}\n"));
    loop {
        let now = clock::now();
        match standing(desk, id)? {
            Standing::Pending => {}
            Standing::Active | Standing::Scheduled | Standing::UsedUp | Standing::Ended => {
                return Ok(());
            }
            Standing::Closed => return Err(answered(desk, id, Code::RequestDenied)),
            Standing::Unanswered => return Err(answered(desk, id, Code::RequestWaiting)),
        }
        if now.boot >= end {
            return Err(answered(desk, id, Code::RequestWaiting));
        }
        if now.boot.saturating_sub(told) >= TELL {
            told = now.boot;
            let left = u32::try_from((end - now.boot).as_secs()).unwrap_or(u32::MAX);
            if let Some(left) = Span::of_seconds(left) {
                say(&format!("still waiting for an answer to {id}: {left} left\n"));
            }
        }
        std::thread::sleep(POLL.min(end.saturating_sub(now.boot)));
    }
}

fn standing(desk: &Desk, id: &Id) -> Result<Standing, Refusal> {
    let store = desk.store().map_err(|error| lent::refusal(&error))?;
    let record = match store {
        Some(store) => store.record(id).map_err(|error| lent::refusal(&error))?,
        None => None,
    };
    let state = record.and_then(|record| record.state().ok()).ok_or_else(Refusal::defect)?;
    Ok(state.standing(clock::now().wall))
}

fn answered(desk: &Desk, id: &Id, code: Code) -> Refusal {
    let words = match code {
        Code::RequestDenied => format!("{id} was not approved"),
        _ => format!("nobody has answered {id} yet: it stays open, push again when it is approved"),
    };
    let mut refusal = Refusal::new(code, [words]);
    refusal.frame.id = Some(desk.id.clone());
    refusal
}
