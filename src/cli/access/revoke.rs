//! `access revoke`: grants end at once, and what is under way with them is told.

use super::failure::{damaged, ledger_failure, store_failure};
use super::moves;
use super::office::Office;
use super::wish::wait;
use super::{bounded, view};
use crate::access::{Event, Id, Phase, Standing, State, What, step};
use crate::audit::{Record as Line, TrailError};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ledger::{self, Effect, LedgerError};
use crate::os::clock;
use crate::os::process::{self, Host};
use crate::policy::name::UserName;
use crate::store::access::{Append, Change, Filter, StoreError};
use crate::store::slip::{self, Key};
use chrono::{DateTime, Utc};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a chunk is tried again because one of its records moved.
const TRIES: u32 = 64;
/// How many grants end in one change: a shared store bounds it.
const CHUNK: usize = 8;
/// How often `--wait` looks.
const LOOK: Duration = Duration::from_millis(200);

/// Most requests that are named because they still wait.
const MAX_PENDING: usize = 20;

/// Arguments of `access revoke`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access revoke --user bob --note 'laptop stolen' --wait 5m"
)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["ids", "user", "repository", "all"])))]
pub struct Args {
    /// Grants, their ids whole.
    #[arg(value_name = "ID")]
    pub(in crate::cli) ids: Vec<String>,
    /// Every grant of this person.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// Every grant in this repository.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: Option<String>,
    /// Every grant there is.
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Why, in your own words: the holder, notices, `show` and an auditor get them.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
    /// Wait until no push is under way with them, at most so long (1 d); exit code 1 where one still is.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10m")]
    pub(in crate::cli) wait: Option<String>,
}

/// A push under way that rests on grants which were revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Running {
    push: String,
    host: String,
    grants: Vec<Id>,
}

#[derive(Default)]
struct Done {
    /// Requests that were meant as little as they are hit: each can still be approved.
    pending: Vec<Id>,
    revoked: Vec<(Id, State)>,
    left: BTreeMap<Id, String>,
    unrecorded: Option<TrailError>,
}

/// Revokes.
///
/// # Errors
/// Nobody may; there is no such grant; the store can't be written.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let note = bounded(args.note.as_ref(), "--note")?;
    let wait = args.wait.as_deref().map(wait).transpose()?;
    let (wanted, pending) = which(office, args)?;
    let mut done = Done { pending, ..Done::default() };
    for chunk in wanted.chunks(CHUNK) {
        end(office, chunk, note.as_deref(), &mut done)?;
    }
    let ids: Vec<Id> = done.revoked.iter().map(|(id, _)| id.clone()).collect();
    // Also of those that somebody else revoked: what they began may still be under way.
    let watched: Vec<Id> = ids.iter().cloned().chain(done.left.keys().cloned()).collect();
    let mut running = under_way(office, &watched)?;
    tell(office, &done, &running, out);
    if let Some(wait) = wait {
        let end = clock::now().boot + Duration::from_secs(wait.seconds().into());
        while !running.is_empty() && clock::now().boot < end {
            std::thread::sleep(LOOK);
            running = under_way(office, &watched)?;
        }
        if !running.is_empty() {
            let words = format!("{} still under way after {wait}", pushes(running.len()));
            return Err(Failure::new(Exit::Failed, words).into());
        }
        if !out.json {
            view::say(out, "no push is under way with them");
        }
    }
    Ok(exit(&done, args))
}

fn exit(done: &Done, args: &Args) -> Exit {
    match (&done.unrecorded, done.revoked.is_empty(), done.left.is_empty()) {
        (Some(_), ..) => Exit::Unavailable,
        // By id each one was meant; of all there are, those that can't be are left.
        (None, _, false) if !args.ids.is_empty() => Exit::Refused,
        (None, true, false) => Exit::Refused,
        _ => Exit::Done,
    }
}

/// The records to end, by id or by what they are about; then also the requests about that which wait.
fn which(office: &Office<'_>, args: &Args) -> anyhow::Result<(Vec<Id>, Vec<Id>)> {
    if !args.ids.is_empty() {
        let ids: anyhow::Result<Vec<Id>> = args.ids.iter().map(|text| office.id(text)).collect();
        let mut ids = ids?;
        // One that is named twice is ended once.
        ids.sort();
        ids.dedup();
        // Before anything is ended, that each of them is there.
        for id in &ids {
            office.record(id)?;
        }
        return Ok((ids, Vec::new()));
    }
    let now = clock::now().wall;
    let person = args.user.as_deref().map(UserName::parse).transpose();
    let person = person.map_err(|error| Failure::new(Exit::Usage, format!("--user: {error}")))?;
    if let Some(person) = &person
        && office.here.policy.user(person).map_err(damaged)?.is_none()
    {
        let words = format!("there is no user `{person}`{}", office.nearest_user(person.as_str()));
        return Err(Failure::new(Exit::NotFound, words).into());
    }
    let repository = args.repository.as_deref();
    let repository = repository.map(|name| name.strip_suffix(".git").unwrap_or(name).to_owned());
    let filter = Filter { person, repository, open_at: Some(now), ..Filter::default() };
    let found = office.store.list(&filter).map_err(|error| store_failure(&error))?;
    let (mut ids, mut pending) = (Vec::new(), Vec::new());
    for record in found {
        let Ok(state) = record.state() else { continue };
        let lent = matches!(&state.phase, Phase::Approved(terms) if now < terms.until);
        let waits = state.standing(now) == Standing::Pending;
        if (lent || waits) && office.could_close(&state)?.is_ok() {
            if lent { &mut ids } else { &mut pending }.push(record.id);
        }
    }
    Ok((ids, pending))
}

/// Ends a few grants in one change.
fn end(office: &Office<'_>, ids: &[Id], note: Option<&str>, done: &mut Done) -> anyhow::Result<()> {
    for turn in 0..TRIES {
        let now = clock::now().wall;
        let (change, lines, revoked) = decide(office, ids, note, now, done)?;
        if revoked.is_empty() {
            return Ok(());
        }
        match office.make(&change, lines, Effect::TakesAway, now) {
            Ok(made) => {
                done.unrecorded = made.unrecorded.or(done.unrecorded.take());
                done.revoked.extend(revoked);
                return Ok(());
            }
            Err(LedgerError::Store(StoreError::Moved)) => moves::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
        }
    }
    Err(moves::busy().into())
}

type Decided = (Change, Vec<Line>, Vec<(Id, State)>);

fn decide(
    office: &Office<'_>,
    ids: &[Id],
    note: Option<&str>,
    now: DateTime<Utc>,
    done: &mut Done,
) -> anyhow::Result<Decided> {
    let (mut change, mut lines, mut revoked) = (Change::default(), Vec::new(), Vec::new());
    for id in ids {
        let (record, state) = office.record(id)?;
        if office.could_close(&state)?.is_err() {
            let words = "it is for root, for who administers, and for who could approve it";
            done.left.insert(id.clone(), words.into());
            continue;
        }
        let what = What::Revoked { note: note.map(str::to_owned) };
        let event = Event { at: now, by: office.caller.actor.clone(), what };
        match step(state, &event) {
            Err(illegal) => {
                let why = illegal.told(office.here.settings().timezone);
                done.left.insert(id.clone(), why);
            }
            Ok(next) => {
                let after = record.version();
                let seq = after.saturating_add(1);
                let notices = ledger::notices(&office.here.policy, (id, seq), &next, &event);
                change.notices.extend(notices);
                lines.push(ledger::line(id, &next, &event));
                change.appends.push(Append { id: id.clone(), after, event });
                revoked.push((id.clone(), next));
            }
        }
    }
    Ok((change, lines, revoked))
}

/// Pushes under way that rest on these grants: on this host by their slips, elsewhere as registered.
fn under_way(office: &Office<'_>, ids: &[Id]) -> anyhow::Result<Vec<Running>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let of =
        |grants: &[Id]| -> Vec<Id> { grants.iter().filter(|g| ids.contains(g)).cloned().collect() };
    let host = crate::os::host_name();
    let mut running = Vec::new();
    let now = Host::current()?;
    for head in slip::all(&office.here.site.state)? {
        let grants = of(&head.lent);
        if !grants.is_empty() && runs(&head.key, &now)? {
            running.push(Running { push: head.push, host: host.clone(), grants });
        }
    }
    for push in office.store.under_way().map_err(|error| store_failure(&error))? {
        let grants = of(&push.grants);
        if !grants.is_empty() && push.host != host {
            running.push(Running { push: push.key, host: push.host, grants });
        }
    }
    Ok(running)
}

/// Whether the push of a slip is still under way; of one in another pid namespace that can't be
/// seen, so it counts until the slip is gone.
fn runs(key: &Key, host: &Host) -> anyhow::Result<bool> {
    let seen = key.host.pid_namespace == host.pid_namespace;
    let same_boot = key.host.boot_id == host.boot_id;
    Ok(same_boot && (!seen || process::runs(key.pid, key.start_time)?))
}

fn tell(office: &Office<'_>, done: &Done, running: &[Running], out: &Out) {
    let ids = |all: &[Id]| all.iter().map(Id::to_string).collect::<Vec<_>>();
    if out.json {
        let left: BTreeMap<&str, &str> =
            done.left.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
        let running: Vec<_> = running
            .iter()
            .map(|one| json!({ "push": one.push, "host": one.host, "grants": ids(&one.grants) }))
            .collect();
        let revoked: Vec<&str> = done.revoked.iter().map(|(id, _)| id.as_str()).collect();
        out.value(&json!({ "revoked": revoked, "left": left, "pending": ids(&done.pending), "under_way": running }));
    } else {
        tell_people(office, done, running, out);
    }
    if let Some(error) = &done.unrecorded {
        view::note(out, format!("it was done, but the trail has no line of it: {error}"));
    }
}

fn tell_people(office: &Office<'_>, done: &Done, running: &[Running], out: &Out) {
    for (id, state) in &done.revoked {
        let request = &state.request;
        view::say(
            out,
            format!(
                "{id}: revoked by {}: {} no longer has {} in {}",
                office.caller.actor,
                request.person,
                view::what(request),
                request.repository
            ),
        );
    }
    for (id, why) in &done.left {
        view::note(out, format!("error: {id}: {why}"));
    }
    if done.revoked.is_empty() && done.left.is_empty() {
        view::say(out, "there is no such grant");
    }
    for id in done.pending.iter().take(MAX_PENDING) {
        let deny = format!("{} access deny {id}", office.command());
        view::say(
            out,
            format!("{id}: asked for, and can still be approved; to stop that:  {deny}"),
        );
    }
    if let Some(more @ 1..) = done.pending.len().checked_sub(MAX_PENDING) {
        view::say(out, format!("{more} more wait: {} access list waiting", office.command()));
    }
    for one in running {
        let grants: Vec<&str> = one.grants.iter().map(Id::as_str).collect();
        view::say(
            out,
            format!(
                "push {} on {} is under way with {}: what has not moved yet will not",
                one.push,
                one.host,
                grants.join(", ")
            ),
        );
    }
}

fn pushes(count: usize) -> String {
    if count == 1 { "1 push is".into() } else { format!("{count} pushes are") }
}
