//! `token create`, `revoke` and `rotate`.

use super::book::{Book, not_made};
use super::{Exit, Failure, Office, Out, show};
use crate::audit::Event;
use crate::cli::access::bounded;
use crate::cli::access::failure::damaged;
use crate::cli::access::moves::pause;
use crate::cli::access::{view, wish};
use crate::hook::ledger::{LedgerError, Made};
use crate::os::{clock, random};
use crate::policy::name::UserName;
use crate::policy::pattern::Pattern;
use crate::policy::span::Span;
use crate::pusher::token::{Scope, Secret, Standing, Terms, Token, TokenId};
use crate::store::access::StoreError;
use crate::store::open::Mode;
use crate::store::tokens::Change;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeSet;

/// How often a new id is drawn because somebody has it.
const TRIES: u32 = 16;
/// Tokens of one user that hold at the same time.
const MOST_LIVE: usize = 100;
/// Patterns of one token.
const MOST_PATTERNS: usize = 32;

/// Arguments of `token create`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    refwarden token create --as alice --note laptop\n  \
    refwarden token create --user ci --scope read --repository 'payments/*' --for 30d")]
pub struct CreateArgs {
    /// Whose it is: oneself, or a service of one's own.
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// What it is for: read, push, request, approve, audit, administer; without any, read and push.
    #[arg(long = "scope", value_name = "WORD", num_args = 1.., value_delimiter = ',')]
    pub(super) scopes: Vec<String>,
    /// Only for repositories that match.
    #[arg(long = "repository", value_name = "PATTERN", num_args = 1..)]
    pub(super) repositories: Vec<String>,
    /// It ends by itself after so long; without it, after what the policy says.
    #[arg(long = "for", value_name = "DURATION")]
    pub(super) duration: Option<String>,
    /// What it is for, in your words.
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<String>,
}

/// Arguments of `token revoke`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  refwarden token revoke 7f3k92qd\n  \
    refwarden token revoke --user alice")]
#[command(group(clap::ArgGroup::new("which").required(true).args(["ids", "user"])))]
pub struct RevokeArgs {
    /// Tokens, their ids whole.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of this user's.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

/// Arguments of `token rotate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden token rotate 7f3k92qd --as alice")]
pub struct RotateArgs {
    /// The token, its id whole.
    id: String,
    /// The new one ends by itself after so long; without it, after as long as the old one had.
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<String>,
}

/// Makes a token.
///
/// # Errors
/// Who may not; tokens are off; longer than the policy lets one hold; the store can't be written.
pub fn create(office: &Office<'_>, args: &CreateArgs, out: &Out) -> anyhow::Result<Exit> {
    let book = Book::open(office, Mode::Write, false)?;
    let (secret, terms) = created(&book, args)?;
    shown(&book, (&secret, &terms), None, out)
}

/// Makes a token, and gives its secret.
///
/// # Errors
/// As [`create`].
pub(super) fn created(book: &Book<'_>, args: &CreateArgs) -> anyhow::Result<(Secret, Terms)> {
    let office = book.office;
    let user = book.whose(args.user.as_deref())?;
    let scopes = scopes(&args.scopes)?;
    let repositories = patterns(&args.repositories)?;
    let note = bounded(args.note.as_ref(), "--note")?.map(Into::into);
    let lasts = lasts(book, args.duration.as_deref(), None)?;
    may_have(book, &user, &scopes)?;
    few_enough(book, &user)?;
    let now = office.sound_now()?;
    let by = office.caller.actor.to_string().into();
    let until = now + lasts;
    let terms = Terms { user, note, scopes, repositories, created: now, by, until };
    Ok((make(book, &terms, None)?, terms))
}

fn shown(
    book: &Book<'_>,
    (secret, terms): (&Secret, &Terms),
    old: Option<&TokenId>,
    out: &Out,
) -> anyhow::Result<Exit> {
    let url = book.settings()?.url.clone();
    show::secret(secret, terms, old, (url, book.office.here.settings().timezone), out);
    Ok(Exit::Done)
}

/// Makes a token in the place of another one.
///
/// # Errors
/// As [`create`]; the old one holds no more.
pub fn rotate(office: &Office<'_>, args: &RotateArgs, out: &Out) -> anyhow::Result<Exit> {
    let book = Book::open(office, Mode::Write, false)?;
    let old = book.token(&args.id)?;
    let now = office.sound_now()?;
    let longest = book.settings()?.max_lifetime;
    let standing = old.standing(now, Some(longest));
    if standing != Standing::Live {
        let words = format!("{}: it is {} already: make a new one", old.id, standing.word());
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let before = old.terms.until - old.terms.created;
    let lasts = lasts(&book, args.duration.as_deref(), Some(before))?;
    may_have(&book, &old.terms.user, &old.terms.scopes)?;
    let by = office.caller.actor.to_string().into();
    let terms = Terms { created: now, by, until: now + lasts, ..old.terms.clone() };
    let secret = make(&book, &terms, Some(&old))?;
    shown(&book, (&secret, &terms), Some(&old.id), out)
}

/// Makes a token of these terms, in the place of `old` where there is one.
fn make(book: &Book<'_>, terms: &Terms, old: Option<&Token>) -> anyhow::Result<Secret> {
    let now = terms.created;
    for turn in 0..TRIES {
        let id = TokenId::of(random::bytes());
        let secret = Secret::of(&id, &mut || {
            let [byte] = random::bytes();
            byte
        });
        let mut change = Change::default();
        change.created.push((id.clone(), terms.clone(), secret.hash()));
        let mut line = match old {
            None => book.line(Event::TOKEN_CREATED, &id, terms),
            Some(_) => book.line(Event::TOKEN_ROTATED, &id, terms),
        };
        if let Some(old) = old {
            let by = book.office.caller.actor.to_string();
            change.revoked.push((old.id.clone(), now, by));
            line = line.with("replaces", old.id.as_str());
        }
        match book.make(&change, &line, now) {
            Ok(_) => return Ok(secret),
            Err(LedgerError::Store(StoreError::Taken)) => pause(turn),
            Err(LedgerError::Store(StoreError::Moved)) => {
                let words = "somebody else has taken it back meanwhile: make a new one";
                return Err(Failure::new(Exit::Refused, words).into());
            }
            Err(error) => return Err(not_made(&error)),
        }
    }
    Err(Failure::new(Exit::Failed, "no free id was found: try again").into())
}

/// Takes tokens back.
///
/// # Errors
/// There is no such token, or it was taken back before; the store can't be written.
pub fn revoke(office: &Office<'_>, args: &RevokeArgs, out: &Out) -> anyhow::Result<Exit> {
    let book = Book::open(office, Mode::Write, true)?;
    let mut tokens = match &args.user {
        Some(name) => {
            let user = UserName::parse(name)
                .map_err(|error| Failure::new(Exit::Usage, format!("--user: {error}")))?;
            let all = book.seen(Some(&user))?;
            all.into_iter().filter(|token| token.revoked.is_none()).collect()
        }
        None => {
            let all: anyhow::Result<Vec<Token>> =
                args.ids.iter().map(|id| book.token(id)).collect();
            all?
        }
    };
    tokens.sort_by(|a, b| a.id.cmp(&b.id));
    tokens.dedup_by(|a, b| a.id == b.id);
    if tokens.is_empty() {
        view::say(out, "there is no such token");
        return Ok(Exit::Done);
    }
    let mut exit = Exit::Done;
    for token in &tokens {
        let ended = revoke_one(&book, token, out)?;
        if ended != Exit::Done {
            exit = ended;
        }
    }
    Ok(exit)
}

pub(super) fn revoke_one(book: &Book<'_>, token: &Token, out: &Out) -> anyhow::Result<Exit> {
    let id = &token.id;
    if let Some((at, by)) = &token.revoked {
        let at = view::time(*at, book.office.here.settings().timezone);
        view::note(out, format!("error: {id}: it was revoked by {by}, {at}"));
        return Ok(Exit::Refused);
    }
    let now = clock::now().wall;
    let by = book.office.caller.actor.to_string();
    let mut change = Change::default();
    change.revoked.push((id.clone(), now, by.clone()));
    let line = book.line(Event::TOKEN_REVOKED, id, &token.terms);
    let Made { unrecorded, .. } = match book.make(&change, &line, now) {
        Ok(made) => made,
        Err(LedgerError::Store(StoreError::Moved)) => {
            view::note(out, format!("{id}: somebody else has taken it back meanwhile"));
            return Ok(Exit::Done);
        }
        Err(error) => return Err(not_made(&error)),
    };
    if out.json {
        let revoked = Token { revoked: Some((now, by.into())), ..token.clone() };
        out.value(&show::json(&revoked, Standing::Revoked));
    } else {
        view::say(
            out,
            format!("{id}: revoked; {} opens no door with it any more", token.terms.user),
        );
    }
    let Some(error) = unrecorded else { return Ok(Exit::Done) };
    view::note(out, format!("it was done, but the trail has no line of it: {error}"));
    Ok(Exit::Unavailable)
}

fn scopes(words: &[String]) -> anyhow::Result<BTreeSet<Scope>> {
    if words.is_empty() {
        return Ok(Scope::DEFAULT.into());
    }
    let named = |word: &String| {
        Scope::named(word).ok_or_else(|| {
            let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.word()).collect();
            let words = format!("`{}` is no scope: {}", word.escape_debug(), all.join(", "));
            Failure::new(Exit::Usage, words).into()
        })
    };
    words.iter().map(named).collect()
}

fn patterns(texts: &[String]) -> anyhow::Result<Vec<Pattern>> {
    let usage = |words: String| anyhow::Error::from(Failure::new(Exit::Usage, words));
    if texts.len() > MOST_PATTERNS {
        return Err(usage(format!("a token has at most {MOST_PATTERNS} patterns")));
    }
    let read = |text: &String| {
        let pattern = wish::pattern(text.strip_suffix(".git").unwrap_or(text)).map_err(usage)?;
        match pattern.has_user() || pattern.has_issue() {
            true => Err(usage("a variable has no place in a repository's name".into())),
            false => Ok(pattern),
        }
    };
    texts.iter().map(read).collect()
}

/// How long the new token holds.
fn lasts(
    book: &Book<'_>,
    asked: Option<&str>,
    before: Option<TimeDelta>,
) -> anyhow::Result<TimeDelta> {
    let settings = book.settings()?;
    let (longest, usual) = (settings.max_lifetime, settings.default_lifetime);
    let asked = asked.map(|text| wish::span("--for", text)).transpose()?;
    match asked {
        Some(asked) if asked > longest => {
            let words = format!("--for: a token holds at most {longest} ([tokens] max-lifetime)");
            Err(Failure::new(Exit::Refused, words).into())
        }
        Some(asked) => Ok(asked.delta()),
        None => Ok(before.map_or(usual.delta(), |before| before.min(longest.delta()))),
    }
}

/// That this user may have a token of these scopes, made by whoever acts.
fn may_have(book: &Book<'_>, user: &UserName, scopes: &BTreeSet<Scope>) -> anyhow::Result<()> {
    book.may_make(user)?;
    if !scopes.contains(&Scope::Approve) {
        return Ok(());
    }
    let declared = book.office.people.active(user).map_err(damaged)?;
    if declared.is_some_and(|user| user.service) {
        let words = format!("{user} is a service, and services approve nothing");
        return Err(Failure::new(Exit::Refused, words).into());
    }
    let server = book.office.caller.actor.server.is_some();
    if server && !book.office.here.settings().access.server_approvals {
        let words = "no token that approves is made on this server ([access] server-approvals = \
                     false): each person makes their own over ssh";
        return Err(Failure::new(Exit::Refused, words).into());
    }
    Ok(())
}

fn few_enough(book: &Book<'_>, user: &UserName) -> anyhow::Result<()> {
    let (now, longest): (DateTime<Utc>, Option<Span>) =
        (clock::now().wall, Some(book.settings()?.max_lifetime));
    let all = book.seen(Some(user))?;
    if all.iter().filter(|token| token.holds(now, longest)).count() < MOST_LIVE {
        return Ok(());
    }
    let words = format!("{user} has {MOST_LIVE} tokens that hold: take some back first");
    Err(Failure::new(Exit::Refused, words).into())
}
