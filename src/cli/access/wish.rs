//! What a command line asks for, read against the applied policy.
//!
//! Knows words, patterns and names; whether the request is filed stands in `request`.

use super::bounded;
use super::office::Office;
use crate::access::Request;
use crate::access::ask::Wish;
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::door::place;
use crate::hook::desk::hex;
use crate::policy::entry::Permissions;
use crate::policy::model::Entitlement;
use crate::policy::name::EntitlementName;
use crate::policy::pattern::{Glob, Pattern};
use crate::policy::refs::{PathScope, RefPattern, RefScope, Space};
use crate::policy::span::Span;
use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 200;

/// Longest wait, in seconds.
const MAX_WAIT: u32 = 24 * 3600;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Scoped {
    /// The entitlement, as the policy calls it.
    pub(in crate::cli) entitlement: String,
    /// The repository's name: its path below the site's root, without `.git`.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) repository: String,
    /// Branches, by name or glob; without any refs, all that the entitlement lends.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) branches: Vec<String>,
    /// Tags, by name or glob.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) tags: Vec<String>,
    /// Refs by full name or glob.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) refs: Vec<String>,
    /// Ask to create refs; without any action, for all that the entitlement lends.
    #[arg(long)]
    pub(in crate::cli) create: bool,
    /// Ask to move refs forward.
    #[arg(long)]
    pub(in crate::cli) update: bool,
    /// Ask to move refs elsewhere than forward (`git push --force`): commits may be lost.
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Ask to delete refs.
    #[arg(long)]
    pub(in crate::cli) delete: bool,
    /// The same as words: create, update, force, delete, push, write, read, bypass.
    #[arg(long, value_name = "WORD", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) permissions: Vec<String>,
    /// Only for changes of these paths.
    #[arg(long, value_name = "PATTERN", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) paths: Vec<String>,
    /// Checks to be lifted, with `bypass`.
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    pub(in crate::cli) checks: Vec<String>,
    /// For how long, once it is granted: 30m, 4h, 1h30m.
    #[arg(long = "for", value_name = "DURATION")]
    pub(in crate::cli) duration: Option<String>,
    /// Why; at least 10 characters.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// The ticket.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) ticket: Option<String>,
    /// So many pushes may land; then it is used up. Without it, as many as the entitlement allows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) uses: Option<u32>,
    /// The same command with the same key, sent again, finds what it did.
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) idempotency_key: Option<String>,
}

impl Scoped {
    /// The repository, as the policy calls it.
    #[must_use]
    pub fn repository(&self) -> &str {
        self.repository.strip_suffix(".git").unwrap_or(&self.repository)
    }
}

/// A wish as it was read from a command line.
pub struct Wanted {
    /// Person and scope; the rest is taken from `wish` once it fits.
    pub request: Request,
    /// The entitlement of today.
    pub entitlement: Entitlement,
    /// All but the scope.
    pub wish: Wish,
    /// The idempotency key, and a digest of what it stands for.
    pub key: Option<(String, String)>,
}

/// Reads what is asked for; `from` as it was typed, and the instant that it means.
///
/// # Errors
/// A word that is none, a name that nothing has, an entitlement that is not asked for so.
pub fn read(
    office: &Office<'_>,
    args: &Scoped,
    from: Option<(&str, DateTime<Utc>)>,
    verb: &str,
) -> anyhow::Result<Wanted> {
    let person = office.person()?.clone();
    let usage = |words: String| Failure::new(Exit::Usage, words);
    let name = EntitlementName::parse(&args.entitlement)
        .map_err(|error| usage(format!("`{}`: {error}", args.entitlement.escape_debug())))?;
    let entitlement = office.entitlement(&name)?;
    let repository = args.repository().to_owned();
    let (project, _) = office.place(&repository)?;
    there(office, &repository)?;
    if entitlement.pin {
        let words = format!(
            "`{name}` lends only the commits of a refused push: git push -o access={name} ..."
        );
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let mut request = Request {
        person: person.clone(),
        entitlement: name,
        project,
        repository,
        permissions: permissions(args, &entitlement).map_err(usage)?,
        refs: refs(args, &entitlement).map_err(usage)?,
        more: Vec::new(),
        paths: paths(&args.paths).map_err(usage)?,
        checks: checks(args, &entitlement),
        pins: Vec::new(),
        duration: entitlement.default_duration,
        from: None,
        max_uses: None,
        reason: None,
        ticket: None,
        pending_until: DateTime::UNIX_EPOCH,
        seen: Vec::new(),
    };
    if request.paths.is_none() {
        request.paths = request.paths_of(&entitlement);
    }
    let wish = Wish {
        duration: args.duration.as_deref().map(|text| span("--for", text)).transpose()?,
        from: from.map(|(_, instant)| instant),
        uses: args.uses,
        reason: bounded(args.reason.as_ref(), "--reason")?,
        ticket: bounded(args.ticket.as_ref(), "--ticket")?,
    };
    let key = key(office, args, from.map(|(typed, _)| typed), verb)?;
    Ok(Wanted { request, entitlement, wish, key })
}

/// A repository that nobody has would be a typing mistake.
fn there(office: &Office<'_>, repository: &str) -> anyhow::Result<()> {
    let root = &office.here.site.root;
    // By its own name, which is what grants and policy go by; not by a link or a folder in it.
    let found = place::find(root, repository.as_bytes())
        .is_some_and(|place| place.name == repository.as_bytes());
    if found {
        return Ok(());
    }
    let shown = crate::text::Safe::new(repository.as_bytes(), 200);
    Err(Failure::new(Exit::NotFound, format!("there is no repository `{shown}`")).into())
}

/// The key, and a digest of the command as it was typed: `--from 2h` asks the same a minute later,
/// and what a policy of another day makes of it does not matter.
fn key(
    office: &Office<'_>,
    args: &Scoped,
    from: Option<&str>,
    verb: &str,
) -> anyhow::Result<Option<(String, String)>> {
    let Some(key) = &args.idempotency_key else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let words = format!("--idempotency-key has 1 to {MAX_KEY} printable characters, no blanks");
        return Err(Failure::new(Exit::Usage, words).into());
    }
    let person = office.person()?;
    let Scoped {
        entitlement,
        repository,
        branches,
        tags,
        refs,
        create,
        update,
        force,
        delete,
        permissions,
        paths,
        checks,
        duration,
        reason,
        ticket,
        uses,
        idempotency_key: _,
    } = args;
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    let typed = json!([
        verb,
        person.as_str(),
        entitlement,
        repository,
        branches,
        tags,
        refs,
        [create, update, force, delete],
        permissions,
        paths,
        checks,
        duration,
        from,
        reason,
        ticket,
        uses,
    ]);
    Ok(Some((format!("{person}:{key}"), hex(&Sha256::digest(typed.to_string().as_bytes())))))
}

fn permissions(args: &Scoped, entitlement: &Entitlement) -> Result<Permissions, String> {
    let flags = [
        (args.create, Permissions::CREATE),
        (args.update, Permissions::UPDATE),
        (args.force, Permissions::FORCE),
        (args.delete, Permissions::DELETE),
    ];
    let mut set = Permissions::default();
    for (_, one) in flags.into_iter().filter(|(asked, _)| *asked) {
        set = set.with(one);
    }
    for word in &args.permissions {
        let one = Permissions::parse(word).ok_or_else(|| {
            let words: Vec<&str> = Permissions::words().collect();
            format!("`{}` is no permission; they are {}", word.escape_debug(), words.join(", "))
        })?;
        set = set.with(one);
    }
    Ok(if set.is_empty() { entitlement.entry.permissions } else { set })
}

fn refs(args: &Scoped, entitlement: &Entitlement) -> Result<RefScope, String> {
    let spaces =
        [(&args.branches, Space::Branches), (&args.tags, Space::Tags), (&args.refs, Space::Refs)];
    let mut include = Vec::new();
    for (texts, space) in spaces {
        for text in texts {
            include.push(RefPattern { space, pattern: pattern(text)? });
        }
    }
    match include.is_empty() {
        true => Ok(entitlement.entry.refs.clone()),
        // A glob leaves out what the entitlement leaves out, today and later.
        false => Ok(RefScope { exclude: left_out(&include, entitlement), include }),
    }
}

fn left_out(include: &[RefPattern], entitlement: &Entitlement) -> Vec<RefPattern> {
    let is_name = |one: &RefPattern| one.pattern.as_glob().is_some_and(Glob::is_literal);
    match include.iter().all(is_name) {
        true => Vec::new(),
        false => entitlement.entry.refs.exclude.clone(),
    }
}

/// A pattern of a command line.
///
/// # Errors
/// Words.
pub fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse(text).map_err(|error| format!("`{}`: {error}", text.escape_debug()))
}

fn paths(texts: &[String]) -> Result<Option<PathScope>, String> {
    let include: Result<Vec<Pattern>, String> = texts.iter().map(|text| pattern(text)).collect();
    let include = include?;
    Ok((!include.is_empty()).then_some(PathScope { include, exclude: Vec::new() }))
}

fn checks(args: &Scoped, entitlement: &Entitlement) -> Vec<Box<str>> {
    match args.checks.is_empty() {
        true => entitlement.entry.checks.clone(),
        false => args.checks.iter().map(|check| check.as_str().into()).collect(),
    }
}

/// Words about push options, for whom they are options of a command.
#[must_use]
pub fn as_options(words: &str) -> String {
    words.replace("-o reason=", "--reason ").replace("-o ticket=", "--ticket ID")
}

/// A length of time given with an option.
///
/// # Errors
/// It is none.
pub fn span(option: &str, text: &str) -> anyhow::Result<Span> {
    Span::parse(text)
        .map_err(|error| Failure::new(Exit::Usage, format!("{option}: {error}")).into())
}

/// How long a command waits.
///
/// # Errors
/// It is no length of time, or too long a one: a command that waits for days is a forgotten one.
pub fn wait(text: &str) -> anyhow::Result<Span> {
    let wait = span("--wait", text)?;
    match wait.seconds() <= MAX_WAIT {
        true => Ok(wait),
        false => Err(Failure::new(Exit::Usage, "--wait is at most 1 d").into()),
    }
}

/// An instant, or so long from now.
///
/// # Errors
/// It is neither.
pub fn ahead(text: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.with_timezone(&Utc));
    }
    Span::parse(text).map(|span| now + span.delta()).map_err(|_| {
        let words = format!(
            "`{}` is not a time: write 2026-11-22T10:00:00Z, or 2h for so long from now",
            text.escape_debug()
        );
        Failure::new(Exit::Usage, words).into()
    })
}
