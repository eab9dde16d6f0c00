//! `refwarden sweep`: settles pushes that were cut short, and tidies up after killed processes.

use super::exit::Exit;
use super::out::Out;
use super::site::{self, Here};
use crate::hook::settle;
use crate::os::clock;
use crate::store::leftovers;
use serde_json::json;

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Settles every stale slip of the site, and removes what killed processes left.
///
/// # Errors
/// The state folder or the trail can't be used; what is not settled waits.
pub fn run(_: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    site::become_account(&here.site)?;
    let settled = settle::sweep(&here.site, &here.settings().audit, "", usize::MAX)?;
    let removed = leftovers::remove(&here.site.state, clock::now())?;
    if out.json {
        let (landed, vanished, damaged) = (settled.landed, settled.vanished, settled.damaged);
        out.value(&json!({
            "landed": landed, "vanished": vanished, "damaged": damaged, "removed": removed
        }));
        return Ok(Exit::Done);
    }
    if settled != settle::Settled::default() {
        out.line(format!(
            "settled: {} pushes had landed, {} had not, {} slips were damaged and kept aside",
            settled.landed, settled.vanished, settled.damaged
        ));
    }
    if removed > 0 {
        out.line(format!("removed: {removed} files and folders that killed processes had left"));
    }
    Ok(Exit::Done)
}
