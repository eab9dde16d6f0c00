//! From the files of a policy to a valid policy, or to all problems at once.

use super::diag::{At, Problem, Problems};
use super::model::Policy;
use super::source::{self, Loader, MAX_BYTES, SourceFile, Sources};
use super::{check, raw};

/// Joins and checks files that were gathered by [`Sources::gather`], whose problems come in as
/// `gathered`. With the policy come warnings: it means something, but hardly what was wanted.
///
/// # Errors
/// Every problem found, warnings included, sorted by place; at least one is an error.
pub fn load(
    sources: &Sources,
    gathered: Problems,
) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    let mut problems = gathered;
    if sources.total() > MAX_BYTES {
        problems.push(source::too_large(At::top(0)));
        return Err(problems.into_sorted());
    }
    let root = raw::read(sources, &mut problems);
    let (policy, problems) = check::check(&root, sources, problems);
    if problems.has_error() { Err(problems.into_sorted()) } else { Ok((policy, problems.into_sorted())) }
}

/// A policy's main file and what it includes, read and checked; the sources are there to show
/// problems with.
pub fn load_file(
    main: SourceFile,
    folder: &str,
    loader: &dyn Loader,
) -> (Sources, Result<(Policy, Vec<Problem>), Vec<Problem>>) {
    let (sources, gathered) = Sources::gather(main, folder, loader);
    let result = load(&sources, gathered);
    (sources, result)
}
