//! Errors of the gateway, and whether another member might answer otherwise.
//!
//! Knows gRPC's codes and etcd's words for them, after its `api/v3rpc/rpctypes/error.go`.

use serde::Deserialize;

/// An error as the gateway words it.
#[derive(Debug, Default, Deserialize)]
pub struct Status {
    /// gRPC's number of it.
    #[serde(default)]
    pub code: u32,
    /// etcd's words.
    #[serde(default)]
    pub message: String,
}

/// gRPC's codes, as far as they tell what to do next.
mod code {
    pub const INVALID: u32 = 3;
    pub const DENIED: u32 = 7;
    pub const EXHAUSTED: u32 = 8;
    pub const PRECONDITION: u32 = 9;
    pub const OUT_OF_RANGE: u32 = 11;
    pub const UNAUTHENTICATED: u32 = 16;
}

/// What one member's answer calls for.
#[derive(Debug)]
pub enum Attempt {
    /// Try the next one; why, unless it is that time ran out.
    Next(Option<String>),
    /// The login is not, or no longer, accepted.
    Login(Status),
    /// It is final.
    Final(Status),
}

impl Status {
    /// Whether what was asked for at an old revision is gone.
    #[must_use]
    pub fn is_compacted(&self) -> bool {
        self.code == code::OUT_OF_RANGE
    }

    /// What to do about it.
    pub fn attempt(self) -> Attempt {
        let login = ["auth store is old", "user name is empty", "invalid auth token"];
        if self.code == code::UNAUTHENTICATED || login.iter().any(|one| self.message.contains(one))
        {
            return Attempt::Login(self);
        }
        let full = self.code == code::EXHAUSTED && self.message.contains("space");
        match self.code {
            code::INVALID | code::DENIED | code::PRECONDITION | code::OUT_OF_RANGE => {
                Attempt::Final(self)
            }
            _ if full => Attempt::Final(self),
            _ => Attempt::Next(Some(self.message)),
        }
    }

    /// An answer past this many bytes.
    pub fn long(most: u64) -> Self {
        Self { code: 0, message: format!("the answer is longer than {most} bytes") }
    }

    /// Words that were not the gateway's.
    pub fn invalid(message: String) -> Self {
        Self { code: code::INVALID, message }
    }

    /// Whether the answer was too long to be read: fewer things at once may fit.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.code == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_member_may_answer_otherwise_is_asked_there() {
        let status = |code, message: &str| Status { code, message: message.into() };
        for (code, message) in [
            (14, "etcdserver: no leader"),
            (4, "context deadline exceeded"),
            (2, "etcdserver: leader changed"),
            (8, "etcdserver: too many requests"),
        ] {
            assert!(matches!(status(code, message).attempt(), Attempt::Next(_)), "{message}");
        }
        for (code, message) in [
            (3, "etcdserver: request is too large"),
            (7, "etcdserver: permission denied"),
            (8, "etcdserver: mvcc: database space exceeded"),
            (11, "etcdserver: mvcc: required revision has been compacted"),
        ] {
            assert!(matches!(status(code, message).attempt(), Attempt::Final(_)), "{message}");
        }
        for (code, message) in [
            (16, "etcdserver: invalid auth token"),
            (3, "etcdserver: revision of auth store is old"),
            (3, "etcdserver: user name is empty"),
        ] {
            assert!(matches!(status(code, message).attempt(), Attempt::Login(_)), "{message}");
        }
    }
}
