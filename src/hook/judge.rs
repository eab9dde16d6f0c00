//! Judges a push: what it asks for, who asks, what the policy says to each ref.

use super::Refusal;
use super::desk::Desk;
use super::identity;
use crate::code::Code;
use crate::decision::{self, Decision, Needs, Paths, Question, Verdict};
use crate::git::{Changed, GitEnv, GitError, Limits, Reader, RefValue};
use crate::os::{clock, faults, groups};
use crate::policy::members::{Answers, Held};
use crate::policy::name::{GroupName, UserName};
use crate::policy::refs::ChangedPath;
use crate::policy::scope::{Ground, NoScope};
use crate::push::line;
use crate::push::{Action, RefName, RefUpdate};
use crate::pusher::{Pusher, Source};
use crate::report::Raw;
use chrono::Duration;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Most refs of one push that are looked at at all.
pub const MAX_REFS: usize = 100_000;
/// Time budget of reading one push.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(30);
/// How much earlier every end counts at a push (03-push.md, "The slip").
const MARGIN: Duration = Duration::seconds(2);
/// Most changed paths of one ref.
const MAX_PATHS: u32 = 5_000_000;

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
}

/// What came of one ref.
pub struct Ruled {
    /// What it does, where that could be told.
    pub action: Option<Action>,
    /// The answer.
    pub answer: Answer,
}

/// The answer to one ref.
pub enum Answer {
    /// It can't be judged: the push itself is at fault.
    Fault(Code, Vec<Raw>),
    /// The policy's.
    Decided(Box<Decision>),
}

impl Answer {
    /// The code, where it is a no.
    #[must_use]
    pub fn refused(&self) -> Option<Code> {
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
    let git_dir = env.git_dir.as_deref().unwrap_or(Path::new("."));
    let reader = Reader::open(git_dir, &GitEnv::new(env.variables()), desk.site.account_uid)
        .map_err(|error| git_refusal(&error))?;
    known.git_dir = reader.git_dir().as_os_str().as_bytes().to_vec();
    known.hooks = Some(reader.hooks_folder());
    let lines = line::parse(stdin, reader.config().object_format, MAX_REFS);
    let updates = lines.clone().unwrap_or_default();
    known.repository = repository(&desk.site.root, reader.common_dir());
    // Who it is comes first: of people without an identity the trail keeps no more than a count.
    let identity = identity::identify(desk, env, &reader, &updates)?;
    known.vouched = identity.vouched;
    let user = identity.pusher.user.clone();
    let named = identity.pusher.repository.clone();
    known.pusher = Some(identity.pusher);
    known.updates = lines.map_err(lines_refusal)?;
    let below_root = known.repository.clone().ok_or_else(|| {
        Refusal::new(Code::NoProject, ["the repository lies outside the root of this site"])
    })?;
    let place = named.unwrap_or(below_root);
    known.repository = Some(place.clone());
    let ground =
        desk.policy.ground(Some(&user), &place).map_err(|error| no_scope(&error, &place))?;
    twin(reader.common_dir())?;
    let mut judge = Judge {
        desk,
        reader: &reader,
        ground: &ground,
        user,
        horizon,
        answers: Answers::new(),
        base: None,
    };
    let ruled =
        judge.bulk(known.updates.len()).and_then(|()| judge.all(&known.updates, &known.vouched));
    known.ground = Some(ground);
    ruled
}

/// The real path of the common git directory below the root, without `.git`.
pub fn repository(root: &Path, common_dir: &Path) -> Option<Vec<u8>> {
    let root = std::fs::canonicalize(root).ok()?;
    let below = common_dir.strip_prefix(root).ok()?.as_os_str().as_bytes();
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
fn git_refusal(error: &GitError) -> Refusal {
    match error.code() {
        code @ (Code::Internal | Code::NotTrusted) => Refusal::server(code, error),
        code => Refusal::new(code, [error.to_string()]),
    }
}

struct Judge<'a> {
    desk: &'a Desk,
    reader: &'a Reader,
    ground: &'a Ground,
    user: UserName,
    horizon: Duration,
    answers: Answers,
    base: Option<Option<gix::ObjectId>>,
}

impl Judge<'_> {
    /// `[global] max-refs-per-push`
    fn bulk(&mut self, count: usize) -> Result<(), Refusal> {
        let settings = self.desk.policy.settings();
        let test = |answers: &Answers| {
            decision::too_many(
                count,
                settings.max_refs,
                &settings.bulk_change,
                &self.ground.standing,
                answers,
            )
        };
        if let Held::Unasked(groups) =
            self.ground.standing.among(&settings.bulk_change, &self.answers)
            && test(&self.answers).is_err()
        {
            self.look_up(groups);
        }
        let limit = settings.max_refs.unwrap_or_default();
        test(&self.answers).map_err(|code| {
            let words = match code {
                Code::TooManyRefs => format!("the push names {count} refs, and you may push {limit} at once: push in parts"),
                _ => "whether you may push so many refs at once could not be looked up; tell the admin".to_owned(),
            };
            Refusal::new(code, [words])
        })
    }

    fn all(&mut self, updates: &[RefUpdate], vouched: &[Source]) -> Result<Vec<Ruled>, Refusal> {
        let faults = self.reader.name_faults(updates).map_err(|error| git_refusal(&error))?;
        let mut by_name: BTreeMap<&RefName, Vec<(Code, Raw)>> = BTreeMap::new();
        for (name, fault) in &faults {
            by_name.entry(name).or_default().push((fault.code(), fault.to_string().into_bytes()));
        }
        let expired = self.budget();
        updates
            .iter()
            .map(|update| {
                match by_name
                    .get(&update.name)
                    .and_then(|faults| faults.first().map(|first| (first.0, faults)))
                {
                    Some((code, faults)) => {
                        let details = faults.iter().map(|(_, words)| words.clone()).collect();
                        Ok(Ruled { action: None, answer: Answer::Fault(code, details) })
                    }
                    None => self.one(update, vouched, &expired),
                }
            })
            .collect()
    }

    fn budget(&self) -> impl Fn() -> bool + use<> {
        let end = self.desk.now.boot.saturating_add(BUDGET);
        move || clock::now().boot >= end
    }

    fn one(
        &mut self,
        update: &RefUpdate,
        vouched: &[Source],
        expired: &dyn Fn() -> bool,
    ) -> Result<Ruled, Refusal> {
        let max_commits = self.desk.policy.settings().max_commits;
        let limits = Limits { max_commits, max_paths: MAX_PATHS, expired };
        let action = match self.reader.action(update, &limits) {
            Ok(action) => action,
            Err(error) => return fault(None, &error),
        };
        let question = Question {
            action,
            name: update.name.as_bytes(),
            paths: if action == Action::Delete { Paths::None } else { Paths::Unknown },
            now: self.desk.now.wall,
            margin: MARGIN,
            horizon: self.horizon,
        };
        let needs = self.needs(&question, vouched);
        let changed = match needs.paths {
            false => Changed::None,
            true => match self.changed(update, &limits) {
                Ok(changed) => changed,
                Err(error) => return fault(Some(action), &error),
            },
        };
        let known: Vec<ChangedPath>;
        let paths = match changed {
            Changed::Known(list) => {
                known = list
                    .into_iter()
                    .map(|p| ChangedPath { path: p.path.into(), link: p.link })
                    .collect();
                Paths::Known(&known)
            }
            Changed::Unknown => Paths::Unknown,
            Changed::None if action == Action::Delete => Paths::None,
            // Nothing that applies looks at paths.
            Changed::None => Paths::Known(&[]),
        };
        let scope = self.ground.scope(self.desk.policy.settings(), vouched);
        let decision = decision::decide(&scope, &Question { paths, ..question }, &self.answers);
        Ok(Ruled { action: Some(action), answer: Answer::Decided(Box::new(decision)) })
    }

    fn needs(&mut self, question: &Question<'_>, vouched: &[Source]) -> Needs {
        let scope = self.ground.scope(self.desk.policy.settings(), vouched);
        let needs = decision::needs(&scope, question, &self.answers);
        if needs.lookups.is_empty() {
            return needs;
        }
        self.look_up(needs.lookups);
        decision::needs(&scope, question, &self.answers)
    }

    fn changed(&mut self, update: &RefUpdate, limits: &Limits<'_>) -> Result<Changed, GitError> {
        let base = match self.base {
            Some(base) => base,
            None => {
                let base = match &self.ground.project.base {
                    None => None,
                    Some(base) => match self.reader.ref_value(&RefName::new(base.as_bytes()))? {
                        RefValue::Direct(id) => Some(id),
                        RefValue::Missing | RefValue::Symbolic(_) => None,
                    },
                };
                *self.base.insert(base)
            }
        };
        self.reader.changed(update, base, limits)
    }

    fn look_up(&mut self, wanted: impl IntoIterator<Item = GroupName>) {
        for group in wanted {
            let answer = ask(self.desk, &self.user, &group);
            self.answers.insert(group, answer);
        }
    }
}

/// Whether the user is in a looked-up group.
fn ask(desk: &Desk, user: &UserName, group: &GroupName) -> Result<bool, String> {
    let lookup = desk.policy.lookup(group).map_err(|error| error.to_string())?;
    let Some(lookup) = lookup else { return Err("it is not a looked-up group".into()) };
    let unix = desk
        .policy
        .user(user)
        .map_err(|error| error.to_string())?
        .and_then(|user| user.declared.unix);
    groups::member(&lookup, user, unix.as_deref(), desk.site.account_uid)
}

/// A fault of one ref; one of the server, or a limit, refuses the whole push.
fn fault(action: Option<Action>, error: &GitError) -> Result<Ruled, Refusal> {
    match error.code() {
        Code::Internal | Code::NotTrusted | Code::Limit => Err(git_refusal(error)),
        code => {
            Ok(Ruled { action, answer: Answer::Fault(code, vec![error.to_string().into_bytes()]) })
        }
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
