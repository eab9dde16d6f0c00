//! What a repository's git configuration says that a push depends on.
//!
//! Knows the order of git's configuration (git-config(1)) and the meaning of the settings it names;
//! starts no process.

#![expect(clippy::disallowed_methods, reason = "reads git's configuration files")]

use super::error::detail_of;
use super::{GitEnv, GitError};
use crate::push::{Change, RefName, RefUpdate};
use crate::text::Safe;
use gix::bstr::{BStr, BString, ByteSlice};
use gix::config::file::Metadata;
use gix::config::file::includes;
use gix::config::file::init::Options;
use gix::config::path::interpolate;
use gix::config::{File, Source};
use gix::hash::Kind;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The settings of one repository.
#[derive(Debug, Clone)]
pub struct RepoConfig {
    /// The hash of its ids.
    pub object_format: Kind,
    /// Whether its refs are kept in reftables.
    pub reftable: bool,
    /// `core.ignoreCase`: names that differ only in case are one file.
    pub ignore_case: bool,
    /// `core.hooksPath`, with `~/` resolved; as it stands where it begins otherwise.
    pub hooks_path: Option<PathBuf>,
    /// `receive.denyNonFastForwards`: git refuses branches that are not moved forward.
    pub deny_non_fast_forwards: bool,
    /// `receive.denyDeletes`: git refuses to delete branches.
    pub deny_deletes: bool,
    /// `receive.certNonceSeed`.
    pub cert_nonce_seed: Option<BString>,
    /// `receive.certNonceSlop`, in seconds.
    pub cert_nonce_slop: u64,
    proc_receive: Vec<ProcReceive>,
    hidden: Vec<Hidden>,
}

/// One value of `receive.procReceiveRefs`.
#[derive(Debug, Clone)]
struct ProcReceive {
    add: bool,
    delete: bool,
    modify: bool,
    negative: bool,
    prefix: BString,
}

/// One value of `transfer.hideRefs` or `receive.hideRefs`.
#[derive(Debug, Clone)]
struct Hidden {
    negative: bool,
    prefix: BString,
}

impl RepoConfig {
    /// Reads all files that git would read for the repository, and what the environment adds.
    ///
    /// # Errors
    /// When a file can't be read or parsed, or the repository's format is unknown.
    pub fn read(git_dir: &Path, common_dir: &Path, env: &GitEnv) -> Result<Self, GitError> {
        let file = all(git_dir, common_dir, env)?;
        let (object_format, reftable) = format(&file)?;
        let boolean = |key| file.boolean(key).map_err(|e| GitError::Config(detail_of(e)));
        let slop = file.integer("receive.certNonceSlop");
        let slop = slop.map_err(|e| GitError::Config(detail_of(e)))?.unwrap_or(0);
        Ok(Self {
            object_format,
            reftable,
            ignore_case: boolean("core.ignoreCase")?.unwrap_or(false),
            hooks_path: file.string("core.hooksPath").map(|path| resolved(path.as_ref(), env)),
            deny_non_fast_forwards: boolean("receive.denyNonFastForwards")?.unwrap_or(false),
            deny_deletes: boolean("receive.denyDeletes")?.unwrap_or(false),
            cert_nonce_seed: file.string("receive.certNonceSeed"),
            cert_nonce_slop: u64::try_from(slop).unwrap_or(0),
            proc_receive: file
                .strings("receive.procReceiveRefs")
                .unwrap_or_default()
                .iter()
                .map(|value| ProcReceive::parse(value.as_ref()))
                .collect(),
            hidden: hidden(&file),
        })
    }

    /// Whether git would leave the update to a `proc-receive` hook (receive-pack's
    /// `proc_receive_ref_matches`).
    #[must_use]
    pub fn goes_to_proc_receive(&self, update: &RefUpdate) -> bool {
        let judged = self.proc_receive.iter().filter(|rule| rule.wants(&update.change));
        judged.into_iter().any(|rule| is_below(&update.name, rule.prefix.as_ref()) != rule.negative)
    }

    /// Whether the ref is hidden from pushes: the last matching rule decides.
    #[must_use]
    pub fn hides(&self, name: &RefName) -> bool {
        let last = self.hidden.iter().rev().find(|rule| is_below(name, rule.prefix.as_ref()));
        last.is_some_and(|rule| !rule.negative)
    }
}

impl ProcReceive {
    fn parse(value: &BStr) -> Self {
        // As git does: all actions without a colon, and with one those that are spelled out.
        let colon = value.find_byte(b':');
        let letters = colon.and_then(|colon| value.get(..colon)).unwrap_or_default();
        let prefix = value.get(colon.map_or(0, |colon| colon + 1)..);
        let has = |letter| letters.contains(&letter);
        let all = colon.is_none();
        let prefix = prefix.unwrap_or_default().trim_end_with(|c| c == '/').into();
        Self {
            add: all || has(b'a'),
            delete: all || has(b'd'),
            modify: all || has(b'm'),
            negative: has(b'!'),
            prefix,
        }
    }

    const fn wants(&self, change: &Change) -> bool {
        match change {
            Change::Create { .. } => self.add,
            Change::Update { .. } => self.modify,
            Change::Delete { .. } => self.delete,
        }
    }
}

/// `prefix` itself or a name in that folder.
fn is_below(name: &RefName, prefix: &BStr) -> bool {
    let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// A path of the configuration; `~user/` and `%(prefix)/` are kept, and lead nowhere.
fn resolved(path: &BStr, env: &GitEnv) -> PathBuf {
    let plain = Path::new(OsStr::from_bytes(path)).to_owned();
    let below = path.strip_prefix(b"~/").map(|rest| Path::new(OsStr::from_bytes(rest)));
    below.zip(env.path("HOME")).map_or(plain, |(below, home)| home.join(below))
}

/// The rules of both keys in the order in which they stand.
fn hidden(file: &File) -> Vec<Hidden> {
    let ours = |name: &BStr| {
        name.eq_ignore_ascii_case(b"receive") || name.eq_ignore_ascii_case(b"transfer")
    };
    let sections = file.sections().filter(|section| {
        ours(section.header().name()) && section.header().subsection_name().is_none()
    });
    let rule = |value: BString| {
        let rest = value.strip_prefix(b"!");
        let prefix = rest.unwrap_or(&value);
        let prefix = prefix.strip_prefix(b"^").unwrap_or(prefix);
        Hidden { negative: rest.is_some(), prefix: prefix.trim_end_with(|c| c == '/').into() }
    };
    sections.flat_map(|section| section.values("hideRefs")).map(rule).collect()
}

/// The hash and whether refs are in reftables; only the repository's own file may say so.
fn format(file: &File) -> Result<(Kind, bool), GitError> {
    let own = |meta: &Metadata| matches!(meta.source, Source::Local);
    let text = |key: &str| file.string_filter(key, own).unwrap_or_default();
    let unsupported = |what: &str, value: &BStr| {
        let words = format!("its {what} is `{value}`");
        GitError::Unsupported(Safe::new(words.as_bytes(), 200))
    };
    let version = text("core.repositoryFormatVersion");
    if !matches!(&**version, b"" | b"0" | b"1") {
        return Err(unsupported("core.repositoryFormatVersion", version.as_ref()));
    }
    let hash = text("extensions.objectFormat").to_ascii_lowercase();
    let hash = match &*hash {
        b"" | b"sha1" => Kind::Sha1,
        b"sha256" => Kind::Sha256,
        other => return Err(unsupported("extensions.objectFormat", other.as_bstr())),
    };
    let storage = text("extensions.refStorage").to_ascii_lowercase();
    let reftable = match &*storage {
        b"" | b"files" => false,
        b"reftable" => true,
        other => return Err(unsupported("extensions.refStorage", other.as_bstr())),
    };
    Ok((hash, reftable))
}

/// All of git's configuration, least to most important.
fn all(git_dir: &Path, common_dir: &Path, env: &GitEnv) -> Result<File, GitError> {
    let bad = |error: gix::Error| GitError::Config(detail_of(error));
    let home = env.path("HOME");
    let branch = head_branch(git_dir);
    let context = interpolate::Context { home_dir: home.as_deref(), ..Default::default() };
    let conditional = includes::conditional::Context {
        git_dir: Some(git_dir),
        branch_name: branch.as_ref().map(|name| name.as_ref()),
    };
    let includes = includes::Options::follow(context, conditional);
    let options = Options { includes, lossy: true, ..Default::default() };
    let mut paths = global_files(env);
    paths.push((Source::Local, common_dir.join("config")));
    let read = |paths: Vec<(Source, PathBuf)>| {
        let mut metas = paths.into_iter().map(|(source, path)| Metadata::from(source).at(path));
        let file = File::from_paths_metadata_buf(&mut metas, &mut Vec::new(), false, options);
        Ok::<_, GitError>(file.map_err(bad)?.unwrap_or_default())
    };
    let mut file = read(paths)?;
    if file.boolean("extensions.worktreeConfig").map_err(bad)? == Some(true) {
        let own = read(vec![(Source::Worktree, git_dir.join("config.worktree"))])?;
        file.append(own).map_err(bad)?;
    }
    if let Some(added) = from_variables(env)? {
        file.append(added).map_err(bad)?;
    }
    Ok(file)
}

/// The branch that `HEAD` names, for conditional includes.
fn head_branch(git_dir: &Path) -> Option<gix::refs::FullName> {
    let head = std::fs::read(git_dir.join("HEAD")).ok()?;
    let name = head.strip_prefix(b"ref:")?.trim_ascii().as_bstr();
    gix::refs::FullName::try_from(name).ok()
}

/// The files outside the repository. Those that this account may not read are passed over, as git
/// does; the system's own has to be readable where it is there.
fn global_files(env: &GitEnv) -> Vec<(Source, PathBuf)> {
    let mut files = Vec::new();
    let no_system = env.get("GIT_CONFIG_NOSYSTEM");
    if no_system.is_none_or(|v| matches!(v.as_bytes(), b"0" | b"false" | b"no" | b"off")) {
        let named = env.path("GIT_CONFIG_SYSTEM");
        files.push((Source::System, named.unwrap_or_else(|| "/etc/gitconfig".into())));
        files.extend(installed_config(env).map(|path| (Source::GitInstallation, path)));
    }
    let mut own = Vec::new();
    if env.is_set("GIT_CONFIG_GLOBAL") {
        own.extend(env.path("GIT_CONFIG_GLOBAL").map(|path| (Source::User, path)));
    } else {
        let home = env.path("HOME");
        let xdg = env.path("XDG_CONFIG_HOME");
        let xdg = xdg.or(home.as_ref().map(|home| home.join(".config")));
        own.extend(xdg.map(|folder| (Source::Git, folder.join("git/config"))));
        own.extend(home.map(|home| (Source::User, home.join(".gitconfig"))));
    }
    own.retain(|(_, path)| std::fs::File::open(path).is_ok());
    files.extend(own);
    files
}

/// The configuration beside a git that is not installed in `/usr`.
fn installed_config(env: &GitEnv) -> Option<PathBuf> {
    let programs = env.path("GIT_EXEC_PATH")?;
    let prefix = programs.parent()?.parent()?;
    (prefix != Path::new("/usr")).then(|| prefix.join("etc/gitconfig"))
}

/// What `GIT_CONFIG_COUNT` and `GIT_CONFIG_PARAMETERS` (`git -c`) add.
fn from_variables(env: &GitEnv) -> Result<Option<File>, GitError> {
    let bad = |words: &str| GitError::Config(Safe::new(words.as_bytes(), 200));
    let mut pairs: Vec<(BString, Option<BString>)> = Vec::new();
    if let Some(count) = env.get("GIT_CONFIG_COUNT") {
        let count = count.to_str().and_then(|text| text.parse::<u16>().ok());
        for n in 0..count.ok_or_else(|| bad("GIT_CONFIG_COUNT is no number"))? {
            let part = |name: &str| env.get(&format!("GIT_CONFIG_{name}_{n}"));
            let key = part("KEY").ok_or_else(|| bad("GIT_CONFIG_KEY_n is missing"))?;
            let value = part("VALUE").map(|v| v.as_bytes().into()).unwrap_or_default();
            pairs.push((key.as_bytes().into(), Some(value)));
        }
    }
    if let Some(text) = env.get("GIT_CONFIG_PARAMETERS") {
        let parsed = parameters(text.as_bytes());
        pairs.extend(parsed.ok_or_else(|| bad("GIT_CONFIG_PARAMETERS is malformed"))?);
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let mut file = File::new(Metadata::from(Source::Env));
    for (key, value) in pairs {
        add(&mut file, key.as_ref(), value).ok_or_else(|| bad("a variable names no setting"))?;
    }
    Ok(Some(file))
}

/// Adds `section[.subsection].name`.
fn add(file: &mut File, key: &BStr, value: Option<BString>) -> Option<()> {
    let (first, last) = (key.find_byte(b'.')?, key.rfind_byte(b'.')?);
    let section = key.get(..first)?.to_str().ok()?;
    let name = key.get(last + 1..)?.to_str().ok()?;
    let subsection = key.get(first + 1..last).map(ByteSlice::as_bstr);
    let mut section = file.section_mut_or_create_new(section, subsection).ok()?;
    section.push(name, value.as_ref().map(AsRef::<BStr>::as_ref)).ok()?;
    Some(())
}

/// `'key=value' …` or `'key'='value' …`, each shell-quoted (git's `git_config_from_parameters`).
fn parameters(text: &[u8]) -> Option<Vec<(BString, Option<BString>)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = unquote(rest)?;
        rest = after;
        if let Some(after) = rest.strip_prefix(b"=") {
            let (value, after) = match after.first() {
                Some(b'\'') => unquote(after).map(|(value, after)| (Some(value), after))?,
                _ => (None, after),
            };
            pairs.push((key, value));
            rest = after;
        } else {
            let equals = key.find_byte(b'=').unwrap_or(key.len());
            let value = key.get(equals + 1..).map(BString::from);
            pairs.push((key.get(..equals)?.into(), value));
        }
        rest = rest.trim_start();
    }
    Some(pairs)
}

/// Undoes `'…'`, in which git writes `'` and `!` as `'\''` and `'\!'`.
fn unquote(text: &[u8]) -> Option<(BString, &[u8])> {
    let mut rest = text.strip_prefix(b"'")?;
    let mut out = BString::default();
    loop {
        let end = rest.find_byte(b'\'')?;
        out.extend_from_slice(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        match rest {
            [b'\\', quoted @ (b'\'' | b'!'), b'\'', after @ ..] => {
                out.push(*quoted);
                rest = after;
            }
            _ => return Some((out, rest)),
        }
    }
}

#[cfg(test)]
mod tests;
