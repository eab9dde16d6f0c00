//! Brings the differences of all projects together in few changes.

use super::super::entry::Place;
use super::super::model::Policy;
use super::super::name::{GroupName, ProjectName, UserName};
use super::compare::{Difference, Short};
use super::crowd::Crowd;
use super::people::Everybody;
use super::sites::Pair;
use super::{Change, Spot, Who};
use crate::push::action::Action;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// What, and in which looked-up groups.
type OfProject = BTreeMap<(Rc<Difference>, BTreeSet<GroupName>), Here>;

/// In one project: an example of it, by which entries, and who.
struct Here {
    example: Rc<Difference>,
    through: BTreeSet<Line>,
    crowd: Crowd,
}

/// An entry: whether it is of the old policy, and where.
type Line = (bool, Place);

/// What is told of many projects as one: what, in which looked-up groups, and the number of who.
type Told = (Difference, BTreeSet<GroupName>, usize, BTreeSet<Action>);

/// An example of it, where, and by which entries.
type Where<'p> = (Rc<Difference>, BTreeSet<&'p ProjectName>, BTreeSet<Line>);

/// Differences, those of one project after the other.
#[derive(Default)]
pub(super) struct Gathered<'p> {
    name: Option<&'p ProjectName>,
    here: OfProject,
    told: BTreeMap<Told, Where<'p>>,
    crowds: Vec<Crowd>,
    numbers: HashMap<Crowd, usize>,
}

impl<'p> Gathered<'p> {
    /// Takes differences of one project, and an example of each, for all of a crowd. Projects come
    /// one after the other.
    pub(super) fn record<'d>(
        &mut self,
        (name, pair): (&'p ProjectName, &Pair<'p>),
        set: &BTreeSet<GroupName>,
        found: impl Iterator<Item = &'d Short>,
        crowd: &Crowd,
    ) {
        if self.name != Some(name) {
            self.end_project();
            self.name = Some(name);
        }
        for (difference, example) in found {
            let new = || Here {
                example: Rc::clone(example),
                through: BTreeSet::new(),
                crowd: Crowd::default(),
            };
            let key = (Rc::clone(difference), set.clone());
            let here = self.here.entry(key).or_insert_with(new);
            here.through.extend(example.through.iter().filter_map(|at| line(pair, *at)));
            here.crowd.extend(crowd);
        }
    }

    /// Brings together what differs in the action alone, then adds it to what other projects have.
    fn end_project(&mut self) {
        let Some(name) = self.name else { return };
        let mut by_action: BTreeMap<_, (Here, BTreeSet<Action>)> = BTreeMap::new();
        for ((what, set), mut here) in std::mem::take(&mut self.here) {
            let action = what.action;
            let read = action == Action::Read;
            let what = Difference { action: Action::Read, ..(*what).clone() };
            let key = (what, set, self.number(std::mem::take(&mut here.crowd)), read);
            let through = here.through.clone();
            let (of, actions) = by_action.entry(key).or_insert_with(|| (here, BTreeSet::new()));
            of.through.extend(through);
            actions.insert(action);
        }
        for ((what, set, number, _), (here, actions)) in by_action {
            let new = || (here.example, BTreeSet::new(), BTreeSet::new());
            let of = self.told.entry((what, set, number, actions)).or_insert_with(new);
            of.1.insert(name);
            of.2.extend(here.through);
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
        told.map(|((_, set, number, actions), (example, projects, through))| {
            let gains = example.before < example.after;
            let [old, new] = &all;
            let crowd = self.crowds.get(number).cloned().unwrap_or_default();
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
                refs: example.refs.clone(),
                example: example.name.clone(),
                touching: example.touching.clone(),
                from: example.from,
                before: example.before,
                after: example.after,
                through,
            }
        })
        .collect()
    }
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
