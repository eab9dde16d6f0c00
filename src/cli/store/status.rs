//! `refwarden store status`, and what `doctor` says of the store.

use super::{Exit, Here, Out};
use crate::audit::{Text, TrailError};
use crate::hook::desk;
use crate::os::clock;
use crate::os::site::Site;
use crate::policy::model::Settings;
use crate::policy::zone;
use crate::store::access::{Status, StoreError};
use crate::store::clock::is_sound;
use crate::store::open::{self, Mode};
use crate::store::sqlite;
use serde_json::json;

/// The store beside the trail.
pub struct Standing {
    /// Where it is.
    pub at: String,
    /// What it says of itself, where it is there.
    pub status: Option<Status>,
    /// The version that the trail knows.
    pub known: Option<u64>,
    /// Why no push can rest on it.
    pub problem: Option<String>,
}

/// Why the store can't be judged.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// The trail can't be read.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// The store is there and can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at both; the trail first, so that a change in between does not make the store look old.
///
/// # Errors
/// [`StandingError`].
pub fn standing(site: &Site, settings: &Settings) -> Result<Standing, StandingError> {
    let (host, now) = (Text::new(crate::os::host_name()), clock::now().wall);
    let known = desk::trail(site, &settings.audit).known_store(&host, now)?;
    let store = open::open(settings, &site.state, site.account_uid, Mode::Read)?;
    let status = store.map(|store| store.status()).transpose()?;
    let version = status.as_ref().map(|status| status.version);
    let newest = status.as_ref().and_then(|status| status.newest);
    let problem = match TrailError::of_store(version, known) {
        Err(error) => Some(error.to_string()),
        Ok(()) if !is_sound(clock::now().wall, newest) => Some(format!(
            "its newest event is of {}, and the clock is behind that: set the clock, or if that \
             event was wrong run `refwarden store reset-clock`",
            newest.map(|at| zone::told(at, settings.timezone)).unwrap_or_default()
        )),
        Ok(()) => None,
    };
    Ok(Standing { at: place(site, settings), status, known, problem })
}

/// Where the store is, for people.
fn place(site: &Site, settings: &Settings) -> String {
    match &settings.shared_store {
        Some(shared) => shared.endpoints.join(", "),
        None => site.state.join(sqlite::FILE_NAME).display().to_string(),
    }
}

pub(super) fn run(out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    let found = standing(&here.site, here.settings())
        .map_err(|error| super::Failure::new(Exit::Unavailable, error.to_string()))?;
    let version = found.status.as_ref().map(|status| status.version);
    let newest = found.status.as_ref().and_then(|status| status.newest);
    if out.json {
        out.value(&json!({
            "at": found.at, "version": version, "newest": newest,
            "trail": found.known, "problem": found.problem,
        }));
    } else {
        let number =
            |number: Option<u64>| number.map_or("none".into(), |number| number.to_string());
        let newest = newest.map_or("none".into(), |at| zone::told(at, here.settings().timezone));
        out.line(format!("store         {}", found.at));
        out.line(format!("version       {}", number(version)));
        out.line(format!("trail knows   {}", number(found.known)));
        out.line(format!("newest event  {newest}"));
        out.line(found.problem.as_deref().unwrap_or(match version {
            Some(_) => "pushes can rest on it",
            None => "there is none, and none is asked for: `refwarden store init` makes one",
        }));
    }
    Ok(if found.problem.is_some() { Exit::Unavailable } else { Exit::Done })
}
