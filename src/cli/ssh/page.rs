//! What somebody sees who logs in without a command: who they are, what they may do, how to ask.

use super::verbs;
use crate::cli::access::{self, Office, list};
use crate::cli::exit::Exit;
use crate::cli::out::{Out, counted};
use crate::cli::site::Here;
use crate::door::reading::{self, Readable};
use crate::door::serve::Visitor;
use crate::door::ssh::git;
use crate::hook::desk::{self, Desk};
use crate::hook::judge;
use crate::os::host_facts;
use crate::policy::zone;
use crate::store::open::Mode;
use crate::text::Safe;
use std::collections::BTreeSet;

/// Most repositories that are asked about, and shown.
const LOOKED_AT: usize = 2000;
const SHOWN: usize = 40;
/// Most lines of requests and grants, a kind.
const LINES: usize = 10;
/// Longest line, in bytes.
const MAX_LINE: usize = 400;

/// Shows the page.
///
/// # Errors
/// What it tells of can't be read.
pub fn show(desk: &Desk, visitor: &Visitor) -> anyhow::Result<Exit> {
    let out = Out::new(false);
    let say = |text: String| out.line(Safe::new(text.as_bytes(), MAX_LINE));
    say(who(desk, visitor)?);
    say("There is no shell here: this account serves git, and answers commands.".into());
    out.line("");
    repositories(desk, visitor, &say)?;
    lent(desk, visitor, &say)?;
    let door = desk::door(&desk.site, desk.policy.settings());
    out.line("");
    asking(desk, visitor, &say)?;
    say(format!("All commands:  {door} help"));
    Ok(Exit::Done)
}

/// How to ask, and for what; where there is nothing to ask for, nothing.
fn asking(desk: &Desk, visitor: &Visitor, say: &dyn Fn(String)) -> anyhow::Result<()> {
    if desk.store()?.is_none() {
        return Ok(());
    }
    let names = access::may_ask_for(&Here::open()?, &visitor.user)?;
    if names.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = names.iter().take(LINES).map(|name| name.as_str()).collect();
    let more = names.len().saturating_sub(LINES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    say("To ask for more, with the push that was refused:".into());
    say("  git push -o access=NAME -o reason='why, in 10 characters or more' REMOTE BRANCH".into());
    say(format!("NAME is what you may ask for, each in its place: {}{more}", shown.join(", ")));
    Ok(())
}

/// `You are bob (Bob Builder), by ssh key SHA256:..., from 192.0.2.7.`
fn who(desk: &Desk, visitor: &Visitor) -> anyhow::Result<String> {
    let user = desk.policy.user(&visitor.user)?;
    let mut text = format!("You are {}", visitor.user);
    if let Some(name) = user.and_then(|user| user.declared.full_name) {
        text.push_str(&format!(" ({name})"));
    }
    for (word, fact) in [("by ssh key", &visitor.key), ("from", &visitor.address)] {
        if let Some(fact) = fact {
            text.push_str(&format!(", {word} {fact}"));
        }
    }
    if let Some(until) = visitor.until {
        let until = zone::told(until, desk.policy.settings().timezone);
        text.push_str(&format!(", by certificate until {until}"));
    }
    Ok(text + ".")
}

fn repositories(desk: &Desk, visitor: &Visitor, say: &dyn Fn(String)) -> anyhow::Result<()> {
    let root = &desk.site.root;
    let (paths, _) = host_facts::repositories_below(root);
    let more = paths.len().saturating_sub(LOOKED_AT);
    let names = paths.iter().take(LOOKED_AT).filter_map(|path| judge::repository(root, path));
    let found = reading::readable(desk, &visitor.user, names);
    let found = found.map_err(|refusal| anyhow::anyhow!(git::words(&refusal)))?;
    if found.is_empty() {
        say("No repository was found that you may read.".into());
    } else {
        say(format!("You may read {}:", counted(found.len(), "repository", "repositories")));
    }
    found.iter().take(SHOWN).for_each(|one| say(line(one)));
    let hidden = found.len().saturating_sub(SHOWN);
    if hidden > 0 {
        say(format!("  and {hidden} more"));
    }
    // Who may read nothing learns nothing of how many there are.
    if more > 0 && !found.is_empty() {
        say("  (not all of this server's repositories were looked at)".into());
    }
    Ok(())
}

/// `  payments/api  PAY  push on feature/**; read`
fn line(one: &Readable) -> String {
    let name = Safe::new(&one.name, MAX_LINE / 2);
    let once: BTreeSet<&str> = one.standing.iter().map(String::as_str).collect();
    let rights: Vec<&str> = once.into_iter().collect();
    let rights = if rights.is_empty() { "by a grant".into() } else { rights.join("; ") };
    format!("  {name}  {}  {rights}", one.project)
}

/// Requests and grants, where the site has a store of them.
fn lent(desk: &Desk, visitor: &Visitor, say: &dyn Fn(String)) -> anyhow::Result<()> {
    if desk.store()?.is_none() {
        return Ok(());
    }
    let here = Here::open()?;
    let office = Office::open(&here, verbs::caller(visitor), Mode::Read)?;
    for (head, word, which) in [
        ("Yours, waiting or live:", "mine", list::Which::Mine),
        ("Waiting for your answer:", "waiting", list::Which::Waiting),
    ] {
        let lines = list::lines(&office, which)?;
        if lines.is_empty() {
            continue;
        }
        say(String::new());
        say(head.into());
        lines.iter().take(LINES).for_each(|line| say(format!("  {line}")));
        if lines.len() > LINES {
            let door = office.command();
            say(format!("  and {} more: {door} access list {word}", lines.len() - LINES));
        }
    }
    Ok(())
}
