//! `pre-receive`: decides the whole push once, before anything in the repository changes.
//!
//! The order is the promise: judge, then the audit line on the disk, then the slip for `update`,
//! then the repository's own hook, then yes.

use super::desk::Desk;
use super::judge::{self, Answer, Known, Ruled};
use super::{End, Refusal, foreign, record, say, settle, tell};
use crate::audit::{Event, Record, Text, TrailError, Verdict};
use crate::code::Code;
use crate::decision;
use crate::os::site::Site;
use crate::os::{clock, env, faults, files, syslog};
use crate::policy::model::Refuse;
use crate::policy::scope::Ground;
use crate::report::PushReport;
use crate::store::slip::{self, End as SlipEnd, Head, Key, Slip, SlipRef};
use chrono::{DateTime, Duration, Utc};
use gix::ObjectId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Longest list of refs on stdin, in bytes.
const MAX_STDIN: usize = 64 << 20;
/// How far ahead turns of windows are looked for where the repository's own hook runs first: it may
/// take its time. One that takes longer is pushed again.
const FOREIGN: Duration = Duration::hours(1);

/// Runs the hook.
///
/// # Errors
/// [`Refusal`] of the push as a whole.
pub fn main() -> Result<End, Refusal> {
    let desk = Desk::open()?;
    faults::point("pre-receive-started");
    let argv0 = env::arguments().into_iter().next().map(PathBuf::from).unwrap_or_default();
    let mut known = Known::default();
    let judged = read_stdin().and_then(|stdin| {
        let horizon = horizon(&stdin, foreign::kept(&argv0).is_some());
        // A defect while judging is a refusal like any other: recorded, with its id.
        let judged =
            catch_unwind(AssertUnwindSafe(|| judge::judge(&desk, &stdin, horizon, &mut known)));
        let ruled = judged.unwrap_or_else(|_| Err(Refusal::defect()))?;
        Ok((stdin, ruled))
    });
    faults::point("pre-receive-judged");
    let (stdin, ruled) = judged.map_err(|refusal| refuse(&desk, &known, refusal))?;
    let Some(ground) = &known.ground else {
        return Err(refuse(
            &desk,
            &known,
            Refusal::new(Code::Internal, ["no ground to decide on"]),
        ));
    };
    let answer = Answered { desk: &desk, known: &known, ground, ruled: &ruled, argv0: &argv0 };
    answer.give(&stdin)
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
}

impl Answered<'_> {
    fn give(&self, stdin: &[u8]) -> Result<End, Refusal> {
        let refused = self.ruled.iter().filter(|one| one.answer.refused().is_some()).count();
        let by_ref = self.desk.policy.settings().refuse == Refuse::Ref;
        let stops = refused > 0 && (!by_ref || refused == self.ruled.len());
        let report = tell::report(self.desk, self.known, self.ground, self.ruled);
        if !stops && refused > 0 {
            self.prove_update()?;
        }
        let line = self.line(stops);
        if stops {
            return Ok(self.stop(&report, line));
        }
        let seq = self.record(&line)?;
        faults::point("pre-receive-recorded");
        self.lay_slip(seq, self.desk.now)?;
        if foreign::kept(self.argv0).is_some() {
            foreign::run(self.argv0, &[], Some(stdin)).map_err(|r| self.framed(r))?;
            self.still_within()?;
            self.lay_slip(seq, clock::now())?;
        }
        faults::point("pre-receive-slip");
        settle::own_repository(self.desk);
        say(&report.render());
        for line in tell::grants(self.desk, self.known, self.ground, self.ruled) {
            say(&format!("{}\n", crate::text::Safe::new(&line, 99)));
        }
        faults::point("pre-receive-done");
        Ok(End::Go)
    }

    fn framed(&self, mut refusal: Refusal) -> Refusal {
        refusal.frame = Box::new(tell::frame(self.desk, self.known));
        refusal
    }

    fn line(&self, stops: bool) -> Record {
        let files: Vec<String> =
            self.desk.policy.files().iter().map(|file| file.name.clone()).collect();
        let mut line = record::begin(self.desk, Event::PUSH_DECIDED, self.known);
        record::answers(&mut line, self.ruled, self.ground, &files);
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

    /// The report first goes to the trail; that it could not is no reason to let anything through.
    fn stop(&self, report: &PushReport, line: Record) -> End {
        let mut report = report.clone();
        if let Err(error) = record::refused(self.desk, line) {
            let _ = syslog::send(
                syslog::Severity::Error,
                &format!("a refusal was not recorded: {error}"),
            );
        }
        report.notes.extend(settle::sources_differ(&self.desk.site, &self.desk.policy));
        say(&report.render());
        End::Stop
    }

    /// Without the line on the disk there is no yes.
    fn record(&self, line: &Record) -> Result<u64, Refusal> {
        match self.desk.trail().append(line, self.desk.now.wall) {
            Ok(appended) => Ok(appended.seq),
            // A refusal can still be recorded where a yes can't.
            Err(error @ (TrailError::Clock { .. } | TrailError::TooLong(_))) => {
                Err(refuse(self.desk, self.known, Refusal::server(error.code(), &error)))
            }
            Err(error) => Err(self.framed(Refusal::server(error.code(), &error))),
        }
    }

    /// Lays down what `update` confirms; there is no `update` where no receive-pack is above us.
    fn lay_slip(&self, seq: u64, now: clock::Now) -> Result<(), Refusal> {
        let Some(service) = &self.desk.service else { return Ok(()) };
        let unwritable =
            |error: &dyn std::error::Error| self.framed(Refusal::server(Code::Store, error));
        let key = Key::new(service, Path::new(".")).map_err(|error| unwritable(&error))?;
        let refs = self.allowed();
        let end = SlipEnd::from_now(now, self.ends(), refs.len());
        let head = Head {
            key,
            folder: self.known.git_dir.clone(),
            push: self.desk.id.clone(),
            digest: self.desk.digest,
            epoch: self.desk.epoch,
            end,
            audit_seq: seq,
        };
        slip::write(&self.desk.site.state, &Slip { head, refs, confirmed: false })
            .map_err(|error| unwritable(&error))
    }

    fn allowed(&self) -> Vec<SlipRef> {
        let both = self.known.updates.iter().zip(self.ruled);
        both.filter(|(_, one)| one.answer.refused().is_none())
            .map(|(update, _)| {
                let kind = update
                    .change
                    .old()
                    .or(update.change.new_id())
                    .map_or(gix::hash::Kind::Sha1, |id| id.kind());
                let null = ObjectId::null(kind);
                SlipRef {
                    name: update.name.as_bytes().to_vec(),
                    old: update.change.old().unwrap_or(null),
                    new: update.change.new_id().unwrap_or(null),
                }
            })
            .collect()
    }

    /// The earliest end of anything that a yes rests on.
    fn ends(&self) -> Option<DateTime<Utc>> {
        let ends = self.ruled.iter().filter_map(|one| match &one.answer {
            Answer::Decided(decision) => match &decision.verdict {
                decision::Verdict::Allowed(allowed) => allowed.ends(),
                decision::Verdict::Refused(_) => None,
            },
            Answer::Fault(..) => None,
        });
        ends.min()
    }

    /// The repository's own hook may have taken longer than we looked ahead.
    fn still_within(&self) -> Result<(), Refusal> {
        let now = clock::now();
        let too_long =
            now.boot.saturating_sub(self.desk.now.boot) > FOREIGN.to_std().unwrap_or_default();
        if too_long || self.ends().is_some_and(|end| now.wall >= end) {
            let words = [
                "the repository's own pre-receive hook took so long that the decision has ended: push again",
            ];
            return Err(self.framed(Refusal::new(Code::PushAgain, words)));
        }
        Ok(())
    }

    /// `refuse = "ref"` lets pre-receive say yes although a ref is refused, so it must be sure that
    /// git will run our `update`: in the folder that git's configuration names, which need not be
    /// the one that we were run from (another hook may have run us).
    fn prove_update(&self) -> Result<(), Refusal> {
        let ours = Site::home().map(|home| home.join("update"));
        let there = self.known.hooks.as_ref().map(|hooks| hooks.join("update"));
        let same = ours.ok().zip(there);
        let same = same.is_some_and(|(ours, there)| files::same_executable(&there, &ours));
        if self.desk.service.is_some() && same {
            return Ok(());
        }
        let words = [
            "`refuse = \"ref\"` needs refwarden's update hook in place, and it is not; tell the server's admin",
        ];
        Err(refuse(self.desk, self.known, Refusal::new(Code::NoSlip, words)))
    }
}
