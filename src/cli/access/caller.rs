//! Who uses a verb, and by which door.
//!
//! Knows nothing of what they may do. A door (ssh, HTTP) names the person; on the server itself root
//! and the hosting account act as such, or for a person whom they name with `--as`.

use crate::access::Actor;
use crate::policy::name::UserName;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// As events, the trail and notices have it.
    pub actor: Actor,
}

impl Caller {
    /// Root or the hosting account (`root@host`), for a person where one is named.
    #[must_use]
    pub fn on_server(server: String, user: Option<UserName>) -> Self {
        Self { actor: Actor { user, server: Some(server), ..Actor::default() } }
    }

    /// A person whom a door let in: by which `source`, with which key, from where.
    #[must_use]
    pub fn at_door(
        user: UserName,
        source: String,
        key: Option<String>,
        address: Option<String>,
    ) -> Self {
        Self { actor: Actor { user: Some(user), source: Some(source), key, address, server: None } }
    }

    /// The person who acts, or is acted for; `None` is the server itself.
    #[must_use]
    pub fn person(&self) -> Option<&UserName> {
        self.actor.user.as_ref()
    }

    /// Whether the server itself acts: it may list, show, take away, lock and export.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.actor.user.is_none() && self.actor.server.is_some()
    }

    /// Whether the server acts for a person.
    #[must_use]
    pub fn stands_in(&self) -> bool {
        self.actor.user.is_some() && self.actor.server.is_some()
    }
}
