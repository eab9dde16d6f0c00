//! Judges a push: what it asks for, who asks, what the policy says to each ref.

use super::Refusal;
use super::checks::{self, Checked};
use super::desk::Desk;
use super::issues::Issues;
use super::policy_push::{self, PolicyPush};
use super::ruling::Ruling;
use super::{identity, lent, settle};
use crate::access::options::{self, Asked};
use crate::code::Code;
use crate::decision::{Decision, Verdict};
use crate::git::{GitEnv, GitError, Reader, RepoConfig};
use crate::os::faults;
use crate::policy::scope::{Ground, NoScope};
use crate::push::line;
use crate::push::{Action, RefUpdate};
use crate::pusher::token::Scope;
use crate::pusher::{Pusher, Source};
use crate::report::Raw;
use chrono::Duration;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Most refs of one push that are looked at at all.
pub const MAX_REFS: usize = 100_000;
/// Most refs of a push of which git itself may deny some.
const MAX_DENIED: usize = 100;

/// What is known of a push so far; also of one that is refused half-way.
#[derive(Default)]
pub struct Known {
    /// The git directory's real path.
    pub git_dir: Vec<u8>,
    /// The folder from which git runs hooks.
    pub hooks: Option<PathBuf>,
    /// The repository's name.
    pub repository: Option<Vec<u8>>,
    /// Who pushes.
    pub pusher: Option<Pusher>,
    /// Who vouches for them.
    pub vouched: Vec<Source>,
    /// What the push asks for.
    pub updates: Vec<RefUpdate>,
    /// The ground that the decision stood on.
    pub ground: Option<Ground>,
    /// What was asked for by push option, and what of it could not be read.
    pub asked: Asked,
    /// Words about push options that could not be read.
    pub unread: Vec<String>,
    /// The store, as far as it was asked, and the grants that the answers rest on.
    pub access: lent::Access,
    /// What was learnt of issues.
    pub issues: Issues,
    /// What it is to the policy itself.
    pub policy: PolicyPush,
}

/// What came of one ref.
pub struct Ruled {
    /// What it does, where that could be told.
    pub action: Option<Action>,
    /// The answer.
    pub answer: Answer,
    /// What checks say, where the answer is a yes.
    pub checked: Checked,
}

impl Ruled {
    /// No check has been asked.
    pub fn new(action: Option<Action>, answer: Answer) -> Self {
        Self { action, answer, checked: Checked::default() }
    }

    /// The code, where it is a no.
    #[must_use]
    pub fn refused(&self) -> Option<Code> {
        self.answer.refused_by_rights().or_else(|| self.checked.refused())
    }
}

/// The answer to one ref.
pub enum Answer {
    /// It can't be judged: the push itself is at fault.
    Fault(Code, Vec<Raw>),
    /// The policy's.
    Decided(Box<Decision>),
}

impl Answer {
    /// Indexes of the permits and grants that a yes rests on.
    #[must_use]
    pub fn permits(&self) -> &[usize] {
        match self {
            Self::Decided(decision) => match &decision.verdict {
                Verdict::Allowed(allowed) => allowed.permits(),
                Verdict::Refused(_) => &[],
            },
            Self::Fault(..) => &[],
        }
    }

    /// The code, where it is a no whatever the checks say; [`Ruled::refused`] has those as well.
    #[must_use]
    pub fn refused_by_rights(&self) -> Option<Code> {
        match self {
            Self::Fault(code, _) => Some(*code),
            Self::Decided(decision) => match &decision.verdict {
                Verdict::Allowed(_) => None,
                Verdict::Refused(refused) => Some(refused.code()),
            },
        }
    }
}

/// Judges the push that stands on `stdin`; one answer for each of `known.updates`.
///
/// # Errors
/// [`Refusal`] where the push as a whole can't be judged.
pub fn judge(
    desk: &Desk,
    stdin: &[u8],
    horizon: Duration,
    known: &mut Known,
) -> Result<Vec<Ruled>, Refusal> {
    faults::point("pre-receive-judging");
    let env =
        desk.env.as_ref().map_err(|error| Refusal::new(Code::Malformed, [error.to_string()]))?;
    match options::parse(&env.push_options) {
        Ok(asked) => known.asked = asked,
        Err(words) => known.unread = words,
    }
    let git_dir = env.git_dir.as_deref().unwrap_or(Path::new("."));
    let reader = Reader::open(git_dir, &GitEnv::new(env.variables()), desk.site.account_uid)
        .map_err(|error| git_refusal(&error))?;
    known.git_dir = reader.git_dir().as_os_str().as_bytes().to_vec();
    known.hooks = Some(reader.hooks_folder());
    let lines = line::parse(stdin, reader.config().object_format, MAX_REFS);
    let updates = lines.clone().unwrap_or_default();
    known.repository = repository(&desk.site.root, reader.common_dir());
    known.policy.pending = policy_push::is_pending(desk, &reader, known.repository.as_deref());
    // Who it is comes first: of people without an identity the trail keeps no more than a count.
    let identity = identity::identify(desk, env, &reader, &updates, known.repository.as_deref())?;
    known.vouched = identity.vouched;
    if let Some(token) = identity.token
        && !token.scopes.contains(&Scope::Request)
        && known.asked != Asked::default()
    {
        known.asked = Asked::default();
        known
            .unread
            .push(format!("your token {} has no scope `request`: it asks for nothing", token.id));
    }
    let user = identity.pusher.user.clone();
    let named = identity.pusher.repository.clone();
    known.pusher = Some(identity.pusher);
    known.updates = lines.map_err(lines_refusal)?;
    let below_root = known.repository.clone().ok_or_else(|| {
        Refusal::new(Code::NoProject, ["the repository lies outside the root of this site"])
    })?;
    let place = named.unwrap_or_else(|| below_root.clone());
    known.repository = Some(place.clone());
    let ground =
        desk.policy.ground(Some(&user), &place).map_err(|error| no_scope(&error, &place))?;
    twin(reader.common_dir())?;
    settle::earlier::settle(desk, &known.git_dir, &known.updates)?;
    let mut ruling = Ruling::new(desk, &reader, ground, user, place, horizon, &known.vouched);
    let ruled = ruling
        .bulk(known.updates.len())
        .and_then(|()| lent::rule(&mut ruling, &known.updates, &known.asked, &mut known.access))
        .and_then(|ruled| denied_by_git(reader.config(), &known.updates, ruled))
        .and_then(|ruled| {
            checks::rule(&mut ruling, &known.updates, ruled, &known.asked, &mut known.access)
        })
        .map(|mut ruled| {
            let push = (known.updates.as_slice(), ruled.as_mut_slice());
            known.policy.brought = policy_push::rule(&ruling, &below_root, push, &mut known.access);
            ruled
        });
    let all = ruled.as_deref().unwrap_or_default();
    known.issues =
        Issues::of(ruling.elsewhere(), &ruling.ground, &known.updates, all, &env.push_options);
    known.ground = Some(ruling.into_ground());
    ruled
}

/// Refuses a large push with branches that git itself would deny: it says so of each before it asks
/// `update`, and a client that does not read that could keep refs waiting that `update` has confirmed.
fn denied_by_git(
    config: &RepoConfig,
    updates: &[RefUpdate],
    ruled: Vec<Ruled>,
) -> Result<Vec<Ruled>, Refusal> {
    if updates.len() <= MAX_DENIED || !(config.deny_non_fast_forwards || config.deny_deletes) {
        return Ok(ruled);
    }
    let setting = |action| match action {
        Some(Action::Force) if config.deny_non_fast_forwards => Some("receive.denyNonFastForwards"),
        Some(Action::Delete) if config.deny_deletes => Some("receive.denyDeletes"),
        _ => None,
    };
    let branches = updates.iter().zip(&ruled);
    let mut branches = branches.filter(|(one, _)| one.name.as_bytes().starts_with(b"refs/heads/"));
    let denied = branches.find_map(|(one, ruled)| Some((one, setting(ruled.action)?)));
    let Some((update, setting)) = denied else { return Ok(ruled) };
    let words = format!(": git itself denies that here (`{setting}`)");
    let limit = format!(
        "a push of more than {MAX_DENIED} refs must hold none that git denies: push without such"
    );
    Err(Refusal::new(
        Code::Limit,
        [[update.name.as_bytes(), words.as_bytes()].concat(), limit.into_bytes()],
    ))
}

/// The real path of the common git directory below the root, without `.git`.
pub fn repository(root: &Path, common_dir: &Path) -> Option<Vec<u8>> {
    let below = match common_dir.strip_prefix(root) {
        // What a real path begins with is real: no link has to be looked for.
        Ok(below) => below,
        Err(_) => common_dir.strip_prefix(std::fs::canonicalize(root).ok()?).ok()?,
    };
    let below = below.as_os_str().as_bytes();
    let name =
        below.strip_suffix(b"/.git").or_else(|| below.strip_suffix(b".git")).unwrap_or(below);
    (!name.is_empty() && !name.ends_with(b"/")).then(|| name.to_vec())
}

/// `x`, `x.git` and `x/.git` side by side would be one name for several repositories.
fn twin(common_dir: &Path) -> Result<(), Refusal> {
    let inner = common_dir.file_name() == Some(OsStr::new(".git"));
    let folder = if inner { common_dir.parent().unwrap_or(common_dir) } else { common_dir };
    let name = folder.file_name().unwrap_or_default().as_bytes();
    let beside = |name: Vec<u8>| folder.with_file_name(OsString::from_vec(name));
    let others = match name.strip_suffix(b".git").filter(|_| !inner) {
        Some(bare) => vec![beside(bare.to_vec()), beside(bare.to_vec()).join(".git")],
        None => vec![beside([name, b".git"].concat())],
    };
    match others.iter().any(|other| other.join("objects").is_dir()) {
        true => Err(Refusal::new(
            Code::AmbiguousProject,
            ["this repository stands both with and without `.git` on the server"],
        )),
        false => Ok(()),
    }
}

fn no_scope(error: &NoScope, repository: &[u8]) -> Refusal {
    let named = |words: &str| [words.as_bytes(), repository].concat();
    match error {
        NoScope::NoProject => {
            Refusal::new(Code::NoProject, [named("no project of the policy has the repository ")])
        }
        NoScope::Ambiguous(one, two) => Refusal::new(
            Code::AmbiguousProject,
            [named(&format!("projects {one} and {two} both have the repository "))],
        ),
        NoScope::UnknownUser | NoScope::InactiveUser => {
            Refusal::new(error.code(), [error.to_string()])
        }
        other => Refusal::server(other.code(), other),
    }
}

fn lines_refusal(problems: Vec<line::LineProblem>) -> Refusal {
    let code = problems.first().map_or(Code::Malformed, line::LineProblem::code);
    let details = problems.iter().map(|problem| match &problem.name {
        Some(name) => [name.as_bytes(), b": ", problem.fault.to_string().as_bytes()].concat(),
        None => format!("line {}: {}", problem.line, problem.fault).into_bytes(),
    });
    Refusal::new(code, details)
}

/// A reason of the server's is for the admin; all others are for the pusher.
pub fn git_refusal(error: &GitError) -> Refusal {
    match error.code() {
        code @ (Code::Internal | Code::NotTrusted) => Refusal::server(code, error),
        code => Refusal::new(code, [error.to_string()]),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn two_repositories_of_one_name_are_refused_from_either_side() {
        let code = |folders: &[&str], at: &str| {
            let root = tempfile::tempdir().unwrap();
            for folder in folders {
                std::fs::create_dir_all(root.path().join(folder).join("objects")).unwrap();
            }
            twin(&root.path().join(at)).err().map(|refusal| refusal.code)
        };
        let both = Some(Code::AmbiguousProject);
        for (one, other) in [("x", "x.git"), ("x/.git", "x.git")] {
            for at in [one, other] {
                assert_eq!(code(&[one, other], at), both, "{one} {other} at {at}");
                assert_eq!(code(&[at], at), None, "{at}");
            }
        }
        assert_eq!(code(&["x.git", "y.git", "y/.git"], "x.git"), None);
    }
}
