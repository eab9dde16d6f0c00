//! The lines of a gitolite configuration after everything that is done before they are read: files that
//! are included, comments, blanks, lines that go on, and the forms that stand for others.
//!
//! Knows what gitolite 3 does to a line, step by step and in its order; not what a line means.

use super::Wrong;
use crate::import::{Notes, Place};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a name in a file may be found as.
pub trait Files {
    /// The text of a file, by its name relative to the main file's folder.
    ///
    /// # Errors
    /// A message.
    fn read(&self, name: &str) -> Result<String, String>;

    /// Names that a pattern of the shell stands for, in order.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// What is the same for two names of one file.
    fn identity(&self, name: &str) -> String;
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub place: Place,
    pub text: String,
}

/// The form of an access rule.
pub(super) const RULE: &str = r"^(-|C|R|RW\+?(?:C?D?|D?C?)M?) (.* )?= (.+)";
/// Not a blank, as Perl sees bytes.
const WORD: &str = r"[^ \t\r\n\x0b\x0c]";

/// All lines of a configuration, files that it includes in their places.
pub(super) fn gather(
    main: &str,
    files: &dyn Files,
    roles: &BTreeSet<String>,
    notes: &mut Notes,
) -> Result<Vec<Line>, Wrong> {
    let mut gathering = Gathering {
        files,
        notes,
        seen: BTreeSet::from([files.identity(main)]),
        prefixed: BTreeMap::new(),
        forms: Forms::new()?,
        out: Vec::new(),
    };
    gathering.file(main, "master", 0)?;
    let (lines, forms) = (gathering.out, gathering.forms);
    let lines = continued(lines, &forms);
    let lines = implied_options(lines, &forms);
    Ok(without_blocks(lines.into_iter().map(|line| sugared(line, roles, &forms)).collect()))
}

struct Forms {
    comment: Regex,
    include: Regex,
    group: Regex,
    at_name: Regex,
    rule: Regex,
    option: Regex,
    vref: Regex,
}

impl Forms {
    fn new() -> Result<Self, Wrong> {
        let form = |text: &str| {
            Regex::new(&text.replace("\\S", WORD)).map_err(|error| Wrong::inner(&error))
        };
        Ok(Self {
            comment: form(r#"^((?:".*?"|[^#"])*)#.*"#)?,
            include: form(r"^(include|subconf) (?:(\S+) )?(\S.+)$")?,
            group: form(r"^@(\S+) = ")?,
            at_name: form(r"(^| )(@\S+)")?,
            rule: form(RULE)?,
            option: form(r"^option (\S+) = (\S.*)")?,
            vref: form(r"^(-|R\S+) \S.* = \S.*")?,
        })
    }

    /// Without comment, and with single blanks.
    fn clean(&self, line: &str) -> String {
        let bare = match self.comment.captures(line) {
            Some(found) => found.get(1).map_or("", |inner| inner.as_str()),
            None => line,
        };
        let spaced = bare.replacen('=', " = ", 1);
        spaced.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    }
}

struct Gathering<'a> {
    files: &'a dyn Files,
    notes: &'a mut Notes,
    seen: BTreeSet<String>,
    prefixed: BTreeMap<(String, String), String>,
    forms: Forms,
    out: Vec<Line>,
}

impl Gathering<'_> {
    fn file(&mut self, name: &str, subconf: &str, depth: usize) -> Result<(), Wrong> {
        let file: Arc<str> = name.into();
        let whole = Place { file: file.clone(), line: 0 };
        if depth > 100 {
            return Err(Wrong::new(&whole, "files include files too deep"));
        }
        let text = self.files.read(name).map_err(|words| Wrong::new(&whole, words))?;
        for (number, raw) in (1..).zip(text.split('\n')) {
            let place = Place { file: file.clone(), line: number };
            let clean = self.forms.clean(raw);
            if clean.is_empty() {
                continue;
            }
            if clean.contains("%HOSTNAME") {
                let words = "`%HOSTNAME` is read as it stands, though gitolite may put a name in";
                self.notes.lost(&place, words);
            }
            let text = if subconf == "master" { clean } else { self.prefix(&clean, subconf) };
            match self.included(&text) {
                Some((is_subconf, new, pattern)) => {
                    self.include(&place, (is_subconf, new, &pattern), subconf, depth)?;
                }
                None => self.out.push(Line { place, text }),
            }
        }
        Ok(())
    }

    fn included(&self, text: &str) -> Option<(bool, Option<String>, String)> {
        let found = self.forms.include.captures(text)?;
        let part = |at: usize| found.get(at).map(|part| part.as_str().to_owned());
        Some((part(1)? == "subconf", part(2), part(3)?))
    }

    fn include(
        &mut self,
        place: &Place,
        (is_subconf, new, pattern): (bool, Option<String>, &str),
        current: &str,
        depth: usize,
    ) -> Result<(), Wrong> {
        if is_subconf && current != "master" {
            return Err(Wrong::new(place, "a `subconf` in a `subconf`"));
        }
        let quoted = |quote: char| {
            let inner = pattern.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.is_empty()).then_some(inner)
        };
        let Some(pattern) = quoted('"').or_else(|| quoted('\'')) else {
            return Err(Wrong::new(place, format!("`{pattern}` is no quoted name of a file")));
        };
        for name in self.files.glob(pattern) {
            let base = name.rsplit('/').next().unwrap_or_default();
            let Some(base) = base.strip_suffix(".conf").filter(|base| !base.is_empty()) else {
                return Err(Wrong::new(place, format!("`{name}` does not end in `.conf`")));
            };
            if !self.seen.insert(self.files.identity(&name)) {
                self.notes.decided(place, format!("`{name}` was included before, so not again"));
                continue;
            }
            if !is_subconf {
                self.file(&name, current, depth + 1)?;
                continue;
            }
            let inner = new.clone().unwrap_or_else(|| base.to_owned());
            let mark = |text: String| Line { place: place.clone(), text };
            self.out.push(mark(format!("subconf {inner}")));
            self.file(&name, &inner, depth + 1)?;
            self.out.push(mark(format!("subconf {current}")));
        }
        Ok(())
    }

    /// Groups that a subconf makes carry its name.
    fn prefix(&mut self, line: &str, subconf: &str) -> String {
        let own = self.forms.group.captures(line);
        let own = own.and_then(|found| found.get(1)).map(|name| name.as_str().to_owned());
        let known = &self.prefixed;
        let mut text = self
            .forms
            .at_name
            .replace_all(line, |found: &regex::Captures<'_>| {
                let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
                let key = (subconf.to_owned(), part(2).to_owned());
                format!("{}{}", part(1), known.get(&key).map_or(part(2), String::as_str))
            })
            .into_owned();
        if let Some(own) = own {
            let full = format!("@{subconf}.{own}");
            let rest = text.split_once(" = ").map_or(String::new(), |(_, rest)| rest.to_owned());
            text = format!("{full} = {rest}");
            self.prefixed.insert((subconf.to_owned(), format!("@{own}")), full);
        }
        text
    }
}

/// Lines that end in `\` go on in the next.
fn continued(lines: Vec<Line>, forms: &Forms) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::new();
    let mut open: Option<Line> = None;
    for line in lines {
        let joined = match open.take() {
            Some(begun) => Line { text: begun.text + &line.text, place: begun.place },
            None => line,
        };
        match joined.text.strip_suffix('\\') {
            Some(text) => open = Some(Line { text: text.to_owned(), place: joined.place }),
            None => {
                let text = forms.clean(&joined.text);
                out.extend((!text.is_empty()).then_some(Line { text, ..joined }));
            }
        }
    }
    out
}

/// A rule with `C`, `D` or `M` says for its repositories that these letters count.
fn implied_options(lines: Vec<Line>, forms: &Forms) -> Vec<Line> {
    let mut out = Vec::new();
    let mut said: BTreeSet<&str> = BTreeSet::new();
    for line in lines {
        let found = forms.rule.captures(&line.text);
        let perm = found.and_then(|found| found.get(1)).map(|perm| perm.as_str().to_owned());
        let place = line.place.clone();
        if line.text.starts_with("repo ") {
            said.clear();
        }
        out.push(line);
        let Some(perm) = perm else { continue };
        let implied = [
            ("DELETE_IS_D", perm.contains('D')),
            ("CREATE_IS_C", perm.starts_with("RW") && perm.contains('C')),
            ("MERGE_CHECK", perm.contains('M')),
        ];
        for (option, _) in implied.into_iter().filter(|(_, is)| *is) {
            if said.insert(option) {
                let text = format!("option {option} = 1");
                out.push(Line { place: place.clone(), text });
            }
        }
    }
    out
}

/// `option`, `desc` and the like become `config`, `NAME/` becomes `VREF/NAME/`, and names of roles get
/// their `@`.
fn sugared(line: Line, roles: &BTreeSet<String>, forms: &Forms) -> Line {
    let mut text = line.text.replacen("option mirror.slaves", "option mirror.copies", 1);
    if let Some(found) = forms.option.captures(&text) {
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        text = format!("config gitolite-options.{} = {}", part(1), part(2));
    }
    for (word, key) in [("desc", "description"), ("owner", "owner"), ("category", "category")] {
        if let Some(value) = text.strip_prefix(&format!("{word} = ")) {
            text = format!("config gitweb.{key} = {value}");
        }
    }
    if forms.vref.is_match(&text) {
        text = text.replace(" NAME/", " VREF/NAME/");
    }
    if let Some(found) = forms.rule.captures(&text) {
        let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
        let user = |word: &str| match roles.contains(word) {
            true => format!("@{word}"),
            false => word.to_owned(),
        };
        let users: Vec<String> = part(3).split(' ').map(user).collect();
        text = forms.clean(&format!("{} {} = {}", part(1), part(2), users.join(" ")));
    }
    Line { text, ..line }
}

/// Without what stands between `= begin testconf` and `= end`.
fn without_blocks(lines: Vec<Line>) -> Vec<Line> {
    let mut inside = false;
    let mut out = Vec::new();
    for line in lines {
        inside |= matches!(line.text.as_str(), "= begin testconf" | "= begin template-data");
        if !inside {
            out.push(line);
        } else if line.text == "= end" {
            inside = false;
        }
    }
    out
}
