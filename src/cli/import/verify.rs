//! Asks an installed gitolite and the policy the same questions.
//!
//! gitolite gets a home of its own, with the same configuration and empty repositories; nothing of the
//! real one is touched, and its hooks never run.

use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::{Out, counted};
use crate::decision::{self, Paths, Question, Verdict};
use crate::import::gitolite::Options;
use crate::import::gitolite::ask::{Answer, Answers, Asked, Case, Key, Questions};
use crate::os::child::{self, Task};
use crate::os::{clock, env, files, random};
use crate::policy::model::Policy;
use crate::policy::scope::Scopes;
use chrono::Duration;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Most differences that are printed.
const SHOWN: usize = 200;
/// How long one run of gitolite may take.
const TIMEOUT: std::time::Duration = std::time::Duration::from_mins(10);

/// What gitolite is set up from.
pub(super) struct Bed<'a> {
    pub files: &'a BTreeMap<String, String>,
    pub options: &'a Options,
}

/// Prints what the two answer differently; how many that is.
pub(super) fn differences(
    bed: &Bed<'_>,
    policy: &Policy,
    asked: &Asked,
    out: &Out,
) -> anyhow::Result<usize> {
    let mut scopes = Scopes::new(policy);
    let questions = asked.questions(&mut scopes);
    let home = Home::new(bed)?;
    let answers = home.ask(&questions)?;
    let mut differ = 0;
    for case in &questions.cases {
        let theirs = verdict(case, &answers);
        let ours = decided(&mut scopes, case);
        if theirs == ours {
            continue;
        }
        differ += 1;
        if differ <= SHOWN {
            tell(case, theirs, out);
        }
    }
    let (all, of) = (
        counted(questions.cases.len(), "question", "questions"),
        counted(differ, "difference", "differences"),
    );
    if out.json {
        out.value(&json!({ "questions": questions.cases.len(), "differences": differ, "all": !questions.cut }));
    } else {
        let cut = if questions.cut { ", which are not all" } else { "" };
        out.note(format!("{all} asked of gitolite and of the policy{cut}: {of}"));
    }
    Ok(differ)
}

fn tell(case: &Case, theirs: bool, out: &Out) {
    let words = |yes: bool| if yes { "allows" } else { "refuses" };
    if out.json {
        out.value(&json!({
            "user": case.user, "repository": case.repository, "action": case.action.as_str(),
            "ref": case.reference, "path": case.path,
            "gitolite": words(theirs), "refwarden": words(!theirs),
        }));
        return;
    }
    let path = case.path.as_ref().map_or(String::new(), |path| format!(" changing {path}"));
    out.note(format!(
        "differs: {} {} {}{path} in {}: gitolite {}, the policy {}",
        case.user,
        case.action,
        case.reference,
        case.repository,
        words(theirs),
        words(!theirs)
    ));
}

fn verdict(case: &Case, answers: &Answers) -> bool {
    let pair = (case.repository.clone(), case.user.clone());
    case.verdict(|key| {
        let found = answers.get(key).and_then(|all| all.get(&pair)).copied();
        found.unwrap_or(Answer::Denied)
    })
}

fn decided(scopes: &mut Scopes<'_>, case: &Case) -> bool {
    let changed = case.changed();
    let question = Question {
        action: case.action,
        name: case.reference.as_bytes(),
        paths: Paths::Known(&changed),
        now: clock::now().wall,
        margin: Duration::zero(),
        horizon: Duration::zero(),
    };
    let scope = scopes.scope(Some(&case.name), case.repository.as_bytes(), &[]);
    scope.is_ok_and(|(scope, _)| {
        let answers = crate::policy::members::Answers::default();
        matches!(decision::decide(&scope, &question, &answers).verdict, Verdict::Allowed(_))
    })
}

/// A home for gitolite, removed at the end.
struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Home {
    fn new(bed: &Bed<'_>) -> anyhow::Result<Self> {
        let place = env::variable("TMPDIR").map_or(PathBuf::from("/tmp"), PathBuf::from);
        let number = u64::from_ne_bytes(random::bytes::<8>());
        let home =
            Self(std::fs::canonicalize(place)?.join(format!("refwarden-gitolite-{number:016x}")));
        files::ensure_folder(&home.0)?;
        let conf = home.0.join(".gitolite/conf");
        for folder in [&conf, &home.0.join(".gitolite/logs"), &home.0.join("repositories")] {
            std::fs::create_dir_all(folder)?;
        }
        for (name, text) in bed.files {
            let outside = name.starts_with('/') || name.split('/').any(|part| part == "..");
            if !outside {
                let name = if *name == bed.options.main { "gitolite.conf" } else { name };
                home.write(&conf.join(name), text)?;
            }
        }
        let roles: Vec<String> =
            bed.options.roles.iter().map(|role| format!("'{role}' => 1")).collect();
        let rc = format!(
            "%RC = (UMASK => 0077, GIT_CONFIG_KEYS => '.*', ROLES => {{ {} }}, \
             SYNTACTIC_SUGAR => ['continuation-lines']);\n1;\n",
            roles.join(", ")
        );
        home.write(&home.0.join(".gitolite.rc"), &rc)?;
        home.wild(bed.options)?;
        home.run(&["compile"], b"")?;
        home.run(&["setup", "--hooks-only"], b"")?;
        Ok(home)
    }

    fn write(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        Ok(files::write_fleeting(path, text.as_bytes(), 0o600)?)
    }

    /// Repositories that exist, with nothing in them but who made them and who has which role.
    fn wild(&self, options: &Options) -> anyhow::Result<()> {
        for found in &options.found {
            let folder = self.0.join(format!("repositories/{}.git", found.name));
            std::fs::create_dir_all(folder.join("hooks"))?;
            if let Some(creator) = &found.creator {
                self.write(&folder.join("gl-creator"), &format!("{creator}\n"))?;
            }
            let lines = found.roles.iter().map(|(role, members)| {
                let members: Vec<&str> = members.iter().map(String::as_str).collect();
                format!("{role} = {}\n", members.join(" "))
            });
            self.write(&folder.join("gl-perms"), &lines.collect::<String>())?;
        }
        Ok(())
    }

    fn run(&self, arguments: &[&str], stdin: &[u8]) -> anyhow::Result<Vec<u8>> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let environment = [("HOME", self.0.as_os_str()), ("PATH", child::PATH.as_ref())]
            .map(|(name, value)| (OsString::from(name), value.to_owned()));
        let output = child::run(&Task {
            program: Path::new("gitolite"),
            name: None,
            arguments: &arguments,
            environment: &environment,
            folder: Some(&self.0),
            stdin,
            timeout: TIMEOUT,
            max_output: 1 << 30,
        })
        .map_err(|error| Failure::new(Exit::Failed, format!("ask gitolite: {error}")))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.lines().rev().find(|line| line.contains("FATAL")).unwrap_or_default();
            let words = format!("gitolite does not take this configuration: {words}");
            return Err(Failure::new(Exit::Failed, words).into());
        }
        Ok(output.stdout)
    }

    /// One run for each letter and ref, about all pairs at once.
    fn ask(&self, questions: &Questions) -> anyhow::Result<Answers> {
        let pairs: String = questions
            .pairs
            .iter()
            .map(|(repository, user)| format!("{repository} {user}\n"))
            .collect();
        let mut all = Answers::new();
        for (letter, on) in &questions.keys {
            let stdout = self.run(&["access", "%", "%", letter, on], pairs.as_bytes())?;
            let key: Key = (letter, on.clone());
            all.insert(key, read(&String::from_utf8_lossy(&stdout)));
        }
        Ok(all)
    }
}

/// Lines of `gitolite access`: repository, user, and what it says.
fn read(text: &str) -> HashMap<(String, String), Answer> {
    let line = |line: &str| {
        let mut words = line.splitn(3, '\t').map(str::to_owned);
        let (repository, user, said) = (words.next()?, words.next()?, words.next()?);
        let answer = match said {
            said if said.contains("DENIED by fallthru") => Answer::Silent,
            said if said.contains("DENIED") => Answer::Denied,
            _ => Answer::Allowed,
        };
        Some(((repository, user), answer))
    };
    text.lines().filter_map(line).collect()
}
