//! `refwarden sweep`: settles pushes that were cut short, tells of reads that were only counted, and
//! delivers notices that are due.

use super::exit::Exit;
use super::out::{Out, counted};
use super::site::Here;
use crate::audit::{Actor, Event, PolicyRecord, Record, Text, Verdict};
use crate::hook::policy_push::{self, Landing};
use crate::hook::{desk, settle, smart};
use crate::notify::{self, Delivery, NotTaken, Takers};
use crate::os::clock;
use crate::os::syslog::{self, Severity};
use crate::store::door_key;
use crate::store::leftovers;
use crate::store::open::{self, Mode};
use crate::store::{refusals, swept};
use serde_json::{Value, json};
use std::time::Duration;

/// No delivery is begun later than this after the first: a timer runs the sweep again.
const BUDGET: Duration = Duration::from_secs(50);

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only deliver notices, and say nothing: started by the hooks, which do not wait.
    #[arg(long, hide = true)]
    notices_only: bool,
}

/// Settles every stale slip of the site, removes what killed processes left, and tries every notice
/// that is due once.
///
/// # Errors
/// The state folder, the trail or the store can't be used; what is not settled or told waits.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    if args.notices_only {
        if let Err(error) = deliver(&here) {
            let _ = syslog::send(Severity::Error, &format!("notices: {error}"));
        }
        return Ok(Exit::Done);
    }
    // None waits for what is wrong with another.
    let policy = policy_push::catch_up(&here.site);
    crate::jira::sweep(&here.site.state);
    let settled = settle::sweep(&here.site, &here.policy, "", usize::MAX);
    let uses = lost_uses(&here);
    let delivery = deliver(&here);
    let (settled, delivery) = (settled?, delivery?);
    uses?;
    untold_refusals(&here)?;
    let removed = leftovers::remove(&here.site.state, clock::now());
    if removed.is_ok() {
        swept::note(&here.site.state)?;
    }
    let (policy, removed) = (policy?, removed?);
    let applied = match &policy {
        Landing::Counts { commit, now: true, .. } => Some(commit.to_string()),
        _ => None,
    };
    if out.json {
        let (landed, vanished, damaged) = (settled.landed, settled.vanished, settled.damaged);
        let notices = as_json(&delivery);
        out.value(&json!({
            "landed": landed, "vanished": vanished, "damaged": damaged, "removed": removed,
            "notices": notices, "policy-applied": applied
        }));
        return Ok(Exit::Done);
    }
    if let Some(commit) = applied {
        out.line(format!("applied: the policy of {commit}, which had landed"));
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
    tell(&delivery, out);
    Ok(Exit::Done)
}

/// Settles uses that were put aside by pushes which nobody will settle any more.
fn lost_uses(here: &Here) -> anyhow::Result<usize> {
    let (site, settings) = (&here.site, here.settings());
    let Some(store) = open::open(settings, &site.state, site.account_uid, Mode::Write)? else {
        return Ok(0);
    };
    Ok(settle::lost_uses(settle::Books { site, policy: &here.policy, store: store.as_ref() })?)
}

/// Writes down how many refused reads had no line of their own, of those who did not come again.
fn untold_refusals(here: &Here) -> anyhow::Result<()> {
    let (state, now) = (&here.site.state, clock::now().wall);
    // Without the key nothing is counted.
    let Ok(key) = door_key::read(state, here.site.account_uid) else { return Ok(()) };
    if !refusals::is_any_untold(state, &key, now) {
        return Ok(());
    }
    for user in here.policy.policy()?.users.keys() {
        let tell = |count: u32| {
            let mut line = Record::new(Event::READ_REFUSED, crate::os::host_name())
                .with("unrecorded", count.to_string());
            line.actor = Some(Actor { user: Some(Text::new(user.as_str())), ..Actor::default() });
            line.policy = Some(PolicyRecord { digest: Text::new(desk::hex(here.policy.digest())) });
            line.verdict = Some(Verdict::Refused);
            here.trail().append(&line, now).map(drop)
        };
        refusals::close((state, &key), user, now, tell)?;
    }
    Ok(())
}

/// Delivers what is due; what is given up goes into the trail.
fn deliver(here: &Here) -> anyhow::Result<Delivery> {
    let (site, settings) = (&here.site, here.settings());
    let store = open::open(settings, &site.state, site.account_uid, Mode::Write)?;
    if let Err(error) = smart::file(site, &here.policy, store.as_deref()) {
        let _ = syslog::send(Severity::Error, &format!("smart commits: {error}"));
    }
    let Some(store) = store else { return Ok(Delivery::default()) };
    let now = || clock::now().wall;
    let jira = smart::Taker::new(site, &here.policy);
    let takers = Takers {
        settings: &settings.notify,
        other: jira.as_ref().map(|jira| jira as &dyn notify::Taker),
        account_uid: site.account_uid,
    };
    let delivery = notify::deliver(store.as_ref(), takers, &now, BUDGET)?;
    for one in &delivery.given_up {
        let line = Record::new(Event::NOTICE_FAILED, crate::os::host_name())
            .with("notice", one.id.as_str())
            .with("event", one.event.as_str())
            .with("receiver", one.receiver.as_str())
            .with("problem", one.reason.as_str());
        here.trail().append(&line, now())?;
    }
    Ok(delivery)
}

fn tell(delivery: &Delivery, out: &Out) {
    if *delivery == Delivery::default() {
        return;
    }
    let sent = counted(delivery.sent, "notice was", "notices were");
    let later = delivery.postponed.len() + delivery.waiting;
    out.line(format!(
        "notices: {sent} sent, {later} will be tried again, {} no longer hold, {} are given up",
        delivery.dropped,
        delivery.given_up.len()
    ));
    for one in delivery.postponed.iter().chain(&delivery.given_up) {
        let NotTaken { id, event, receiver, reason } = one;
        out.line(format!("  {id} ({event}) was not taken by {receiver}: {reason}"));
    }
}

fn as_json(delivery: &Delivery) -> Value {
    let listed = |list: &[NotTaken]| -> Vec<Value> {
        let one = |one: &NotTaken| {
            let NotTaken { id, event, receiver, reason } = one;
            json!({ "id": id, "event": event, "receiver": receiver, "reason": reason })
        };
        list.iter().map(one).collect()
    };
    json!({
        "sent": delivery.sent,
        "postponed": listed(&delivery.postponed),
        "waiting": delivery.waiting,
        "dropped": delivery.dropped,
        "given-up": listed(&delivery.given_up),
    })
}
