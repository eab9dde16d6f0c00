//! The report against every question of a small world, asked of the decision before and after.

use super::claims::Held;
use super::*;
use std::collections::HashMap;

/// Every name of a small alphabet that the lab's patterns can tell apart.
pub(super) const REFS: [&str; 40] = [
    "refs/heads/main",
    "refs/heads/release/a",
    "refs/heads/release/b",
    "refs/heads/release/a/b",
    "refs/heads/rr/a",
    "refs/heads/rr/b",
    "refs/heads/rr/a/a",
    "refs/heads/x",
    "refs/heads/a",
    "refs/heads/x/a",
    "refs/heads/x/b",
    "refs/heads/feature/x",
    "refs/heads/feature/a",
    "refs/heads/feature/a/b",
    "refs/heads/feature/a/a",
    "refs/heads/users/alice/x",
    "refs/heads/users/alice/a",
    "refs/heads/users/bob/x",
    "refs/heads/users/bob/a",
    "refs/heads/users/carol/x",
    "refs/heads/users/carol/a",
    "refs/heads/users/dave/x",
    "refs/heads/users/dave/a",
    "refs/tags/v1",
    "refs/tags/va",
    "refs/tags/x",
    "refs/tags/a",
    "refs/tags/x/a",
    "refs/tags/xa",
    "refs/notes/x",
    "refs/notes/a",
    "refs/notes/x/a",
    "refs/notes/x/b",
    "refs/other/x",
    "refs/other/a",
    "refs/stash",
    "refs/x",
    "refs/tags/x/b",
    "refs/tags/x/xa",
    "refs/refwarden/a",
];
const PATHS: [&str; 24] = [
    "docs",
    "docs/x",
    "docs/a",
    "docs/x.md",
    "x.md",
    "src/x",
    "src/a",
    "src/x.md",
    "src/x/y",
    "secret",
    "x",
    "za",
    "a",
    "a/x",
    "a/a",
    "a/x.md",
    "b",
    "b/x",
    "b/x/y",
    "b/x/a",
    "b/x/y.md",
    "b/xa",
    "b/x.md",
    "x/y.md",
];

/// How far somebody gets; no scope is as far as a refusal.
fn level(scope: Option<&Scope<'_>>, question: &Question<'_>, answers: &Answers) -> Level {
    match scope.map(|scope| decide(scope, question, answers).verdict) {
        None | Some(Verdict::Refused(_)) => Level::Refused,
        Some(Verdict::Allowed(yes)) if yes.warnings().is_empty() => Level::Allowed,
        Some(Verdict::Allowed(_)) => Level::Warned,
    }
}

/// Instants, with every combination of open and shut windows once.
fn times(old: &Policy, new: &Policy) -> Vec<DateTime<Utc>> {
    let entries: Vec<&Entry> = [old, new]
        .into_iter()
        .flat_map(|p| {
            let entries = p.schemes.values().flat_map(|scheme| &scheme.entries);
            entries.chain(p.grants.iter().map(|grant| &grant.entry))
        })
        .collect();
    let mut seen = HashSet::new();
    let halves = (0..5 * 48).map(|half| lab::now() + Duration::minutes(30 * half));
    let open = |at: &DateTime<Utc>| entries.iter().map(|e| e.when.holds(*at)).collect::<Vec<_>>();
    halves.filter(|at| seen.insert(open(at))).collect()
}

pub(super) type Asked = BTreeSet<(String, String, Action, bool)>;

/// A question that is answered otherwise, with all that every entry takes alike; refs and paths as
/// bits, by their place.
pub(super) struct Differing<'a> {
    pub user: &'a str,
    pub member: bool,
    pub project: &'a ProjectName,
    pub repositories: &'a [&'a str],
    pub action: Action,
    pub refs: u64,
    /// `None` where no path is known; no bit where nothing is changed.
    pub paths: Option<u64>,
    pub now: DateTime<Utc>,
    pub levels: (Level, Level),
}

/// The two policies, asked about one repository.
fn levels(
    [was, is]: [Option<&Scope<'_>>; 2],
    question: &Question<'_>,
    [old, new]: [&Answers; 2],
) -> (Level, Level) {
    (level(was, question, old), level(is, question, new))
}

/// Repositories in which the same is written need not be asked about twice.
fn alike(old: &Policy, new: &Policy) -> Vec<Vec<&'static str>> {
    let address = |entry: &&Entry| std::ptr::from_ref(*entry).addr();
    let mut seen = HashMap::new();
    let mut found: Vec<Vec<&str>> = Vec::new();
    for repository in REPOSITORIES.into_iter().chain(["web/b"]) {
        let written = [new, old].map(|policy| {
            let site = site(policy, repository.as_bytes()).ok()?;
            let entries = site.entries.iter().map(address).collect::<Vec<_>>();
            Some((site.name.clone(), entries))
        });
        let at = *seen.entry(written).or_insert(found.len());
        match found.get_mut(at) {
            Some(of) => of.push(repository),
            None => found.push(vec![repository]),
        }
    }
    found
}

pub(super) fn told_project<'p>(
    old: &'p Policy,
    new: &'p Policy,
    repository: &str,
) -> Option<&'p ProjectName> {
    let sites = [new, old].map(|policy| site(policy, repository.as_bytes()));
    sites.into_iter().flatten().next().map(|site| site.name)
}

fn brute_force(old: &Policy, new: &Policy, mut found: impl FnMut(&Differing<'_>)) {
    let times = times(old, new);
    let (mut before, mut after) = (Scopes::new(old), Scopes::new(new));
    for repositories in alike(old, new) {
        let repository = repositories[0].as_bytes();
        let Some(project) = told_project(old, new, repositories[0]) else { continue };
        for (name, member) in
            USERS.into_iter().flat_map(|name| [(name, false), (name, true)]).chain([("", false)])
        {
            let user = (!name.is_empty()).then(|| lab::user(name));
            let was = before.scope(user.as_ref(), repository, &[]).ok();
            let is = after.scope(user.as_ref(), repository, &[]).ok();
            let (was, is) = (was.map(|(scope, _)| scope), is.map(|(scope, _)| scope));
            let entries: Vec<&Entry> =
                was.iter().chain(&is).flat_map(|scope| &scope.entries).copied().collect();
            let looks = entries.iter().any(|entry| entry.paths.is_some());
            let mut windows = HashSet::new();
            let open =
                |at: &DateTime<Utc>| entries.iter().map(|e| e.when.holds(*at)).collect::<Vec<_>>();
            let times: Vec<_> =
                times.iter().copied().filter(|at| windows.insert(open(at))).collect();
            let answers = [lab::answers(old, member), lab::answers(new, member)];
            let (refs, paths) = unlike(&entries, user.as_ref());
            for action in Action::ALL {
                // Nobody pushes without an identity.
                if user.is_none() && action != Action::Read {
                    continue;
                }
                each_question(action, (&times, &refs, &paths), looks, |q, refs, paths| {
                    let levels = levels([was.as_ref(), is.as_ref()], q, [&answers[0], &answers[1]]);
                    if levels.0 != levels.1 {
                        found(&Differing {
                            user: name,
                            member,
                            project,
                            repositories: &repositories,
                            action,
                            refs,
                            paths,
                            now: q.now,
                            levels,
                        });
                    }
                });
            }
        }
    }
}

/// One of those that every entry takes alike, and all of them as bits.
type Class<T> = (T, u64);

fn classes<T, K: Eq + std::hash::Hash>(
    all: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<Class<T>> {
    let mut seen = HashMap::new();
    let mut found: Vec<Class<T>> = Vec::new();
    for (bit, one) in all.enumerate() {
        let at = *seen.entry(key(&one)).or_insert(found.len());
        match found.get_mut(at) {
            Some((_, bits)) => *bits |= 1 << bit,
            None => found.push((one, 1 << bit)),
        }
    }
    found
}

pub(super) fn changed_paths() -> impl Iterator<Item = ChangedPath> {
    PATHS
        .into_iter()
        .flat_map(|path| [false, true].map(|link| ChangedPath { path: path.into(), link }))
}

/// Refs and paths, together where every entry takes them alike.
fn unlike(
    entries: &[&Entry],
    user: Option<&UserName>,
) -> (Vec<Class<&'static str>>, Vec<Class<ChangedPath>>) {
    let covers = |name: &&str| {
        let name = name.as_bytes();
        let both = entries.iter().map(|e| (e.refs.permits(name, user), e.refs.forbids(name, user)));
        both.map(|(permits, forbids)| (permits.unwrap(), forbids.unwrap())).collect::<Vec<_>>()
    };
    let touches = |path: &ChangedPath| {
        let scopes = entries.iter().filter_map(|entry| entry.paths.as_ref());
        let both = scopes.map(|paths| (paths.permits(path, user), paths.forbids(path, user)));
        both.map(|(permits, forbids)| (permits.unwrap(), forbids.unwrap())).collect::<Vec<_>>()
    };
    (classes(REFS.into_iter(), covers), classes(changed_paths(), touches))
}

/// Instants, refs and paths to ask about.
type Kinds<'a> = (&'a [DateTime<Utc>], &'a [Class<&'a str>], &'a [Class<ChangedPath>]);

fn each_question(
    action: Action,
    (times, refs, paths): Kinds<'_>,
    looks: bool,
    mut ask: impl FnMut(&Question<'_>, u64, Option<u64>),
) {
    let mut changed = vec![(Paths::Known(&[]), Some(0))];
    if matches!(action, Action::Read | Action::Delete) {
        changed = vec![(Paths::None, Some(0))];
    } else if looks {
        changed.push((Paths::Unknown, None));
        let known = |path| Paths::Known(std::slice::from_ref(path));
        changed.extend(paths.iter().map(|(path, bits)| (known(path), Some(*bits))));
    }
    let refs = if action == Action::Read { &refs[..1] } else { refs };
    for now in times {
        for (name, bits) in refs {
            for (paths, path_bits) in &changed {
                let question = Question {
                    action,
                    name: name.as_bytes(),
                    paths: *paths,
                    now: *now,
                    margin: Duration::zero(),
                    horizon: Duration::zero(),
                };
                ask(&question, *bits, *path_bits);
            }
        }
    }
}

/// Whether a line's example is so for its first user, for every action of the line.
fn example_is_true(change: &Change, old: &Policy, new: &Policy) -> bool {
    let user = change.who.users.first();
    let member = !change.who.looked_up.is_empty();
    let (mut before, mut after) = (Scopes::new(old), Scopes::new(new));
    let was = before.scope(user, &change.example_repository, &[]).ok().map(|(scope, _)| scope);
    let is = after.scope(user, &change.example_repository, &[]).ok().map(|(scope, _)| scope);
    let answers = [lab::answers(old, member), lab::answers(new, member)];
    let path = match &change.touching {
        Touching::Path { example, link, .. } => {
            vec![ChangedPath { path: example.clone(), link: *link }]
        }
        _ => Vec::new(),
    };
    change.actions.iter().all(|action| {
        let paths = match (action, &change.touching) {
            (Action::Read | Action::Delete, _) => Paths::None,
            (_, Touching::Unknown) => Paths::Unknown,
            _ => Paths::Known(&path),
        };
        let question = Question {
            action: *action,
            name: &change.example,
            paths,
            now: change.from.unwrap_or(lab::now()),
            margin: Duration::zero(),
            horizon: Duration::zero(),
        };
        let levels = levels([was.as_ref(), is.as_ref()], &question, [&answers[0], &answers[1]]);
        levels == (change.before, change.after)
    })
}

pub(super) fn reported(diff: &Diff) -> Asked {
    let mut found = Asked::new();
    for change in &diff.changes {
        let users = change.who.users.iter().map(UserName::to_string);
        let users = users.chain(change.who.anonymous.then(String::new));
        for user in users {
            for project in &change.projects {
                for action in &change.actions {
                    found.insert((user.clone(), project.to_string(), *action, change.gains));
                }
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn a_change_is_reported_where_and_only_where_a_verdict_differs(seed: u64) {
        let mut dice = Dice::new(seed);
        let old = lab::policy(&mut dice);
        let new = lab::changed(&old, &mut dice);
        let found = diff(&old, &new, lab::now());
        let mut held = Held::new(&found);
        brute_force(&old, &new, |differing| held.hold(differing));
        let told = reported(&found);
        let missed: Vec<_> = held.asked.difference(&told).collect();
        let invented: Vec<_> = told.difference(&held.asked).collect();
        prop_assert!(
            missed.is_empty() && invented.is_empty(),
            "missed {missed:?}\ninvented {invented:?}\n{:#?}", found.lines(100)
        );
        held.left_out.truncate(9);
        prop_assert!(
            held.left_out.is_empty(),
            "no line has {:#?}\n{:#?}", held.left_out, found.lines(100)
        );
        let untrue = held.untrue(&old, &new);
        prop_assert!(untrue.is_empty(), "untrue: {untrue:#?}\n{:#?}", found.lines(100));
        let wide = held.too_wide(&old, &new);
        prop_assert!(wide.is_empty(), "too wide: {wide:#?}\n{:#?}", found.lines(100));
        let wrong: Vec<String> = found
            .changes
            .iter()
            .filter(|change| !example_is_true(change, &old, &new))
            .map(ToString::to_string)
            .collect();
        prop_assert!(wrong.is_empty(), "no examples: {wrong:#?}");
    }
}
