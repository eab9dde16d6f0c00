//! `pre-receive`: decides the whole push once, before anything in the repository changes.
//!
//! The order is the promise: judge, then the audit line on the disk, then the slip for `update`,
//! then the repository's own hook, then yes.

mod hand_over;

use super::ask::{self, Came};
use super::charge::{self, Aside};
use super::desk::Desk;
use super::judge::{self, Known, Ruled};
use super::lent::{self, Access};
use super::policy_push::{self, Landing};
use super::{End, Refusal, foreign, ledger, record, say, settle, smart, tell, wait};
use crate::access::Id;
use crate::audit::{Event, Record, Text, TrailError, Verdict};
use crate::code::Code;
use crate::os::{clock, env, faults, files, syslog};
use crate::policy::model::Refuse;
use crate::policy::scope::Ground;
use crate::policy::span::Span;
use crate::pusher::Source;
use crate::report::{self, PushReport};
use crate::store::access::{StoreError, UnderWay};
use crate::store::slip::Reserved;
use chrono::Duration;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Longest list of refs on stdin, in bytes.
const MAX_STDIN: usize = 64 << 20;
/// How far ahead turns of windows are looked for where the repository's own hook runs first: it may
/// take its time. One that takes longer is pushed again.
const FOREIGN: Duration = Duration::hours(1);

/// How often a push is decided again because another one took the use that it had counted on.
const ROUNDS: u32 = 64;

/// How a round ends.
enum Next {
    /// All is said.
    End(End),
    /// Another push was first: decide again.
    Again,
    /// A request waits, and the pusher wants to wait for it.
    Wait(Id, Span),
}

/// Runs the hook.
///
/// # Errors
/// [`Refusal`] of the push as a whole.
pub fn main() -> Result<End, Refusal> {
    let mut desk = Desk::open()?;
    faults::point("pre-receive-started");
    let argv0 = env::arguments().into_iter().next().map(PathBuf::from).unwrap_or_default();
    let stdin = read_stdin().map_err(|refusal| refuse(&desk, &Known::default(), refusal))?;
    let mut waited = false;
    for _ in 0..ROUNDS {
        match round(&desk, &stdin, &argv0, waited)? {
            Next::End(end) => {
                std::mem::forget(desk);
                return Ok(end);
            }
            Next::Again => {}
            Next::Wait(id, span) => {
                wait::for_answer(&desk, &id, span)?;
                waited = true;
            }
        }
        desk = Desk { id: desk.id, ..Desk::open()? };
    }
    let words = ["other pushes kept taking the use that this one needed: push again"];
    Err(refuse(&desk, &Known::default(), Refusal::new(Code::Timeout, words)))
}

/// Judges the push once, by the policy, the store and the time of now.
fn round(desk: &Desk, stdin: &[u8], argv0: &Path, waited: bool) -> Result<Next, Refusal> {
    let mut known = Known::default();
    let horizon = horizon(stdin, foreign::kept(argv0).is_some());
    // A defect while judging is a refusal like any other: recorded, with its id.
    let judged = catch_unwind(AssertUnwindSafe(|| judge::judge(desk, stdin, horizon, &mut known)));
    let judged = judged.unwrap_or_else(|_| Err(Refusal::defect()));
    faults::point("pre-receive-judged");
    // Whoever was to apply what has landed is dead or late: that comes first.
    if known.policy.pending
        && let Ok(Landing::Counts { now: true, .. }) = policy_push::catch_up(&desk.site)
    {
        return Ok(Next::Again);
    }
    let ruled = judged.map_err(|refusal| refuse(desk, &known, refusal))?;
    let mut access = std::mem::take(&mut known.access);
    let Some(ground) = &known.ground else {
        return Err(refuse(desk, &known, Refusal::new(Code::Internal, ["no ground to decide on"])));
    };
    let next = Answered { desk, known: &known, ground, ruled: &ruled, argv0, waited }
        .give(stdin, &mut access);
    if matches!(next, Ok(Next::End(_))) {
        // The process ends: that the kernel gives all of it back at once takes less time. Of the
        // store too, whose changes are on the disk.
        std::mem::forget((known, ruled, access));
    }
    next
}

fn read_stdin() -> Result<Vec<u8>, Refusal> {
    files::read_stdin(MAX_STDIN).map_err(|error| match error {
        files::StdinError::TooLong => {
            Refusal::new(Code::Limit, ["the push names more refs than can be judged at once"])
        }
        files::StdinError::Io(error) => Refusal::server(Code::Internal, &error),
    })
}

/// As far ahead as the slip can reach.
fn horizon(stdin: &[u8], foreign: bool) -> Duration {
    let lines = stdin.iter().filter(|&&b| b == b'\n').count();
    let lines = i64::try_from(lines).unwrap_or(i64::MAX).min(1_000_000);
    let slip = Duration::seconds(60) + Duration::milliseconds(20 * lines);
    if foreign { slip + FOREIGN } else { slip }
}

/// Records a refusal of the whole push, and gives it its frame.
fn refuse(desk: &Desk, known: &Known, mut refusal: Refusal) -> Refusal {
    refusal.frame = Box::new(tell::frame(desk, known));
    let trail = desk.trail();
    let nobody = known.pusher.is_none();
    let recorded = match refusal.code {
        // Whatever stops a push before anybody was identified must not fill the disk.
        Code::NoIdentity
        | Code::UnknownUser
        | Code::Malformed
        | Code::ProcReceive
        | Code::Limit
            if nobody =>
        {
            trail.count_unidentified(&Text::new(crate::os::host_name()), desk.now.wall).map(|_| ())
        }
        _ => {
            let mut line = record::begin(desk, Event::PUSH_DECIDED, known);
            line.verdict = Some(Verdict::Refused);
            line.code = Some(Text::new(refusal.code.to_string()));
            line.reason = Some(Text::new(refusal.for_admin()));
            record::refused(desk, line).map(|_| ())
        }
    };
    if let Err(error) = recorded {
        let _ =
            syslog::send(syslog::Severity::Error, &format!("a refusal was not recorded: {error}"));
    }
    refusal
}

/// A push that was judged.
struct Answered<'a> {
    desk: &'a Desk,
    known: &'a Known,
    ground: &'a Ground,
    ruled: &'a [Ruled],
    argv0: &'a Path,
    waited: bool,
}

impl Answered<'_> {
    fn give(&self, stdin: &[u8], access: &mut Access) -> Result<Next, Refusal> {
        let refused = self.ruled.iter().filter(|one| one.refused().is_some()).count();
        let by_ref = self.desk.policy.settings().refuse == Refuse::Ref;
        let stops = refused > 0 && (!by_ref || refused == self.ruled.len());
        if !stops && refused > 0 {
            self.prove_update()?;
        }
        if stops {
            return self.stop(access);
        }
        let key = charge::key(&self.desk.id, self.desk.service.as_ref(), self.known);
        let aside = charge::reserve(self.desk, self.known, access, &key);
        let aside = aside.map_err(|r| self.refused(r))?;
        let reserved = match aside {
            Aside::Nothing => None,
            Aside::Again => return Ok(Next::Again),
            Aside::Of(grants) => {
                Some(Reserved { update: self.update_confirms().is_some(), key, grants })
            }
        };
        let said = self.say_yes(stdin, access, reserved.as_ref());
        if let (Err(_), Some(Reserved { key, grants, .. })) = (&said, &reserved) {
            charge::give_back(access, grants, key);
        }
        said.map(Next::End)
    }

    /// Records the yes, lays the slip, asks the repository's own hook, and says what there is to say.
    fn say_yes(
        &self,
        stdin: &[u8],
        access: &Access,
        reserved: Option<&Reserved>,
    ) -> Result<End, Refusal> {
        let seq = self.record(&self.line(false, access), access)?;
        faults::point("pre-receive-recorded");
        let shared = self.register(access, reserved)?;
        if let Some(brought) = &self.known.policy.brought {
            policy_push::promise(self.desk, brought, self.known.pusher.as_ref())
                .map_err(|error| self.framed(Refusal::server(Code::Store, &error)))?;
        }
        let lay = |now| self.lay_slip(seq, now, (access, reserved, shared));
        lay(self.desk.now)?;
        if foreign::kept(self.argv0).is_some() {
            foreign::run(self.argv0, &[], Some(stdin)).map_err(|r| self.framed(r))?;
            self.still_within(access)?;
            self.register(access, reserved)?;
            lay(clock::now())?;
        }
        smart::intend(self.desk, self.known, self.ground, || self.allowed());
        faults::point("pre-receive-slip");
        settle::own_repository(self.desk);
        say(&tell::report(self.desk, self.known, self.ground, self.ruled).render());
        let grants = tell::grants(self.desk, self.known, (self.ground, self.ruled), access);
        let gitlab = self.desk.policy.settings().sources.contains(&Source::Gitlab);
        say(&report::facts(&grants, gitlab));
        say(&report::facts(&tell::issues(self.known), gitlab));
        let policy = self.known.policy.brought.as_ref();
        say(&report::facts(policy.map_or(&[][..], |brought| &brought.lines), gitlab));
        faults::point("pre-receive-done");
        Ok(End::Go)
    }

    /// The shared epoch, where several hosts share the store; and what they see of this push.
    fn register(
        &self,
        access: &Access,
        reserved: Option<&Reserved>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(store) = &access.store else { return Ok(None) };
        let unusable = |error: &StoreError| self.framed(lent::refusal(error));
        if let (Some(pusher), false) = (&self.known.pusher, access.used.is_empty()) {
            let key = reserved.map(|reserved| reserved.key.clone());
            let push = UnderWay {
                key: key.unwrap_or_else(|| {
                    charge::key(&self.desk.id, self.desk.service.as_ref(), self.known)
                }),
                host: crate::os::host_name(),
                grants: access.used.iter().map(|lent| lent.id.clone()).collect(),
                repository: String::from_utf8_lossy(
                    self.known.repository.as_deref().unwrap_or_default(),
                )
                .into_owned(),
                person: pusher.user.clone(),
            };
            let seconds = 60_u32.saturating_add(u32::try_from(self.ruled.len() / 50).unwrap_or(0));
            store.register(&push, seconds).map_err(|error| unusable(&error))?;
        }
        Ok(access.shared_epoch)
    }

    fn refused(&self, refusal: Refusal) -> Refusal {
        refuse(self.desk, self.known, refusal)
    }

    fn framed(&self, mut refusal: Refusal) -> Refusal {
        refusal.frame = Box::new(tell::frame(self.desk, self.known));
        refusal
    }

    fn line(&self, stops: bool, access: &Access) -> Record {
        let files: Vec<String> =
            self.desk.policy.files().iter().map(|file| file.name.clone()).collect();
        let mut line = record::begin(self.desk, Event::PUSH_DECIDED, self.known);
        record::answers(&mut line, self.ruled, self.ground, &files);
        record::access(&mut line, access);
        record::issues(&mut line, &self.known.issues);
        let warned = line.refs.iter().any(|one| one.verdict == Some(Verdict::WouldRefuse));
        line.verdict = Some(match (stops, warned) {
            (true, _) => Verdict::Refused,
            (false, true) => Verdict::WouldRefuse,
            (false, false) => Verdict::Allowed,
        });
        line.code = line
            .refs
            .iter()
            .filter(|one| one.verdict == Some(Verdict::Refused))
            .find_map(|one| one.code.clone());
        line
    }

    /// A no: asks for access where the pusher wants it, records, reports.
    fn stop(&self, access: &mut Access) -> Result<Next, Refusal> {
        let mut report = tell::report(self.desk, self.known, self.ground, self.ruled);
        let mut line = self.line(true, access);
        let mut wait = None;
        if let Some(wanted) = access.wanted.take() {
            let came = ask::file(self.desk, self.known, wanted, &self.known.asked);
            match came.map_err(|error| self.refused(ask::refusal(&error)))? {
                Came::No(words) => report.notes.extend(tell::not_asked(&words)),
                came => {
                    wait = self.wait_for(&came, &mut report);
                    report.held = wait.is_some();
                    tell::asked(self.desk, &came, &mut report);
                    record::asked(&mut line, &came);
                    ledger::tell_later(&self.desk.policy);
                }
            }
        } else {
            tell::offers(self.known, access, self.ruled, &mut report);
        }
        // The report first goes to the trail; that it could not is no reason to let anything through.
        if let Err(error) = record::refused(self.desk, line) {
            let words = format!("a refusal was not recorded: {error}");
            let _ = syslog::send(syslog::Severity::Error, &words);
        }
        let issues = &self.known.issues;
        let lines = issues.found.iter().chain(&issues.told);
        report.notes.extend(lines.map(|line| line.clone().into_bytes()));
        report.notes.extend(settle::sources_differ(&self.desk.site, &self.desk.policy));
        say(&report.render());
        Ok(match wait {
            Some((id, span)) => Next::Wait(id, span),
            None => Next::End(End::Stop),
        })
    }

    /// `-o wait=`, where it was asked for and is allowed.
    fn wait_for(&self, came: &Came, report: &mut PushReport) -> Option<(Id, Span)> {
        let Came::Waiting(_, id, ..) = came else { return None };
        let wanted = self.known.asked.wait.filter(|_| !self.waited)?;
        let Some(longest) = self.desk.policy.settings().access.max_wait else {
            report.notes.push(b"`-o wait=` is off on this server ([access] max-wait)".to_vec());
            return None;
        };
        Some((id.clone(), wanted.min(longest)))
    }

    /// Without the line on the disk there is no yes.
    fn record(&self, line: &Record, access: &Access) -> Result<u64, Refusal> {
        let version = || self.store_version(access);
        match self.desk.trail().append_asking(line, self.desk.wall(), &version) {
            Ok(appended) => Ok(appended.seq),
            // A refusal can still be recorded where a yes can't.
            Err(
                error @ (TrailError::Clock { .. }
                | TrailError::TooLong(_)
                | TrailError::Store { .. }),
            ) => Err(refuse(self.desk, self.known, Refusal::server(error.code(), &error))),
            Err(error) => Err(self.framed(Refusal::server(error.code(), &error))),
        }
    }

    /// The version of the store as it is now, where there is one.
    fn store_version(&self, access: &Access) -> Option<u64> {
        access.version?;
        let opened = match access.store {
            Some(_) => None,
            None => self.desk.store().ok()?,
        };
        let store = access.store.as_ref().or(opened.as_ref())?;
        Some(store.status().ok()?.version)
    }
}
