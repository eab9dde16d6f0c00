//! `token list` and `show`, and the one time that a secret is shown.

use super::book::Book;
use super::{Exit, Office, Out};
use crate::cli::access::view;
use crate::os::clock;
use crate::policy::name::UserName;
use crate::policy::window::Zone;
use crate::pusher::token::{Scope, Secret, Standing, Terms, Token, TokenId};
use crate::store::open::Mode;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Arguments of `token list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden token list --as alice")]
pub struct ListArgs {
    /// Only this user's.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Those that ended or were revoked as well.
    #[arg(long)]
    all: bool,
}

/// Arguments of `token show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: refwarden token show 7f3k92qd")]
pub struct ShowArgs {
    /// The token, its id whole.
    id: String,
}

/// Lists tokens.
///
/// # Errors
/// The store can't be read.
pub fn list(office: &Office<'_>, args: &ListArgs, out: &Out) -> anyhow::Result<Exit> {
    let book = Book::open(office, Mode::Read, false)?;
    let user = args.user.as_deref().map(|name| book.user(name)).transpose()?;
    let mut any = false;
    for token in book.seen(user.as_ref())? {
        let standing = standing(office, &token);
        if !args.all && standing != Standing::Live {
            continue;
        }
        any = true;
        if out.json {
            out.value(&json(&token, standing));
        } else {
            view::say(out, line(&token, standing, office.here.settings().timezone));
        }
    }
    if !any && !out.json {
        view::say(out, "no tokens");
    }
    Ok(Exit::Done)
}

/// Shows one token.
///
/// # Errors
/// There is none of that id, or it is not theirs to see.
pub fn show(office: &Office<'_>, args: &ShowArgs, out: &Out) -> anyhow::Result<Exit> {
    let book = Book::open(office, Mode::Read, false)?;
    let token = book.token(&args.id)?;
    let standing = standing(office, &token);
    if out.json {
        out.value(&json(&token, standing));
        return Ok(Exit::Done);
    }
    let time = |at| view::time(at, office.here.settings().timezone);
    let terms = &token.terms;
    let say = |name: &str, text: String| view::say(out, format!("{name:<13}{text}"));
    say("token", format!("{} ({})", token.id, standing.word()));
    say("user", terms.user.to_string());
    say("scopes", scopes(terms));
    say("repositories", places(terms));
    if let Some(note) = &terms.note {
        say("note", view::quoted(note));
    }
    say("made", format!("{} by {}", time(terms.created), terms.by));
    say("ends", time(ends(office, &token)));
    say("last used", token.last_used.map_or("never".into(), time));
    if let Some((at, by)) = &token.revoked {
        say("revoked", format!("{} by {by}", time(*at)));
    }
    Ok(Exit::Done)
}

fn standing(office: &Office<'_>, token: &Token) -> Standing {
    let tokens = office.here.settings().tokens.as_ref();
    token.standing(clock::now().wall, tokens.map(|tokens| tokens.max_lifetime))
}

/// When it ends by the policy of now.
fn ends(office: &Office<'_>, token: &Token) -> DateTime<Utc> {
    let tokens = office.here.settings().tokens.as_ref();
    tokens.map_or(token.terms.until, |tokens| token.ends(tokens.max_lifetime))
}

fn line(token: &Token, standing: Standing, zone: Zone) -> String {
    let terms = &token.terms;
    let mut line = format!(
        "{}  {}  {}  {}  {}  until {}",
        token.id,
        standing.word(),
        terms.user,
        scopes(terms),
        places(terms),
        view::time(terms.until, zone)
    );
    if let Some(note) = &terms.note {
        line = format!("{line}  {}", view::quoted(note));
    }
    line
}

fn scopes(terms: &Terms) -> String {
    let words: Vec<&str> = terms.scopes.iter().map(|scope| scope.word()).collect();
    words.join(",")
}

fn places(terms: &Terms) -> String {
    let texts: Vec<&str> = terms.repositories.iter().map(|pattern| pattern.text()).collect();
    if texts.is_empty() { "everywhere".into() } else { texts.join(", ") }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A token for programs; the fields are stable. Nothing of its secret is in it.
pub(super) fn json(token: &Token, standing: Standing) -> Value {
    let mut value = of_terms(&token.id, &token.terms);
    if let Some(object) = value.as_object_mut() {
        object.insert("state".into(), standing.word().into());
        object.insert("last_used".into(), token.last_used.map(stamp).into());
        let revoked = token.revoked.as_ref().map(|(at, by)| json!({ "at": stamp(*at), "by": by }));
        object.insert("revoked".into(), revoked.into());
    }
    value
}

fn of_terms(id: &TokenId, terms: &Terms) -> Value {
    let places: Vec<&str> = terms.repositories.iter().map(|pattern| pattern.text()).collect();
    json!({
        "id": id.as_str(), "user": terms.user.as_str(), "note": terms.note,
        "scopes": terms.scopes, "repositories": places,
        "created": stamp(terms.created), "by": terms.by, "until": stamp(terms.until),
    })
}

/// Shows a secret, once, with what git's credential helpers take it by.
pub(super) fn secret(
    secret: &Secret,
    terms: &Terms,
    replaces: Option<&TokenId>,
    (url, zone): (Option<Box<str>>, Zone),
    out: &Out,
) {
    let (protocol, host) = match url.as_deref().and_then(|url| url.split_once("://")) {
        Some((protocol, host)) => (protocol, host),
        None => ("https", "HOST"),
    };
    let credential = credential((protocol, host), &terms.user, secret, terms.until);
    if out.json {
        let mut value = of_terms(secret.id(), terms);
        if let Some(object) = value.as_object_mut() {
            object.insert("secret".into(), secret.reveal().into());
            object.insert("replaces".into(), replaces.map(TokenId::as_str).into());
            object.insert("credential".into(), credential.into());
        }
        out.value(&value);
        return;
    }
    view::say(
        out,
        format!(
            "token {} of {}: {}; {}; until {}",
            secret.id(),
            terms.user,
            scopes(terms),
            places(terms),
            view::time(terms.until, zone)
        ),
    );
    if let Some(old) = replaces {
        view::say(out, format!("it takes the place of {old}, which is revoked"));
    }
    view::say(out, "its secret is shown this once:");
    out.line("");
    out.line(secret.reveal());
    out.line("");
    if !terms.scopes.contains(&Scope::Read) && !terms.scopes.contains(&Scope::Push) {
        view::say(out, "it is for the interface of programs, not for git: Authorization: Bearer");
        return;
    }
    view::say(out, "give it to the credential helper of your git, which forgets it at its end:");
    out.line("");
    out.line("git credential approve <<'END'");
    out.line(format!("{credential}END"));
}

/// The lines of git's credential protocol; git passes over a password whose time has passed.
pub(super) fn credential(
    (protocol, host): (&str, &str),
    user: &UserName,
    secret: &Secret,
    until: DateTime<Utc>,
) -> String {
    format!(
        "protocol={protocol}\nhost={host}\nusername={user}\npassword={}\npassword_expiry_utc={}\n",
        secret.reveal(),
        until.timestamp()
    )
}
