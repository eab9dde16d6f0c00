//! Whether a request would lend anything: asked of the decision itself, as the hooks ask it, for
//! every kind of ref that its patterns can tell apart.
//!
//! The same test stands at asking, approving, extending and breaking glass, so that none of these
//! ways forgets what another one honours.

use super::failure::damaged;
use super::office::Office;
use crate::access::request::spelled;
use crate::access::{Request, lend};
use crate::code::Code;
use crate::decision::{self, Decision, Paths, Question, Scope, Verdict, Why};
use crate::policy::diff;
use crate::policy::entry::{Entry, Kind, Permissions};
use crate::policy::members::{Answers, Ask, Held};
use crate::policy::model::Entitlement;
use crate::policy::refs::{PathScope, RefPattern, RefScope};
use crate::policy::scope::Ground;
use crate::policy::window::Window;
use crate::push::Action;
use crate::pusher::Source;
use chrono::{DateTime, Duration, Utc};

const ACTIONS: [(Action, Permissions); 4] = [
    (Action::Create, Permissions::CREATE),
    (Action::Update, Permissions::UPDATE),
    (Action::Force, Permissions::FORCE),
    (Action::Delete, Permissions::DELETE),
];

/// When a request would lend.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Inclusive.
    pub from: DateTime<Utc>,
    /// Exclusive.
    pub until: DateTime<Utc>,
}

/// Everything that is against a request by the policy and the locks of today; nothing is empty.
///
/// # Errors
/// Policy or store can't be read.
pub fn against(
    office: &Office<'_>,
    request: &Request,
    entitlement: &Entitlement,
    asked: Asked,
) -> anyhow::Result<Vec<String>> {
    let ground = office.here.policy.ground(Some(&request.person), request.repository.as_bytes());
    let ground = match ground {
        Ok(ground) => ground,
        Err(none) => return Ok(vec![format!("{}: {none}", request.person)]),
    };
    let name = &request.entitlement;
    let about = entitlement.applies(&ground.name, request.repository.as_bytes());
    if !about.map_err(|broken| anyhow::anyhow!("{broken}"))? {
        return Ok(vec![format!("`{name}` is not about {}", request.repository)]);
    }
    let holders = entitlement.entry.to.clone().unwrap_or_default();
    match office.people.held(&request.person, &ground.project, &holders).map_err(damaged)? {
        Held::Yes(_) => {}
        Held::Failed(ask, why) => {
            let place = match &ask {
                Ask::Group(_) => format!("in {ask}"),
                _ => ask.to_string(),
            };
            return Ok(vec![format!(
                "whether {} is {place} could not be asked: {why}",
                request.person
            )]);
        }
        Held::No | Held::Unasked(_) => {
            let list: Vec<String> = holders.iter().map(ToString::to_string).collect();
            return Ok(vec![format!(
                "{} is not eligible for `{name}`: it is for {}",
                request.person,
                list.join(", ")
            )]);
        }
    }
    let mut bench = Bench::new(office, request, entitlement, ground, asked)?;
    let mut words = bench.uncovered()?;
    if words.is_empty() {
        words.extend(bench.stopped()?);
    }
    Ok(words)
}

/// One pattern (or all refs) of one part of the request, as an entry within the entitlement.
struct Piece {
    entry: Entry,
    words: String,
}

struct Bench<'b> {
    office: &'b Office<'b>,
    request: &'b Request,
    entitlement: &'b Entitlement,
    ground: Ground,
    asked: Asked,
    sources: Vec<Source>,
    pieces: Vec<Piece>,
    names: Vec<Vec<u8>>,
    /// Refs and actions that the entitlement would lend.
    lent: Vec<(Vec<u8>, Action)>,
}

impl<'b> Bench<'b> {
    fn new(
        office: &'b Office<'b>,
        request: &'b Request,
        entitlement: &'b Entitlement,
        mut ground: Ground,
        asked: Asked,
    ) -> anyhow::Result<Self> {
        let locks = office.locks(&ground.name, &request.repository, asked.from)?;
        let (user, owner) = (&request.person, office.people.human(&request.person));
        let owner = owner.map_err(damaged)?;
        ground
            .entries
            .extend(locks.iter().map(|lock| lend::lock_for(lock, Some(user), Some(&owner))));
        let pieces = pieces(request, entitlement);
        let told_apart = pieces
            .iter()
            .map(|piece| &piece.entry)
            .chain([&entitlement.entry])
            .chain(ground.entries.iter().filter(|entry| entry.is_forbid()))
            .collect::<Vec<_>>();
        let names = diff::ref_classes(&told_apart, Some(&request.person));
        let names = names.or_else(|| named(request)).unwrap_or_default();
        let sources = office.here.settings().require.iter().map(|r| r.source.clone()).collect();
        let lent = Vec::new();
        Ok(Self { office, request, entitlement, ground, asked, sources, pieces, names, lent })
    }

    /// What of the request the entitlement does not lend at all.
    fn uncovered(&mut self) -> anyhow::Result<Vec<String>> {
        let name = &self.request.entitlement;
        let mut wrong = self.special();
        // What can't be told is not lent: nobody could say yes to what they can't be shown.
        if self.names.is_empty() {
            wrong.push(format!(
                "what `{name}` would lend can't be told, because patterns are too intricate together: \
                 ask for refs by their names"
            ));
            return Ok(wrong);
        }
        let mut lent = Vec::new();
        let mut actions = Permissions::default();
        for piece in &self.pieces {
            let before = lent.len();
            for ref_name in self.names.iter().filter(|name| covers(&piece.entry, name)) {
                for (action, one) in asked_for(piece.entry.permissions) {
                    let entries = std::iter::once(&piece.entry).collect();
                    let decision = self.decide(entries, ref_name, action)?;
                    if matches!(decision.verdict, Verdict::Allowed(_)) {
                        lent.push((ref_name.clone(), action));
                        actions = actions.with(one);
                    }
                }
            }
            if lent.len() == before && self.lifts_nothing(piece) {
                wrong.push(format!("`{name}` lends no `bypass` on {}", piece.words));
            }
            if lent.len() == before && asked_for(piece.entry.permissions).next().is_some() {
                wrong.push(format!(
                    "`{name}` lends no `{}` of {}",
                    piece.entry.permissions, piece.words
                ));
            }
        }
        if wrong.is_empty() {
            wrong.extend(self.beyond());
        }
        let asked =
            self.request.parts().fold(Permissions::default(), |all, (one, _)| all.with(one));
        let left = asked_for(asked).filter(|(_, one)| !actions.intersects(*one));
        let left: Vec<&str> = left.map(|(action, _)| action.as_str()).collect();
        if wrong.is_empty() && !left.is_empty() {
            wrong.push(format!("`{name}` lends no `{}`", left.join("`, `")));
        }
        self.lent = lent;
        Ok(wrong)
    }

    /// Refs and paths of the request that are not the entitlement's: they would be lent by
    /// themselves when the policy gives the entitlement more, though nobody said yes to them.
    fn beyond(&self) -> Vec<String> {
        let name = &self.request.entitlement;
        let (lends, user) = (&self.entitlement.entry, Some(&self.request.person));
        let outside = |name: &Vec<u8>| !lends.refs.permits(name, user).unwrap_or(false);
        let wider = |piece: &&Piece| {
            self.names.iter().any(|name| covers(&piece.entry, name) && outside(name))
        };
        let wide = self.pieces.iter().filter(wider);
        let offer = offered(&lends.refs);
        let mut wrong: Vec<String> = wide
            .map(|piece| format!("{} is more than `{name}` lends: {offer}", piece.words))
            .collect();
        if let (Some(asked), Some(paths)) = (&self.request.paths, &lends.paths)
            && asked != paths
            && self.paths_beyond(paths)
        {
            wrong.push(format!("{asked} are more than `{name}` lends: {paths}"));
        }
        wrong
    }

    /// Whether paths are asked for that `lent` has not, or that can't be told.
    fn paths_beyond(&self, lent: &PathScope) -> bool {
        let user = Some(&self.request.person);
        let asked = self.pieces.iter().map(|piece| &piece.entry).take(1);
        let both: Vec<&Entry> = asked.chain([&self.entitlement.entry]).collect();
        let Some(paths) = diff::path_classes(&both, user) else { return true };
        let asked = self.request.paths.iter();
        asked.into_iter().any(|asked| {
            paths.iter().any(|path| {
                asked.permits(path, user).unwrap_or(true)
                    && !lent.permits(path, user).unwrap_or(false)
            })
        })
    }

    /// Whether a part that is `bypass` alone meets no ref of the entitlement.
    fn lifts_nothing(&self, piece: &Piece) -> bool {
        let lends = &self.entitlement.entry;
        let both = |name: &Vec<u8>| {
            covers(&piece.entry, name)
                && lends.refs.permits(name, Some(&self.request.person)).unwrap_or(false)
        };
        piece.entry.permissions == Permissions::BYPASS && !self.names.iter().any(both)
    }

    /// `read` and `bypass`, which are about no ref.
    fn special(&self) -> Vec<String> {
        let name = &self.request.entitlement;
        let lends = &self.entitlement.entry;
        let mut wrong = Vec::new();
        for (one, word) in [(Permissions::READ, "read"), (Permissions::BYPASS, "bypass")] {
            if self.request.permissions.intersects(one) && !lends.permissions.intersects(one) {
                wrong.push(format!("`{name}` lends no `{word}`"));
            }
        }
        let all = lends.checks.iter().any(|check| &**check == "*");
        for check in
            self.request.checks.iter().filter(|check| !all && !lends.checks.contains(check))
        {
            wrong.push(format!("`{name}` does not lift the check `{check}`"));
        }
        let bypass = self.request.permissions.intersects(Permissions::BYPASS);
        if bypass && self.request.paths.is_some() {
            wrong.push("a check is lifted as a whole: ask for `bypass` without paths".into());
        }
        if bypass && self.request.checks.is_empty() {
            wrong.push("`bypass` needs the names of checks".into());
        }
        if !bypass && !self.request.checks.is_empty() {
            wrong.push("checks are lifted by `bypass`, which is not asked for".into());
        }
        wrong
    }

    /// A forbid or lock that stops all of it for the whole time.
    fn stopped(&self) -> anyhow::Result<Option<String>> {
        let mut first = None;
        for (ref_name, action) in &self.lent {
            let pieces = self.pieces.iter().map(|piece| &piece.entry);
            let entries: Vec<&Entry> = self.ground.entries.iter().chain(pieces).collect();
            let decision = self.decide(entries.clone(), ref_name, *action)?;
            match self.lasting(&decision, &entries) {
                Some(words) => _ = first.get_or_insert(words),
                None => return Ok(None),
            }
        }
        Ok(first)
    }

    /// Words about what refuses until after the asked time, if anything does.
    fn lasting(&self, decision: &Decision, entries: &[&Entry]) -> Option<String> {
        let Verdict::Refused(refused) = &decision.verdict else { return None };
        refused.reasons().find_map(|reason| {
            let stops = matches!(reason.code, Code::Forbidden | Code::Locked);
            let entry = reason.entry.and_then(|at| entries.get(at)).filter(|_| stops)?;
            let all_the_time = reason.why == Why::Forbidden
                && entry.when.next(false, self.asked.from, self.asked.until).is_none();
            all_the_time.then(|| self.about(entry))
        })
    }

    fn about(&self, entry: &Entry) -> String {
        let why = entry.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        match &entry.kind {
            Kind::Lock(id) => format!("lock {id} stops it for all of that time{why}"),
            _ => {
                let files = self.office.here.policy.files();
                let file =
                    files.get(usize::from(entry.place.file)).map_or("policy", |f| f.name.as_str());
                format!(
                    "the forbid at {file}:{} stops it for all of that time{why}",
                    entry.place.line
                )
            }
        }
    }

    fn decide(
        &self,
        entries: Vec<&Entry>,
        name: &[u8],
        action: Action,
    ) -> anyhow::Result<Decision> {
        let question = Question {
            action,
            name,
            paths: if action == Action::Delete { Paths::None } else { Paths::Known(&[]) },
            now: self.asked.from,
            margin: Duration::zero(),
            horizon: Duration::zero(),
        };
        let scope = Scope {
            standing: &self.ground.standing,
            entries,
            enforce: self.ground.project.enforce,
            require: &self.office.here.settings().require,
            confirmed_by: &self.sources,
        };
        let person = &self.request.person;
        let answers: Answers = self.office.people.answers(person);
        match decision::decide_or_ask(&scope, &question, &answers) {
            Ok(decision) => Ok(decision),
            Err(groups) => {
                self.office.people.look_up(person, groups).map_err(damaged)?;
                Ok(decision::decide(&scope, &question, &self.office.people.answers(person)))
            }
        }
    }
}

/// The refs of a request that names each by itself.
fn named(request: &Request) -> Option<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for (_, refs) in request.parts() {
        for one in &refs.include {
            one.pattern.as_glob().filter(|glob| glob.is_literal())?;
            let name = spelled(one);
            // An escaped name is not spelled as it is.
            refs.permits(name.as_bytes(), None).ok().filter(|covered| *covered)?;
            names.push(name.into_bytes());
        }
        if refs.include.is_empty() {
            return None;
        }
    }
    Some(names)
}

/// What an entitlement lends, as full names.
fn offered(refs: &RefScope) -> String {
    let list = |patterns: &[RefPattern]| {
        let each: Vec<String> = patterns.iter().map(|one| format!("`{}`", spelled(one))).collect();
        each.join(", ")
    };
    let include = match refs.include.is_empty() {
        true => "any branch or tag".to_owned(),
        false => list(&refs.include),
    };
    match refs.exclude.is_empty() {
        true => include,
        false => format!("{include} except {}", list(&refs.exclude)),
    }
}

fn asked_for(set: Permissions) -> impl Iterator<Item = (Action, Permissions)> {
    ACTIONS.into_iter().filter(move |(_, one)| set.intersects(*one))
}

fn covers(entry: &Entry, name: &[u8]) -> bool {
    let user = entry.to.iter().flatten().find_map(|holder| match holder {
        crate::policy::entry::Holder::User(name) => Some(name),
        _ => None,
    });
    entry.refs.permits(name, user).unwrap_or(false)
}

fn pieces(request: &Request, entitlement: &Entitlement) -> Vec<Piece> {
    let entries = lend::entries("?", request, entitlement, &Window::default());
    let mut pieces = Vec::new();
    for entry in entries {
        if entry.refs.include.is_empty() {
            pieces.push(Piece { entry, words: "any branch or tag".into() });
            continue;
        }
        for pattern in &entry.refs.include {
            let refs =
                RefScope { include: vec![pattern.clone()], exclude: entry.refs.exclude.clone() };
            let words = format!("`{}`", spelled(pattern));
            pieces.push(Piece { entry: Entry { refs, ..entry.clone() }, words });
        }
    }
    pieces
}
