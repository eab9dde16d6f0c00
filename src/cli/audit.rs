//! `refwarden audit`: show, verify, checkpoint, export, rotate.

use super::exit::Exit;
use super::out::Out;
use super::site::Here;
use super::{Failure, when};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::export;
use crate::audit::read::{self, Filter, ReadError, Seen};
use crate::audit::verify::{Compared, Verified};
use crate::audit::{Actor, Event, Record, Text, Verdict, show};
use crate::os::{clock, files};
use crate::policy::pattern::Pattern;
use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// What to do with the trail.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Print lines of the trail, oldest first.
    Show(Selection),
    /// Walk the whole chain, over rotated files too, and name the first bad line; exit code 1 if
    /// there is one, or if the first lines are not there. Compressed files are not read.
    Verify {
        /// Line number that the trail may begin at: those before it are kept elsewhere.
        #[arg(long, value_name = "N", default_value_t = 1)]
        from: u64,
        /// Also compare with a checkpoint that was printed earlier: shows a cut tail.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Print host, number and hash of the last line, to keep on another machine: a chain alone
    /// cannot show that its tail was cut.
    Checkpoint,
    /// Print lines for another program.
    Export {
        /// `jsonl`: lines as they are stored; `csv`: one row a ref.
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
        /// Which lines.
        #[command(flatten)]
        selection: Selection,
    },
    /// Move the trail to a file named after its first and last line, and go on in a new one.
    Rotate,
}

/// Which lines.
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// Only what this user of the policy did.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// Only of this repository: its path below the site's root, without `.git`.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: Option<String>,
    /// Only lines about a ref that this glob matches: of a branch, or of a full name.
    #[arg(long = "ref", value_name = "PATTERN")]
    pub(in crate::cli) reference: Option<String>,
    /// Only what is about this grant: its approval, each push under it, its end if somebody ended it.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) grant: Option<String>,
    /// Only events of this kind, such as push.decided, push.landed, policy.applied.
    #[arg(long, value_name = "WORD")]
    pub(in crate::cli) event: Option<String>,
    /// Only pushes with this answer.
    #[arg(long, value_name = "WORD", value_parser = ["allowed", "refused", "would-refuse"])]
    pub(in crate::cli) verdict: Option<String>,
    /// From this time on: 2026-11-22T10:00:00Z, or 30d, 12h, 15m ago.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) from: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) to: Option<String>,
}

/// Form of an export.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Lines as they are stored.
    Jsonl,
    /// One row a ref.
    Csv,
}

/// Runs the verb.
///
/// # Errors
/// The trail can't be read or written.
pub fn run(verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    match verb {
        Verb::Show(selection) => {
            let exit = show(&here, selection, out)?;
            note_reading(&here, "show", out);
            Ok(exit)
        }
        Verb::Verify { from, checkpoint } => verify(&here, *from, checkpoint.as_deref(), out),
        Verb::Checkpoint => checkpoint(&here, out),
        Verb::Export { format, selection } => {
            let exit = export(&here, *format, selection, out)?;
            note_reading(&here, "export", out);
            Ok(exit)
        }
        Verb::Rotate => rotate(&here, out),
    }
}

/// Runs the verb for somebody in `[global] audit` whom a door let in: what is read is written down
/// first, and nothing of the server's files is touched.
///
/// # Errors
/// As [`run`]; and what only the server's admin may do.
pub fn at_door(here: &Here, actor: Actor, verb: &Verb, out: &Out) -> anyhow::Result<Exit> {
    let how = match verb {
        Verb::Show(_) => "show",
        Verb::Verify { checkpoint: None, .. } => "verify",
        Verb::Checkpoint => "checkpoint",
        Verb::Export { .. } => "export",
        Verb::Verify { checkpoint: Some(_), .. } | Verb::Rotate => {
            let words = "this reads or moves files of the server: its admin does it there";
            return Err(Failure::new(Exit::Usage, words).into());
        }
    };
    record_reading(here, actor, how)?;
    match verb {
        Verb::Show(selection) => show(here, selection, out),
        Verb::Verify { from, .. } => verify(here, *from, None, out),
        Verb::Export { format, selection } => export(here, *format, selection, out),
        Verb::Checkpoint | Verb::Rotate => checkpoint(here, out),
    }
}

/// Writes down who reads the trail, before they do.
fn record_reading(here: &Here, actor: Actor, how: &str) -> anyhow::Result<()> {
    let mut record = Record::new(Event::AUDIT_READ, host()).with("how", how);
    record.actor = Some(actor);
    let written = here.trail().append(&record, clock::now().wall);
    written.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    Ok(())
}

/// Some lines of the trail.
#[derive(Debug, Default)]
pub struct Page {
    /// The lines, oldest first.
    pub lines: Vec<Value>,
    /// The number after which the rest begins, where there is more.
    pub next: Option<u64>,
    /// Damaged lines that were come upon.
    pub damaged: usize,
}

/// At most `limit` lines with a number above `after`, for somebody in `[global] audit` whom a door
/// let in.
///
/// # Errors
/// As [`at_door`].
pub fn page(
    here: &Here,
    actor: Actor,
    selection: &Selection,
    (after, limit): (u64, usize),
) -> anyhow::Result<Page> {
    let filter = filter(selection)?;
    record_reading(here, actor, "query")?;
    let (mut page, mut last) = (Page::default(), after);
    let read = read::each(&here.audit_file(), &filter, &mut |seen| {
        match seen {
            Seen::Line { line, .. } if line.end.seq <= after => {}
            Seen::Line { .. } if page.lines.len() >= limit => {
                page.next = Some(last);
                return Err(io::ErrorKind::Interrupted.into());
            }
            Seen::Line { text, line, .. } => {
                last = line.end.seq;
                page.lines.push(serde_json::from_slice(text)?);
            }
            Seen::Damaged { .. } => page.damaged += 1,
        }
        Ok(())
    });
    match read {
        Err(ReadError::Output(_)) if page.next.is_some() => Ok(page),
        read => read.map(|()| page).map_err(Into::into),
    }
}

fn host() -> Text {
    Text::new(crate::os::host_name())
}

/// Who reads the trail stands in it too; that it could not be written is no reason to hide the rest.
pub(super) fn note_reading(here: &Here, how: &str, out: &Out) {
    let mut record = Record::new(Event::AUDIT_READ, host()).with("how", how);
    record.actor = Some(Actor { user: Some(Text::new(&here.actor)), ..Actor::default() });
    if let Err(error) = here.trail().append(&record, clock::now().wall) {
        out.note(format!("this reading could not be recorded: {error}"));
    }
}

fn filter(selection: &Selection) -> anyhow::Result<Filter> {
    let now = clock::now().wall;
    let text = |text: &Option<String>| text.as_ref().map(Text::new);
    let time =
        |text: &Option<String>| text.as_deref().map(|text| when::parse(text, now)).transpose();
    let verdict = selection.verdict.as_deref().map(|word| match word {
        "allowed" => Verdict::Allowed,
        "refused" => Verdict::Refused,
        _ => Verdict::WouldRefuse,
    });
    let pattern = selection.reference.as_deref().map(Pattern::parse).transpose();
    Ok(Filter {
        user: text(&selection.user),
        repository: selection
            .repository
            .as_deref()
            .map(|name| Text::new(name.strip_suffix(".git").unwrap_or(name))),
        reference: pattern.map_err(|error| Failure::new(Exit::Usage, format!("--ref: {error}")))?,
        grant: text(&selection.grant),
        event: selection.event.as_deref().map(Event::named),
        verdict,
        from: time(&selection.from)?,
        to: time(&selection.to)?,
    })
}

fn show(here: &Here, selection: &Selection, out: &Out) -> anyhow::Result<Exit> {
    let zone = here.settings().timezone.0;
    let (mut damaged, mut shown) = (0, 0);
    read::each(&here.audit_file(), &filter(selection)?, &mut |seen| {
        shown += 1;
        match seen {
            Seen::Line { text, .. } if out.json => out.line(String::from_utf8_lossy(text)),
            Seen::Line { line, record, .. } => out.line(show::human(line, record, zone).trim_end()),
            Seen::Damaged { at, problem } => {
                damaged += 1;
                out.note(format!("{}:{}: {problem}", at.file.display(), at.line));
            }
        }
        Ok(())
    })?;
    if shown == 0 {
        out.note("no line of the trail is like that");
    }
    Ok(if damaged == 0 { Exit::Done } else { Exit::Failed })
}

fn export(here: &Here, format: Format, selection: &Selection, out: &Out) -> anyhow::Result<Exit> {
    let mut damaged = 0;
    if matches!(format, Format::Csv) {
        out.line(export::csv_header().trim_end());
    }
    read::each(&here.audit_file(), &filter(selection)?, &mut |seen| {
        match (seen, format) {
            (Seen::Line { text, .. }, Format::Jsonl) => out.line(String::from_utf8_lossy(text)),
            (Seen::Line { line, record, .. }, Format::Csv) => {
                out.line(export::csv_rows(line, record).trim_end());
            }
            (Seen::Damaged { at, problem }, _) => {
                damaged += 1;
                out.note(format!("{}:{}: {problem}", at.file.display(), at.line));
            }
        }
        Ok(())
    })?;
    Ok(if damaged == 0 { Exit::Done } else { Exit::Failed })
}

fn verify(here: &Here, from: u64, checkpoint: Option<&Path>, out: &Out) -> anyhow::Result<Exit> {
    let checkpoint = checkpoint.map(read_checkpoint).transpose()?;
    let verified = here.trail().verify(&host(), clock::now().wall, checkpoint.as_ref())?;
    let late = verified.begins_late(from);
    let sound = verified.is_sound() && late.is_none();
    if out.json {
        out.value(&as_json(&verified, sound));
    } else {
        tell(&verified, sound, late, out);
    }
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

fn read_checkpoint(path: &Path) -> anyhow::Result<Checkpoint> {
    let bytes = files::read_limited(path, 64 * 1024)?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("`{}` is not a checkpoint", path.display()))
}

fn tell(verified: &Verified, sound: bool, late: Option<u64>, out: &Out) {
    let last = verified.last.as_ref().map_or(0, |(seq, _)| *seq);
    let files = verified.files.len();
    out.line(format!(
        "{} lines in {files} file(s), seq {} to {last}",
        verified.lines, verified.first
    ));
    if let Some(first) = late {
        out.line(format!(
            "it begins at {first}: what was before is not here (kept elsewhere? then --from {first})"
        ));
    }
    for damage in &verified.damages {
        let at = format!("{}:{}", damage.at.file.display(), damage.at.line);
        out.line(format!("{at}: damage was recorded here, lines lost: {}", damage.lost));
    }
    for file in &verified.compressed {
        out.line(format!("{}: compressed, not read", file.display()));
    }
    if let Some(bad) = &verified.bad {
        out.line(format!("{}:{}: {}", bad.at.file.display(), bad.at.line, bad.problem));
    }
    if let Some(compared) = &verified.checkpoint {
        out.line(compared.to_string());
    }
    out.line(if sound { "the chain is whole" } else { "the chain is NOT whole" });
}

fn as_json(verified: &Verified, sound: bool) -> Value {
    json!({
        "sound": sound,
        "lines": verified.lines,
        "first": verified.first,
        "last": verified.last.as_ref().map(|(seq, hash)| json!({ "seq": seq, "hash": hash.to_string() })),
        "files": verified.files,
        "bad": verified.bad.as_ref().map(|bad| json!({
            "file": bad.at.file, "line": bad.at.line, "problem": bad.problem.to_string(),
        })),
        "damages": verified.damages.iter().map(|d| json!({
            "file": d.at.file, "line": d.at.line, "lost": d.lost,
        })).collect::<Vec<_>>(),
        "checkpoint": verified.checkpoint.as_ref().map(Compared::to_string),
    })
}

fn checkpoint(here: &Here, out: &Out) -> anyhow::Result<Exit> {
    let end = here.trail().end(&host(), clock::now().wall)?;
    let Some(end) = end else {
        return Err(Failure::new(Exit::NotFound, "the trail has no line yet").into());
    };
    out.value(&serde_json::to_value(Checkpoint::new(host(), end))?);
    Ok(Exit::Done)
}

fn rotate(here: &Here, out: &Out) -> anyhow::Result<Exit> {
    let mut record = Record::new(Event::AUDIT_ROTATED, host());
    record.actor = Some(Actor { user: Some(Text::new(&here.actor)), ..Actor::default() });
    match here.trail().rotate(record, clock::now().wall)? {
        Some((path, _)) if out.json => out.value(&json!({ "moved": path })),
        Some((path, _)) => out.line(format!("moved to {}", path.display())),
        None => out.note("there is nothing to rotate"),
    }
    Ok(Exit::Done)
}
