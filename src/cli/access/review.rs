//! `access review`: standing rights, each with when it was last used, so that what nobody uses can
//! become something that is asked for.
//!
//! Use is read from the trail: by the entry that a line names where it was decided by the policy that
//! is applied today, else by asking today's policy which permit the same push would rest on.

use super::failure::damaged;
use super::office::Office;
use super::view;
use super::wish::span;
use crate::audit::read::{self, Seen};
use crate::audit::{Event, Record, RefRecord, Text, Verdict as Answer};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::decision::{self, Paths, Question, Verdict};
use crate::hook::desk::hex;
use crate::os::clock;
use crate::policy::entry::{Entry, Holder, Kind, Place};
use crate::policy::members::{Answers, lookups_of};
use crate::policy::model::{Policy, Project};
use crate::policy::name::{ProjectName, UserName};
use crate::policy::refs::{RefPattern, Space};
use crate::policy::scope::Scopes;
use crate::policy::span::Span;
use crate::policy::spoken;
use crate::push::Action;
use crate::pusher::Source;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

/// Arguments of `access review`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: refwarden access review --unused 90d --suggest > entitlements.toml"
)]
pub struct Args {
    /// Only of this project.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Only rights that were not used for so long.
    #[arg(long, value_name = "DURATION")]
    unused: Option<String>,
    /// Print the entitlement that would replace each unused right, as TOML for the policy.
    #[arg(long, requires = "unused")]
    suggest: bool,
}

/// A permit, in one project, of one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    project: ProjectName,
    place: Place,
    user: UserName,
}

/// One way in which somebody pushed: who, where, which ref, what.
type Way = (UserName, Vec<u8>, Vec<u8>, &'static str);

/// Reviews.
///
/// # Errors
/// Who may not; there is no such project; the trail can't be read.
pub fn run(office: &Office<'_>, args: &Args, out: &Out) -> anyhow::Result<Exit> {
    if !office.sees_all()? {
        let words = "a review is for root, the hosting account, and those in [global] audit";
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let now = clock::now().wall;
    let unused = args.unused.as_deref().map(|text| span("--unused", text)).transpose()?;
    let policy = office.here.policy.policy().map_err(damaged)?;
    if let Some(wanted) = &args.project
        && !policy.projects.keys().any(|name| name.as_str() == wanted)
    {
        let shown = crate::text::Safe::new(wanted.as_bytes(), 64);
        return Err(Failure::new(Exit::NotFound, format!("there is no project `{shown}`")).into());
    }
    let Trail { used, begins } = used(office, &policy, now)?;
    // Of what was before the trail nobody can say that it was not used.
    let short = begins.filter(|begins| unused.is_some_and(|span| *begins + span.delta() > now));
    if let Some(begins) = short {
        let begins = view::time(begins, office.here.settings().timezone);
        out.note(format!("the trail begins {begins}: what was used before is not known"));
    }
    let mut shown = 0;
    let projects = policy.projects.iter();
    for (name, project) in
        projects.filter(|(name, _)| args.project.as_deref().is_none_or(|p| p == name.as_str()))
    {
        let scheme = policy.schemes.get(&project.scheme);
        for entry in
            scheme.into_iter().flat_map(|scheme| &scheme.entries).filter(|e| e.kind == Kind::Permit)
        {
            let view = View {
                office,
                policy: &policy,
                project: (name, project),
                entry,
                used: &used,
                short,
            };
            shown += view.show(args, unused, now, out);
        }
    }
    if shown == 0 {
        out.note("no standing right is like that");
    }
    Ok(Exit::Done)
}

/// What the trail tells.
struct Trail {
    /// When each right was last used.
    used: BTreeMap<Right, DateTime<Utc>>,
    /// The time of its first line.
    begins: Option<DateTime<Utc>>,
}

fn used(office: &Office<'_>, policy: &Policy, now: DateTime<Utc>) -> anyhow::Result<Trail> {
    let mut begins = None;
    let mut used: BTreeMap<Right, DateTime<Utc>> = BTreeMap::new();
    let mut ways: HashMap<Way, DateTime<Utc>> = HashMap::new();
    let mut decided = Decided::default();
    let today = Text::new(hex(office.here.policy.digest()));
    read::each(&office.here.audit_file(), &read::Filter::default(), &mut |seen| {
        let Seen::Line { line, record, .. } = seen else { return Ok(()) };
        begins.get_or_insert(line.end.time);
        if record.event == Event::PUSH_LANDED || record.event == Event::PUSH_SETTLED {
            for one in &record.refs {
                match decided.landed(record, one) {
                    Some(Use::Right(right)) => {
                        newer(used.entry(right).or_insert(line.end.time), line.end.time);
                    }
                    Some(Use::Way(way)) => {
                        newer(ways.entry(way).or_insert(line.end.time), line.end.time);
                    }
                    None => {}
                }
            }
            return Ok(());
        }
        let user = record.actor.as_ref().and_then(|actor| actor.user.as_ref());
        let user = user.and_then(|user| UserName::parse(&user.to_string()).ok());
        let (Some(user), Some(repository)) = (user, &record.repository) else { return Ok(()) };
        if !record.lets_through() {
            return Ok(());
        }
        let by_today = record.policy.as_ref().is_some_and(|policy| policy.digest == today);
        let project = record.project.as_ref().and_then(|p| ProjectName::parse(&p.to_string()).ok());
        for one in record.refs.iter().filter(|one| one.verdict != Some(Answer::Refused)) {
            let entry = one.entry.as_ref().filter(|_| by_today);
            let place = entry.and_then(|entry| {
                let file = policy.files.iter().position(|name| Text::new(name) == entry.file)?;
                let line = u32::try_from(entry.line).ok()?;
                Some(Place { file: u16::try_from(file).ok()?, line })
            });
            if let (Some(place), Some(project)) = (place, &project) {
                let right = Right { project: project.clone(), place, user: user.clone() };
                decided.add(record, one, Use::Right(right));
            } else if let Some(action) =
                one.action.as_ref().and_then(|a| Action::parse(&a.to_string()))
            {
                let way =
                    (user.clone(), repository.to_bytes(), one.name.to_bytes(), action.as_str());
                decided.add(record, one, Use::Way(way));
            }
        }
        Ok(())
    })?;
    rest_on(office, policy, ways, &mut used, now);
    Ok(Trail { used, begins })
}

/// What a push that was let through would use, once it lands.
enum Use {
    Right(Right),
    Way(Way),
}

/// Refs that pushes may move and of which no line says yet that they moved: that a push was let
/// through does not mean that git did what it asked for.
#[derive(Default)]
struct Decided(HashMap<(Text, Text), Vec<(Record, Use)>>);

impl Decided {
    fn add(&mut self, line: &Record, one: &RefRecord, of: Use) {
        let about = Record { refs: Vec::new(), ..line.clone() };
        self.0.entry((one.name.clone(), one.new.clone())).or_default().push((about, of));
    }

    /// The use that a ref which landed is of: of the same push, or, where receive-pack could not be
    /// seen and so each hook has its own id, of the last one that asked for this in the repository.
    fn landed(&mut self, line: &Record, one: &RefRecord) -> Option<Use> {
        let asked = self.0.get_mut(&(one.name.clone(), one.new.clone()))?;
        let id = |record: &Record| record.push.as_ref().and_then(|push| push.id.clone());
        let (push, place) = (id(line), &line.repository);
        let same = asked.iter().rposition(|(record, _)| push.is_some() && id(record) == push);
        let like =
            || asked.iter().rposition(|(record, _)| place.is_some() && record.repository == *place);
        let at = same.or_else(like)?;
        Some(asked.remove(at).1)
    }
}

fn newer(place: &mut DateTime<Utc>, time: DateTime<Utc>) {
    *place = (*place).max(time);
}

/// Which permits earlier pushes would rest on today.
fn rest_on(
    office: &Office<'_>,
    policy: &Policy,
    ways: HashMap<Way, DateTime<Utc>>,
    used: &mut BTreeMap<Right, DateTime<Utc>>,
    now: DateTime<Utc>,
) {
    let mut scopes = Scopes::new(policy);
    let sources: Vec<Source> =
        office.here.settings().require.iter().map(|r| r.source.clone()).collect();
    // Whoever pushed was a member then.
    let answers: Answers = lookups_of(&policy.groups)
        .values()
        .flatten()
        .map(|group| (group.clone().into(), Ok(true)))
        .collect();
    for ((user, repository, name, action), time) in ways {
        let Some(action) = Action::parse(action) else { continue };
        let question = Question {
            action,
            name: &name,
            paths: if action == Action::Delete { Paths::None } else { Paths::Known(&[]) },
            now,
            margin: Duration::zero(),
            horizon: Duration::zero(),
        };
        let Ok((scope, project)) = scopes.scope(Some(&user), &repository, &sources) else {
            continue;
        };
        let decision = decision::decide(&scope, &question, &answers);
        let Verdict::Allowed(allowed) = &decision.verdict else { continue };
        for entry in allowed.permits().iter().filter_map(|at| scope.entries.get(*at)) {
            let right = Right { project: project.clone(), place: entry.place, user: user.clone() };
            newer(used.entry(right).or_insert(time), time);
        }
    }
}

/// One permit of one project.
struct View<'v> {
    office: &'v Office<'v>,
    policy: &'v Policy,
    project: (&'v ProjectName, &'v Project),
    entry: &'v Entry,
    used: &'v BTreeMap<Right, DateTime<Utc>>,
    /// The trail's begin, where it is later than what is asked about.
    short: Option<DateTime<Utc>>,
}

impl View<'_> {
    /// Shows it for every person who has it; says for how many.
    fn show(&self, args: &Args, unused: Option<Span>, now: DateTime<Utc>, out: &Out) -> usize {
        let holders = self.people();
        let last = |user: &UserName| {
            let right = Right {
                project: self.project.0.clone(),
                place: self.entry.place,
                user: user.clone(),
            };
            self.used.get(&right).copied()
        };
        let is_idle = |user: &UserName| {
            unused.is_none_or(|unused| last(user).is_none_or(|at| at + unused.delta() <= now))
        };
        let idle: Vec<&UserName> = holders.iter().filter(|user| is_idle(user)).collect();
        if idle.is_empty() {
            return 0;
        }
        if args.suggest {
            let busy = holders.iter().filter(|user| !is_idle(user)).collect::<Vec<_>>();
            view::say_lines(out, &self.suggestion(&idle, &busy, unused));
            return idle.len();
        }
        for user in &idle {
            self.line(user, last(user), out);
        }
        idle.len()
    }

    fn line(&self, user: &UserName, last: Option<DateTime<Utc>>, out: &Out) {
        let (project, _) = self.project;
        let place = self.place();
        if out.json {
            out.value(&json!({
                "user": user.as_str(),
                "project": project.as_str(),
                "entry": place,
                "right": spoken::lends(self.entry),
                "last_used": last.map(view::stamp),
            }));
            return;
        }
        let zone = self.office.here.settings().timezone;
        let last = last.map_or("never used, by the trail".into(), |at| {
            format!("last used {}", view::time(at, zone))
        });
        view::say(
            out,
            format!(
                "{:16} {:32} {:10} {place:20} {last}",
                user.as_str(),
                spoken::lends(self.entry),
                project.as_str()
            ),
        );
    }

    fn place(&self) -> String {
        let place = self.entry.place;
        let file = self.policy.files.get(usize::from(place.file)).map_or("policy", String::as_str);
        format!("{file}:{}", place.line)
    }

    /// Active people to whom the policy alone gives it, and those of looked-up groups who used it.
    fn people(&self) -> BTreeSet<UserName> {
        let (name, project) = self.project;
        let to = self.entry.to.clone().unwrap_or_default();
        let groups = crate::policy::members::groups_of(&self.policy.groups);
        let lookups = lookups_of(&self.policy.groups);
        let holds = |user: &UserName| {
            let groups = groups.get(user).cloned().unwrap_or_default();
            let standing =
                crate::policy::members::Standing::new(user.clone(), groups, project, &lookups);
            let none = Answers::new();
            let yes = |holders: &[Holder]| {
                matches!(standing.among(holders, &none), crate::policy::members::Held::Yes(_))
            };
            yes(&to) && !yes(&self.entry.except)
        };
        let active = self.policy.users.iter().filter(|(_, user)| user.active).map(|(user, _)| user);
        let mut found: BTreeSet<UserName> = active.filter(|user| holds(user)).cloned().collect();
        let seen = self.used.keys().filter(|r| r.project == *name && r.place == self.entry.place);
        found.extend(seen.map(|right| right.user.clone()));
        found
    }

    /// The entitlement in place of the permit, for those who do not use it.
    fn suggestion(&self, idle: &[&UserName], busy: &[&UserName], unused: Option<Span>) -> String {
        let (project, details) = self.project;
        let idle_names: Vec<&str> = idle.iter().map(|user| user.as_str()).collect();
        let since = match self.short {
            Some(_) => " since the trail begins".to_owned(),
            None => unused.map(|unused| format!(" for {unused}")).unwrap_or_default(),
        };
        let mut text = format!(
            "# {}: {} not used{since} by {}\n",
            self.place(),
            spoken::lends(self.entry),
            idle_names.join(", ")
        );
        let _ = writeln!(
            text,
            "[entitlements.{}-{}]",
            project.as_str().to_lowercase(),
            self.entry.place.line
        );
        let _ = writeln!(
            text,
            "description = {}",
            string("in place of a standing right that was not used")
        );
        let _ = writeln!(text, "projects = {}", array([project.as_str()]));
        let permissions = self.entry.permissions.to_string();
        let _ = writeln!(text, "permissions = {}", array(permissions.split(", ")));
        self.patterns(&mut text);
        let _ = writeln!(text, "eligible = {}", array(idle_names.iter().copied()));
        text.push_str("max-duration = \"8h\"\n");
        let approvers = self.approvers(details, idle, busy);
        if approvers.is_empty() {
            text.push_str(
                "# nobody else holds it, and the project has no lead: name who approves\n# ",
            );
        }
        let _ = writeln!(
            text,
            "approval = [{{ from = {}, count = 1 }}]",
            array(approvers.iter().map(String::as_str))
        );
        text
    }

    /// Who could say yes: the lead, those who do use the right, else who administers.
    fn approvers(&self, details: &Project, idle: &[&UserName], busy: &[&UserName]) -> Vec<String> {
        let other = |name: &UserName| {
            let alone = idle == [name];
            let person = self.policy.users.get(name);
            !alone && person.is_some_and(|user| user.active && !user.service)
        };
        let mut names = Vec::new();
        if details.lead.as_ref().is_some_and(other) {
            names.push("lead".to_owned());
        }
        names.extend(busy.iter().filter(|name| other(name)).map(ToString::to_string));
        if names.is_empty() {
            let administer = &self.office.here.settings().administer;
            let alone = |holder: &&Holder| match holder {
                Holder::User(name) => other(name),
                _ => true,
            };
            names.extend(administer.iter().filter(alone).map(ToString::to_string));
        }
        names
    }

    fn patterns(&self, text: &mut String) {
        let refs = &self.entry.refs;
        for (patterns, except) in [(&refs.include, ""), (&refs.exclude, "except-")] {
            for (space, key) in
                [(Space::Branches, "branches"), (Space::Tags, "tags"), (Space::Refs, "refs")]
            {
                let of: Vec<&RefPattern> =
                    patterns.iter().filter(|one| one.space == space).collect();
                if !of.is_empty() {
                    let all = array(of.iter().map(|one| one.pattern.text()));
                    let _ = writeln!(text, "{except}{key} = {all}");
                }
            }
        }
        let Some(paths) = &self.entry.paths else { return };
        for (patterns, key) in [(&paths.include, "paths"), (&paths.exclude, "except-paths")] {
            if !patterns.is_empty() {
                let _ = writeln!(text, "{key} = {}", array(patterns.iter().map(|one| one.text())));
            }
        }
    }
}

/// A TOML string.
fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn array<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let all: Vec<String> = texts.into_iter().map(string).collect();
    format!("[{}]", all.join(", "))
}
