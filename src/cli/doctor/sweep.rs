//! Whether anything runs `refwarden sweep`.
//!
//! Knows what waits for it; not how it is run: a timer that is there may be off, so what counts is
//! what it did.

use crate::cli::finding::Finding;
use crate::cli::out::counted;
use crate::cli::repo::target::Installation;
use crate::hook::desk::Payload;
use crate::os::clock::{self, Now};
use crate::os::host_facts;
use crate::os::process::Host;
use crate::os::site::Site;
use crate::policy::compiled::Compiled;
use crate::store::open::{self, Mode};
use crate::store::{slip, swept};
use chrono::TimeDelta;

/// A timer runs every minute; what waits for longer than this waits for nobody.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// Slips and notices that are counted; more are as bad.
const MOST: usize = 1000;

/// Pushes that were cut short are settled, and notices that were not taken are sent again.
pub fn runs(home: &Installation, applied: &Compiled<Payload>) -> Finding {
    let now = clock::now();
    let last = swept::last(&home.site.state);
    if let Some(age) = last.map(|last| now.wall - last).filter(|age| *age < PATIENCE) {
        return Finding::ok("sweep", format!("ended {} s ago", age.num_seconds().max(0)));
    }
    let slips = slips(&home.site, now);
    // What is wrong with the store is found by its own check.
    let notices = notices(&home.site, applied, now).unwrap_or(0);
    if slips + notices == 0 {
        return Finding::ok("sweep", "nothing waits for it");
    }
    let what = format!(
        "no `refwarden sweep` came to its end in the last {} minutes; {} and {} wait for one",
        PATIENCE.num_minutes(),
        counted(slips, "push that was cut short", "pushes that were cut short"),
        counted(notices, "notice", "notices"),
    );
    let cure =
        "run it every minute: install.sh --systemd, or cron; and once by hand, to see what it says";
    Finding::warn("sweep", what, cure)
}

/// Slips that nobody will close any more, and that were laid long ago.
fn slips(site: &Site, now: Now) -> usize {
    let Ok(host) = Host::current() else { return 0 };
    let Ok(stale) = slip::stale(&site.state, "", "", &host, now, MOST) else { return 0 };
    let old = |stale: &&slip::Stale| {
        host_facts::changed(&stale.path).is_ok_and(|at| now.wall - at >= PATIENCE)
    };
    stale.iter().filter(old).count()
}

fn notices(site: &Site, applied: &Compiled<Payload>, now: Now) -> Option<usize> {
    let opened = open::open(applied.settings(), &site.state, site.account_uid, Mode::Read);
    let due = opened.ok()??.due(now.wall - PATIENCE, MOST);
    due.ok().map(|due| due.len())
}
