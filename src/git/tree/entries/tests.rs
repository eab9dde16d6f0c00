use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LENGTH: usize = 20;

/// Name, mode as it is written, a byte of the id.
type Written = (&'static str, &'static str, u8);

const NAMES: [&str; 10] = ["a", "a-", "a.b", "a/", "a/b", "a0", "ab", "b", "c.txt", "z"];
const MODES: [&str; 8] =
    ["40000", "040000", "100644", "100664", "100755", "120000", "160000", "140000"];

fn raw(entries: &[Written]) -> Rc<Vec<u8>> {
    let entry = |(name, mode, id): &Written| {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[*id; LENGTH]].concat()
    };
    Rc::new(entries.iter().flat_map(entry).collect())
}

fn kind_of(mode: &str) -> EntryKind {
    match mode {
        "40000" | "040000" => EntryKind::Tree,
        "100644" | "100664" => EntryKind::Blob,
        "100755" => EntryKind::BlobExecutable,
        "120000" => EntryKind::Link,
        _ => EntryKind::Commit,
    }
}

/// What stands under a name as a file (`false`) and as a folder.
type Naive = BTreeMap<(&'static str, bool), (EntryKind, u8)>;

/// `None` where a name is there twice.
fn naive(entries: &[Written]) -> Option<Naive> {
    let names: BTreeSet<_> = entries.iter().map(|(name, ..)| name).collect();
    let key = |(name, mode, id): &Written| {
        let kind = kind_of(mode);
        ((*name, kind == EntryKind::Tree), (kind, *id))
    };
    (names.len() == entries.len()).then(|| entries.iter().map(key).collect())
}

fn one(entry: Option<Entry<'_>>) -> Option<(EntryKind, u8)> {
    entry.map(|entry| (entry.kind, entry.id[0]))
}

/// A tree as somebody may write it: in git's order, or in any.
fn tree() -> impl Strategy<Value = Vec<Written>> {
    let entry = (prop::sample::select(&NAMES[..]), prop::sample::select(&MODES[..]), 0_u8..3);
    let some = prop::collection::vec(entry, 0..9);
    (some, any::<bool>(), any::<bool>()).prop_map(|(mut entries, sorted, once)| {
        if once {
            let mut seen = BTreeSet::new();
            entries.retain(|(name, ..)| seen.insert(*name));
        }
        if sorted {
            let key = |(name, mode, _): &Written| {
                let slash = if kind_of(mode) == EntryKind::Tree { "/" } else { "" };
                format!("{name}{slash}")
            };
            entries.sort_by_key(key);
        }
        entries
    })
}

/// A second tree that is mostly like the first, as those of a commit and its parent are.
fn pair() -> impl Strategy<Value = (Vec<Written>, Vec<Written>)> {
    (tree(), tree(), any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(one, new, at, alike)| {
            if !alike {
                return (one, new);
            }
            let mut other = one.clone();
            let at = at.index(other.len() + 1);
            match new.first() {
                Some(entry) if new.len() % 2 == 0 => other.insert(at, *entry),
                Some(entry) if at < other.len() => other[at] = *entry,
                _ => other.truncate(at),
            }
            (one, other)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn trees_differ_where_a_naive_reading_says((new, old) in pair()) {
        let (read, read_old) =
            (Entries::parse(raw(&new), LENGTH, None), Entries::parse(raw(&old), LENGTH, None));
        let (naive, naive_old) = (naive(&new), naive(&old));
        prop_assert_eq!(read.is_ok(), naive.is_some(), "{:?}", read);
        prop_assert_eq!(read_old.is_ok(), naive_old.is_some(), "{:?}", read_old);
        let again = Entries::parse(raw(&new), LENGTH, read_old.as_ref().ok());
        prop_assert_eq!(again.is_ok(), read.is_ok(), "{:?}", again);
        let (Ok(read), Ok(read_old), Ok(again)) = (read, read_old, again) else { return Ok(()) };
        let all = |tree: &Entries| -> Vec<_> {
            let all = tree.slots.iter().map(|slot| tree.entry(slot));
            all.map(|entry| (entry.name.to_vec(), one(Some(entry)))).collect()
        };
        prop_assert_eq!(all(&again), all(&read));
        let (naive, naive_old) = (naive.unwrap(), naive_old.unwrap());
        let mut got = BTreeMap::new();
        read.differences(&read_old, |new, old| {
            let any = new.or(old).unwrap();
            let key = (std::str::from_utf8(any.name).unwrap().to_owned(), any.is_folder());
            assert!(got.insert(key, (one(new), one(old))).is_none());
        });
        let keys: BTreeSet<_> = naive.keys().chain(naive_old.keys()).collect();
        let pairs = keys.into_iter().map(|key| (key, (naive.get(key), naive_old.get(key))));
        let want: BTreeMap<_, _> = pairs
            .filter(|(_, (new, old))| new != old)
            .map(|((name, folder), (new, old))| {
                (((*name).to_owned(), *folder), (new.copied(), old.copied()))
            })
            .collect();
        prop_assert_eq!(got, want);
        for name in NAMES {
            for kind in [EntryKind::Tree, EntryKind::Blob] {
                let like = Entry { name: name.as_bytes(), kind, id: &[] };
                let want = naive.get(&(name, like.is_folder())).copied();
                prop_assert_eq!(one(read.find(&like)), want);
            }
        }
    }

    #[test]
    fn shared_ends_are_found(one: Vec<u8>, other: Vec<u8>, head: Vec<u8>, tail: Vec<u8>) {
        let one = [head.clone(), one, tail.clone()].concat();
        let other = [head, other, tail].concat();
        let naive = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        prop_assert_eq!(shared_head(&one, &other), naive);
        let naive = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
        prop_assert_eq!(shared_tail(&one, &other), naive);
    }

    #[test]
    fn any_bytes_are_a_tree_or_are_not(raw: Vec<u8>) {
        let _ = Entries::parse(Rc::new(raw), LENGTH, None);
    }
}

#[test]
fn a_tree_that_is_cut_short_is_none() {
    let whole = raw(&[("a", "100644", 1)]);
    for length in 1..whole.len() {
        assert_eq!(
            Entries::parse(Rc::new(whole[..length].to_vec()), LENGTH, None).unwrap_err(),
            MALFORMED
        );
    }
    for mode in ["", "4000x", "1040000", "40000040000"] {
        assert!(Entries::parse(raw(&[("a", mode, 1)]), LENGTH, None).is_err(), "{mode}");
    }
    assert!(Entries::parse(raw(&[("", "100644", 1)]), LENGTH, None).is_err());
}

#[test]
fn in_a_tree_out_of_order_the_kind_counts_too() {
    let file = raw(&[("b", "100644", 1), ("a", "100644", 1)]);
    let link = raw(&[("b", "100644", 1), ("a", "160000", 1)]);
    let [file, link] = [file, link].map(|raw| Entries::parse(raw, LENGTH, None).unwrap());
    let mut met = Vec::new();
    link.differences(&file, |new, old| met.push((one(new), one(old))));
    assert_eq!(met, [(Some((EntryKind::Commit, 1)), Some((EntryKind::Blob, 1)))]);
}
