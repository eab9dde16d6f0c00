//! `access list`: requests and grants, those first that somebody has to do something about.

use super::failure::store_failure;
use super::office::Office;
use super::view;
use crate::access::{Id, Record, Standing, State};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::{Failure, when};
use crate::os::clock;
use crate::policy::name::{EntitlementName, UserName};
use crate::store::access::Filter;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde_json::json;
use std::collections::BTreeSet;

/// Most that are shown, unless more are asked for.
const LIMIT: usize = 100;

/// So many records are looked at in any case: of fewer the list can tell how many there are.
const ENOUGH: usize = 1000;

/// Arguments of `access list`.
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = "With --json each line is a record; where the limit cut the list short, a last line says so: \
    {\"more\":N,\"limit\":N,\"whole\":true}; with \"whole\":false there are N more at least. A higher --limit \
    shows the rest.\n\n\
    Example: refwarden access list waiting --as alice"
)]
pub struct Args {
    /// Which; without it, everything that is open.
    #[arg(value_enum)]
    pub(in crate::cli) which: Option<Which>,
    /// Only of this person.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// Only of this repository.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: Option<String>,
    /// Only of this entitlement.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) entitlement: Option<String>,
    /// Only those asked for from this time on: 2026-11-22T10:00:00Z, or 30d, 12h, 15m ago.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) since: Option<String>,
    /// Only those asked for before this time.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) until: Option<String>,
    /// Only those in this state.
    #[arg(long, value_name = "WORD", value_parser = STATES)]
    pub(in crate::cli) state: Option<String>,
    /// At most so many: what waits first, then what is live, the newest of each first; 0 is all.
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    pub(in crate::cli) limit: usize,
}

/// Every word for a state.
pub const STATES: [&str; 11] = [
    "pending",
    "unanswered",
    "scheduled",
    "active",
    "ended",
    "used-up",
    "denied",
    "withdrawn",
    "revoked",
    "returned",
    "unattested",
];

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Asked for by the one who asks; with --as, by that person.
    Mine,
    /// Waiting for an answer that the one who asks could give; on the server, for anybody's.
    Waiting,
    /// Lent now or later.
    Live,
    /// Ended, used up, denied, withdrawn, revoked, given back, never answered.
    Ended,
    /// All of them.
    All,
}

/// Lists.
///
/// # Errors
/// The store can't be read.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let now = clock::now().wall;
    let Found { mut found, whole } = gather(office, args, now)?;
    let limit = if args.limit == 0 { found.len() } else { args.limit };
    let more = found.len().saturating_sub(limit);
    found.truncate(limit);
    let zone = office.here.settings().timezone;
    if out.json {
        found.iter().for_each(|(id, state)| out.value(&view::json(id, state, now)));
        if more > 0 {
            out.value(&json!({ "more": more, "limit": limit, "whole": whole }));
        }
        return Ok(Exit::Done);
    }
    for (id, state) in &found {
        view::say(out, view::line(id, state, now, zone));
    }
    if found.is_empty() {
        out.note("no request or grant matches");
    }
    if more > 0 {
        match whole {
            true => out.line(format!("{more} more; --limit {} shows all", limit + more)),
            false => out.line(format!("more than these; --limit {} shows more", limit * 10)),
        }
    }
    Ok(Exit::Done)
}

/// Lines of a kind, for a page that shows several; of one's own, what waits or is live.
///
/// # Errors
/// The store can't be read.
pub fn lines(office: &Office<'_>, which: Which) -> anyhow::Result<Vec<String>> {
    let args = Args { which: Some(which), ..Args::default() };
    let now = clock::now().wall;
    let zone = office.here.settings().timezone;
    let mut found = gather(office, &args, now)?.found;
    if which == Which::Mine {
        found.retain(|(_, state)| !is_over(state, now));
    }
    Ok(found.iter().map(|(id, state)| view::line(id, state, now, zone)).collect())
}

/// Nothing comes of it any more, and nobody has to do anything about it.
fn is_over(state: &State, now: DateTime<Utc>) -> bool {
    let over = [Standing::Unanswered, Standing::Ended, Standing::Closed];
    over.contains(&state.standing(now)) && !state.unattested
}

/// Records that match, in their order.
struct Found {
    found: Vec<(Id, State)>,
    /// Whether these are all.
    whole: bool,
}

/// All that match, or more than the limit and the first of them in their order.
fn gather(office: &Office<'_>, args: &Args, now: DateTime<Utc>) -> anyhow::Result<Found> {
    let filter = filter(office, args, now)?;
    if args.limit == 0 || filter.open_at.is_some() {
        let found = visible(office, args, listed(office, &filter)?, now)?;
        return Ok(Found { found, whole: true });
    }
    // What is open comes first, however old it is; the store gives the rest newest first. Who may
    // see it and what its state is the store does not know, so it may have to be asked for more.
    let open = listed(office, &Filter { open_at: Some(now), ..filter.clone() })?;
    let mut limit = args.limit.saturating_add(open.len()).saturating_add(1).max(ENOUGH);
    loop {
        let mut records = listed(office, &Filter { limit, ..filter.clone() })?;
        let whole = records.len() < limit;
        let there: BTreeSet<Id> = records.iter().map(|record| record.id.clone()).collect();
        records.extend(open.iter().filter(|record| !there.contains(&record.id)).cloned());
        let found = visible(office, args, records, now)?;
        if whole || found.len() > args.limit {
            return Ok(Found { found, whole });
        }
        limit = limit.saturating_mul(4);
    }
}

fn listed(office: &Office<'_>, filter: &Filter) -> anyhow::Result<Vec<Record>> {
    Ok(office.store.list(filter).map_err(|error| store_failure(&error))?)
}

fn visible(
    office: &Office<'_>,
    args: &Args,
    records: Vec<Record>,
    now: DateTime<Utc>,
) -> anyhow::Result<Vec<(Id, State)>> {
    let mut found = Vec::new();
    for record in records {
        let Ok(state) = record.state() else {
            let words = format!("the record {} is damaged", record.id);
            return Err(Failure::new(Exit::Unavailable, words).into());
        };
        if is_asked_for(office, args, &state, now)? && office.may_see(&state)? {
            found.push((record.id, state));
        }
    }
    found.sort_by_key(|(_, state)| (rank(state, now), std::cmp::Reverse(state.asked_at)));
    Ok(found)
}

/// Whether records that are over are asked for.
fn wants_ended(args: &Args) -> bool {
    let open = ["pending", "scheduled", "active", "unattested"];
    match (args.which, args.state.as_deref()) {
        (_, Some(state)) => !open.contains(&state),
        (Some(Which::Ended | Which::All | Which::Mine), None) => true,
        (Some(Which::Waiting | Which::Live), None) => false,
        (None, None) => args.since.is_some() || args.until.is_some(),
    }
}

fn filter(office: &Office<'_>, args: &Args, now: DateTime<Utc>) -> anyhow::Result<Filter> {
    let usage = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(Exit::Usage, format!("{what}: {error}"))
    };
    let time =
        |text: &Option<String>| text.as_deref().map(|text| when::parse(text, now)).transpose();
    let user = args.user.as_deref().map(UserName::parse).transpose();
    let mut person = user.map_err(|error| usage("--user", &error))?;
    if args.which == Some(Which::Mine) {
        person = Some(office.person()?.clone());
    }
    let entitlement = args.entitlement.as_deref().map(EntitlementName::parse).transpose();
    let repository = args.repository.as_deref();
    Ok(Filter {
        person,
        repository: repository.map(|name| name.strip_suffix(".git").unwrap_or(name).to_owned()),
        entitlement: entitlement.map_err(|error| usage("--entitlement", &error))?,
        open_at: (!wants_ended(args)).then_some(now),
        reserved: false,
        since: time(&args.since)?,
        until: time(&args.until)?,
        limit: 0,
    })
}

fn is_asked_for(
    office: &Office<'_>,
    args: &Args,
    state: &State,
    now: DateTime<Utc>,
) -> anyhow::Result<bool> {
    let standing = state.standing(now);
    let waits = standing == Standing::Pending || state.extension_pending(now).is_some();
    let live = matches!(standing, Standing::Active | Standing::Scheduled);
    let word = args.state.as_deref().is_none_or(|wanted| match wanted {
        "unattested" => state.unattested,
        wanted => view::word(state, now) == wanted,
    });
    Ok(word
        && match args.which {
            Some(Which::Waiting) => {
                let server = office.caller.is_server();
                (waits && (server || office.could_approve(state)?.is_ok()))
                    || (state.unattested && (server || office.could_attest(state)?.is_ok()))
            }
            Some(Which::Live) => live,
            Some(Which::Ended) => !live && standing != Standing::Pending,
            Some(Which::Mine | Which::All) => true,
            None => wants_ended(args) || waits || live || state.unattested,
        })
}

/// What waits, then what is live, then the rest.
fn rank(state: &State, now: DateTime<Utc>) -> u8 {
    match state.standing(now) {
        Standing::Pending => 0,
        _ if state.extension_pending(now).is_some() => 0,
        _ if state.unattested => 1,
        Standing::Active | Standing::Scheduled => 2,
        _ => 3,
    }
}
