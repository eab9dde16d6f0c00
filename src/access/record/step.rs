//! The state machine: an event in, a state out, and every illegal move an error that says who moved
//! the record before.

use super::{Extension, Illegal, Phase, State};
use crate::access::event::{Event, Terms, What};

/// The next state.
///
/// # Errors
/// [`Illegal`]: the event does not fit; nothing has changed.
pub fn step(mut state: State, event: &Event) -> Result<State, Illegal> {
    match &event.what {
        What::Requested(_) => return Err(state.moved_before("requested")),
        What::Approved { terms, .. } => approve(&mut state, event, terms.as_ref())?,
        What::Denied { .. } => {
            state.pending(event)?;
            state.by_another_or_server(event)?;
            state.phase = Phase::Closed;
        }
        What::Withdrawn => {
            state.pending(event)?;
            state.by_asker(event)?;
            state.phase = Phase::Closed;
        }
        What::Revoked { .. } => {
            state.lent(event)?;
            state.phase = Phase::Closed;
        }
        What::Returned => {
            state.lent(event)?;
            state.by_asker(event)?;
            state.phase = Phase::Closed;
        }
        What::ExtensionAsked { .. }
        | What::ExtensionApproved { .. }
        | What::ExtensionDenied { .. } => extension(&mut state, event)?,
        What::Attested { .. } => {
            if !state.unattested {
                return Err(state.moved_before("attested"));
            }
            state.by_another(event, &[])?;
            state.unattested = false;
        }
        What::Reserved { .. } | What::Spent { .. } | What::Released { .. } => {
            return uses(state, event);
        }
    }
    state.last = (event.what.word(), event.by.clone(), event.at);
    Ok(state)
}

fn approve(state: &mut State, event: &Event, terms: Option<&Terms>) -> Result<(), Illegal> {
    state.pending(event)?;
    match terms {
        Some(terms) if terms.break_glass => {
            state.by_asker(event)?;
            state.unattested = true;
        }
        Some(_) if event.by.is_rule() => {}
        _ => {
            state.by_another(event, &state.approvals)?;
        }
    }
    if !terms.is_some_and(|terms| terms.break_glass) {
        state.approvals.push((event.by.clone(), event.at));
    }
    if let Some(terms) = terms {
        if terms.until <= terms.from || terms.until <= event.at {
            return Err(Illegal::because("the grant would end before it begins"));
        }
        state.terms = Some(terms.clone());
        state.phase = Phase::Approved(terms.clone());
    }
    Ok(())
}

fn extension(state: &mut State, event: &Event) -> Result<(), Illegal> {
    state.lent(event)?;
    if let What::ExtensionAsked { duration, reason, pending_until } = &event.what {
        state.by_asker(event)?;
        if state.extension_pending(event.at).is_some() {
            return Err(Illegal::because("more time has been asked for already"));
        }
        state.extension = Some(Extension {
            duration: *duration,
            reason: reason.clone(),
            pending_until: *pending_until,
            approvals: Vec::new(),
        });
        return Ok(());
    }
    let Some(asked) = state.extension_pending(event.at).cloned() else {
        return Err(Illegal::because("nobody waits for more time"));
    };
    match &event.what {
        // Who has said yes may still say no.
        What::ExtensionDenied { .. } => state.by_another_or_server(event)?,
        _ => state.by_another(event, &asked.approvals)?,
    }
    match &event.what {
        What::ExtensionApproved { until: None, .. } => {
            if let Some(asked) = &mut state.extension {
                asked.approvals.push((event.by.clone(), event.at));
            }
        }
        What::ExtensionApproved { until: Some(until), .. } => {
            if let Phase::Approved(terms) = &mut state.phase {
                if *until <= terms.until {
                    return Err(Illegal::because("more time must end later than before"));
                }
                terms.until = *until;
                state.terms = Some(terms.clone());
            }
            state.extensions += 1;
            state.extension = None;
        }
        _ => state.extension = None,
    }
    Ok(())
}

/// Bookkeeping of uses, legal also after the record was closed: a push was under way.
fn uses(mut state: State, event: &Event) -> Result<State, Illegal> {
    match &event.what {
        What::Reserved { key, host } => {
            let terms = state.lent(event)?;
            if event.at < terms.from {
                return Err(Illegal::because("the grant has not begun"));
            }
            if terms.max_uses.is_none() {
                return Err(Illegal::because("the grant's uses are not counted"));
            }
            if state.is_used_up(terms) {
                return Err(Illegal::because("every use is spent or put aside"));
            }
            if state.uses.reserved.contains_key(key) {
                return Err(Illegal::because("this push has put a use aside already"));
            }
            state.uses.reserved.insert(key.clone(), (host.clone(), event.at));
        }
        What::Spent { key } => {
            state.uses.reserved.remove(key).ok_or_else(not_reserved)?;
            state.uses.spent += 1;
        }
        What::Released { key } => {
            state.uses.reserved.remove(key).ok_or_else(not_reserved)?;
        }
        _ => {}
    }
    Ok(state)
}

fn not_reserved() -> Illegal {
    Illegal::because("this push has no use put aside")
}
