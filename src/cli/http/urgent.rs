//! The operations for emergencies: breaking glass and attesting it, laying locks and lifting them.
//!
//! A lock is about a server rather than a repository, so a token that is for some repositories alone
//! has none of it. Who may do what is the verbs' own matter, as in [`super::verbs`].

use super::answer;
use super::api::Asked;
use super::fields::Fields;
use super::verbs;
use crate::cli::Failure;
use crate::cli::access::{Office, Verb, glass, lock};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::door::http::answer::Answer;
use crate::store::open::Mode;
use serde_json::json;

const OK: &str = "200 OK";

type Done = anyhow::Result<Answer>;

/// `POST glass`
///
/// # Errors
/// Why it was not taken.
pub fn break_glass(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let scoped = verbs::scoped(asked, &mut fields)?;
    fields.end()?;
    let repository = scoped.repository().to_owned();
    verbs::filed(asked, &repository, &Verb::BreakGlass(glass::GlassArgs { scoped }))
}

/// `POST grants/{id}/attest`
///
/// # Errors
/// Who may not; it was not taken without approval.
pub fn attest(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = glass::AttestArgs { id: asked.id.clone(), note: fields.text("note")? };
    fields.end()?;
    verbs::moved(asked, Verb::Attest(args), |state| state.terms.is_some())
}

/// `GET locks`: those that are one's own to know of.
///
/// # Errors
/// The store can't be read.
pub fn locks(asked: &Asked<'_>, fields: Fields) -> Done {
    fields.end()?;
    let out = Out::keeping();
    lock::list(&office(asked, Mode::Read)?, &out)?;
    Ok(answer::value(OK, &json!({ "locks": out.taken().values })))
}

/// `POST locks`
///
/// # Errors
/// Who may not; a scope that is none; the store can't be written.
pub fn lay(asked: &Asked<'_>, mut fields: Fields) -> Done {
    let args = lock::Args {
        verb: None,
        actor: None,
        user: fields.text("user")?,
        project: fields.text("project")?,
        repository: fields.text("repository")?,
        branches: fields.texts("branches")?,
        tags: fields.texts("tags")?,
        refs: fields.texts("refs")?,
        all: fields.flag("all")?,
        permissions: fields.texts("permissions")?,
        message: Some(fields.needed("message")?),
        duration: fields.text("for")?,
        until: fields.text("until")?,
    };
    fields.end()?;
    let scope = [&args.branches, &args.tags, &args.refs].into_iter().any(|list| !list.is_empty())
        || [&args.user, &args.project, &args.repository].into_iter().any(Option::is_some);
    if (args.all && scope) || (args.duration.is_some() && args.until.is_some()) {
        let words = "`all` excludes every other scope, and `for` excludes `until`";
        return Err(Failure::new(Exit::Usage, words).into());
    }
    let out = Out::keeping();
    let exit = lock::lay(&office(asked, Mode::Write)?, &args, &out)?;
    Ok(answer::of(exit, "201 Created", &out.taken()))
}

/// `POST locks/{id}/lift`
///
/// # Errors
/// Who may not; no such lock holds; the store can't be written.
pub fn lift(asked: &Asked<'_>, fields: Fields) -> Done {
    fields.end()?;
    let args = lock::UnlockArgs { ids: vec![asked.id.clone()], actor: None };
    let out = Out::keeping();
    let exit = lock::lift(&office(asked, Mode::Write)?, &args, &out)?;
    Ok(answer::of(exit, OK, &out.taken()))
}

fn office<'a>(asked: &'a Asked<'_>, mode: Mode) -> anyhow::Result<Office<'a>> {
    if asked.is_limited() {
        let words = "locks are about the server: they need a token for every repository";
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let office = Office::open(asked.here, asked.caller(), mode)?;
    office.person()?;
    Ok(office)
}
