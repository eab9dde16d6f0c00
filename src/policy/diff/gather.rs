//! Brings the differences of all projects together in few changes.

use super::super::entry::Place;
use super::super::model::Policy;
use super::super::name::{GroupName, ProjectName, UserName};
use super::crowd::Crowd;
use super::people::Everybody;
use super::places::Places;
use super::sites::Pair;
use super::told::{Difference, Short, spelled};
use super::{Change, Repositories, Spot, Touching, Who};
use crate::push::action::Action;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What, and in which looked-up groups.
type OfProject = BTreeMap<(Rc<Difference>, BTreeSet<GroupName>), Here>;

/// In one project: by which entries, and who in each of its comparisons.
#[derive(Default)]
struct Here {
    through: BTreeSet<Line>,
    crowds: BTreeMap<usize, Crowd>,
}

/// An entry: whether it is of the old policy, and where.
type Line = (bool, Place);

/// What is told of many projects as one: what, in which looked-up groups, the number of who, and in
/// which repositories.
type Told = (Difference, BTreeSet<GroupName>, usize, Repositories, BTreeSet<Action>);

/// One such repository, in which projects, and by which entries.
type Where<'p> = (Vec<u8>, BTreeSet<&'p ProjectName>, BTreeSet<Line>);

/// Differences, those of one project after the other.
#[derive(Default)]
pub(super) struct Gathered<'p> {
    name: Option<&'p ProjectName>,
    here: OfProject,
    told: BTreeMap<Told, Where<'p>>,
    places: Places<'p>,
    crowds: Vec<Crowd>,
    numbers: HashMap<Crowd, usize>,
}

impl<'p> Gathered<'p> {
    pub(super) fn new(places: Places<'p>) -> Self {
        Self { places, ..Self::default() }
    }

    /// Takes differences of one project for all of a crowd. Projects come one after the other, each
    /// with the number of the comparison.
    pub(super) fn record<'d>(
        &mut self,
        (name, number, pair): (&'p ProjectName, usize, &Pair<'p>),
        set: &BTreeSet<GroupName>,
        found: impl Iterator<Item = &'d Short>,
        crowd: &Crowd,
    ) {
        if self.name != Some(name) {
            self.end_project();
            self.name = Some(name);
        }
        for (difference, through) in found {
            let key = (Rc::clone(difference), set.clone());
            let here = self.here.entry(key).or_default();
            here.through.extend(through.iter().filter_map(|at| line(pair, *at)));
            here.crowds.entry(number).or_default().extend(crowd);
        }
    }

    /// Brings together what differs in the action alone, then adds it to what other projects have.
    fn end_project(&mut self) {
        let Some(name) = self.name else { return };
        let mut by_action: BTreeMap<_, (BTreeSet<Line>, BTreeSet<Action>)> = BTreeMap::new();
        for ((what, set), Here { through, crowds }) in std::mem::take(&mut self.here) {
            let action = what.action;
            let read = action == Action::Read;
            let what = Difference { action: Action::Read, ..(*what).clone() };
            for (crowd, comparisons) in parted(crowds) {
                let place = self.places.told(name, comparisons.into_iter());
                let key = (what.clone(), set.clone(), self.number(crowd), place, read);
                let of: &mut (BTreeSet<Line>, _) = by_action.entry(key).or_default();
                of.0.extend(through.iter().copied());
                of.1.insert(action);
            }
        }
        for ((what, set, number, (place, example), _), (through, actions)) in by_action {
            let new = || (example, BTreeSet::new(), BTreeSet::new());
            let of = self.told.entry((what, set, number, place, actions)).or_insert_with(new);
            of.1.insert(name);
            of.2.extend(through);
        }
    }

    fn number(&mut self, crowd: Crowd) -> usize {
        if let Some(known) = self.numbers.get(&crowd) {
            return *known;
        }
        let number = self.crowds.len();
        self.crowds.push(crowd.clone());
        self.numbers.insert(crowd, number);
        number
    }

    /// Everything as changes.
    pub(super) fn changes(mut self, everybody: &Everybody<'p>) -> Vec<Change> {
        self.end_project();
        let all = [0, 1].map(|side| everybody.active(side));
        let told = std::mem::take(&mut self.told).into_iter();
        told.map(|((what, set, number, repositories, actions), (repository, projects, through))| {
            let gains = what.before < what.after;
            let [old, new] = &all;
            let crowd = self.crowds.get(number).cloned().unwrap_or_default();
            let somebody = crowd.iter().find_map(|at| everybody.names.get(at).copied().flatten());
            let who = who(everybody, crowd, if gains { new } else { old }, set);
            let spot = |(before, place): (bool, Place)| {
                let [old, new] = &everybody.sides;
                let policy: &Policy = if before { old.policy } else { new.policy };
                Spot::new(place, &policy.files, before)
            };
            let mut through: Vec<Spot> = through.into_iter().map(spot).collect();
            through.sort();
            Change {
                gains,
                who,
                actions,
                projects: projects.into_iter().cloned().collect(),
                repositories,
                example_repository: repository,
                refs: what.refs,
                example: spelled(&what.name, somebody),
                touching: match what.touching {
                    Touching::Path { patterns, example, link } => {
                        Touching::Path { patterns, example: spelled(&example, somebody), link }
                    }
                    other => other,
                },
                from: what.from,
                before: what.before,
                after: what.after,
                through,
            }
        })
        .collect()
    }
}

/// People of whom the same is told in the same comparisons.
fn parted(crowds: BTreeMap<usize, Crowd>) -> Vec<(Crowd, BTreeSet<usize>)> {
    let mut parts: Vec<(Crowd, BTreeSet<usize>)> = Vec::new();
    for (number, mut crowd) in crowds {
        let mut apart = Vec::new();
        for (part, numbers) in &mut parts {
            let both = part.and(&crowd);
            if both.is_empty() {
                continue;
            }
            crowd = crowd.without(&both);
            let with = numbers.iter().copied().chain([number]).collect();
            *part = std::mem::take(part).without(&both);
            apart.push((both, with));
        }
        apart.push((crowd, BTreeSet::from([number])));
        parts.extend(apart);
        parts.retain(|(part, _)| !part.is_empty());
    }
    parts
}

fn who(
    everybody: &Everybody<'_>,
    crowd: Crowd,
    all: &Crowd,
    looked_up: BTreeSet<GroupName>,
) -> Who {
    let anonymous = crowd.contains(0);
    let named = crowd.without(&Crowd::from_iter([0]));
    let everyone = named.len() > 1 && named == *all;
    let name = |number: usize| -> Option<UserName> {
        everybody.names.get(number).copied().flatten().cloned()
    };
    Who { users: named.iter().filter_map(name).collect(), everyone, anonymous, looked_up }
}

/// Where the entry of a side is written.
fn line(pair: &Pair<'_>, (before, at): (bool, usize)) -> Option<Line> {
    let [old, new] = pair;
    let site = if before { old } else { new };
    Some((before, site.as_ref()?.entries.get(at)?.place))
}
