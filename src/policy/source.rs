//! The files of a policy: the main one and those that it includes.
//!
//! Knows which files belong together, how large they may be, and which line a byte is on. Reading
//! them is [`Loader`]'s matter; what stands in them is `raw`'s.

use super::diag::{At, PolicyCode, Problem, Problems};
use super::entry::Place;
use super::pattern::Pattern;
use super::raw;
use std::collections::BTreeSet;

/// Most bytes of all files of a policy together: 20 000 entries take about a quarter of it.
pub const MAX_BYTES: usize = 16 << 20;
/// Most files of a policy.
pub const MAX_FILES: usize = 1000;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// As messages show it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A file of a policy that is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not UTF-8 (line {line}, column {column})")]
pub struct NotText {
    /// What of it is, with marks for the rest.
    shown: String,
    at: usize,
    line: usize,
    column: usize,
}

impl NotText {
    /// The problem of a main file, and the file to show it with.
    #[must_use]
    pub fn told(self, name: String) -> (Sources, Problem) {
        let message = format!("the file {self}");
        let start = u32::try_from(self.at).unwrap_or(u32::MAX);
        let mark = u32::try_from(char::REPLACEMENT_CHARACTER.len_utf8()).unwrap_or_default();
        let at = At { file: 0, start, end: start.saturating_add(mark) };
        let help = "save it as UTF-8, without what an editor of another encoding wrote";
        let sources = Sources::new(SourceFile { name, text: self.shown }, "");
        (sources, Problem::new(PolicyCode::Unreadable, at, message).help(help))
    }
}

/// The text of a file.
///
/// # Errors
/// [`NotText`], with the place.
pub fn text_of(bytes: Vec<u8>) -> Result<String, NotText> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let before = shown.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        NotText { shown, at, line, column }
    })
}

/// Reads files below the folder of the main file.
pub trait Loader {
    /// Names of the files in `folder`, which is relative to the main file's; in any order.
    ///
    /// # Errors
    /// A message where the folder can't be read.
    fn names(&self, folder: &str) -> Result<Vec<String>, String>;

    /// The text of the file at `path`, relative to the main file's folder, of at most `max` bytes.
    ///
    /// # Errors
    /// A message where the file is not trusted, too long, not UTF-8, or can't be read.
    fn read(&self, path: &str, max: usize) -> Result<String, String>;
}

/// For a policy that consists of one file.
#[derive(Debug, Clone, Copy)]
pub struct NoIncludes;

impl Loader for NoIncludes {
    fn names(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }
    fn read(&self, _: &str, _: usize) -> Result<String, String> {
        Err("this policy can't include files".into())
    }
}

/// All files of a policy, the main one first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    folder: String,
    files: Vec<(SourceFile, Vec<u32>)>,
}

impl Sources {
    /// A policy whose main file lies in `folder` (absolute; relative paths in the policy start
    /// there), without the files that it includes.
    #[must_use]
    pub fn new(main: SourceFile, folder: &str) -> Self {
        let mut sources = Self { folder: folder.trim_end_matches('/').into(), files: Vec::new() };
        sources.push(main);
        sources
    }

    /// The main file and what it includes, with the problems met on the way: a file that can't be
    /// read, an `include` that matches nothing.
    #[must_use]
    pub fn gather(main: SourceFile, folder: &str, loader: &dyn Loader) -> (Self, Problems) {
        let prefix = main.name.rfind('/').and_then(|at| main.name.get(..=at));
        let prefix = prefix.unwrap_or_default().to_owned();
        // `include = ["*.toml"]` beside the main file does not mean the main file again.
        let own = main.name.get(prefix.len()..).unwrap_or_default().to_owned();
        let mut gathering = Gathering {
            left: MAX_BYTES.checked_sub(main.text.len()),
            sources: Self::new(main, folder),
            problems: Problems::default(),
            seen: BTreeSet::from([own]),
            prefix,
            loader,
        };
        gathering.run();
        (gathering.sources, gathering.problems)
    }

    fn push(&mut self, file: SourceFile) {
        let ends = file.text.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(_, next)| next)).collect();
        self.files.push((file, starts));
    }

    /// The files with their indexes.
    pub(super) fn files(&self) -> impl Iterator<Item = (u16, &SourceFile)> {
        (0..).zip(self.files.iter().map(|(file, _)| file))
    }

    /// Names and texts of the files, the main one first.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(file, _)| (file.name.as_str(), file.text.as_str()))
    }

    /// Bytes of all files.
    pub(super) fn total(&self) -> usize {
        self.files.iter().map(|(file, _)| file.text.len()).sum()
    }

    /// Name of a file.
    #[must_use]
    pub fn name(&self, file: u16) -> &str {
        self.files.get(usize::from(file)).map_or("", |(file, _)| &file.name)
    }

    /// Names of all files as a report shows them: without the folder that the main file lies in.
    pub(super) fn short_names(&self) -> Vec<String> {
        let main = self.name(0);
        let folder = main.rfind('/').and_then(|at| main.get(..=at)).unwrap_or_default();
        let short = |name: &str| name.strip_prefix(folder).unwrap_or(name).to_owned();
        self.files.iter().map(|(file, _)| short(&file.name)).collect()
    }

    /// A path of the policy, made absolute.
    pub(super) fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }

    /// The line in which a range begins: its number from 1, its text, and the range's first byte
    /// counted from the line's.
    #[must_use]
    pub fn line_of(&self, at: At) -> (u32, &str, usize) {
        let Some((file, starts)) = self.files.get(usize::from(at.file)) else {
            return (1, "", 0);
        };
        let number = starts.partition_point(|start| *start <= at.start).max(1);
        let start = starts.get(number - 1).copied().unwrap_or_default();
        let next = starts.get(number).map_or(file.text.len(), |next| index(*next));
        let line = file.text.get(index(start)..next).unwrap_or_default();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let offset = index(at.start.saturating_sub(start)).min(line.len());
        (u32::try_from(number).unwrap_or(u32::MAX), line, offset)
    }

    /// The line on which a range begins.
    #[must_use]
    pub fn place(&self, at: At) -> Place {
        Place { file: at.file, line: self.line_of(at).0 }
    }

    /// The text of a line, without a comment after it.
    #[must_use]
    pub fn line_at(&self, place: Place) -> At {
        let line = index(place.line).saturating_sub(1);
        let starts = self.files.get(usize::from(place.file)).map(|(_, starts)| starts.as_slice());
        let start = starts.and_then(|starts| starts.get(line)).copied().unwrap_or_default();
        let at = At { file: place.file, start, end: start };
        let text = self.line_of(at).1;
        let length = text.split(" #").next().unwrap_or_default().trim_end().len();
        At { end: start.saturating_add(u32::try_from(length).unwrap_or_default()), ..at }
    }

    /// The bytes of a range.
    pub(super) fn text(&self, at: At) -> &str {
        let file = self.files.get(usize::from(at.file));
        file.and_then(|(file, _)| file.text.get(index(at.start)..index(at.end))).unwrap_or_default()
    }
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

struct Gathering<'a> {
    sources: Sources,
    problems: Problems,
    /// Bytes that may still be read; `None` when there are too many already.
    left: Option<usize>,
    seen: BTreeSet<String>,
    prefix: String,
    loader: &'a dyn Loader,
}

impl Gathering<'_> {
    fn run(&mut self) {
        if self.left.is_none() {
            self.too_large(At::top(0));
            return;
        }
        for (pattern, at) in raw::includes(&self.sources) {
            self.include(&pattern, at);
        }
    }

    fn too_large(&mut self, at: At) {
        self.problems.push(too_large(at));
        self.problems.set_partial();
        self.left = None;
    }

    fn include(&mut self, pattern: &str, at: At) {
        let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let glob = match check_include(pattern, folder, name) {
            Ok(glob) => glob,
            Err(message) => {
                self.problems.push(Problem::new(PolicyCode::Include, at, message));
                self.problems.set_partial();
                return;
            }
        };
        let mut names = match self.loader.names(folder) {
            Ok(names) => names,
            Err(message) => return self.unreadable(at, message),
        };
        let visible = |name: &String| !name.starts_with('.');
        names.retain(|name| visible(name) && glob.matches(name.as_bytes(), None) == Ok(true));
        names.sort_unstable();
        if names.is_empty() {
            let message = format!("`{pattern}` matches no file");
            self.problems.push(Problem::new(PolicyCode::IncludeNothing, at, message));
            self.problems.set_partial();
        }
        for name in names {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            self.read(path, at);
        }
    }

    fn read(&mut self, path: String, at: At) {
        let Some(left) = self.left else { return };
        if !self.seen.insert(path.clone()) {
            return;
        }
        if self.sources.files.len() == MAX_FILES {
            return self.too_large(at);
        }
        match self.loader.read(&path, left) {
            Ok(text) if text.len() > left => self.too_large(at),
            Ok(text) => {
                self.left = Some(left - text.len());
                let name = format!("{}{path}", self.prefix);
                self.sources.push(SourceFile { name, text });
            }
            Err(message) => self.unreadable(at, message),
        }
    }

    fn unreadable(&mut self, at: At, message: String) {
        self.problems.push(Problem::new(PolicyCode::Unreadable, at, message));
        self.problems.set_partial();
    }
}

pub(super) fn too_large(at: At) -> Problem {
    let message = format!(
        "a policy has at most {} MiB and {MAX_FILES} files, included ones counted",
        MAX_BYTES >> 20
    );
    Problem::new(PolicyCode::TooLarge, at, message)
}

fn check_include(pattern: &str, folder: &str, name: &str) -> Result<Pattern, String> {
    if pattern.starts_with('/') {
        return Err(
            "what is included lies beside the policy or below it: write a relative path".into()
        );
    }
    if pattern.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return Err("`..`, dot files and empty components can't be included".into());
    }
    if folder.contains(['*', '?', '[', '{', '\\', '$', '\0']) {
        return Err("only the file's name, after the last slash, may have wildcards".into());
    }
    if pattern.starts_with("regex:") || name.contains("**") {
        return Err("a file's name is matched by `*`, `?`, `[a-z]` and `{a,b}`".into());
    }
    let glob = Pattern::parse(name).map_err(|error| error.to_string())?;
    if glob.has_user() || glob.has_issue() {
        return Err("a variable has no meaning here".into());
    }
    Ok(glob)
}

#[cfg(test)]
mod tests;
