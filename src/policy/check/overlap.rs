//! Repositories that the globs of two projects both match.
//!
//! Knows how to find such a name, and to give up in time: what is not found here is RW503 at the push.

use super::repositories::Claim;
use crate::policy::diff::walk::{BAD_PATH, Machine, SIZE_LIMIT, meeting};
use crate::policy::pattern::Glob;
use std::collections::{HashMap, HashSet};

/// Most states that are visited for a whole policy.
const MAX_STATES: usize = 300_000;
/// Most bytes of all automata together.
const MAX_MACHINES: usize = 4 * SIZE_LIMIT;

/// What may be spent on one policy.
struct Search<'a> {
    claims: &'a [&'a Claim<'a>],
    exact: Vec<&'a [u8]>,
    machines: HashMap<usize, Option<Machine>>,
    bad: Machine,
    states: usize,
    bytes: usize,
}

/// Two claims, by number, and a name that both match; of each claim at most one, and none of
/// `told`. Names in `exact` are settled. Each claim is a glob, not exact and not `**` alone.
pub(super) fn meetings(
    claims: &[&Claim<'_>],
    exact: &HashSet<Vec<u8>>,
    told: &HashSet<usize>,
) -> Vec<(usize, usize, Vec<u8>)> {
    let Ok(bad) = Machine::new(&[BAD_PATH.to_owned()]) else { return Vec::new() };
    let exact = exact.iter().map(Vec::as_slice).collect();
    let (states, bytes) = (MAX_STATES, MAX_MACHINES);
    let mut search = Search { claims, exact, machines: HashMap::new(), bad, states, bytes };
    let prefixes: Vec<&[u8]> = claims.iter().map(|claim| prefix(claim)).collect();
    let suffixes: Vec<&str> = claims.iter().map(|claim| suffix(claim)).collect();
    let mut before: HashMap<&[u8], Vec<usize>> = HashMap::new();
    // Shorter beginnings first: each goes on from one that is there already, or is equal to it.
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|at| prefixes.get(*at).map_or(0, |prefix| prefix.len()));
    let mut found = Vec::new();
    for at in order {
        let (Some(prefix), Some(suffix)) = (prefixes.get(at), suffixes.get(at)) else { continue };
        let outer = (0..=prefix.len()).filter_map(|end| before.get(prefix.get(..end)?)).flatten();
        let ends_alike = |other: &&usize| {
            let end = suffixes.get(**other).copied().unwrap_or_default();
            end.ends_with(suffix) || suffix.ends_with(end)
        };
        let met = match told.contains(&at) {
            true => None,
            false => outer
                .filter(|other| !told.contains(other))
                .filter(ends_alike)
                .find_map(|other| Some((*other, search.meet(*other, at)?))),
        };
        if let Some((other, name)) = met {
            found.push((other.min(at), other.max(at), name));
        }
        before.entry(prefix).or_default().push(at);
    }
    found
}

impl<'a> Search<'a> {
    fn meet(&mut self, one: usize, other: usize) -> Option<Vec<u8>> {
        let (first, second) = (self.claims.get(one)?, self.claims.get(other)?);
        if first.project == second.project || self.states == 0 {
            return None;
        }
        self.make(one);
        self.make(other);
        let both = |name: &&[u8]| {
            [first, second].into_iter().all(|claim| claim.pattern.matches(name, None) == Ok(true))
        };
        // Exact names are looked through only where there is something to settle.
        self.met(one, other, &[])?;
        let known: Vec<&[u8]> = self.exact.iter().copied().filter(|name| both(name)).collect();
        self.met(one, other, &known)
    }

    /// A name that both match and that is none of `known`; what it costs is taken off.
    fn met(&mut self, one: usize, other: usize, known: &[&[u8]]) -> Option<Vec<u8>> {
        let machine = |at: usize| self.machines.get(&at)?.as_ref();
        let three = (machine(one)?, machine(other)?, &self.bad);
        let (name, visited) = meeting(three, known, self.states).unwrap_or((None, self.states));
        self.states = self.states.saturating_sub(visited.max(1));
        name
    }

    fn make(&mut self, at: usize) {
        let Some(claim) = self.claims.get(at).filter(|_| !self.machines.contains_key(&at)) else {
            return;
        };
        let machine = match self.bytes {
            0 => None,
            _ => Machine::new(&[claim.pattern.to_regex(None)]).ok(),
        };
        let size = machine.as_ref().map_or(SIZE_LIMIT, Machine::size);
        self.bytes = self.bytes.saturating_sub(size);
        self.machines.insert(at, machine);
    }
}

fn prefix<'a>(claim: &'a Claim<'_>) -> &'a [u8] {
    claim.pattern.as_glob().map(Glob::literal_prefix).unwrap_or_default()
}

/// What every name that the pattern matches ends with, where it is easily seen.
fn suffix<'a>(claim: &'a Claim<'_>) -> &'a str {
    let text = claim.pattern.text();
    let special = ['*', '?', '[', ']', '{', '}'];
    match text.contains('\\') {
        true => "",
        // `**/` may match nothing at all, the slash included.
        false => text.rsplit(special).next().unwrap_or_default().trim_start_matches('/'),
    }
}
