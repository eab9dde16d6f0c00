//! From the files of a policy to a valid policy, or to all problems at once.

use super::diag::{At, PolicyCode, Problem, Problems};
use super::model::Policy;
use super::source::{self, Loader, MAX_BYTES, SourceFile, Sources};
use super::{check, raw};

/// A valid policy with warnings, or every problem found.
pub type Loaded = Result<(Policy, Vec<Problem>), Vec<Problem>>;

/// Joins and checks files that were gathered by [`Sources::gather`], whose problems come in as
/// `gathered`. With the policy come warnings: it means something, but hardly what was wanted.
///
/// # Errors
/// Every problem found, warnings included, sorted by place; at least one is an error.
pub fn load(sources: &Sources, gathered: Problems) -> Loaded {
    let mut problems = gathered;
    if sources.total() > MAX_BYTES {
        problems.push(source::too_large(At::top(0)));
        return Err(problems.into_sorted());
    }
    let (root, broken) = raw::read(sources, &mut problems);
    let (policy, mut problems) = check::check(&root, sources, problems);
    // What is left of a line that does not parse is not what anybody wrote.
    problems.retain(|problem| {
        problem.code == PolicyCode::Syntax || !broken.contains(&sources.place(problem.at))
    });
    let invalid = problems.has_error();
    let problems = problems.into_sorted();
    if invalid { Err(problems) } else { Ok((policy, problems)) }
}

/// A policy's main file and what it includes, read and checked; the sources are there to show
/// problems with.
pub fn load_file(main: SourceFile, folder: &str, loader: &dyn Loader) -> (Sources, Loaded) {
    let (sources, gathered) = Sources::gather(main, folder, loader);
    let result = load(&sources, gathered);
    (sources, result)
}
