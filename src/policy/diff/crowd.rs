//! Sets of people, names or repositories by number, so that one about everybody costs no more than a few words of memory.

const BITS: usize = u64::BITS as usize;

/// A set of numbers. The last word is never empty, so equal sets are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Crowd(Vec<u64>);

impl Crowd {
    pub(super) fn insert(&mut self, number: usize) {
        let at = number / BITS;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        if let Some(word) = self.0.get_mut(at) {
            *word |= 1 << (number % BITS);
        }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0.get(number / BITS).is_some_and(|word| word & (1 << (number % BITS)) != 0)
    }

    pub(super) fn extend(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, less)| *word &= !less);
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    /// The numbers that both have.
    pub(super) fn and(&self, other: &Self) -> Self {
        let both = self.0.iter().zip(&other.0).map(|(one, other)| one & other).collect();
        Self(both).without(&Self::default())
    }

    /// Whether both have a number.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(one, other)| one & other != 0)
    }

    /// Whether the other has all of it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        let words = other.0.iter().chain(std::iter::repeat(&0));
        self.0.iter().zip(words).all(|(word, of)| word & !of == 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * BITS + bit)
            })
        })
    }

    /// The lowest number.
    pub(super) fn first(&self) -> Option<usize> {
        self.iter().next()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl FromIterator<usize> for Crowd {
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut crowd = Self::default();
        numbers.into_iter().for_each(|number| crowd.insert(number));
        crowd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_crowd_is_a_set_of_numbers(
            a in prop::collection::btree_set(0..300_usize, 0..20),
            b in prop::collection::btree_set(0..300_usize, 0..20),
        ) {
            let crowd = |numbers: &BTreeSet<usize>| numbers.iter().copied().collect::<Crowd>();
            let (x, y) = (crowd(&a), crowd(&b));
            prop_assert_eq!((x.len(), x.first()), (a.len(), a.first().copied()));
            prop_assert_eq!(x.iter().collect::<BTreeSet<_>>(), a.clone());
            prop_assert!((0..300).all(|number| x.contains(number) == a.contains(&number)));
            prop_assert_eq!(x.clone().without(&y), crowd(&(&a - &b)));
            prop_assert_eq!(x.and(&y), crowd(&(&a & &b)));
            prop_assert_eq!((x.meets(&y), x.is_within(&y)), (!a.is_disjoint(&b), a.is_subset(&b)));
            prop_assert!(x.and(&y).is_within(&x) && x.is_empty() == a.is_empty());
            let mut both = x;
            both.extend(&y);
            prop_assert_eq!(both, crowd(&(&a | &b)));
        }
    }
}
