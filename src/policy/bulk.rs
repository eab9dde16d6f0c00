//! How many refs one push may name: `[global] max-refs-per-push` and `bulk-change`.

use super::entry::Holder;
use super::members::{Answers, Held, Standing};
use crate::code::Code;

/// Whether a push of `count` refs is over `[global] max-refs-per-push` for somebody without
/// `bulk-change`.
///
/// # Errors
/// RW204, or RW508 where membership can't be looked up.
pub fn too_many(
    count: usize,
    limit: Option<u32>,
    bulk_change: &[Holder],
    standing: &Standing,
    answers: &Answers,
) -> Result<(), Code> {
    let over = limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| count > limit));
    if !over {
        return Ok(());
    }
    match standing.among(bulk_change, answers) {
        Held::Yes(_) => Ok(()),
        Held::No => Err(Code::TooManyRefs),
        Held::Unasked(_) | Held::Failed(..) => Err(Code::Lookup),
    }
}
