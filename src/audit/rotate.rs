//! Moving a trail aside so that a new file takes its place.
//!
//! Knows the rotated file's name; that a chain goes on over a file's end is `held`'s part. A crash
//! between the two names leaves an empty trail beside a whole one, which the next writer continues.

use super::error::TrailError;
use super::held::{self, Held};
use super::line::Line;
use super::siblings::{self, Lines};
use std::path::{Path, PathBuf};

/// Renames the trail to `NAME.FIRST-LAST`; `None` where it has no line.
pub(super) fn set_aside(held: &mut Held<'_>, path: &Path) -> Result<Option<PathBuf>, TrailError> {
    let mut lines = Lines::new(siblings::open(path)?, path);
    let Some(text) = lines.next()? else { return Ok(None) };
    let first = text.strip_suffix(b"\n").and_then(|text| Line::read(text).ok());
    let first = first.map_or_else(|| "unknown".to_owned(), |line| line.end.seq.to_string());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{first}-{}", held.end().seq));
    let name = held::free(path, name);
    held.set_aside(&name)?;
    Ok(Some(path.with_file_name(name)))
}
