//! `refwarden policy lint`: what is valid, and yet hardly what anybody wants.
//!
//! Knows where policy and trail are, and how findings are told; what makes one is
//! [`crate::policy::lint`]'s matter. Warnings of `policy check` are findings too, by their codes.

use super::{Account, load};
use crate::audit::read::{self, Filter, Seen};
use crate::audit::{Event, Record};
use crate::cli::audit::note_reading;
use crate::cli::exit::Exit;
use crate::cli::out::{Out, counted};
use crate::cli::site::{self, Here};
use crate::cli::when;
use crate::hook::desk::{self, Payload};
use crate::os::clock;
use crate::policy::diag::{Problem, position};
use crate::policy::lint::usage::{Pushed, Usage};
use crate::policy::lint::{Finding, lint};
use crate::policy::model::Policy;
use crate::policy::name::UserName;
use crate::policy::source::Sources;
use crate::push::Action;
use crate::store::applied;
use crate::text::Safe;
use chrono::{DateTime, Utc};
use serde_json::json;
use std::path::PathBuf;

/// Most bytes of a text that is told.
const LONG: usize = 500;

/// Arguments of `policy lint`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy's main file; without it, the site's.
    file: Option<PathBuf>,
    /// Also name permits and grants that no push has met for so long, and entitlements that nobody has
    /// asked for, by the site's trail: 90d, 12h, or since 2026-11-22T10:00:00Z.
    #[arg(long, value_name = "SPAN")]
    unused: Option<String>,
    /// Exit code 0 in spite of findings.
    #[arg(long)]
    warn: bool,
}

/// A finding as it is told.
struct Told {
    word: String,
    place: String,
    value: serde_json::Value,
    what: String,
    cure: String,
}

/// Runs the verb: exit code 1 when there is a finding.
///
/// # Errors
/// The policy is invalid (exit code 4), or the trail can't be read.
pub fn run(args: &Args, out: &Out) -> anyhow::Result<Exit> {
    let (path, account): (_, Account) = match &args.file {
        Some(path) => (path.clone(), None),
        None => {
            let site = site::find()?;
            (site.policy, Some(site.account_uid))
        }
    };
    let loaded = load(&path, account, out)?;
    let now = clock::now().wall;
    let mut findings = lint(&loaded.policy, &loaded.sources, now);
    if let Some(span) = &args.unused {
        let since = when::parse(span, now)?;
        findings.extend(unused(&loaded.policy, &loaded.sources, since, out)?);
        findings.sort_by_key(|finding| finding.at);
    }
    let mut told: Vec<Told> =
        loaded.warnings.iter().map(|problem| warning(problem, &loaded.sources)).collect();
    told.extend(findings.iter().map(|finding| told_of(finding, &loaded.sources)));
    tell(&told, out);
    Ok(if told.is_empty() || args.warn { Exit::Done } else { Exit::Failed })
}

fn tell(all: &[Told], out: &Out) {
    for one in all {
        if out.json {
            out.value(&one.value);
            continue;
        }
        out.line(format!("{}: {}: {}", one.place, one.word, one.what));
        if !one.cure.is_empty() {
            out.line(format!("  cure: {}", one.cure));
        }
    }
    if !out.json {
        match all.len() {
            0 => out.line("nothing found"),
            count => out.line(counted(count, "finding", "findings")),
        }
    }
}

fn told_of(finding: &Finding, sources: &Sources) -> Told {
    told(finding.word, finding.at, &finding.what, finding.cure, sources)
}

fn warning(problem: &Problem, sources: &Sources) -> Told {
    let cure = problem.help.as_deref().unwrap_or_default();
    told(&problem.code.to_string(), problem.at, &problem.message, cure, sources)
}

fn told(
    word: &str,
    at: crate::policy::diag::At,
    what: &str,
    cure: &str,
    sources: &Sources,
) -> Told {
    let safe = |text: &str| Safe::new(text.as_bytes(), LONG).to_string();
    let at = position(at, sources);
    let (file, what, cure) = (safe(at.file), safe(what), safe(cure));
    let value = json!({
        "word": word, "file": file, "line": at.line, "column": at.column, "what": what, "cure": cure,
    });
    let place = format!("{file}:{}:{}", at.line, at.column);
    Told { word: word.to_owned(), place, value, what, cure }
}

/// What the trail shows to be unused since then.
fn unused(
    policy: &Policy,
    sources: &Sources,
    since: DateTime<Utc>,
    out: &Out,
) -> anyhow::Result<Vec<Finding>> {
    let here = Here::open()?;
    site::become_account(&here.site)?;
    let mut usage = Usage::new(policy);
    let (mut counted, mut damaged) = (None, 0);
    read::each(&here.audit_file(), &Filter::default(), &mut |seen| {
        match seen {
            Seen::Line { line, record, .. } if line.end.time < since => {
                let digest = record.policy.as_ref().map(|policy| policy.digest.to_string());
                let applied = record.event == Event::POLICY_APPLIED;
                counted = digest.filter(|_| applied).or(counted.take());
            }
            Seen::Line { line, record, .. } => meet(&mut usage, record, line.end.time),
            Seen::Damaged { .. } => damaged += 1,
        }
        Ok(())
    })?;
    note_reading(&here, "policy lint", out);
    if damaged > 0 {
        out.note(format!(
            "{damaged} lines of the trail are damaged: what they told is not counted"
        ));
    }
    let Some(digest) = counted else {
        out.note(format!(
            "the trail does not say which policy counted at {since}: nothing is called unused"
        ));
        return Ok(Vec::new());
    };
    match kept(&here, &digest)? {
        Some(before) => Ok(usage.findings(&before, sources, since)),
        None => {
            out.note(format!(
                "the policy that counted at {since} is not kept any more: nothing is called unused"
            ));
            Ok(Vec::new())
        }
    }
}

fn meet(usage: &mut Usage<'_>, record: &Record, time: DateTime<Utc>) {
    if record.event.as_str() == "access.requested"
        && let Some(name) = &record.entitlement
    {
        usage.asked(name.as_str());
    }
    if record.event != Event::PUSH_DECIDED {
        return;
    }
    let user = record.actor.as_ref().and_then(|actor| actor.user.as_ref());
    let user = user.and_then(|user| UserName::parse(user.as_str()).ok());
    let (Some(user), Some(repository)) = (user, &record.repository) else { return };
    let repository = repository.to_bytes();
    for one in &record.refs {
        let action = one.action.as_ref().and_then(|action| Action::parse(action.as_str()));
        let Some(action) = action else { continue };
        let name = one.name.to_bytes();
        usage.pushed(&Pushed { user: &user, repository: &repository, action, name: &name, time });
    }
}

/// The policy of that digest, the present one or a kept one.
fn kept(here: &Here, digest: &str) -> anyhow::Result<Option<Policy>> {
    let (state, account) = (&here.site.state, here.site.account_uid);
    let numbers = applied::history(state)?.into_iter();
    let kept = numbers.map(|number| applied::open_kept(state, account, number));
    for one in kept.chain([applied::open(state, account)]) {
        let one = one?;
        if desk::hex(&one.digest) == digest {
            return Ok(Some(Payload::open(one)?.policy()?));
        }
    }
    Ok(None)
}
