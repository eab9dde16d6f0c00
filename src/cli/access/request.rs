//! `access request` and `access break-glass`: a wish becomes a record.

use super::office::{self, Office, damaged, ledger_failure, store_failure};
use super::scope::{self, Asked};
use super::{bounded, view};
use crate::access::ask::{self, Wish};
use crate::access::{Actor, Event, Id, Request, Standing, State, What, step};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::hook::ask as by_push;
use crate::hook::desk::hex;
use crate::hook::ledger::{self, Effect, LedgerError};
use crate::os::{clock, random};
use crate::policy::entry::Permissions;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::pattern::Pattern;
use crate::policy::refs::{PathScope, RefPattern, RefScope, Space};
use crate::policy::span::Span;
use crate::store::access::{Append, Change, Idempotency, StoreError};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// How often a request is tried again when the person's other requests moved.
const TRIES: u32 = 64;
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(500);
/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 200;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Scoped {
    /// The entitlement, as the policy calls it.
    entitlement: String,
    /// The repository's name: its path below the site's root, without `.git`.
    #[arg(long, value_name = "NAME")]
    repository: String,
    /// Branches, by name or glob; without any refs, all that the entitlement lends.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    branches: Vec<String>,
    /// Tags, by name or glob.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    tags: Vec<String>,
    /// Refs by full name or glob.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    refs: Vec<String>,
    /// Ask to create refs; without any action, for all that the entitlement lends.
    #[arg(long)]
    create: bool,
    /// Ask to move refs forward.
    #[arg(long)]
    update: bool,
    /// Ask to move refs elsewhere.
    #[arg(long)]
    force: bool,
    /// Ask to delete refs.
    #[arg(long)]
    delete: bool,
    /// The same as words: create, update, force, delete, push, write, read, bypass.
    #[arg(long, value_name = "WORD", num_args = 1.., value_delimiter = ',')]
    permissions: Vec<String>,
    /// Only for changes of these paths.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    paths: Vec<String>,
    /// Checks to be lifted, with `bypass`.
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    checks: Vec<String>,
    /// For how long, from the approval on: 30m, 4h, 1h30m.
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<String>,
    /// Why; at least 10 characters.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The ticket.
    #[arg(long, value_name = "ID")]
    ticket: Option<String>,
    /// So many pushes that land.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    uses: Option<u32>,
    /// The same command with the same key, sent again, finds what it did.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Arguments of `access request`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access request hotfix --as bob --repository payments/api \\\n             \
    --branches release/2.4 --update --for 1h --reason 'PAY-42 retry storm' --wait 10m"
)]
pub struct Args {
    #[command(flatten)]
    scoped: Scoped,
    /// Not before this time: 2026-11-22T10:00:00Z, or 2h for so long from now.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Wait so long for the answer.
    #[arg(long, value_name = "DURATION")]
    wait: Option<String>,
}

/// Arguments of `access break-glass`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access break-glass emergency --as bob --repository payments/api \\\n             \
    --branches main --update --reason 'payments are down, PAY-99'"
)]
pub struct GlassArgs {
    #[command(flatten)]
    scoped: Scoped,
}

/// A wish as it was read from a command line.
struct Wanted {
    request: Request,
    entitlement: Entitlement,
    wish: Wish,
    key: Option<(String, String)>,
}

/// Files a request, or finds the open one that is the same.
///
/// # Errors
/// Why it was not filed.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let now = office.sound_now()?;
    let from = args.from.as_deref().map(|text| ahead(text, now)).transpose()?;
    let wait = args.wait.as_deref().map(|text| span("--wait", text)).transpose()?;
    let wanted = read(office, &args.scoped, from, "request")?;
    let (id, mut state) = file(office, &wanted, true)?;
    if state.standing(now) == Standing::Pending
        && let Some(next) = by_rule(office, &wanted, &id, &state)?
    {
        state = next;
    }
    if let Some(wait) = wait {
        state = wait_for(office, &id, state, wait)?;
    }
    Ok(tell(office, &id, &state, out))
}

/// Takes access at once; somebody has to attest it.
///
/// # Errors
/// Why it was not taken.
pub fn break_glass(office: &Office<'_>, args: &GlassArgs, out: &Out) -> anyhow::Result<Exit> {
    office.sound_now()?;
    office.only_in_person("break glass")?;
    let person = office.person()?;
    let wanted = read(office, &args.scoped, None, "break-glass")?;
    let user = office.people.active(person).map_err(damaged)?;
    if user.is_none_or(|user| user.service) {
        let words = format!("{person} is a service, and services never break glass");
        return Err(Failure::new(Exit::Refused, words).into());
    }
    if !wanted.entitlement.break_glass {
        let words = format!("`{}` can't be taken by breaking glass", wanted.request.entitlement);
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let (id, state) = file(office, &wanted, false)?;
    let state = match state.standing(clock::now().wall) {
        Standing::Pending => take(office, &wanted, &id)?,
        _ => state,
    };
    Ok(tell(office, &id, &state, out))
}

/// The second half of breaking glass: what was just filed begins. The person's records are compared
/// again, so that two at once do not both get through.
fn take(office: &Office<'_>, wanted: &Wanted, id: &Id) -> anyhow::Result<State> {
    let person = &wanted.request.person;
    for turn in 0..TRIES {
        let now = office.sound_now()?;
        let of_person = office.store.of_person(person, now).map_err(|e| store_failure(&e))?;
        let others = crate::store::access::OfPerson {
            token: of_person.token,
            open: of_person.open.into_iter().filter(|record| record.id != *id).collect(),
        };
        if let Err(words) = by_push::may_ask(&others, u32::MAX, now) {
            let words = format!("{words}; request {id} stays and waits for approval");
            return Err(Failure::new(Exit::Refused, words).into());
        }
        let (record, state) = office.record(id)?;
        let mut terms = ask::terms(&state.request, &wanted.entitlement, None, now)
            .map_err(|words| Failure::new(Exit::Refused, words))?;
        terms.break_glass = true;
        let what = What::Approved { note: None, terms: Some(terms) };
        let event = Event { at: now, by: office.caller.actor.clone(), what };
        let next = step(state, &event)
            .map_err(|illegal| Failure::new(Exit::Refused, format!("{id}: {illegal}")))?;
        let change = Change { person: Some((person.clone(), others.token)), ..Change::default() };
        match office.add(id, record.version(), &next, &event, Effect::MayWiden, change) {
            Ok(_) => return Ok(next),
            Err(LedgerError::Store(StoreError::Moved)) => office::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
        }
    }
    Err(office::busy().into())
}

fn read(
    office: &Office<'_>,
    args: &Scoped,
    from: Option<DateTime<Utc>>,
    verb: &str,
) -> anyhow::Result<Wanted> {
    let person = office.person()?.clone();
    let usage = |words: String| Failure::new(Exit::Usage, words);
    let name = EntitlementName::parse(&args.entitlement)
        .map_err(|error| usage(format!("`{}`: {error}", args.entitlement.escape_debug())))?;
    let entitlement = office.entitlement(&name)?;
    let repository = args.repository.strip_suffix(".git").unwrap_or(&args.repository).to_owned();
    let (project, _) = office.place(&repository)?;
    there(office, &repository)?;
    if entitlement.pin {
        let words = format!(
            "`{name}` lends only the commits of a refused push: git push -o access={name} ..."
        );
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let request = Request {
        person: person.clone(),
        entitlement: name,
        project,
        repository,
        permissions: permissions(args, &entitlement).map_err(usage)?,
        refs: refs(args, &entitlement).map_err(usage)?,
        more: Vec::new(),
        paths: paths(&args.paths).map_err(usage)?,
        checks: checks(args, &entitlement),
        pins: Vec::new(),
        duration: entitlement.default_duration,
        from: None,
        max_uses: None,
        reason: None,
        ticket: None,
        pending_until: DateTime::UNIX_EPOCH,
        seen: Vec::new(),
    };
    let wish = Wish {
        duration: args.duration.as_deref().map(|text| span("--for", text)).transpose()?,
        from,
        uses: args.uses,
        reason: bounded(args.reason.as_ref(), "--reason")?,
        ticket: bounded(args.ticket.as_ref(), "--ticket")?,
    };
    let key = key(office, args, &request, &wish, verb)?;
    Ok(Wanted { request, entitlement, wish, key })
}

/// A repository that nobody has would be a typing mistake.
fn there(office: &Office<'_>, repository: &str) -> anyhow::Result<()> {
    let root = &office.here.site.root;
    let plain = !repository.is_empty()
        && repository.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let found = plain
        && (root.join(repository).is_dir() || root.join(format!("{repository}.git")).is_dir());
    if found {
        return Ok(());
    }
    let shown = crate::text::Safe::new(repository.as_bytes(), 200);
    Err(Failure::new(Exit::NotFound, format!("there is no repository `{shown}`")).into())
}

fn key(
    office: &Office<'_>,
    args: &Scoped,
    request: &Request,
    wish: &Wish,
    verb: &str,
) -> anyhow::Result<Option<(String, String)>> {
    let Some(key) = &args.idempotency_key else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let words = format!("--idempotency-key has 1 to {MAX_KEY} printable characters, no blanks");
        return Err(Failure::new(Exit::Usage, words).into());
    }
    let person = office.person()?;
    let Wish { duration, from, uses, reason, ticket } = wish;
    let content = format!(
        "{verb}\n{person}\n{}\n{duration:?} {from:?} {uses:?} {reason:?} {ticket:?}",
        request.fingerprint()
    );
    Ok(Some((format!("{person}:{key}"), hex(&Sha256::digest(content.as_bytes())))))
}

/// Files the request; with `find`, an open one that is the same is found instead.
fn file(office: &Office<'_>, wanted: &Wanted, find: bool) -> anyhow::Result<(Id, State)> {
    let fingerprint = wanted.request.fingerprint();
    let person = wanted.request.person.clone();
    for turn in 0..TRIES {
        let now = office.sound_now()?;
        if let Some(found) = done_before(office, wanted)? {
            return Ok(found);
        }
        let of_person = office.store.of_person(&person, now).map_err(|e| store_failure(&e))?;
        let same = by_push::same(&of_person, &fingerprint, now).filter(|_| find);
        if let Some(found) = same {
            return Ok(found);
        }
        let request = fitted(office, wanted, now)?;
        let max_open = office.here.settings().access.max_open;
        by_push::may_ask(&of_person, max_open, now)
            .map_err(|words| Failure::new(Exit::Refused, words))?;
        let what = What::Requested(Box::new(request));
        let event = Event { at: now, by: office.caller.actor.clone(), what };
        match new_record(office, wanted, event, of_person.token, find) {
            Err(LedgerError::Store(StoreError::Moved | StoreError::Taken)) => office::pause(turn),
            Err(error) => return Err(ledger_failure(&error).into()),
            Ok(filed) => return Ok(filed),
        }
    }
    Err(office::busy().into())
}

/// What the same command did under its key before.
fn done_before(office: &Office<'_>, wanted: &Wanted) -> anyhow::Result<Option<(Id, State)>> {
    let Some((key, content)) = &wanted.key else { return Ok(None) };
    let Some(done) = office.store.done(key).map_err(|e| store_failure(&e))? else {
        return Ok(None);
    };
    if done.content != *content {
        let words = format!("this idempotency key was used for something else ({})", done.id);
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let (_, state) = office.record(&done.id)?;
    Ok(Some((done.id, state)))
}

/// The request within its entitlement, with nothing against it.
fn fitted(office: &Office<'_>, wanted: &Wanted, now: DateTime<Utc>) -> anyhow::Result<Request> {
    let all = |words: Vec<String>| Failure::new(Exit::Refused, words.join("; "));
    let fitted = ask::fit(wanted.wish.clone(), wanted.request.clone(), &wanted.entitlement, now);
    let request = fitted.map_err(|words| all(words.iter().map(|w| as_options(w)).collect()))?;
    let from = request.from.unwrap_or(now);
    let asked = Asked { from, until: from + request.duration.delta() };
    match scope::against(office, &request, &wanted.entitlement, asked)? {
        words if words.is_empty() => Ok(request),
        words => Err(all(words).into()),
    }
}

/// Words about push options, for whom they are options of a command.
fn as_options(words: &str) -> String {
    words.replace("-o reason=", "--reason ").replace("-o ticket=", "--ticket ID")
}

fn new_record(
    office: &Office<'_>,
    wanted: &Wanted,
    event: Event,
    token: u64,
    told: bool,
) -> Result<(Id, State), LedgerError> {
    let id = Id::of(random::bytes());
    let state = State::begin(&event).map_err(|_| StoreError::Moved)?;
    let line = ledger::line(&id, &state, &event);
    // Of a broken glass its own event tells, at once.
    let notices = match told {
        true => ledger::notices(&office.here.policy, (&id, 1), &state, &event),
        false => Vec::new(),
    };
    let change = Change {
        appends: vec![Append { id: id.clone(), after: 0, event: event.clone() }],
        person: Some((wanted.request.person.clone(), token)),
        notices,
        idempotency: wanted.key.clone().map(|(key, content)| Idempotency {
            key,
            content,
            id: id.clone(),
        }),
        ..Change::default()
    };
    office.make(&change, vec![line], Effect::MayWiden, event.at)?;
    Ok((id, state))
}

/// `auto`: approved by rule, while its window is open.
fn by_rule(
    office: &Office<'_>,
    wanted: &Wanted,
    id: &Id,
    state: &State,
) -> anyhow::Result<Option<State>> {
    let now = clock::now().wall;
    let Some(auto) = wanted.entitlement.auto.as_ref().filter(|auto| auto.when.holds(now)) else {
        return Ok(None);
    };
    let cap = Some(auto.max_duration);
    let Ok(terms) = ask::terms(&state.request, &wanted.entitlement, cap, now) else {
        return Ok(None);
    };
    let moved = office.move_on(id, Effect::MayWiden, |_, _| {
        Ok((Actor::rule(), What::Approved { note: None, terms: Some(terms.clone()) }))
    });
    match moved {
        Ok(moved) => Ok(Some(moved.state)),
        // Somebody has answered meanwhile.
        Err(error) if exit_of(&error) == Some(Exit::Refused) => Ok(Some(office.record(id)?.1)),
        Err(error) => Err(error),
    }
}

fn exit_of(error: &anyhow::Error) -> Option<Exit> {
    error.downcast_ref::<Failure>().map(|failure| failure.exit)
}

fn wait_for(office: &Office<'_>, id: &Id, state: State, wait: Span) -> anyhow::Result<State> {
    let end = clock::now().boot + Duration::from_secs(wait.seconds().into());
    let mut state = state;
    while state.standing(clock::now().wall) == Standing::Pending && clock::now().boot < end {
        std::thread::sleep(LOOK);
        state = office.record(id)?.1;
    }
    Ok(state)
}

fn tell(office: &Office<'_>, id: &Id, state: &State, out: &Out) -> Exit {
    let now = clock::now().wall;
    if out.json {
        out.value(&view::json(id, state, now));
    } else {
        view::say(out, view::line(id, state, now, office.here.settings().timezone));
    }
    match state.standing(now) {
        Standing::Pending => {
            let names = ledger::approvers(&office.here.policy, state);
            let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
            if !out.json && !names.is_empty() {
                view::say(out, format!("can approve: {}", names.join(", ")));
            }
            Exit::Waiting
        }
        Standing::Active | Standing::Scheduled => Exit::Done,
        _ => Exit::Refused,
    }
}

fn permissions(args: &Scoped, entitlement: &Entitlement) -> Result<Permissions, String> {
    let flags = [
        (args.create, Permissions::CREATE),
        (args.update, Permissions::UPDATE),
        (args.force, Permissions::FORCE),
        (args.delete, Permissions::DELETE),
    ];
    let mut set = Permissions::default();
    for (_, one) in flags.into_iter().filter(|(asked, _)| *asked) {
        set = set.with(one);
    }
    for word in &args.permissions {
        let one = Permissions::parse(word).ok_or_else(|| {
            let words: Vec<&str> = Permissions::words().collect();
            format!("`{}` is no permission; they are {}", word.escape_debug(), words.join(", "))
        })?;
        set = set.with(one);
    }
    Ok(if set.is_empty() { entitlement.entry.permissions } else { set })
}

fn refs(args: &Scoped, entitlement: &Entitlement) -> Result<RefScope, String> {
    let spaces =
        [(&args.branches, Space::Branches), (&args.tags, Space::Tags), (&args.refs, Space::Refs)];
    let mut include = Vec::new();
    for (texts, space) in spaces {
        for text in texts {
            include.push(RefPattern { space, pattern: pattern(text)? });
        }
    }
    match include.is_empty() {
        true => Ok(entitlement.entry.refs.clone()),
        false => Ok(RefScope { include, exclude: Vec::new() }),
    }
}

/// A pattern of a command line.
///
/// # Errors
/// Words.
pub fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| format!("`{}`: {error}", text.escape_debug()))
}

fn paths(texts: &[String]) -> Result<Option<PathScope>, String> {
    let include: Result<Vec<Pattern>, String> = texts.iter().map(|text| pattern(text)).collect();
    let include = include?;
    Ok((!include.is_empty()).then_some(PathScope { include, exclude: Vec::new() }))
}

fn checks(args: &Scoped, entitlement: &Entitlement) -> Vec<Box<str>> {
    match args.checks.is_empty() {
        true => entitlement.entry.checks.clone(),
        false => args.checks.iter().map(|check| check.as_str().into()).collect(),
    }
}

/// A length of time given with an option.
///
/// # Errors
/// It is none.
pub fn span(option: &str, text: &str) -> anyhow::Result<Span> {
    Span::parse(text)
        .map_err(|error| Failure::new(Exit::Usage, format!("{option}: {error}")).into())
}

/// An instant, or so long from now.
///
/// # Errors
/// It is neither.
pub fn ahead(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    Span::parse(text).map(|span| now + span.delta()).map_err(|_| {
        let words = format!(
            "`{}` is not a time: write 2026-11-22T10:00:00Z, or 2h for so long from now",
            text.escape_debug()
        );
        Failure::new(Exit::Usage, words).into()
    })
}
