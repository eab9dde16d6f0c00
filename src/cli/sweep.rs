//! `refwarden sweep`: settles pushes that were cut short.

use super::exit::Exit;
use super::out::Out;
use super::site::{self, Here};
use crate::hook::settle;
use crate::store;
use crate::store::open::Mode;
use serde_json::json;

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Settles every stale slip of the site.
///
/// # Errors
/// The state folder or the trail can't be used; what is not settled waits.
pub fn run(_: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    site::become_account(&here.site)?;
    let settled = settle::sweep(&here.site, &here.policy, "", usize::MAX)?;
    let store =
        store::open::open(here.settings(), &here.site.state, here.site.account_uid, Mode::Write)?;
    if let Some(store) = &store {
        let (site, policy) = (&here.site, &here.policy);
        settle::lost_uses(settle::Books { site, policy, store: store.as_ref() })?;
    }
    if out.json {
        let (landed, vanished, damaged) = (settled.landed, settled.vanished, settled.damaged);
        out.value(&json!({ "landed": landed, "vanished": vanished, "damaged": damaged }));
    } else if settled != settle::Settled::default() {
        out.line(format!(
            "settled: {} pushes had landed, {} had not, {} slips were damaged and kept aside",
            settled.landed, settled.vanished, settled.damaged
        ));
    }
    Ok(Exit::Done)
}
