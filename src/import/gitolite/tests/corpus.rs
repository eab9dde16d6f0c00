//! Random configurations: the policy made of each has gitolite's verdicts, for every person, action and
//! way in which refs and paths can be covered.

use super::super::ask::Answer;
use super::super::{Found, import};
use super::theirs::Theirs;
use super::{Thought, options};
use crate::decision::{self, Paths, Question, Verdict};
use crate::policy::lab::Dice;
use crate::policy::members::Answers;
use crate::policy::scope::Scopes;
use crate::policy::source::{NoIncludes, SourceFile};
use crate::policy::tidy::tidy;
use chrono::{DateTime, Duration};

const USERS: [&str; 5] = ["ann", "ben", "cat", "dan", "eve"];
const REFEXES: [&str; 22] = [
    "master",
    "master$",
    "dev/",
    "dev",
    "refs/tags/v",
    "refs/tags/",
    "refs/heads/",
    "refs/.*",
    "USER/",
    "dev/USER/",
    "rel/[0-9]+$",
    "(a|b)/",
    "m.*r",
    "[^/]+$",
    "refs/tags/v[0-9]",
    "master|dev",
    "dev/[a-c]",
    "refs/(heads|tags)/x",
    "@refs",
    "refs/notes/",
    "d",
    "rel/",
];
const PERMS: [&str; 13] =
    ["RW", "RW+", "RW", "RW+", "R", "-", "-", "RWC", "RW+C", "RWD", "RW+D", "RW+CD", "RW+CDM"];
const PATHS: [&str; 8] =
    ["docs/", "Makefile", "docs/secret", "[^/]+$", "src/.*[.]c$", "", "USER/", "a/b"];
const REPOS: [&str; 9] =
    ["foo", "bar", "baz/qux", "@rs", "w/..*", "w/[a-z]+/x", "u/CREATOR/..*", "@all", "foo"];

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.roll(from.len())]
}

fn words(dice: &mut Dice, from: &[&str], most: usize) -> String {
    let count = 1 + dice.roll(most);
    (0..count).map(|_| pick(dice, from)).collect::<Vec<_>>().join(" ")
}

fn configuration(dice: &mut Dice) -> String {
    let mut text = String::from("@refs = master$ rel/\n@rs = foo bar\n");
    text += &format!("@g1 = {}\n@g2 = @g1 {}\n", words(dice, &USERS, 2), words(dice, &USERS, 2));
    if dice.one_in(3) {
        text += &format!("@g1 = {}\n", words(dice, &USERS, 1));
    }
    let merges = dice.one_in(6);
    for _ in 0..1 + dice.roll(4) {
        text += &format!("repo {}\n", words(dice, &REPOS, 2));
        let paths = dice.one_in(4);
        for _ in 0..1 + dice.roll(6) {
            text += &rule(dice, paths, merges);
        }
        if dice.one_in(5) {
            text += "  option deny-rules = 1\n";
        }
        if dice.one_in(12) {
            text += "  option CREATE_IS_C = 0\n";
        }
    }
    text
}

fn rule(dice: &mut Dice, paths: bool, merges: bool) -> String {
    let people =
        [&USERS[..], &["@g1", "@g2", "@g1", "@g2", "@all", "CREATOR", "READERS", "WRITERS"]]
            .concat();
    let users = words(dice, &people, 2);
    let mut perm = pick(dice, &PERMS);
    if perm.contains('M') && !merges {
        perm = "RW+CD";
    }
    let refs = match (perm, paths && dice.one_in(2)) {
        ("R", _) => String::new(),
        (_, true) => format!("VREF/NAME/{}", pick(dice, &PATHS)),
        (_, false) if dice.one_in(3) => String::new(),
        // What is found anywhere would be found in names of paths too.
        (_, false) => {
            words(dice, &REFEXES, 2).replace("master|dev", if paths { "dev" } else { "master|dev" })
        }
    };
    format!("  {perm} {refs} = {users}\n")
}

fn found() -> Vec<Found> {
    let one = |name: &str, creator: &str, roles: &[(&str, &[&str])]| Found {
        name: name.into(),
        creator: Some(creator.into()),
        roles: roles
            .iter()
            .map(|(role, all)| {
                ((*role).to_owned(), all.iter().map(|name| (*name).to_owned()).collect())
            })
            .collect(),
    };
    vec![
        one("w/one", "ann", &[("READERS", &["ben", "@g1"])]),
        one("w/two/x", "ben", &[("WRITERS", &["@all"])]),
        one("u/cat/z", "cat", &[("READERS", &["dan"]), ("WRITERS", &["eve"])]),
    ]
}

/// Compares one configuration; how many questions that were, and whether everything was carried over.
fn compare(theirs: &Theirs, text: &str, found: &[Found]) -> (usize, bool) {
    let mut options = options();
    options.found = found.to_vec();
    options.folders = vec!["notes".into()];
    let result = import(&Thought::one(text), &options);
    assert_eq!(theirs.compile(text), result.is_ok(), "{text}");
    let Ok((made, asked)) = result else { return (0, false) };
    assert_eq!(tidy(&made.text).as_ref(), Ok(&made.text), "{text}");
    let main = SourceFile { name: "policy.toml".into(), text: made.text.clone() };
    let (_, loaded) = crate::policy::load_file(main, "/", &NoIncludes);
    let (policy, warnings) = loaded.unwrap_or_else(|e| panic!("{e:#?}\n{text}\n{}", made.text));
    assert!(warnings.is_empty(), "{warnings:#?}\n{text}\n{}", made.text);
    let mut scopes = Scopes::new(&policy);
    let questions = asked.questions(&mut scopes);
    let answers = theirs.answers(&questions);
    // These people have less, and that is told; nothing else may differ.
    let narrower =
        ["without a merge", "only some of these people", "can't be said", "no pattern says"];
    let less =
        made.notes.iter().any(|n| n.lost && narrower.iter().any(|words| n.words.contains(words)));
    for case in &questions.cases {
        let pair = (case.repository.clone(), case.user.clone());
        let meant = case.verdict(|key| {
            answers.get(key).and_then(|all| all.get(&pair)).copied().unwrap_or(Answer::Denied)
        });
        let changed = case.changed();
        let question = Question {
            action: case.action,
            name: case.reference.as_bytes(),
            paths: Paths::Known(&changed),
            now: DateTime::UNIX_EPOCH,
            margin: Duration::zero(),
            horizon: Duration::zero(),
        };
        let scope = scopes.scope(Some(&case.name), case.repository.as_bytes(), &[]);
        let said = scope.is_ok_and(|(scope, _)| {
            let decided = decision::decide(&scope, &question, &Answers::default());
            matches!(decided.verdict, Verdict::Allowed(_))
        });
        let right = said == meant || (less && !said);
        assert!(right, "{case:?}: gitolite {meant}, the policy {said}\n{text}\n{}", made.text);
    }
    (questions.cases.len(), !made.notes.iter().any(|note| note.lost))
}

fn run(seeds: std::ops::Range<u64>) {
    let found = found();
    let Some(theirs) = Theirs::new(&found) else { return };
    let (mut questions, mut whole, mut configurations) = (0, 0, 0);
    for seed in seeds {
        let text = configuration(&mut Dice::new(seed));
        let (asked, all) = compare(&theirs, &text, &found);
        questions += asked;
        whole += usize::from(all);
        configurations += 1;
    }
    println!("{configurations} configurations, {questions} questions, {whole} carried over whole");
    assert!(questions > 0);
}

#[test]
fn a_few_random_configurations_have_gitolites_verdicts() {
    run(0..3);
}

#[test]
#[ignore = "minutes: hundreds of configurations"]
fn hundreds_of_random_configurations_have_gitolites_verdicts() {
    run(1000..1500);
}
