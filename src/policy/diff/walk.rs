//! Every distinguishable class of names under a set of patterns, each with a shortest example.
//!
//! The patterns become one automaton; two names that lead to the same state match the same
//! patterns, so walking its states reaches every class there is. Nothing is sampled.

use regex_automata::dfa::{Automaton, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Largest automaton, in bytes, and as much again while it is made.
pub(crate) const SIZE_LIMIT: usize = 32 << 20;
/// Most states that a walk visits.
const VISIT_LIMIT: usize = 200_000;
/// Most states of one machine in which a component may begin, where components are compared.
const START_LIMIT: usize = 4096;

/// The patterns are too many or too intricate to be compared state by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Patterns as one automaton, each anchored at both ends.
pub(crate) struct Machine {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Machine {
    /// `patterns` in the syntax of [`regex_syntax`], as `Pattern::to_regex` gives them.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, TooLarge> {
        let dfa = dense::Builder::new()
            .syntax(syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_LIMIT)))
            .configure(
                dense::Config::new()
                    .match_kind(MatchKind::All)
                    .start_kind(regex_automata::dfa::StartKind::Anchored)
                    .accelerate(false)
                    .dfa_size_limit(Some(SIZE_LIMIT))
                    .determinize_size_limit(Some(SIZE_LIMIT)),
            )
            .build_many(patterns)
            .map_err(|_| TooLarge)?;
        let input = Input::new(b"").anchored(Anchored::Yes);
        let start = dfa.start_state_forward(&input).map_err(|_| TooLarge)?;
        Ok(Self { dfa, start })
    }

    /// Bytes that it takes.
    pub(crate) fn size(&self) -> usize {
        self.dfa.memory_usage()
    }

    /// Whether a name may end here.
    fn ends(&self, state: StateID) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }

    /// The states in which a component of a name may begin.
    fn starts(&self) -> Vec<StateID> {
        let bytes = distinct(&(1..=u8::MAX).collect::<Vec<u8>>(), self, None);
        let (mut seen, mut open) = (HashSet::from([self.start]), vec![self.start]);
        let mut found = BTreeSet::from([self.start]);
        while let Some(state) = open.pop() {
            found.insert(self.dfa.next_state(state, b'/'));
            let next = bytes.iter().map(|byte| self.dfa.next_state(state, *byte));
            open.extend(next.filter(|next| seen.insert(*next)));
        }
        found.into_iter().collect()
    }

    fn after(&self, from: StateID, bytes: &[u8]) -> StateID {
        bytes.iter().fold(from, |state, byte| self.dfa.next_state(state, *byte))
    }

    /// Numbers of the patterns that match a name which ends here.
    fn matching(&self, state: StateID) -> Vec<usize> {
        let end = self.dfa.next_eoi_state(state);
        if !self.dfa.is_match_state(end) {
            return Vec::new();
        }
        let mut found: Vec<usize> = (0..self.dfa.match_len(end))
            .map(|index| self.dfa.match_pattern(end, index).as_usize())
            .collect();
        found.sort_unstable();
        found
    }
}

/// What whole components do to a machine, wherever in a name they stand.
pub(super) struct Component<'m> {
    machine: &'m Machine,
    /// For every number of leading bytes of the last component: where each start leads.
    after: Vec<Vec<StateID>>,
    last: Vec<u8>,
}

impl<'m> Component<'m> {
    pub(super) fn new(machine: &'m Machine) -> Result<Self, TooLarge> {
        let starts = machine.starts();
        match starts.len() > START_LIMIT {
            true => Err(TooLarge),
            false => Ok(Self { machine, after: vec![starts], last: Vec::new() }),
        }
    }

    /// Where the component leads from each state in which one may begin. Components that lead to
    /// the same states can stand for each other. Quick where the last one began alike.
    pub(super) fn key(&mut self, component: &[u8]) -> Vec<StateID> {
        let alike = component.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        self.after.truncate(alike + 1);
        self.last.clear();
        self.last.extend_from_slice(component);
        for byte in component.iter().skip(alike) {
            let from = self.after.last().into_iter().flatten();
            let next = from.map(|state| self.machine.dfa.next_state(*state, *byte)).collect();
            self.after.push(next);
        }
        self.after.last().cloned().unwrap_or_default()
    }
}

/// A name, and the numbers of the patterns that match it: of the first machine, then of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The name.
    pub name: Vec<u8>,
    /// Numbers of the first machine's patterns.
    pub first: Vec<usize>,
}

/// Walks all names that begin with `prefix` and consist of `alphabet`, whose bytes come in order of
/// preference. `first` reads the whole name, `second` what follows the prefix. `keep` says of a name
/// and its first machine's matches whether it is one, and what else distinguishes it.
pub(crate) fn walk<K: Eq + std::hash::Hash>(
    prefix: &[u8],
    alphabet: &[u8],
    (first, second): (&Machine, Option<&Machine>),
    keep: impl Fn(&[u8], &[usize]) -> Option<K>,
) -> Result<Vec<Found>, TooLarge> {
    let alphabet = distinct(alphabet, first, second);
    let begin = (first.after(first.start, prefix), second.map(|machine| machine.start));
    let mut seen = HashSet::from([begin]);
    let mut visited: Vec<(Place, usize, u8)> = vec![(begin, 0, 0)];
    let mut classes = HashSet::new();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&(place, ..)) = visited.get(at) {
        if at > 0 {
            let name = spell(prefix, &visited, at);
            let matches = first.matching(place.0);
            let others = second.zip(place.1).map(|(machine, state)| machine.matching(state));
            if let Some(key) = keep(&name, &matches)
                && classes.insert((key, matches.clone(), others))
            {
                found.push(Found { name, first: matches });
            }
        }
        for byte in &alphabet {
            let next = (
                first.dfa.next_state(place.0, *byte),
                second.zip(place.1).map(|(machine, state)| machine.dfa.next_state(state, *byte)),
            );
            if seen.insert(next) {
                visited.push((next, at, *byte));
            }
        }
        if visited.len() > VISIT_LIMIT {
            return Err(TooLarge);
        }
        at += 1;
    }
    Ok(found)
}

/// A name that both machines match, that no `bad` one matches and that is none of `known`, and how
/// many states were visited to find it; no name where there is none. At most `limit` are visited.
pub(crate) fn meeting(
    (one, other, bad): (&Machine, &Machine, &Machine),
    known: &[&[u8]],
    limit: usize,
) -> Result<(Option<Vec<u8>>, usize), TooLarge> {
    let trie = Trie::of(known);
    let (own, others): (Vec<u8>, Vec<u8>) =
        path_alphabet().into_iter().partition(|byte| trie.bytes.contains(byte));
    let mut alphabet = distinct_of(&others, &[one, other, bad]);
    alphabet.extend(own);
    let begin = ([one.start, other.start, bad.start], Some(0));
    let mut seen = HashSet::from([begin]);
    let mut visited = vec![(begin, 0, 0)];
    let mut at = 0;
    while let Some(&(([first, second, third], node), ..)) = visited.get(at) {
        let is_known = node.is_some_and(|node| trie.ends.contains(&node));
        if !is_known && one.ends(first) && other.ends(second) && !bad.ends(third) {
            return Ok((Some(spell(b"", &visited, at)), visited.len()));
        }
        for byte in &alphabet {
            let states = [
                one.dfa.next_state(first, *byte),
                other.dfa.next_state(second, *byte),
                bad.dfa.next_state(third, *byte),
            ];
            let next = (states, node.and_then(|node| trie.next.get(&(node, *byte)).copied()));
            let [first, second, _] = states;
            let dead = one.dfa.is_dead_state(first) || other.dfa.is_dead_state(second);
            if !dead && seen.insert(next) {
                visited.push((next, at, *byte));
            }
        }
        if visited.len() > limit.min(VISIT_LIMIT) {
            return Err(TooLarge);
        }
        at += 1;
    }
    Ok((None, visited.len()))
}

/// Some names, read byte by byte.
#[derive(Default)]
struct Trie {
    next: HashMap<(usize, u8), usize>,
    ends: HashSet<usize>,
    bytes: BTreeSet<u8>,
}

impl Trie {
    fn of(names: &[&[u8]]) -> Self {
        let mut trie = Self::default();
        let mut count = 1;
        for name in names {
            let mut node = 0;
            for byte in *name {
                trie.bytes.insert(*byte);
                node = *trie.next.entry((node, *byte)).or_insert_with(|| {
                    count += 1;
                    count - 1
                });
            }
            trie.ends.insert(node);
        }
        trie
    }
}

type Place = (StateID, Option<StateID>);

fn spell<P>(prefix: &[u8], visited: &[(P, usize, u8)], mut at: usize) -> Vec<u8> {
    let mut tail = Vec::new();
    while let Some((_, before, byte)) = visited.get(at).filter(|_| at > 0) {
        tail.push(*byte);
        at = *before;
    }
    tail.reverse();
    [prefix, &tail].concat()
}

/// The preferred byte of each class of bytes that the machines can't tell apart.
fn distinct(alphabet: &[u8], first: &Machine, second: Option<&Machine>) -> Vec<u8> {
    let machines: Vec<&Machine> = std::iter::once(first).chain(second).collect();
    distinct_of(alphabet, &machines)
}

fn distinct_of(alphabet: &[u8], machines: &[&Machine]) -> Vec<u8> {
    let mut classes = HashMap::new();
    let mut kept = Vec::new();
    for byte in alphabet {
        let class: Vec<u8> =
            machines.iter().map(|machine| machine.dfa.byte_classes().get(*byte)).collect();
        classes.entry(class).or_insert_with(|| kept.push(*byte));
    }
    kept
}

/// Bytes of ref names, those that read well first (git-check-ref-format(1)).
pub(crate) fn ref_alphabet() -> Vec<u8> {
    let forbidden = b"~^:?*[\\";
    readable().filter(|b| !forbidden.contains(b)).chain(0x80..=0xff).collect()
}

/// Bytes of paths: all but NUL.
pub(crate) fn path_alphabet() -> Vec<u8> {
    readable().chain([b' ']).chain(0x80..=0xff).chain(0x01..=0x1f).chain([0x7f]).collect()
}

fn readable() -> impl Iterator<Item = u8> {
    let plain = (b'0'..=b'9').chain(b'a'..=b'z').chain(b'A'..=b'Z').chain(*b"/-_.");
    plain.chain((0x21u8..=0x7e).filter(|b| !b.is_ascii_alphanumeric() && !b"/-_.".contains(b)))
}

/// Ref names that no push can have.
pub(crate) const BAD_REF: &str = r"(?s-u)\A(?:.*\.\..*|(?:.*/)?[.\-].*|.*@\{.*|.*\.lock(?:/.*)?|.*\.|.*//.*|.*/|refs/heads/HEAD)\z";
/// Paths that no tree can have, and names that no repository can have.
pub(crate) const BAD_PATH: &str = r"(?s-u)\A(?:.*/)?(?:\.\.?|(?i:\.git))?(?:/.*)?\z";

#[cfg(test)]
mod tests {
    use super::*;

    fn names(patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> =
            patterns.iter().map(|p| format!(r"(?s-u)\A(?:{p})\z")).collect();
        let machine = Machine::new(&patterns).unwrap();
        let found = walk(b"", &ref_alphabet(), (&machine, None), |_, _| Some(())).unwrap();
        found.into_iter().map(|f| String::from_utf8(f.name).unwrap()).collect()
    }

    #[test]
    fn every_class_is_reached_by_a_shortest_name() {
        assert_eq!(names(&["main", "m.*"]), ["0", "m", "main"]);
        assert_eq!(names(&["release/[^/]+", ".*/0"]), ["0", "/0", "release/0", "release/1"]);
        assert_eq!(names(&["(?:a|b){2}c$", r"\bab\b.*"]), ["0", "ab", "aac"]);
    }

    #[test]
    fn two_patterns_meet_in_a_name_that_is_not_known() {
        let machine = |p: &str| Machine::new(&[format!(r"(?s-u)\A(?:{p})\z")]).unwrap();
        let bad = Machine::new(&[BAD_PATH.to_owned()]).unwrap();
        let met = |one: &str, other: &str, known: &[&str]| {
            let known: Vec<&[u8]> = known.iter().map(|name| name.as_bytes()).collect();
            let found = meeting((&machine(one), &machine(other), &bad), &known, 10_000);
            found.unwrap().0.map(|name| String::from_utf8(name).unwrap())
        };
        assert_eq!(met("a/[^/]+", "[^/]+/x", &[]).unwrap(), "a/x");
        assert_eq!(met("a/[^/]+", "[^/]+/x", &["a/x"]), None);
        assert_eq!(met("a/[^/]+", "[^/]+/x", &["a/y", "a"]).unwrap(), "a/x");
        assert_eq!(met("a/[xy]", "[ab]/[yz]", &[]).unwrap(), "a/y");
        assert_eq!(met("a/[xyz]", "a/[yzw]", &["a/y"]).unwrap(), "a/z");
        assert_eq!(met("a/[xyz]", "a/[yzw]", &["a/y", "a/z"]), None);
        assert_eq!(met("a/[^/]+", "b/[^/]+", &[]), None);
        // Where they meet only in names that nothing can have.
        assert_eq!(met(r"a/\.[^/]?", r"a/[^/]?\.", &[]), None);
        let wide = met("a/.*", "a/.*z", &["a/z", "a/zz"]).unwrap();
        assert!(wide.ends_with('z') && wide != "a/z" && wide != "a/zz");
        let all = machine(".*");
        assert!(meeting((&machine("[a-y]{20}z"), &all, &bad), &[], 5).is_err());
    }

    #[test]
    fn an_intricate_pattern_is_said_to_be_too_large() {
        let pattern = r"(?s-u)\A(?:.*a[^/]{40}.*b.{30})\z".to_owned();
        assert!(Machine::new(&[pattern]).is_err());
    }

    #[test]
    fn impossible_names_are_known() {
        let bad = |pattern: &str, name: &str| {
            regex::bytes::Regex::new(pattern).unwrap().is_match(name.as_bytes())
        };
        for name in
            ["refs/heads/a..b", "refs/heads/.a", "refs/heads/-a", "refs/a.lock/b", "refs/a/"]
        {
            assert!(bad(BAD_REF, name), "{name}");
        }
        for name in ["refs/heads/a.b", "refs/heads/a-b", "refs/heads/lock", "refs/heads/HEAD2"] {
            assert!(!bad(BAD_REF, name), "{name}");
        }
        for name in ["", "/a", "a//b", "a/", ".", "a/../b", "a/.GIT/x", ".git"] {
            assert!(bad(BAD_PATH, name), "{name}");
        }
        for name in ["a", ".a/b", "...", ".gitignore", "a/.github"] {
            assert!(!bad(BAD_PATH, name), "{name}");
        }
    }
}
