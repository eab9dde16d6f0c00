//! `access approve` and `access deny`: of a request, or, with `--extension`, of more time for a grant.

use super::copied::command;
use super::failure::damaged;
use super::office::Office;
use super::people::Quorum;
use super::scope::{self, Asked};
use super::wish::as_options;
use super::{bounded, told, view};
use crate::access::{Id, Phase, Standing, State, What, ask};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::Effect;
use crate::policy::model::{Entitlement, Project};
use chrono::{DateTime, Utc};

/// Arguments of `access approve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  refwarden access approve 7f3k-92qd --as alice --note 'go ahead, PAY-42'\n  \
    refwarden access approve 7f3k-92qd --as alice --extension"
)]
pub struct ApproveArgs {
    /// The request, its id whole.
    pub(in crate::cli) id: String,
    /// Answer the wish for more time; without it, the request itself.
    #[arg(long)]
    pub(in crate::cli) extension: bool,
    /// Your own words: the asker, notices, `show` and an auditor get them.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
}

/// Arguments of `access deny`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Who could approve may deny; so may whom [global] administer names, and root.\n\n\
    Example: refwarden access deny 7f3k-92qd --as alice --note 'after the freeze'"
)]
pub struct DenyArgs {
    /// The request, its id whole.
    pub(in crate::cli) id: String,
    /// Answer the wish for more time; without it, the request itself.
    #[arg(long)]
    pub(in crate::cli) extension: bool,
    /// Why, in your own words: the asker, notices, `show` and an auditor get them.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Request,
    Extension,
}

impl About {
    fn of(extension: bool) -> Self {
        if extension { Self::Extension } else { Self::Request }
    }
}

/// What somebody answers must be what is open: what they looked at may have been answered meanwhile,
/// and something else asked for under the same id. `false` where the request itself is not open, and
/// the state machine says who moved it.
fn is_open(
    office: &Office<'_>,
    (id, verb): (&Id, &str),
    state: &State,
    about: About,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let who = office.caller.person().map_or("NAME".into(), ToString::to_string);
    let person = &state.request.person;
    let more_time = state.extension_pending(now);
    let pending = state.standing(now) == Standing::Pending;
    let refuse = |exit, words: String| Err(Failure::new(exit, words).into());
    match (about, more_time) {
        (About::Extension, Some(_)) => Ok(true),
        (About::Request, None) => Ok(pending),
        (About::Request, Some(asked)) => {
            let command = command(office, &format!("{verb} {id} --extension"), &who);
            let words = format!(
                "{id} is lent already; what is open is that {person} asks for {} more{}",
                asked.duration,
                after_colon(command)
            );
            refuse(Exit::Refused, words)
        }
        (About::Extension, None) if pending => {
            let command = command(office, &format!("{verb} {id}"), &who);
            let words = format!(
                "nobody asks for more time of {id}; what is open is the request itself{}",
                after_colon(command)
            );
            refuse(Exit::Refused, words)
        }
        (About::Extension, None) => {
            let at = view::time(state.last.2, office.here.settings().timezone);
            let words = format!("nobody asks for more time of {id}: {}, {at}", state.moved());
            refuse(Exit::NotFound, words)
        }
    }
}

fn after_colon(command: Option<String>) -> String {
    command.map(|command| format!(": {command}")).unwrap_or_default()
}

/// Says yes.
///
/// # Errors
/// Who may not, what is against it, or who moved it before.
pub fn approve(office: &Office<'_>, args: &ApproveArgs, out: &Out) -> anyhow::Result<Exit> {
    office.only_in_person("approve")?;
    office.person()?;
    let id = office.id(&args.id)?;
    let about = About::of(args.extension);
    let note = bounded(args.note.as_ref(), "--note")?;
    let mut missing = Quorum { missing: 0, lists: Vec::new() };
    let moved = office.move_on(&id, Effect::MayWiden, |state, now| {
        if !is_open(office, (&id, "approve"), state, about, now)? {
            let what = What::Approved { note: note.clone(), terms: None };
            return Ok((office.caller.actor.clone(), what));
        }
        let (entitlement, project) = allowed(office, state)?;
        let vote = (office.caller.actor.clone(), now);
        let before = match (about, &state.extension) {
            (About::Extension, Some(asked)) => asked.approvals.as_slice(),
            _ => state.approvals.as_slice(),
        };
        let yeses = before.iter().chain([&vote]);
        missing = office.people.quorum(yeses, state, &entitlement, &project).map_err(damaged)?;
        let met = missing.missing == 0;
        let what = match about {
            About::Extension => more_time(office, state, &entitlement, (met, now), note.clone())?,
            About::Request => yes(office, state, &entitlement, (met, now), note.clone())?,
        };
        Ok((vote.0, what))
    })?;
    let zone = office.here.settings().timezone;
    if missing.missing == 0 {
        let exit = told(&moved, &view::line(&id, &moved.state, moved.at, zone), out);
        return Ok(exit);
    }
    let words = format!("{id}: {} said yes; {}", office.caller.actor, missing.words());
    told(&moved, &words, out);
    Ok(Exit::Waiting)
}

/// The entitlement and project of today, where the one who acts may answer.
fn allowed(office: &Office<'_>, state: &State) -> anyhow::Result<(Entitlement, Project)> {
    if let Err(words) = office.could_approve(state)? {
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let entitlement = office.entitlement(&state.request.entitlement)?;
    let (_, project) = office.place(&state.request.repository)?;
    Ok((entitlement, project))
}

fn yes(
    office: &Office<'_>,
    state: &State,
    entitlement: &Entitlement,
    (met, now): (bool, DateTime<Utc>),
    note: Option<String>,
) -> anyhow::Result<What> {
    ask::still_fits(&state.request, entitlement, now).map_err(tightened)?;
    let terms = ask::terms(&state.request, entitlement, None, now)
        .map_err(|words| Failure::new(Exit::Refused, words))?;
    honour(office, state, entitlement, Asked { from: terms.from, until: terms.until })?;
    Ok(What::Approved { note, terms: met.then_some(terms) })
}

fn more_time(
    office: &Office<'_>,
    state: &State,
    entitlement: &Entitlement,
    (met, now): (bool, DateTime<Utc>),
    note: Option<String>,
) -> anyhow::Result<What> {
    let asked = state.extension_pending(now);
    let said = asked.and_then(|asked| asked.reason.as_deref());
    ask::fits_more(&state.request, said, entitlement).map_err(tightened)?;
    let (_, until) = ask::extended(state, entitlement, asked.map(|asked| asked.duration))
        .map_err(|words| Failure::new(Exit::Refused, words))?;
    let from = match &state.phase {
        Phase::Approved(terms) => terms.until,
        _ => now,
    };
    honour(office, state, entitlement, Asked { from, until })?;
    Ok(What::ExtensionApproved { note, until: met.then_some(until) })
}

/// What was asked for under an older policy, and the one of today does not take.
fn tightened(words: Vec<String>) -> Failure {
    let words: Vec<String> = words.iter().map(|words| as_options(words)).collect();
    let words = format!(
        "today's policy no longer takes it: {}; it has to be asked for again",
        words.join("; ")
    );
    Failure::new(Exit::Refused, words)
}

/// What stops a request stops its approval too.
fn honour(
    office: &Office<'_>,
    state: &State,
    entitlement: &Entitlement,
    asked: Asked,
) -> anyhow::Result<()> {
    match scope::against(office, &state.request, entitlement, asked)? {
        words if words.is_empty() => Ok(()),
        words => {
            let words = format!("it would lend nothing: {}", words.join("; "));
            Err(Failure::new(Exit::Refused, words).into())
        }
    }
}

/// Says no: who could approve, who administers, or the server itself, so that nothing stays open
/// that nobody can answer.
///
/// # Errors
/// Who may not, or who moved it before.
pub fn deny(office: &Office<'_>, args: &DenyArgs, out: &Out) -> anyhow::Result<Exit> {
    let id = office.id(&args.id)?;
    let about = About::of(args.extension);
    let note = bounded(args.note.as_ref(), "--note")?;
    let moved = office.move_on(&id, Effect::MayWiden, |state, now| {
        if is_open(office, (&id, "deny"), state, about, now)?
            && let Err(words) = office.could_close(state)?
        {
            return Err(Failure::new(Exit::Refused, words).into());
        }
        let note = note.clone();
        let what = match about {
            About::Extension => What::ExtensionDenied { note },
            About::Request => What::Denied { note },
        };
        Ok((office.caller.actor.clone(), what))
    })?;
    let what = if about == About::Request { "denied" } else { "extension denied, no more time" };
    Ok(told(&moved, &format!("{id}: {what}, by {}", office.caller.actor), out))
}
