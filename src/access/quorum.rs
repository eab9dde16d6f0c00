//! Whether the approvers so far meet a quorum: some assignment of distinct people to all slots.
//!
//! Knows counts and who fits which list; whether somebody is a holder is asked elsewhere. The rule
//! "one person, one slot" answers a defect of shipped systems (facts on field, docs/incidents.md).

/// One person, and the `approval` lists (by index) that they stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver<P> {
    /// Who: two names of one person are the same `P`.
    pub person: P,
    /// Indexes of the lists.
    pub fits: Vec<usize>,
}

/// Whether distinct people can fill every slot of every list; `counts` gives each list's slots.
///
/// Slots are matched one by one along augmenting paths, so any assignment that exists is found.
#[must_use]
pub fn met<P: Eq>(counts: &[u32], approvers: &[Approver<P>]) -> bool {
    missing(counts, approvers) == 0
}

/// How many slots stay empty in the best assignment.
#[must_use]
pub fn missing<P: Eq>(counts: &[u32], approvers: &[Approver<P>]) -> usize {
    let people = merged(approvers);
    let wanted: usize = counts.iter().map(|count| *count as usize).sum();
    wanted - filled(counts, &people)
}

/// One entry a person, with every list that any of their names stands in.
fn merged<P: Eq>(approvers: &[Approver<P>]) -> Vec<Vec<usize>> {
    let mut people: Vec<(&P, Vec<usize>)> = Vec::new();
    for approver in approvers {
        match people.iter_mut().find(|(person, _)| **person == approver.person) {
            Some((_, fits)) => fits.extend(&approver.fits),
            None => people.push((&approver.person, approver.fits.clone())),
        }
    }
    people.into_iter().map(|(_, fits)| fits).collect()
}

fn filled(counts: &[u32], people: &[Vec<usize>]) -> usize {
    // Who sits in which list: at most `counts[list]` people each.
    let mut seats: Vec<Vec<usize>> = vec![Vec::new(); counts.len()];
    let mut seated = 0;
    for person in 0..people.len() {
        let mut visited = vec![false; counts.len()];
        if seat(person, counts, people, &mut seats, &mut visited) {
            seated += 1;
        }
    }
    seated
}

fn seat(
    person: usize,
    counts: &[u32],
    people: &[Vec<usize>],
    seats: &mut [Vec<usize>],
    visited: &mut [bool],
) -> bool {
    for list in people.get(person).into_iter().flatten().copied() {
        match visited.get_mut(list) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let full = counts
            .get(list)
            .is_none_or(|count| seats.get(list).is_none_or(|seats| seats.len() >= *count as usize));
        if !full {
            if let Some(seats) = seats.get_mut(list) {
                seats.push(person);
            }
            return true;
        }
        let sitting = seats.get(list).cloned().unwrap_or_default();
        for other in sitting {
            if seat(other, counts, people, seats, visited) {
                if let Some(place) =
                    seats.get_mut(list).and_then(|all| all.iter_mut().find(|p| **p == other))
                {
                    *place = person;
                }
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn approver(person: u8, fits: &[usize]) -> Approver<u8> {
        Approver { person, fits: fits.to_vec() }
    }

    #[test]
    fn one_person_in_two_lists_fills_one_slot() {
        assert!(!met(&[1, 1], &[approver(1, &[0, 1])]));
        assert!(met(&[1, 1], &[approver(1, &[0, 1]), approver(2, &[0])]));
        assert!(!met(&[2], &[approver(1, &[0]), approver(1, &[0])]));
    }

    #[test]
    fn more_approvers_than_asked_for_are_welcome() {
        assert!(met(&[1], &[approver(1, &[0]), approver(2, &[0]), approver(3, &[0])]));
    }

    #[test]
    fn somebody_who_fits_nowhere_counts_nowhere() {
        assert_eq!(missing(&[2], &[approver(1, &[]), approver(2, &[0])]), 1);
        assert_eq!(missing(&[2, 1], &[] as &[Approver<u8>]), 3);
    }

    /// Tries every assignment.
    fn naive(counts: &[u32], people: &[Vec<usize>]) -> usize {
        let Some((first, rest)) = people.split_first() else { return 0 };
        let mut best = naive(counts, rest);
        for list in first {
            let mut left = counts.to_vec();
            if left[*list] > 0 {
                left[*list] -= 1;
                best = best.max(1 + naive(&left, rest));
            }
        }
        best
    }

    proptest! {
        #[test]
        fn the_best_assignment_is_found(
            counts in proptest::collection::vec(1_u32..3, 1..4),
            people in proptest::collection::vec(proptest::collection::btree_set(0_usize..4, 0..4), 0..6),
        ) {
            let fits = |lists: &std::collections::BTreeSet<usize>| -> Vec<usize> {
                lists.iter().copied().filter(|list| *list < counts.len()).collect()
            };
            let people: Vec<Vec<usize>> = people.iter().map(fits).collect();
            let approvers: Vec<Approver<usize>> = people.iter().enumerate()
                .map(|(person, fits)| Approver { person, fits: fits.clone() }).collect();
            let wanted: usize = counts.iter().map(|c| *c as usize).sum();
            prop_assert_eq!(missing(&counts, &approvers), wanted - naive(&counts, &people));
        }
    }
}
