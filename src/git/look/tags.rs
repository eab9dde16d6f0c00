//! Tags: whether there is a tag object, and who signed it.
//!
//! Knows chains of tags: the first one carries the ref's name, and each one is signed by its own
//! tagger.

use super::commit;
use super::tally::Tally;
use crate::check::{Asked, Found, People, Subject, signed};
use crate::git::GitError;
use crate::git::commits::History;
use crate::git::error::detail_of;
use crate::git::limits::Meter;
use crate::policy::checks::Rule;
use gix::ObjectId;
use gix::bstr::ByteSlice;
use gix::objs::Kind;

/// Judges `annotated-tags` and `signed = "tags"`.
pub(super) fn judge(
    history: &History,
    asked: &[Asked<'_>],
    people: &dyn People,
    meter: &Meter<'_>,
    tally: &mut Tally<'_>,
) -> Result<(), GitError> {
    for (at, asked) in asked.iter().enumerate() {
        let Some(new) = asked.update.change.new_id() else { continue };
        let tag = asked.update.name.tag();
        for (run, one) in asked.runs.iter().enumerate() {
            for (index, rule) in one.check.rules.iter().enumerate() {
                let place = (at, run, index);
                match rule {
                    Rule::AnnotatedTags | Rule::Signed { tags: true, .. }
                        if tag.is_some() && history.kind(new)? != Kind::Tag =>
                    {
                        let words = b"it is a lightweight tag: there is no tag object".to_vec();
                        tally.tell(place, Found { subject: Subject::Ref, words });
                    }
                    Rule::Signed { tags: true, .. } => {
                        chain(history, new, tag, people, meter, &mut |id, words| {
                            let words = words.into_bytes();
                            tally.tell(place, Found { subject: Subject::Object(id), words });
                        })?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn chain(
    history: &History,
    new: ObjectId,
    name: Option<&[u8]>,
    people: &dyn People,
    meter: &Meter<'_>,
    tell: &mut dyn FnMut(ObjectId, String),
) -> Result<(), GitError> {
    let (mut at, mut wanted) = (new, name);
    while history.kind(at)? == Kind::Tag {
        meter.time()?;
        let object = commit::read(history, at, 0, meter)?;
        let found = signed::tag(&object.data, wanted, people);
        if let Some(words) = found.map_err(|words| GitError::LookUp(detail_of(words)))? {
            tell(at, words);
        }
        let target = object.data.strip_prefix(b"object ").and_then(|rest| rest.lines().next());
        let target = target.and_then(|hex| ObjectId::from_hex(hex).ok());
        at = target.ok_or_else(|| GitError::damaged(at, "it is no tag"))?;
        wanted = None;
    }
    Ok(())
}
