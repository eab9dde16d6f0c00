//! A push to the policy's own repository: what it brings is judged as a policy before it lands.
//!
//! Knows the order of what is asked of it; what a policy may say is `policy`'s matter, and [`land`]
//! makes it count. Nothing is read for a push that is refused otherwise, nor for another branch.

mod land;

pub use land::{Held, Landing, catch_up, find, held, landed};

use super::desk::Desk;
use super::judge::{Answer, Ruled};
use super::ruling::Ruling;
use super::{apply, checks};
use crate::code::Code;
use crate::decision::Verdict;
use crate::git::{CommitFiles, Reader, RefValue};
use crate::hook::lent::Access;
use crate::os::clock;
use crate::os::files::FileError;
use crate::os::site::Site;
use crate::policy::by_hand::by_hand;
use crate::policy::diag::{self, Problem};
use crate::policy::diff;
use crate::policy::lockout::{self, lockout};
use crate::policy::model::{Policy, PolicyHome};
use crate::policy::source::Sources;
use crate::push::{Change, RefName, RefUpdate};
use crate::pusher::Pusher;
use crate::report::Raw;
use crate::store::landing::{self, Judged};
use gix::ObjectId;

/// Most problems that are shown to the pusher.
const MAX_PROBLEMS: usize = 15;
/// Most lines about who gains and loses what.
const MAX_CHANGES: usize = 40;

/// A policy that a push brings, judged.
pub struct Brought {
    /// The commit that has it.
    pub commit: ObjectId,
    /// What changes, for the pusher.
    pub lines: Vec<Raw>,
}

/// What the push is to the policy.
#[derive(Default)]
pub struct PolicyPush {
    /// It brings one that may count.
    pub brought: Option<Brought>,
    /// One that landed before was never applied.
    pub pending: bool,
}

/// Why what a push brings can't be the policy.
struct No {
    code: Code,
    lines: Vec<Raw>,
}

impl No {
    fn new<T: Into<Raw>>(code: Code, lines: impl IntoIterator<Item = T>) -> Self {
        Self { code, lines: lines.into_iter().map(Into::into).collect() }
    }
}

/// What the policy's own repository is called, where this one (by its name below the root) is it.
fn home_of<'d>(desk: &'d Desk, below_root: Option<&[u8]>) -> Option<&'d PolicyHome> {
    let home = desk.policy.settings().home.as_ref()?;
    (Some(home.repository.as_bytes()) == below_root).then_some(home)
}

/// Whether a policy has landed here that was judged and never applied.
pub fn is_pending(desk: &Desk, reader: &Reader, below_root: Option<&[u8]>) -> bool {
    let Some(home) = home_of(desk, below_root) else { return false };
    let value = reader.ref_value(&RefName::new(home.branch.as_bytes()));
    let Ok(RefValue::Direct(commit)) = value else { return false };
    landing::read(&desk.site.state, commit).is_some()
}

/// Judges what the push brings to the policy's branch, where the push would go through otherwise.
pub fn rule(
    ruling: &Ruling<'_>,
    below_root: &[u8],
    (updates, ruled): (&[RefUpdate], &mut [Ruled]),
    access: &mut Access,
) -> Option<Brought> {
    let home = home_of(ruling.desk, Some(below_root))?;
    let governed = |update: &RefUpdate| update.name.as_bytes() == home.branch.as_bytes();
    let at = updates.iter().position(governed)?;
    let (update, one) = (updates.get(at)?, ruled.get_mut(at)?);
    if one.refused().is_some() {
        return None;
    }
    match of_update(ruling, home, update, one) {
        Ok(brought) => Some(brought),
        Err(No { code, lines }) => {
            one.answer = Answer::Fault(code, lines);
            access.used.retain(|lent| checks::rests_on(ruling, ruled, lent.id.as_str()));
            None
        }
    }
}

fn of_update(
    ruling: &Ruling<'_>,
    home: &PolicyHome,
    update: &RefUpdate,
    one: &Ruled,
) -> Result<Brought, No> {
    if matches!(update.change, Change::Delete { .. }) {
        return Err(No::new(Code::PolicyBranch, ["the policy comes from it: it can't be deleted"]));
    }
    if let Answer::Decided(decision) = &one.answer
        && let Verdict::Allowed(allowed) = &decision.verdict
        && let Some(warning) = allowed.warnings().first()
    {
        let words = format!(
            "`enforce = \"warn\"` does not hold on it, and this push would be refused: {} {}",
            warning.code,
            warning.code.title()
        );
        return Err(No::new(Code::PolicyBranch, [words]));
    }
    let commit = update.change.new_id().ok_or_else(|| No::new(Code::Internal, ["no new value"]))?;
    let desk = ruling.desk;
    let old = desk.policy.policy().map_err(|e| No::new(e.code(), [e.to_string()]))?;
    let (ready, warnings) = judge(&desk.site, &old, home, ruling.reader, commit)?;
    Ok(Brought { commit, lines: changes(&old, &ready.policy, warnings, desk) })
}

/// Reads the policy of a commit and asks whether it may take the place of `old`.
fn judge(
    site: &Site,
    old: &Policy,
    home: &PolicyHome,
    reader: &Reader,
    commit: ObjectId,
) -> Result<(apply::Ready, Vec<Raw>), No> {
    let files = CommitFiles::of(reader.objects(), commit)
        .map_err(|error| No::new(error.code(), [error.to_string()]))?;
    let invalid = |words: String| No::new(Code::PolicyInvalid, [words]);
    let main = files.main(lockout::MAIN).map_err(invalid)?;
    // Relative paths mean what they mean to a policy that is applied by hand.
    let folder = site.policy.parent().unwrap_or(std::path::Path::new("/"));
    let (sources, loaded) = crate::policy::load_file(main, &folder.to_string_lossy(), &files);
    let problems = |problems: &[Problem]| No::new(Code::PolicyInvalid, shown(problems, &sources));
    let (policy, warnings) = loaded.map_err(|found| problems(&found))?;
    for_the_server(site, old, &policy)?;
    if let Some(words) = lockout(&policy, home, clock::now().wall) {
        return Err(No::new(Code::PolicyLockout, [words]));
    }
    let ready = apply::compile(policy, &sources, Some(&commit.to_string()))
        .map_err(|error| invalid(error.to_string()))?;
    Ok((ready, shown(&warnings, &sources)))
}

/// What a push may not change at all.
fn for_the_server(site: &Site, old: &Policy, new: &Policy) -> Result<(), No> {
    let mut words = by_hand(old, new);
    words.extend(apply::same_store(site, new).err());
    if words.is_empty() {
        return Ok(());
    }
    words.push("the server's admin may apply that, by hand: `refwarden policy apply`".into());
    let lines = words.iter().flat_map(|words| words.lines());
    Err(No::new(Code::PolicyByHand, lines))
}

fn shown(problems: &[Problem], sources: &Sources) -> Vec<Raw> {
    let some = problems.get(..problems.len().min(MAX_PROBLEMS)).unwrap_or_default();
    let text = diag::to_text(some, sources);
    let mut lines: Vec<Raw> = text.lines().map(Into::into).collect();
    let more = problems.len() - some.len();
    if more > 0 {
        lines.push(format!("and {more} more: `refwarden policy check` shows all").into());
    }
    lines
}

fn changes(old: &Policy, new: &Policy, warnings: Vec<Raw>, desk: &Desk) -> Vec<Raw> {
    let diff = diff::diff(old, new, desk.now.wall);
    let mut lines = warnings;
    if diff.is_empty() {
        lines.push(b"the policy: nobody gains or loses anything".to_vec());
    } else {
        lines.push(b"the policy, once this has landed:".to_vec());
        let changes = diff.lines(MAX_CHANGES).into_iter();
        lines.extend(changes.map(|line| format!("  {line}").into_bytes()));
    }
    lines
}

/// Notes that what was judged may be applied once it has landed.
///
/// # Errors
/// The note can't be written: then it could never count.
pub fn promise(desk: &Desk, brought: &Brought, pusher: Option<&Pusher>) -> Result<(), FileError> {
    let judged = Judged {
        push: desk.id.clone(),
        user: pusher.map(|pusher| pusher.user.to_string()).unwrap_or_default(),
        source: pusher.map(|pusher| pusher.source.to_string()).unwrap_or_default(),
    };
    landing::note(&desk.site.state, brought.commit, &judged)
}
