//! The report against every question of a small world, asked of the decision before and after.

use super::*;

/// Every name of a small alphabet that the lab's patterns can tell apart.
const REFS: [&str; 40] = [
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

fn brute_force(old: &Policy, new: &Policy) -> Asked {
    let mut found = Asked::new();
    let times = times(old, new);
    let (mut before, mut after) = (Scopes::new(old), Scopes::new(new));
    let mut seen = HashSet::new();
    for repository in REPOSITORIES {
        let sites = [site(new, repository.as_bytes()), site(old, repository.as_bytes())];
        let Some(project) = sites.iter().flatten().next().map(|site| site.name) else {
            continue;
        };
        // Repositories in which the same is written need not be asked about twice.
        let address = |entry: &&Entry| std::ptr::from_ref(*entry).addr();
        let same = sites.each_ref().map(|site| {
            let site = site.as_ref().ok()?;
            Some((site.name, site.entries.iter().map(address).collect::<Vec<_>>()))
        });
        if !seen.insert(same) {
            continue;
        }
        for (name, member) in
            USERS.into_iter().flat_map(|name| [(name, false), (name, true)]).chain([("", false)])
        {
            let user = (!name.is_empty()).then(|| lab::user(name));
            let was = before.scope(user.as_ref(), repository.as_bytes(), &[]).ok();
            let is = after.scope(user.as_ref(), repository.as_bytes(), &[]).ok();
            let (was, is) = (was.map(|(scope, _)| scope), is.map(|(scope, _)| scope));
            let entries = || was.iter().chain(&is).flat_map(|scope| &scope.entries);
            let looks = entries().any(|entry| entry.paths.is_some());
            let mut windows = HashSet::new();
            let open =
                |at: &DateTime<Utc>| entries().map(|e| e.when.holds(*at)).collect::<Vec<_>>();
            let times: Vec<_> =
                times.iter().copied().filter(|at| windows.insert(open(at))).collect();
            let answers = [lab::answers(old, member), lab::answers(new, member)];
            let entries: Vec<&Entry> = entries().copied().collect();
            let (refs, paths) = unlike(&entries, user.as_ref());
            for action in Action::ALL {
                each_question(action, (&times, &refs, &paths), looks, |q| {
                    let (was, is) =
                        (level(was.as_ref(), q, &answers[0]), level(is.as_ref(), q, &answers[1]));
                    if was != is {
                        found.insert((name.into(), project.to_string(), action, was < is));
                    }
                });
            }
        }
    }
    found
}

/// Refs and paths, those left out that every entry takes as it takes another.
fn unlike(entries: &[&Entry], user: Option<&UserName>) -> (Vec<&'static str>, Vec<ChangedPath>) {
    let mut seen = HashSet::new();
    let covers = |name: &[u8]| {
        let both = entries.iter().map(|e| (e.refs.permits(name, user), e.refs.forbids(name, user)));
        both.map(|(permits, forbids)| (permits.unwrap(), forbids.unwrap())).collect::<Vec<_>>()
    };
    let refs = REFS.into_iter().filter(|name| seen.insert(covers(name.as_bytes()))).collect();
    seen.clear();
    let touches = |path: &ChangedPath| {
        let scopes = entries.iter().filter_map(|entry| entry.paths.as_ref());
        let both = scopes.map(|paths| (paths.permits(path, user), paths.forbids(path, user)));
        both.map(|(permits, forbids)| (permits.unwrap(), forbids.unwrap())).collect::<Vec<_>>()
    };
    let paths = PATHS
        .into_iter()
        .flat_map(|path| [false, true].map(|link| ChangedPath { path: path.into(), link }));
    (refs, paths.filter(|path| seen.insert(touches(path))).collect())
}

fn each_question(
    action: Action,
    (times, refs, paths): (&[DateTime<Utc>], &[&str], &[ChangedPath]),
    looks: bool,
    mut ask: impl FnMut(&Question<'_>),
) {
    let mut changed = vec![Paths::Known(&[])];
    if matches!(action, Action::Read | Action::Delete) {
        changed = vec![Paths::None];
    } else if looks {
        changed.push(Paths::Unknown);
        changed.extend(paths.iter().map(|path| Paths::Known(std::slice::from_ref(path))));
    }
    let refs = if action == Action::Read { &refs[..1] } else { refs };
    for now in times {
        for name in refs {
            for paths in &changed {
                ask(&Question {
                    action,
                    name: name.as_bytes(),
                    paths: *paths,
                    now: *now,
                    margin: Duration::zero(),
                    horizon: Duration::zero(),
                });
            }
        }
    }
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
        let (told, true_ones) = (reported(&found), brute_force(&old, &new));
        let missed: Vec<_> = true_ones.difference(&told).collect();
        let invented: Vec<_> = told.difference(&true_ones).collect();
        prop_assert!(
            missed.is_empty() && invented.is_empty(),
            "missed {missed:?}\ninvented {invented:?}\n{:#?}", found.lines(100)
        );
    }
}
