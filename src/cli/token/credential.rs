//! `token credential`: a credential helper of git's, which makes a token for the next hour.
//!
//! Knows git's lines and its three questions; every other is answered with nothing, as git wants it.
//! Source: gitcredentials(7) "CUSTOM HELPERS", git-credential(1) "INPUT/OUTPUT FORMAT".

use super::book::Book;
use super::make::{self, CreateArgs};
use super::{Exit, Failure, Office, Out, show};
use crate::os::files;
use crate::policy::name::UserName;
use crate::pusher::token::Secret;
use crate::store::open::Mode;

/// Longest input, in bytes.
const MAX_INPUT: usize = 64 * 1024;
/// What its tokens are for, in the words of a note: only such are taken back.
const NOTE: &str = "git credential";

/// Arguments of `token credential`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Where you have a key for ssh, in your own git configuration:\n  \
    [credential \"https://HOST\"]\n    \
    helper = cache --timeout=3000\n    \
    helper = !ssh -o BatchMode=yes git@HOST token credential\n\
    git adds get, store or erase.")]
pub struct CredentialArgs {
    /// What git asks for: `get` makes a token, `erase` takes that one back, all else does nothing.
    #[arg(value_name = "OPERATION")]
    operation: String,
    /// What the tokens are for; without any, read and push.
    #[arg(long = "scope", value_name = "WORD", num_args = 1, value_delimiter = ',')]
    scopes: Vec<String>,
    /// How long each holds.
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    duration: String,
}

/// What git asks about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    protocol: String,
    host: String,
    path: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Asked {
    /// Reads git's lines, up to an empty one; `None` where they are none of its.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut asked = Self::default();
        for line in std::str::from_utf8(bytes).ok()?.lines().take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=')?;
            let value = value.to_owned();
            match name {
                "protocol" => asked.protocol = value,
                "host" => asked.host = value,
                "path" => asked.path = Some(value),
                "username" => asked.username = Some(value),
                "password" => asked.password = Some(value),
                _ => {}
            }
        }
        Some(asked)
    }

    /// Whether it is about this server, as far as the policy says where that is (`[tokens] url`);
    /// never about one without TLS else.
    fn is_here(&self, url: Option<&str>) -> bool {
        match url {
            Some(url) => {
                let host =
                    url.strip_prefix(self.protocol.as_str()).and_then(|s| s.strip_prefix("://"));
                host.and_then(|rest| rest.split('/').next()) == Some(self.host.as_str())
            }
            None => self.protocol == "https",
        }
    }
}

/// Answers git.
///
/// # Errors
/// As `token create`: git then shows the words and asks its user.
pub fn answer(office: &Office<'_>, args: &CredentialArgs, out: &Out) -> anyhow::Result<Exit> {
    let input = match args.operation.as_str() {
        "get" | "erase" => files::read_stdin(MAX_INPUT)?,
        _ => return Ok(Exit::Done),
    };
    let asked = Asked::read(&input).ok_or_else(|| {
        Failure::new(Exit::Usage, "standard input is not git's `name=value` lines")
    })?;
    let book = Book::open(office, Mode::Write, args.operation == "erase")?;
    match args.operation.as_str() {
        "erase" => erase(&book, &asked),
        _ => get(&book, args, asked, out),
    }
}

fn get(book: &Book<'_>, args: &CredentialArgs, asked: Asked, out: &Out) -> anyhow::Result<Exit> {
    let user = book.whose(None)?;
    let other = |name: &String| UserName::parse(name).is_ok_and(|name| name != user);
    let url = book.settings()?.url.clone();
    if !asked.is_here(url.as_deref()) || asked.username.as_ref().is_some_and(other) {
        return Ok(Exit::Done);
    }
    let create = CreateArgs {
        user: None,
        scopes: args.scopes.clone(),
        repositories: asked.path.iter().cloned().collect(),
        duration: Some(args.duration.clone()),
        note: Some(NOTE.to_owned()),
    };
    let (secret, terms) = make::created(book, &create)?;
    let place = (asked.protocol.as_str(), asked.host.as_str());
    out.line(show::credential(place, &terms.user, &secret, terms.until).trim_end());
    Ok(Exit::Done)
}

/// Takes back a token that was made for git, by its secret.
fn erase(book: &Book<'_>, asked: &Asked) -> anyhow::Result<Exit> {
    let secret = asked.password.as_deref().and_then(|password| Secret::parse(password).ok());
    let Some(secret) = secret else { return Ok(Exit::Done) };
    let Ok(token) = book.token(secret.id().as_str()) else { return Ok(Exit::Done) };
    let same = book.store.find(secret.id()).ok().flatten();
    let same = same.is_some_and(|(_, hash)| hash == secret.hash());
    if same && token.terms.note.as_deref() == Some(NOTE) && token.revoked.is_none() {
        return make::revoke_one(book, &token, &Out::keeping());
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_writes_is_read_up_to_the_empty_line() {
        let text = "capability[]=authtype\nprotocol=https\nhost=git.test:8443\npath=a.git\n\
                    username=bob\npassword=a=b\n\nhost=other\n";
        let asked = Asked::read(text.as_bytes()).unwrap();
        assert_eq!(
            (asked.host.as_str(), asked.password.as_deref()),
            ("git.test:8443", Some("a=b"))
        );
        assert_eq!(
            (asked.path.as_deref(), asked.username.as_deref()),
            (Some("a.git"), Some("bob"))
        );
        assert!(Asked::read(b"nonsense\n").is_none() && Asked::read(b"a=\xff\n").is_none());
    }

    #[test]
    fn no_token_is_made_for_another_server_or_for_one_without_tls() {
        let asked = |protocol: &str, host: &str| Asked {
            protocol: protocol.into(),
            host: host.into(),
            ..Asked::default()
        };
        let url = Some("https://git.test/");
        assert!(asked("https", "git.test").is_here(url));
        for (protocol, host) in [
            ("http", "git.test"),
            ("https", "git.test.evil"),
            ("https", "git.tes"),
            ("", ""),
            ("https", ""),
        ] {
            assert!(!asked(protocol, host).is_here(url), "{protocol} {host}");
        }
        assert!(
            asked("https", "any.test").is_here(None) && !asked("http", "any.test").is_here(None)
        );
        assert!(asked("http", "127.0.0.1:80").is_here(Some("http://127.0.0.1:80")));
    }
}
