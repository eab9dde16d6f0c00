//! One commit before the rules that look at its text, and how much text is looked at.

use super::ready::OfCommit;
use crate::check::text::{self, CommitText};
use crate::check::{People, message, people, signed};
use crate::git::GitError;
use crate::git::commits::History;
use crate::git::error::detail_of;
use crate::git::limits::Meter;
use crate::git::unpack::Object;
use gix::ObjectId;

/// A commit's object and what the walk knows of it.
pub(super) struct Seen<'a> {
    pub(super) raw: &'a [u8],
    pub(super) text: CommitText<'a>,
    pub(super) parents: usize,
    pub(super) format: gix::hash::Kind,
}

/// Reads a commit or tag whose text is to be judged; `size` is its own where that is known, else 0.
pub(super) fn read(
    history: &History,
    id: ObjectId,
    size: u64,
    meter: &Meter<'_>,
) -> Result<Object, GitError> {
    let size = match size {
        0 => history.objects.header(&id)?.ok_or(GitError::Missing(id))?.1,
        size => size,
    };
    if size > text::LARGEST {
        let max = u32::try_from(text::LARGEST >> 20).unwrap_or(u32::MAX);
        let cure = "write a shorter message";
        return Err(GitError::Limit { what: "MiB of one commit or tag", max, cure });
    }
    meter.bytes(size)?;
    Ok(history.objects.get(&id)?.0)
}

/// What the rule has against the commit.
pub(super) fn judge(
    rule: &OfCommit,
    seen: &Seen<'_>,
    who: &dyn People,
) -> Result<Option<Vec<u8>>, GitError> {
    let looked = |found: Result<Option<Vec<u8>>, String>| {
        found.map_err(|words| GitError::LookUp(detail_of(words)))
    };
    match rule {
        OfCommit::Subject(asked) => Ok(message::of_subject(&seen.text, asked)),
        OfCommit::Message(asked) => Ok(message::of_message(&seen.text, asked)),
        OfCommit::MaxSubject(most) => Ok(message::too_long(&seen.text, *most)),
        OfCommit::Committer => looked(people::committer(seen.text.committer, who)),
        OfCommit::Author(author) => looked(people::author(seen.text.author, *author, who)),
        OfCommit::Signed => {
            let found = signed::commit(seen.raw, &seen.text, seen.format, who);
            looked(found.map(|words| words.map(String::into_bytes)))
        }
        OfCommit::NoMerge => {
            let words = || format!("it is a merge of {} commits", seen.parents).into_bytes();
            Ok((seen.parents > 1).then(words))
        }
    }
}
