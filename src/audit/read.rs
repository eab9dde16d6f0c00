//! Reading the trail back, with a filter.
//!
//! Knows which lines somebody asked for; not how they are shown. A line that is not whole is handed
//! on as such and the reading goes on, since whoever looks into an incident needs the rest.

use super::line::{Flaw, Line};
use super::record::{Event, Record, Verdict};
use super::siblings::Snapshot;
use super::text::Text;
use super::verify::{Position, Problem};
use crate::os::files::FileError;
use crate::policy::pattern::{Broken, Pattern};
use chrono::{DateTime, Utc};
use std::io;
use std::path::Path;

/// What to look for; what is `None` does not narrow.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The actor's name.
    pub user: Option<Text>,
    /// The repository's name.
    pub repository: Option<Text>,
    /// A ref's full name, or the part after `refs/heads/` or `refs/tags/`.
    pub reference: Option<Pattern>,
    /// The grant's id.
    pub grant: Option<Text>,
    /// The event.
    pub event: Option<Event>,
    /// The answer to the push or to one of its refs.
    pub verdict: Option<Verdict>,
    /// The first moment, included.
    pub from: Option<DateTime<Utc>>,
    /// The last moment, excluded.
    pub to: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether the line at `time` that holds `record` is asked for.
    ///
    /// # Errors
    /// [`Broken`] when the pattern's expression does not compile.
    pub fn wants(&self, time: DateTime<Utc>, record: &Record) -> Result<bool, Broken> {
        let is = |wanted: &Option<Text>, have: Option<&Text>| {
            wanted.as_ref().is_none_or(|wanted| have == Some(wanted))
        };
        let user = record.actor.as_ref().and_then(|actor| actor.user.as_ref());
        let plain = is(&self.user, user)
            && is(&self.repository, record.repository.as_ref())
            && is(&self.grant, record.grant.as_ref())
            && self.event.as_ref().is_none_or(|event| record.event == *event)
            && self.verdict.is_none_or(|verdict| has_verdict(record, verdict))
            && self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time < to);
        Ok(plain && self.wants_a_ref(record)?)
    }

    fn wants_a_ref(&self, record: &Record) -> Result<bool, Broken> {
        let Some(pattern) = &self.reference else { return Ok(true) };
        for one in &record.refs {
            let name = one.name.to_bytes();
            let heads = name.strip_prefix(b"refs/heads/");
            let short = heads.or_else(|| name.strip_prefix(b"refs/tags/"));
            if pattern.matches(&name, None)?
                || short.map_or(Ok(false), |short| pattern.matches(short, None))?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn has_verdict(record: &Record, wanted: Verdict) -> bool {
    record.verdict == Some(wanted) || record.refs.iter().any(|one| one.verdict == Some(wanted))
}

/// What was come upon.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A whole line that the filter wants.
    Line {
        /// Its text as stored, without the newline.
        text: &'a [u8],
        /// Its place in the chain.
        line: &'a Line,
        /// What it tells.
        record: &'a Record,
    },
    /// A line that is not whole, whatever the filter.
    Damaged {
        /// Where it is.
        at: Position,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// Why reading stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The filter's pattern does not compile.
    #[error(transparent)]
    Pattern(#[from] Broken),
    /// What was read could not be handed on; a closed pipe perhaps.
    #[error("can't write: {0}")]
    Output(#[source] io::Error),
}

/// Hands every line that `filter` wants to `see`, in order, over all files of the trail at `path`.
///
/// # Errors
/// [`ReadError`]; damaged lines are no error.
pub fn each(
    path: &Path,
    filter: &Filter,
    see: &mut dyn FnMut(Seen<'_>) -> io::Result<()>,
) -> Result<(), ReadError> {
    let snapshot = Snapshot::take(path)?;
    for part in &snapshot.parts {
        let mut lines = snapshot.lines(part)?;
        while let Some(text) = lines.next()? {
            match whole(text) {
                Ok((text, line, record)) if filter.wants(line.end.time, &record)? => {
                    see(Seen::Line { text, line: &line, record: &record })
                }
                Ok(_) => Ok(()),
                Err(problem) => {
                    let at = Position { file: part.path.clone(), line: lines.number };
                    see(Seen::Damaged { at, problem })
                }
            }
            .map_err(ReadError::Output)?;
        }
    }
    Ok(())
}

fn whole(text: &[u8]) -> Result<(&[u8], Line, Record), Problem> {
    let text = text.strip_suffix(b"\n").ok_or(Problem::Cut)?;
    let line = Line::read(text)?;
    let record = line.record().ok_or(Flaw::Field("event"))?;
    Ok((text, line, record))
}

#[cfg(test)]
mod tests {
    use super::super::record::{Actor, RefRecord};
    use super::super::trail::tests::{Site, decided, noon};
    use super::*;

    fn seqs(site: &Site, filter: &Filter) -> Vec<u64> {
        let mut found = Vec::new();
        let mut see = |seen: Seen<'_>| {
            found.push(if let Seen::Line { line, .. } = seen { line.end.seq } else { 0 });
            Ok(())
        };
        each(&site.path(), filter, &mut see).unwrap();
        found
    }

    fn pushed(user: &str, repository: &str, reference: &[u8], verdict: Verdict) -> Record {
        let mut record = decided(verdict);
        record.actor = Some(Actor { user: Some(user.into()), ..Default::default() });
        record.repository = Some(repository.into());
        record.refs = vec![RefRecord { name: Text::new(reference), ..Default::default() }];
        record
    }

    fn site() -> Site {
        let site = Site::new();
        let append = |record: &Record, seconds| {
            let later = noon() + chrono::TimeDelta::seconds(seconds);
            site.trail().append(record, later).unwrap();
        };
        append(&pushed("bob", "a/b", b"refs/heads/main", Verdict::Allowed), 0);
        append(&pushed("alice", "a/b", b"refs/heads/release/2.4", Verdict::Refused), 10);
        site.trail().rotate(Record::new(Event::AUDIT_ROTATED, "h"), noon()).unwrap();
        let mut granted = pushed("bob", "c", b"refs/tags/\xff", Verdict::Allowed);
        granted.grant = Some("7f3k-92qd".into());
        append(&granted, 20);
        site
    }

    #[test]
    fn each_filter_narrows_over_all_files() {
        let site = site();
        let glob = |text| Some(Pattern::parse(text).unwrap());
        let at = |seconds| Some(noon() + chrono::TimeDelta::seconds(seconds));
        let d = Filter::default;
        for (filter, expected) in [
            (d(), vec![1, 2, 3, 4]),
            (Filter { user: Some("bob".into()), ..d() }, vec![1, 4]),
            (Filter { repository: Some("a/b".into()), ..d() }, vec![1, 2]),
            (Filter { reference: glob("release/*"), ..d() }, vec![2]),
            (Filter { reference: glob("refs/heads/**"), ..d() }, vec![1, 2]),
            (Filter { reference: glob("regex:(?-u)\\xff"), ..d() }, vec![4]),
            (Filter { grant: Some("7f3k-92qd".into()), ..d() }, vec![4]),
            (Filter { event: Some(Event::AUDIT_ROTATED), ..d() }, vec![3]),
            (Filter { verdict: Some(Verdict::Refused), ..d() }, vec![2]),
            (Filter { from: at(10), to: at(20), ..d() }, vec![2, 3]),
            (Filter { user: Some("bob".into()), grant: Some("x".into()), ..d() }, vec![]),
        ] {
            assert_eq!(seqs(&site, &filter), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_damaged_line_is_told_and_the_rest_is_read() {
        let site = site();
        let rotated = site.folder.path().join("audit.jsonl.1-2");
        let text = std::fs::read_to_string(&rotated).unwrap().replacen("bob", "eve", 1);
        std::fs::write(&rotated, text).unwrap();
        assert!(seqs(&site, &Filter::default()).contains(&0));
        assert_eq!(seqs(&site, &Filter::default()).len(), 4);
    }

    #[test]
    fn a_closed_pipe_ends_the_reading() {
        let mut closed = |_: Seen<'_>| Err(io::ErrorKind::BrokenPipe.into());
        let error = each(&site().path(), &Filter::default(), &mut closed).unwrap_err();
        assert!(matches!(error, ReadError::Output(_)));
    }
}
