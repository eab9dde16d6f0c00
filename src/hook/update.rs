//! `update`: confirms one ref at the last moment, silently unless it refuses.
//!
//! It reads the slip that pre-receive left, the epoch and the applied policy's digest, and nothing
//! more: no policy, no repository, and no network but one read of the epoch where hosts share it.
//!
//! git starts it once a ref, so most of its time is that of starting a program. Its own program holds
//! [`quick`] alone, a yes and what that needs; where there is anything else to do or to say, it becomes
//! `refwarden`, the program beside it, and [`main`] begins anew.
//!
//! A refusal that is not one ref's own is one of the whole push ([`ending`]).

mod ending;

use super::{End, Refusal, desk, foreign, judge, lent};
use crate::audit::{Event, PolicyRecord, Push, Record, RefRecord, Text, Verdict};
use crate::code::Code;
use crate::os::faults;
use crate::os::process::{self, ReceivePack};
use crate::os::site::Site;
use crate::os::syslog::{self, Severity};
use crate::os::{child, clock, env};
use crate::store::access::AccessStore as _;
use crate::store::etcd::Etcd;
use crate::store::slip::{self, Head, Key, Opened, Present, SlipError, SlipProblem, SlipRef};
use crate::store::{applied, epoch};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

/// What `refwarden` is started as when it takes over; the arguments follow, from git's first name on.
const NAME: &str = "refwarden: update";
/// How long the one read of a shared epoch may take.
const SHARED_DEADLINE: std::time::Duration = std::time::Duration::from_secs(3);

/// The program `update`: says yes by itself, no where [`main`] has said of an earlier ref why, and
/// leaves every other answer to that.
#[must_use]
pub fn quick() -> ExitCode {
    // Whoever takes over says what is wrong; no place of the source goes to the pusher.
    std::panic::set_hook(Box::new(|_| {}));
    match std::panic::catch_unwind(confirmed) {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        _ => {
            let program = Site::program().unwrap_or_default();
            let error = child::become_program(&program, NAME);
            super::say(&format!("error: refused by refwarden: RW509 {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// A yes, where this is this host's own and nothing stands against it; a no that was told before.
fn confirmed() -> Option<bool> {
    let site = Site::find().ok()?;
    site.check_account().ok()?;
    let mut arguments = env::arguments();
    let argv0 = (arguments.len() == 4).then(|| arguments.remove(0))?;
    faults::point("update-started");
    let asked = asked(&arguments)?;
    let service = process::receive_pack().ok()??;
    let key = Key::new(&service, Path::new(".")).ok()?;
    let slip = slip::open(&site.state, &key).ok()?;
    if slip.is_over() {
        return Some(false);
    }
    if foreign::kept(Path::new(&argv0)).is_some() {
        return None;
    }
    if slip.head().shared_epoch.is_some() {
        return None;
    }
    let epoch = epoch::read(&site.state).ok()?;
    let digest = applied::digest(&site.state, site.account_uid).ok()?;
    let present = Present { now: clock::now(), epoch, digest: &digest };
    slip.confirm(&asked, &present).ok()?;
    faults::point("update-confirmed");
    Some(true)
}

/// Whether this process took over from [`quick`].
#[must_use]
pub fn is_asked() -> bool {
    env::arguments().first().is_some_and(|name| name == NAME)
}

/// Runs the hook.
///
/// # Errors
/// [`Refusal`], for this ref.
pub fn main() -> Result<End, Refusal> {
    let site = Site::find().map_err(|error| Refusal::server(Code::NotTrusted, &error))?;
    site.check_account().map_err(|error| Refusal::server(Code::NotTrusted, &error))?;
    let mut arguments = env::arguments();
    if is_asked() {
        arguments.remove(0);
    }
    if arguments.len() != 4 {
        return Err(Refusal::new(
            Code::Malformed,
            ["update takes a ref, its old id and its new id"],
        ));
    }
    let argv0 = arguments.remove(0);
    faults::point("update-started");
    let found = slip_of(&site);
    if found.as_ref().is_ok_and(|(_, slip)| slip.is_over()) {
        return Ok(End::Stop);
    }
    foreign::run(Path::new(&argv0), &arguments, None)?;
    let malformed = || Refusal::new(Code::Malformed, ["an argument is not an object id"]);
    let asked = asked(&arguments).ok_or_else(malformed)?;
    let (service, slip) = found.map_err(|refusal| complete(&site, &asked, None, refusal))?;
    match confirm(&site, &slip, &asked) {
        Ok(()) => {
            faults::point("update-confirmed");
            Ok(End::Go)
        }
        Err(No::Told) => Ok(End::Stop),
        Err(No::One(refusal)) => Err(complete(&site, &asked, Some(slip.head()), refusal)),
        Err(No::Rest(refusal)) => Ok(ending::end(&site, (&service, &slip), &asked, refusal)),
    }
}

/// Why a ref is not to move.
enum No {
    /// pre-receive has refused it, and said why.
    Told,
    /// It is not a ref that pre-receive allowed.
    One(Refusal),
    /// What was allowed is allowed no longer, or nobody can tell.
    Rest(Refusal),
}

/// The receive-pack above, and what pre-receive left for this push.
fn slip_of(site: &Site) -> Result<(ReceivePack, Opened), Refusal> {
    let (service, key) = key(Path::new("."))?;
    let slip = slip::open(&site.state, &key).map_err(refusal)?;
    Ok((service, slip))
}

fn asked(arguments: &[OsString]) -> Option<SlipRef> {
    let [name, old, new] = arguments else { return None };
    let id = |text: &OsString| slip::parse_id(text.as_bytes());
    Some(SlipRef { name: name.as_bytes().to_vec(), old: id(old)?, new: id(new)? })
}

/// The push that this hook belongs to.
///
/// # Errors
/// [`Refusal`] RW510 where no receive-pack is above.
pub(super) fn key(git_dir: &Path) -> Result<(ReceivePack, Key), Refusal> {
    let service = process::receive_pack().map_err(|error| Refusal::server(Code::NoSlip, &error))?;
    let service = service.ok_or_else(|| {
        Refusal::new(
            Code::NoSlip,
            ["no `git receive-pack` runs this hook; tell the server's admin"],
        )
    })?;
    let key = Key::new(&service, git_dir).map_err(|error| Refusal::server(Code::Store, &error))?;
    Ok((service, key))
}

fn confirm(site: &Site, slip: &Opened, asked: &SlipRef) -> Result<(), No> {
    let (epoch, digest) = present(site, slip.head()).map_err(No::Rest)?;
    let present = Present { now: clock::now(), epoch, digest: &digest };
    slip.confirm(asked, &present).map_err(|error| match error {
        SlipError::Problem(SlipProblem::NotNamed) if slip.head().refused > 0 => No::Told,
        SlipError::Problem(SlipProblem::NotNamed | SlipProblem::OtherValues) => {
            No::One(refusal(error))
        }
        SlipError::Problem(SlipProblem::Over) => No::Told,
        error => No::Rest(refusal(error)),
    })
}

/// The epoch and the applied policy's digest, where the epoch of other hosts is that of the slip.
fn present(site: &Site, head: &Head) -> Result<(u64, [u8; 32]), Refusal> {
    let epoch = epoch::read(&site.state).map_err(|error| Refusal::server(Code::Store, &error))?;
    if let Some(shared) = head.shared_epoch {
        overtaken_elsewhere(site, shared)?;
    }
    let digest = applied::digest(&site.state, site.account_uid)
        .map_err(|error| Refusal::server(Code::NoPolicy, &error))?;
    Ok((epoch, digest))
}

/// One read of the epoch that several hosts share: a revocation on another of them counts here. It
/// moves in the same transaction as what it guards, so unlike this host's it is never in between.
fn overtaken_elsewhere(site: &Site, decided_on: u64) -> Result<(), Refusal> {
    let (policy, _) = desk::open_policy(site)?;
    let shared = policy.settings().shared_store.as_ref().ok_or_else(|| {
        Refusal::new(Code::PushAgain, ["another policy was applied meanwhile: push again"])
    })?;
    let store = Etcd::open(shared, site.account_uid, SHARED_DEADLINE);
    let epoch = store.and_then(|store| store.epoch()).map_err(|error| lent::refusal(&error))?;
    match epoch == Some(decided_on) {
        true => Ok(()),
        false => Err(refusal(SlipError::Problem(SlipProblem::EpochChanged))),
    }
}

fn refusal(error: SlipError) -> Refusal {
    match error {
        SlipError::None => Refusal::new(
            Code::NoSlip,
            [
                "tell the server's admin: `refwarden repo status` shows whether pre-receive is in place",
            ],
        ),
        SlipError::Problem(problem) => {
            Refusal::new(Code::PushAgain, [format!("{problem}: push again")])
        }
        error @ SlipError::NotOurs { .. } => Refusal::server(Code::NotTrusted, &error),
        error => Refusal::server(Code::Store, &error),
    }
}

/// Gives the refusal of one ref the ref's name, the push's id, and a line in the trail.
fn complete(site: &Site, asked: &SlipRef, head: Option<&Head>, mut refusal: Refusal) -> Refusal {
    refusal.details.insert(0, [b"the ref ".as_slice(), &asked.name, b" was not moved"].concat());
    refusal.frame.id = head.map(|head| head.push.clone());
    refusal.frame.one_ref = true;
    keep(site, asked, head, &refusal);
    refusal
}

/// Writes a refusal into the trail; where that can't be, into syslog.
fn keep(site: &Site, asked: &SlipRef, head: Option<&Head>, refusal: &Refusal) {
    if let Err(error) = record(site, asked, head, refusal) {
        let _ = syslog::send(Severity::Error, &format!("a refusal was not recorded: {error}"));
    }
}

fn record(
    site: &Site,
    asked: &SlipRef,
    head: Option<&Head>,
    refusal: &Refusal,
) -> Result<(), String> {
    let (policy, digest) = desk::open_policy(site).map_err(|refusal| refusal.for_admin())?;
    let mut line = Record::new(Event::PUSH_DECIDED, crate::os::host_name());
    line.push = head.map(|head| Push { id: Some(Text::new(&head.push)), receive_pack: None });
    let here = std::fs::canonicalize(".").map_err(|error| error.to_string())?;
    line.repository = judge::repository(&site.root, &here).map(Text::new);
    line.verdict = Some(Verdict::Refused);
    line.code = Some(Text::new(refusal.code.to_string()));
    line.reason = Some(Text::new(refusal.for_admin()));
    line.policy = Some(PolicyRecord { digest: Text::new(desk::hex(&digest)) });
    line.refs = vec![RefRecord {
        name: Text::new(&asked.name),
        old: Text::new(asked.old.to_string()),
        new: Text::new(asked.new.to_string()),
        verdict: Some(Verdict::Refused),
        code: line.code.clone(),
        ..RefRecord::default()
    }];
    let trail = desk::trail(site, &policy.settings().audit);
    trail.append(&line, clock::now().wall).map(|_| ()).map_err(|error| error.to_string())
}
