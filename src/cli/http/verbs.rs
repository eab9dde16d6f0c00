//! The operations: fields become the arguments of the command's verbs, run as whoever shows the token.
//!
//! Knows what may be seen over this door: a record is one's own, or one that a token for answering,
//! auditing or administering shows; everything else is as if it were not there. Who may do what is
//! the verbs' own matter.

use super::answer;
use super::api::Asked;
use super::fields::Fields;
use crate::access::{Id, State};
use crate::cli::access::failure::store_failure;
use crate::cli::access::{
    self, Office, Verb, list as lists, own, request, revoke as revoking, wish,
};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::{Failure, audit as trail, explain as explaining, who as whoever};
use crate::door::http::answer::Answer;
use crate::door::http::request::API;
use crate::door::reading;
use crate::door::rest::Rest;
use crate::hook::ledger;
use crate::pusher::token::Scope;
use crate::text::Safe;
use clap::ValueEnum;
use serde_json::{Value, json};

const OK: &str = "200 OK";
/// Most records or lines in an answer, and how many where nothing is said.
const LIMITS: (u64, u64) = (1, 1000);
const LIMIT: u64 = 100;
/// Scopes that show more than one's own.
const OTHERS: &[Scope] = &[Scope::Approve, Scope::Audit, Scope::Administer];
const ACTIONS: [&str; 5] = ["read", "create", "update", "force", "delete"];

type Done = anyhow::Result<Answer>;

/// `GET requests`
///
/// # Errors
/// A field that is none; the store can't be read.
pub fn list(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let words = ["mine", "waiting", "live", "ended", "all"];
    let which = fields.word("which", &words)?;
    let args = lists::Args {
        which: which.and_then(|word| lists::Which::from_str(&word, false).ok()),
        user: fields.text("user")?,
        repository: fields.text("repository")?,
        entitlement: fields.text("entitlement")?,
        since: fields.text("since")?,
        until: fields.text("until")?,
        state: fields.word("state", &lists::STATES)?,
        limit: 0,
    };
    listed(asked, args, fields, "requests")
}

/// `GET grants`: those that are lent now or later.
///
/// # Errors
/// As [`list`].
pub fn grants(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = lists::Args {
        which: Some(lists::Which::Live),
        user: fields.text("user")?,
        repository: fields.text("repository")?,
        entitlement: fields.text("entitlement")?,
        ..lists::Args::default()
    };
    listed(asked, args, fields, "grants")
}

fn listed(asked: &Asked<'_>, mut args: lists::Args, mut fields: Fields, name: &str) -> Done {
    let limit = fields.number("limit", LIMITS)?.unwrap_or(LIMIT);
    fields.end()?;
    // What the token does not show is not counted either, so the limit comes last.
    args.limit = 0;
    let own = asked.user().as_str();
    let is_hidden = !asked.has(OTHERS) && args.user.as_deref().is_some_and(|user| user != own);
    if !asked.has(OTHERS) {
        args.user = Some(own.to_owned());
    }
    let out = Out::keeping();
    let verb = Verb::List(args);
    access::perform(&asked.office(&verb)?, &verb, &out)?;
    let mut found = out.taken().values;
    let repository = |value: &Value| value["repository"].as_str().map(str::to_owned);
    found.retain(|value| !is_hidden && repository(value).is_some_and(|name| asked.covers(&name)));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len().saturating_sub(limit);
    found.truncate(limit);
    Ok(answer::value(OK, &json!({ name: found, "more": more })))
}

/// `POST requests`
///
/// # Errors
/// Why it was not filed.
pub fn ask(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let scoped = scoped(asked, &mut fields)?;
    let from = fields.text("from")?;
    fields.end()?;
    let repository = scoped.repository().to_owned();
    filed(asked, &repository, &Verb::Request(request::Args { scoped, from, wait: None }))
}

/// What is asked for.
pub(super) fn scoped(asked: &Asked<'_>, fields: &mut Fields) -> anyhow::Result<wish::Scoped> {
    Ok(wish::Scoped {
        entitlement: fields.needed("entitlement")?,
        repository: repository(fields)?,
        branches: fields.texts("branches")?,
        tags: fields.texts("tags")?,
        refs: fields.texts("refs")?,
        create: false,
        update: false,
        force: false,
        delete: false,
        permissions: fields.texts("permissions")?,
        paths: fields.texts("paths")?,
        checks: fields.texts("checks")?,
        duration: fields.text("for")?,
        reason: fields.text("reason")?,
        ticket: fields.text("ticket")?,
        uses: fields.number("uses", (1, u32::MAX.into()))?.and_then(|uses| uses.try_into().ok()),
        idempotency_key: asked.idempotency_key.clone(),
    })
}

/// Files a request by a verb, where somebody may know of the repository.
pub(super) fn filed(asked: &Asked<'_>, repository: &str, verb: &Verb) -> Done {
    let office = asked.office(verb)?;
    if !may_ask_in(asked, repository)? {
        return Err(no_repository(repository).into());
    }
    let out = Out::keeping();
    let exit = access::perform(&office, verb, &out)?;
    let kept = out.taken();
    let id = kept.values.first().and_then(|value| value["id"].as_str()).map(str::to_owned);
    let answer = answer::of(exit, "201 Created", &kept);
    Ok(match id.filter(|_| matches!(exit, Exit::Done | Exit::Waiting)) {
        Some(id) => {
            let address = format!("{}requests/{id}", String::from_utf8_lossy(API));
            answer.with("Location", address)
        }
        None => answer,
    })
}

/// Whether somebody may know that a repository is there: they may read it, or the policy lets them ask
/// for something in it.
fn may_ask_in(asked: &Asked<'_>, repository: &str) -> anyhow::Result<bool> {
    if !asked.covers(repository) {
        return Ok(false);
    }
    if may_read(asked, repository)? {
        return Ok(true);
    }
    access::may_ask_in(asked.here, asked.user(), repository)
}

/// `GET requests/{id}`
///
/// # Errors
/// There is none that they may see.
pub fn show(asked: &Asked<'_>, fields: Fields) -> Done {
    fields.end()?;
    moved(asked, Verb::Show(access::show::Args { id: asked.id.clone() }), |_| true)
}

/// `GET grants/{id}`
///
/// # Errors
/// As [`show`]; also for a request that was never approved.
pub fn grant(asked: &Asked<'_>, fields: Fields) -> Done {
    fields.end()?;
    let verb = Verb::Show(access::show::Args { id: asked.id.clone() });
    moved(asked, verb, |state| state.terms.is_some())
}

/// `POST requests/{id}/approve`
///
/// # Errors
/// Who may not, or who moved it before.
pub fn approve(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = access::answer::ApproveArgs {
        id: asked.id.clone(),
        extension: fields.flag("extension")?,
        note: fields.text("note")?,
    };
    fields.end()?;
    moved(asked, Verb::Approve(args), |_| true)
}

/// `POST requests/{id}/deny`
///
/// # Errors
/// As [`approve`].
pub fn deny(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = access::answer::DenyArgs {
        id: asked.id.clone(),
        extension: fields.flag("extension")?,
        note: fields.text("note")?,
    };
    fields.end()?;
    moved(asked, Verb::Deny(args), |_| true)
}

/// `POST requests/{id}/withdraw`
///
/// # Errors
/// It is somebody else's, or was moved before.
pub fn withdraw(asked: &Asked<'_>, fields: Fields) -> Done {
    fields.end()?;
    moved(asked, Verb::Withdraw(own::Args { id: asked.id.clone() }), |_| true)
}

/// `POST requests/{id}/extend`
///
/// # Errors
/// It is somebody else's, over, or does not extend so.
pub fn extend(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = own::ExtendArgs {
        id: asked.id.clone(),
        duration: fields.text("for")?,
        reason: fields.text("reason")?,
    };
    fields.end()?;
    moved(asked, Verb::Extend(args), |_| true)
}

/// `POST grants/{id}/return`
///
/// # Errors
/// It is somebody else's, or was moved before.
pub fn give_back(asked: &Asked<'_>, fields: Fields) -> Done {
    fields.end()?;
    moved(asked, Verb::Return(own::Args { id: asked.id.clone() }), |_| true)
}

/// `POST grants/{id}/revoke`
///
/// # Errors
/// Who may not; the store can't be written.
pub fn revoke(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = revoking::Args {
        ids: vec![asked.id.clone()],
        user: None,
        repository: None,
        all: false,
        note: fields.text("note")?,
        wait: None,
    };
    fields.end()?;
    let verb = Verb::Revoke(args);
    let office = asked.office(&verb)?;
    visible(asked, &office, |_| true)?;
    let out = Out::keeping();
    let exit = access::perform(&office, &verb, &out)?;
    let mut kept = out.taken();
    let left = kept.values.first().and_then(|value| value["left"].as_object());
    let left: Vec<String> = left
        .into_iter()
        .flatten()
        .map(|(id, why)| format!("{id}: {}", why.as_str().unwrap_or("")))
        .collect();
    kept.notes.extend(left);
    Ok(answer::of(exit, OK, &kept))
}

/// Does a verb to the record in the address, if it may be seen and `fits`.
pub(super) fn moved(asked: &Asked<'_>, verb: Verb, fits: fn(&State) -> bool) -> Done {
    let office = asked.office(&verb)?;
    visible(asked, &office, fits)?;
    let out = Out::keeping();
    let exit = access::perform(&office, &verb, &out)?;
    Ok(answer::of(exit, OK, &out.taken()))
}

/// The record in the address is there and may be seen; the same words where it is not.
fn visible(asked: &Asked<'_>, office: &Office<'_>, fits: fn(&State) -> bool) -> anyhow::Result<()> {
    let gone = || {
        let id = Safe::new(asked.id.as_bytes(), 40);
        Failure::new(Exit::NotFound, format!("there is no request `{id}` that you may see"))
    };
    let id = Id::parse(&asked.id).map_err(|_| gone())?;
    let record = office.store.record(&id).map_err(|error| store_failure(&error))?;
    let record = record.ok_or_else(gone)?;
    let state = record.state().map_err(|illegal| {
        Failure::new(Exit::Unavailable, format!("the record {id} is damaged: {illegal}"))
    })?;
    let is_own = state.request.person == *asked.user();
    let shown = (is_own || asked.has(OTHERS)) && asked.covers(&state.request.repository);
    match shown && fits(&state) && office.may_see(&state)? {
        true => Ok(()),
        false => Err(gone().into()),
    }
}

/// `GET explain`: the verdict is the answer, whichever it is.
///
/// # Errors
/// A question that is none; a repository or a person that they may not ask about.
pub fn explain(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let action = fields.word("action", &ACTIONS)?;
    let args = explaining::Args {
        user: fields.text("user")?.or_else(|| Some(asked.user().to_string())),
        repository: Some(repository(&mut fields)?),
        reference: reference(&mut fields, action.as_deref())?,
        action,
        paths: fields.texts("path")?,
        links: Vec::new(),
        no_paths: fields.flag("no_paths")?,
        at: fields.text("at")?,
        issue: None,
        policy: None,
        stdin: false,
    };
    fields.end()?;
    if args.no_paths && !args.paths.is_empty() {
        return Err(Failure::new(Exit::Usage, "`path` and `no_paths` exclude each other").into());
    }
    readable(asked, args.repository())?;
    if args.user() != Some(asked.user().as_str()) {
        let settings = asked.here.settings();
        let named = among(asked, &settings.auditors)? || among(asked, &settings.administer)?;
        if !named || !asked.has(&[Scope::Audit, Scope::Administer]) {
            let words =
                "what others may do is for [global] audit and administer, with a token for it";
            return Err(Failure::new(Exit::Refused, words).into());
        }
    }
    let out = Out::keeping();
    explaining::answer(asked.here, &args, &out)?;
    Ok(answer::of(Exit::Done, OK, &out.taken()))
}

/// `GET who`: nobody is an answer as well.
///
/// # Errors
/// A question that is none; a repository that they may not read.
pub fn who(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let action = fields.word("action", &ACTIONS)?;
    let args = whoever::Args {
        repository: repository(&mut fields)?,
        reference: reference(&mut fields, action.as_deref())?,
        action: action.unwrap_or_default(),
    };
    fields.end()?;
    readable(asked, &args.repository)?;
    let out = Out::keeping();
    whoever::tell_all(asked.here, &args, &out)?;
    Ok(answer::value(OK, &json!({ "people": out.taken().values })))
}

/// `GET audit`
///
/// # Errors
/// It is not for them; the trail can't be read, or that it is read can't be written.
pub fn audit(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let selection = trail::Selection {
        user: fields.text("user")?,
        repository: fields.text("repository")?,
        reference: fields.text("ref")?,
        grant: fields.text("grant")?,
        event: fields.text("event")?,
        verdict: fields.word("verdict", &["allowed", "refused", "would-refuse"])?,
        from: fields.text("from")?,
        to: fields.text("to")?,
    };
    let after = fields.number("after", (0, u64::MAX))?.unwrap_or(0);
    let limit = fields.number("limit", LIMITS)?.unwrap_or(LIMIT);
    fields.end()?;
    if !among(asked, &asked.here.settings().auditors)? || asked.is_limited() {
        let words = "the trail is for whom [global] audit names, with a token for every repository";
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let actor = ledger::actor(&asked.caller().actor);
    let page = trail::page(asked.here, actor, &selection, (after, limit))?;
    let value = json!({ "lines": page.lines, "next": page.next, "damaged": page.damaged });
    Ok(answer::value(OK, &value))
}

fn among(asked: &Asked<'_>, list: &[crate::policy::entry::Holder]) -> anyhow::Result<bool> {
    access::is_among(asked.here, asked.user(), list)
}

/// A repository's name, with or without `.git`.
fn repository(fields: &mut Fields) -> anyhow::Result<String> {
    let name = fields.needed("repository")?;
    let name = name.strip_suffix(".git").map(str::to_owned).unwrap_or(name);
    // The verbs take `.git` away as well: what is judged must be what is asked for.
    if name.ends_with(".git") {
        return Err(no_repository(&name).into());
    }
    Ok(name)
}

/// The ref that a question is about; only reading has none.
fn reference(fields: &mut Fields, action: Option<&str>) -> anyhow::Result<Option<String>> {
    match action {
        None => Err(Failure::new(Exit::Usage, "`action` is missing").into()),
        Some("read") => fields.text("ref"),
        Some(_) => fields.needed("ref").map(Some),
    }
}

fn readable(asked: &Asked<'_>, repository: &str) -> anyhow::Result<()> {
    match asked.covers(repository) && may_read(asked, repository)? {
        true => Ok(()),
        false => Err(no_repository(repository).into()),
    }
}

fn may_read(asked: &Asked<'_>, repository: &str) -> anyhow::Result<bool> {
    let reading =
        reading::may_read(asked.desk, &Rest::WHOLE, Some(asked.user()), repository.as_bytes());
    match reading {
        Ok(reading) => Ok(reading.refused.is_none()),
        Err(refusal) => Err(Failure::new(Exit::Unavailable, refusal.for_admin()).into()),
    }
}

/// One text for what is not there and for what one may not know of.
fn no_repository(name: &str) -> Failure {
    let name = Safe::new(name.as_bytes(), 200);
    let words = format!("there is no repository `{name}`, or you may not read it");
    Failure::new(Exit::NotFound, words)
}
