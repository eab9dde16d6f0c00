//! Joins the trees of several files: sections may be spread, arrays of tables append, and the same
//! key twice is an error that names both places.

use super::node::{Item, Table, Value};
use crate::policy::diag::{PolicyCode, Problem, Problems};

/// Adds `tree`, which is of a later file, to `root`.
pub(super) fn into(root: &mut Table, tree: Table, problems: &mut Problems) {
    join(root, tree, 0, problems);
}

fn join(root: &mut Table, tree: Table, depth: u8, problems: &mut Problems) {
    for (name, item) in tree.items {
        match root.items.get_mut(&name) {
            None => {
                root.items.insert(name, item);
            }
            Some(first) => same_key(&name, first, item, depth, problems),
        }
    }
    root.explicit |= tree.explicit;
}

fn same_key(name: &str, first: &mut Item, second: Item, depth: u8, problems: &mut Problems) {
    let key = second.key;
    match (&mut first.node.value, second.node.value) {
        // `[users]` may stand in many files, `[users.alice]` in one; `[[schemes.a.permit]]` in one
        // file adds to `[schemes.a]` in another.
        (Value::Table(one), Value::Table(two)) if depth == 0 || !(one.explicit && two.explicit) => {
            join(one, two, depth + 1, problems);
        }
        (Value::List(one), Value::List(two)) if are_tables(one) && are_tables(&two) => {
            one.extend(two);
        }
        (Value::Broken, _) | (_, Value::Broken) => {}
        _ => {
            let message = format!("`{name}` is given a second time");
            let problem = Problem::new(PolicyCode::SameKeyTwice, key, message);
            problems.push(problem.also(first.key, "it is first given here"));
        }
    }
}

fn are_tables(list: &[super::Node]) -> bool {
    !list.is_empty() && list.iter().all(|node| matches!(node.value, Value::Table(_)))
}
