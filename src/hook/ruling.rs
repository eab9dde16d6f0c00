//! Rules over the refs of one push: what each does and changes is read once, what the policy says
//! to it is asked as often as the entries change (grants join, or are left out to see who needs them).

use super::Refusal;
use super::desk::Desk;
use super::elsewhere::Elsewhere;
use super::judge::{Answer, Ruled, git_refusal};
use crate::access::Request;
use crate::check;
use crate::code::Code;
use crate::decision::bypass::{self, Lift};
use crate::decision::{self, Needs, Paths, Question};
use crate::git::{Changed, GitError, Limits, PATH_COST, Reader, RefValue};
use crate::os::clock;
use crate::policy::bulk;
use crate::policy::entry::{Entry, Holder, Kind, Permissions};
use crate::policy::members::{Answers, Ask, Held};
use crate::policy::name::UserName;
use crate::policy::refs::ChangedPath;
use crate::policy::scope::Ground;
use crate::push::{Action, RefName, RefUpdate};
use crate::pusher::Source;
use crate::report::Raw;
use chrono::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Time budget of reading one push.
const BUDGET: std::time::Duration = std::time::Duration::from_secs(30);
/// How much earlier every end counts at a push (03-push.md, "The slip").
pub const MARGIN: Duration = Duration::seconds(2);
/// Most changed paths of one ref.
const MAX_PATHS: u32 = 5_000_000;
/// Most memory that the changed paths of all refs of a push may take, in bytes.
const MAX_PATH_BYTES: u64 = 192 << 20;

/// What is known of one ref of the push, whatever the policy says.
enum Fact {
    /// It can't be judged.
    Fault(Option<Action>, Code, Vec<Raw>),
    /// What it does, and the paths that it changes once somebody asked.
    Move(Action, Option<OwnedPaths>),
}

/// Changed paths, owned.
enum OwnedPaths {
    None,
    Unknown,
    Known(Vec<ChangedPath>),
}

impl OwnedPaths {
    fn borrowed(&self) -> Paths<'_> {
        match self {
            Self::None => Paths::None,
            Self::Unknown => Paths::Unknown,
            Self::Known(list) => Paths::Known(list),
        }
    }
}

/// A push being ruled over.
pub struct Ruling<'a> {
    /// What the hook has before it.
    pub desk: &'a Desk,
    /// The repository.
    pub reader: &'a Reader,
    /// All that could speak.
    pub ground: Ground,
    /// Who pushes.
    pub user: UserName,
    /// The repository's name.
    pub place: Vec<u8>,
    horizon: Duration,
    vouched: Vec<Source>,
    answers: Answers,
    elsewhere: Elsewhere,
    base: Option<Option<gix::ObjectId>>,
    facts: Vec<Fact>,
    /// What the changed paths of all refs take in memory so far.
    path_bytes: u64,
    /// Indexes of entries that do not speak in this round.
    pub left_out: BTreeSet<usize>,
    /// Entries of grants that cover certain values of refs only, and the request that says which.
    pub pinned: Vec<(usize, Request)>,
    /// Stands in the place of what is left out.
    silent: Entry,
}

impl<'a> Ruling<'a> {
    /// Nothing is read yet.
    pub fn new(
        desk: &'a Desk,
        reader: &'a Reader,
        ground: Ground,
        user: UserName,
        place: Vec<u8>,
        horizon: Duration,
        vouched: &[Source],
    ) -> Self {
        Self {
            desk,
            reader,
            ground,
            user,
            place,
            horizon,
            vouched: vouched.to_vec(),
            answers: Answers::new(),
            elsewhere: desk.elsewhere(),
            base: None,
            facts: Vec::new(),
            path_bytes: 0,
            left_out: BTreeSet::new(),
            pinned: Vec::new(),
            silent: silent(),
        }
    }

    /// Whom memberships were asked of.
    pub const fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
    }

    /// The ground, with every entry that joined it.
    pub fn into_ground(self) -> Ground {
        self.ground
    }

    /// `[global] max-refs-per-push`
    ///
    /// # Errors
    /// RW204, or RW508 where a look-up failed.
    pub fn bulk(&mut self, count: usize) -> Result<(), Refusal> {
        let settings = self.desk.policy.settings();
        let standing = self.ground.standing.clone();
        let test = |answers: &Answers| {
            bulk::too_many(count, settings.max_refs, &settings.bulk_change, &standing, answers)
        };
        if let Held::Unasked(groups) = standing.among(&settings.bulk_change, &self.answers)
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

    /// One answer for each update.
    ///
    /// # Errors
    /// [`Refusal`] where the push as a whole can't be judged.
    pub fn all(&mut self, updates: &[RefUpdate]) -> Result<Vec<Ruled>, Refusal> {
        if self.facts.is_empty() {
            self.read(updates)?;
        }
        (0..).zip(updates).map(|(at, update)| self.one(at, update)).collect()
    }

    fn read(&mut self, updates: &[RefUpdate]) -> Result<(), Refusal> {
        let faults = self.reader.name_faults(updates).map_err(|error| git_refusal(&error))?;
        let mut by_name: BTreeMap<&RefName, Vec<(Code, Raw)>> = BTreeMap::new();
        for (name, fault) in &faults {
            by_name.entry(name).or_default().push((fault.code(), fault.to_string().into_bytes()));
        }
        let expired = self.budget();
        for update in updates {
            let named = by_name.get(&update.name);
            let fact = match named.and_then(|all| all.first().map(|first| (first.0, all))) {
                Some((code, all)) => {
                    Fact::Fault(None, code, all.iter().map(|(_, words)| words.clone()).collect())
                }
                None => match self.reader.action(update, &self.limits(&expired)) {
                    Ok(action) => Fact::Move(action, None),
                    Err(error) => fault(None, &error)?,
                },
            };
            self.facts.push(fact);
        }
        Ok(())
    }

    fn limits<'l>(&self, expired: &'l dyn Fn() -> bool) -> Limits<'l> {
        let max_commits = self.desk.policy.settings().max_commits;
        let max_path_bytes = MAX_PATH_BYTES.saturating_sub(self.path_bytes);
        Limits { max_commits, max_paths: MAX_PATHS, max_path_bytes, expired }
    }

    fn budget(&self) -> impl Fn() -> bool + use<> {
        let end = self.desk.now.boot.saturating_add(BUDGET);
        move || clock::now().boot >= end
    }

    fn one(&mut self, at: usize, update: &RefUpdate) -> Result<Ruled, Refusal> {
        let action = match self.facts.get(at) {
            Some(Fact::Move(action, _)) => *action,
            Some(Fact::Fault(action, code, words)) => {
                return Ok(Ruled::new(*action, Answer::Fault(*code, words.clone())));
            }
            None => return Err(Refusal::defect()),
        };
        let question = self.question(action, update);
        let needs = self.needs(&question, update);
        if needs.paths
            && let Some(ruled) = self.find_paths(at, action, update)?
        {
            return Ok(ruled);
        }
        let known = match self.facts.get(at) {
            Some(Fact::Move(_, Some(paths))) => paths.borrowed(),
            _ if action == Action::Delete => Paths::None,
            // Nothing that applies looks at paths.
            _ => Paths::Known(&[]),
        };
        let question = Question { paths: known, ..question };
        let decision = decision::decide(&self.scope(update), &question, &self.answers);
        Ok(Ruled::new(Some(action), Answer::Decided(Box::new(decision))))
    }

    /// What is asked about an update, as long as its paths are not looked at.
    pub fn question<'q>(&self, action: Action, update: &'q RefUpdate) -> Question<'q> {
        Question {
            action,
            name: update.name.as_bytes(),
            paths: if action == Action::Delete { Paths::None } else { Paths::Unknown },
            now: self.desk.now.wall,
            margin: MARGIN,
            horizon: self.horizon,
        }
    }

    fn scope(&self, update: &RefUpdate) -> decision::Scope<'_> {
        let mut scope = self.ground.scope(self.desk.policy.settings(), &self.vouched);
        let other_value = |(_, request): &&(usize, Request)| {
            !request.pins_allow(update.name.as_bytes(), &value(update))
        };
        let pinned = self.pinned.iter().filter(other_value).map(|(at, _)| at);
        for at in self.left_out.iter().chain(pinned) {
            if let Some(entry) = scope.entries.get_mut(*at) {
                *entry = &self.silent;
            }
        }
        scope
    }

    fn needs(&mut self, question: &Question<'_>, update: &RefUpdate) -> Needs {
        let needs = decision::needs(&self.scope(update), question, &self.answers);
        if needs.lookups.is_empty() {
            return needs;
        }
        self.look_up(needs.lookups);
        decision::needs(&self.scope(update), question, &self.answers)
    }

    /// Reads the changed paths, once; an answer where they can't be told.
    fn find_paths(
        &mut self,
        at: usize,
        action: Action,
        update: &RefUpdate,
    ) -> Result<Option<Ruled>, Refusal> {
        if let Some(Fact::Move(_, Some(_))) = self.facts.get(at) {
            return Ok(None);
        }
        let expired = self.budget();
        let limits = self.limits(&expired);
        let fact = match self.changed(update, &limits) {
            Ok(Changed::Known(list)) => {
                let cost = |path: &crate::git::ChangedPath| {
                    PATH_COST.saturating_add(u64::try_from(path.path.len()).unwrap_or(u64::MAX))
                };
                let taken = list.iter().map(cost).fold(0, u64::saturating_add);
                self.path_bytes = self.path_bytes.saturating_add(taken);
                let owned =
                    list.into_iter().map(|p| ChangedPath { path: p.path.into(), link: p.link });
                Fact::Move(action, Some(OwnedPaths::Known(owned.collect())))
            }
            Ok(Changed::Unknown) => Fact::Move(action, Some(OwnedPaths::Unknown)),
            Ok(Changed::None) => Fact::Move(action, Some(OwnedPaths::None)),
            Err(error) => fault(Some(action), &error)?,
        };
        let ruled = match &fact {
            Fact::Fault(action, code, words) => {
                Some(Ruled::new(*action, Answer::Fault(*code, words.clone())))
            }
            Fact::Move(..) => None,
        };
        if let Some(place) = self.facts.get_mut(at) {
            *place = fact;
        }
        Ok(ruled)
    }

    fn changed(&mut self, update: &RefUpdate, limits: &Limits<'_>) -> Result<Changed, GitError> {
        let base = self.base()?;
        self.reader.changed(update, base, limits)
    }

    /// The value of the project's base branch before the push, read once.
    ///
    /// # Errors
    /// The ref can't be read.
    pub fn base(&mut self) -> Result<Option<gix::ObjectId>, GitError> {
        if let Some(base) = self.base {
            return Ok(base);
        }
        let base = match &self.ground.project.base {
            None => None,
            Some(base) => match self.reader.ref_value(&RefName::new(base.as_bytes()))? {
                RefValue::Direct(id) => Some(id),
                RefValue::Missing | RefValue::Symbolic(_) => None,
            },
        };
        Ok(*self.base.insert(base))
    }

    /// What checks find wrong with refs, one list for each.
    ///
    /// # Errors
    /// Something can't be read, or a limit is reached.
    pub fn inspect(
        &self,
        asked: &[check::Asked<'_>],
        base: Option<gix::ObjectId>,
        people: &dyn check::People,
    ) -> Result<Vec<Vec<check::Failed>>, GitError> {
        let expired = self.budget();
        self.reader.look(asked, base, people, &self.limits(&expired))
    }

    /// Whether a check is lifted on a ref for the pusher, by what speaks in this round.
    pub fn lifts(&self, update: &RefUpdate, action: Action, check: &str) -> Lift {
        let question = self.question(action, update);
        bypass::lifts(&self.scope(update), &question, &self.answers, check)
    }

    /// Whether the pusher is among holders, groups asked where it depends on them.
    pub fn held(&mut self, holders: &[Holder]) -> Held {
        match self.ground.standing.among(holders, &self.answers) {
            Held::Unasked(groups) => {
                self.look_up(groups);
                self.ground.standing.among(holders, &self.answers)
            }
            held => held,
        }
    }

    /// Asks about memberships, so that the answers are there.
    pub fn look_up(&mut self, wanted: impl IntoIterator<Item = Ask>) {
        for one in wanted {
            let projects = &self.ground.project.jira_keys;
            let answer = ask(self.desk, &self.user, &one, &self.elsewhere, projects);
            self.answers.insert(one, answer);
        }
    }
}

/// Whether the user has a membership that is asked about elsewhere.
pub(crate) fn ask(
    desk: &Desk,
    user: &UserName,
    ask: &Ask,
    elsewhere: &Elsewhere,
    projects: &[Box<str>],
) -> Result<bool, String> {
    let lookup = match ask {
        Ask::Group(group) => desk.policy.lookup(group).map_err(|error| error.to_string())?,
        _ => None,
    };
    let declared = desk.policy.user(user).map_err(|error| error.to_string())?;
    let declared = declared.ok_or("the policy does not know this user")?.declared;
    elsewhere.answer((user, &declared), ask, lookup.as_ref(), projects)
}

/// A fault of one ref; one of the server, or a limit, refuses the whole push.
fn fault(action: Option<Action>, error: &GitError) -> Result<Fact, Refusal> {
    match error.code() {
        Code::Internal | Code::NotTrusted | Code::Limit => Err(git_refusal(error)),
        code => Ok(Fact::Fault(action, code, vec![error.to_string().into_bytes()])),
    }
}

/// The null id in the repository's own hash.
pub fn null(update: &RefUpdate) -> gix::ObjectId {
    let id = update.change.old().or(update.change.new_id());
    gix::ObjectId::null(id.map_or(gix::hash::Kind::Sha1, |id| id.kind()))
}

/// The value that an update gives its ref, as pins write it.
pub fn value(update: &RefUpdate) -> String {
    update.change.new_id().unwrap_or(null(update)).to_string()
}

/// An entry that is about nothing.
fn silent() -> Entry {
    Entry {
        kind: Kind::Lent("".into()),
        place: crate::policy::entry::Place { file: 0, line: 0 },
        permissions: Permissions::default(),
        to: Some(Vec::new()),
        except: Vec::new(),
        refs: crate::policy::refs::RefScope::default(),
        paths: None,
        when: crate::policy::window::Window::default(),
        checks: Vec::new(),
        reason: None,
        enforce: crate::policy::entry::Enforce::Refuse,
        within: None,
    }
}
