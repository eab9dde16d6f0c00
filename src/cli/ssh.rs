//! `refwarden ssh`: the forced command, for what the doors' own program does not do by itself: git
//! where the store has to be asked, and refwarden's own verbs.
//!
//! [`verbs`] has what people may ask for, [`page`] what they see who ask for nothing.

mod page;
mod verbs;

use super::exit::Exit;
use crate::door::rest::Rest;
use crate::door::ssh::line::Line;
use crate::door::ssh::login::Login;
use crate::door::ssh::session;
use chrono::{DateTime, Utc};

/// Arguments of `ssh`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "In authorized_keys, one line a key (or let `refwarden ssh-keys` write them):\n  \
    restrict,command=\"/usr/local/lib/refwarden/door ssh bob --key SHA256:...\" ssh-ed25519 AAAA...\n\
    People then use:  git clone ssh://git@HOST/NAME   and:  ssh git@HOST help"
)]
pub struct Args {
    /// Whose key it is: the user's name in the policy.
    user: String,
    /// The key's fingerprint; it must still be that user's in the applied policy.
    #[arg(long, value_name = "FINGERPRINT")]
    key: Option<String>,
    /// The authority's fingerprint, where a certificate opened the door; it must still be listed.
    #[arg(long, value_name = "FINGERPRINT", requires_all = ["key", "principal"])]
    ca: Option<String>,
    /// The certificate's principal; it must still be that user's in the applied policy.
    #[arg(long, value_name = "NAME", requires = "ca", allow_hyphen_values = true)]
    principal: Option<String>,
    /// The certificate's end: from then on nothing is let through.
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    until: Option<DateTime<Utc>>,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|error| error.to_string())?;
    Ok(time.with_timezone(&Utc))
}

/// Runs the verb; git takes this process's place where it is served.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let asked = session::asked();
    let Args { user, key, ca, principal, until } = args.clone();
    let login = Login { user, key, ca, principal, until };
    let answered =
        session::answer(&Rest::WHOLE, &login, &asked, |desk, visitor, line| match line {
            Line::Verb(words) => verbs::run(desk, visitor, &words),
            Line::Nothing | Line::Git(..) => {
                verbs::guarded(desk, false, || page::show(desk, visitor))
            }
        });
    answered.unwrap_or_else(|no| {
        no.tell(&asked);
        match no.status() {
            2 => Exit::Usage,
            7 => Exit::Unavailable,
            _ => Exit::Refused,
        }
    })
}
