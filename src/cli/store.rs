//! `refwarden store`: the state on this host.

use super::Failure;
use super::exit::Exit;
use super::out::Out;
use super::site::{self, Here};
use crate::audit::{Actor, Event, Record, Text};
use crate::os::clock;
use crate::store::epoch;
use clap::Subcommand;

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make the state folder's files where they are missing, such as a lost epoch (RW504).
    Init,
    /// Accept the clock as it is, after a wrong clock left a mark in the future (RW505). For root,
    /// or the owner of an installation of one person; recorded in the trail.
    ResetClock,
}

/// Runs the verb.
///
/// # Errors
/// The state folder or the trail can't be used.
pub fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    match verb {
        Verb::Init => {
            let site = site::find()?;
            site::become_account(&site)?;
            site::require_state(&site)?;
            epoch::create(&site.state)?;
            Ok(Exit::Done)
        }
        Verb::ResetClock => reset_clock(out),
    }
}

fn reset_clock(out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    // Where the hosting account is an ordinary person's own, there is no root to ask.
    if !here.by_root && !here.single_user() {
        return Err(Failure::new(
            Exit::Failed,
            "only root may say that the clock is right: try with sudo",
        )
        .into());
    }
    site::become_account(&here.site)?;
    let mut record = Record::new(Event::CLOCK_RESET, crate::os::host_name());
    record.actor = Some(Actor { user: Some(Text::new(&here.actor)), ..Actor::default() });
    let appended = here.trail().reset_clock(record, clock::now().wall)?;
    out.line(format!(
        "the trail goes on at {}",
        appended.time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    ));
    Ok(Exit::Done)
}
