//! Requests to whichever member answers: endpoints in turn, within one deadline.
//!
//! Knows HTTP, TLS, logging in and which answers another member might give otherwise; not what is
//! asked. A member that hangs gets its share of the time and no more; the next call begins with the
//! member that answered last.

use super::super::access::StoreError;
use super::files;
use crate::os::clock;
use crate::policy::model::SharedStore;
use crate::text::Safe;
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use ureq::Agent;
use ureq::http::StatusCode;

/// Longest answer, in bytes.
const MAX_ANSWER: u64 = 32 << 20;
/// Between two rounds over all members.
const PAUSE: Duration = Duration::from_millis(50);

/// The members, and what was learnt about them.
pub struct Client {
    shared: SharedStore,
    account_uid: u32,
    deadline: Duration,
    agent: OnceLock<Agent>,
    first: AtomicUsize,
    token: Mutex<Option<String>>,
}

impl fmt::Debug for Client {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// Why a request came to nothing.
#[derive(Debug)]
pub enum Refused {
    /// etcd's definite answer: it would not be another elsewhere or later.
    Answer(Status),
    /// All else, fit to be told.
    Store(StoreError),
}

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

/// One member's answer.
enum Attempt {
    /// Try the next one.
    Next(String),
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

    fn attempt(self) -> Attempt {
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
            _ => Attempt::Next(self.message),
        }
    }
}

impl Client {
    /// Nothing is read or connected yet.
    pub fn new(shared: &SharedStore, account_uid: u32, deadline: Duration) -> Self {
        Self {
            shared: shared.clone(),
            account_uid,
            deadline,
            agent: OnceLock::new(),
            first: AtomicUsize::new(0),
            token: Mutex::new(None),
        }
    }

    /// When a call that begins now has to be over, by the boot clock.
    pub fn until(&self) -> Duration {
        clock::now().boot.saturating_add(self.deadline)
    }

    /// The endpoints, for words.
    pub fn at(&self) -> String {
        self.shared.endpoints.join(", ")
    }

    /// [`StoreError::Unavailable`] with these words.
    pub fn unavailable(&self, reason: impl AsRef<[u8]>) -> StoreError {
        let reason = Safe::new(reason.as_ref(), 300).as_str().to_owned();
        StoreError::Unavailable { at: self.at(), reason }
    }

    /// Posts `body` to one member after the other until one answers, at most until `until`. What
    /// is asked must bear being done twice: a member may do it and its answer be lost.
    pub fn post(&self, path: &str, body: &str, until: Duration) -> Result<Vec<u8>, Refused> {
        let first = self.first.load(Ordering::Relaxed);
        let mut said = "no answer in time".to_owned();
        for turn in 0_usize.. {
            let left = until.saturating_sub(clock::now().boot);
            if left.is_zero() {
                break;
            }
            let at = first.wrapping_add(turn) % self.shared.endpoints.len().max(1);
            match self.ask(at, path, body, self.share(turn, left))? {
                Ok(answer) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(why) => said = why,
            }
            if self.ends_round(turn) {
                std::thread::sleep(PAUSE.min(until.saturating_sub(clock::now().boot)));
            }
        }
        Err(Refused::Store(self.unavailable(said)))
    }

    fn ends_round(&self, turn: usize) -> bool {
        let members = self.shared.endpoints.len().max(1);
        turn % members == members - 1
    }

    /// Half of the deadline is for members that hang, evenly; the last of a round gets what is left,
    /// so that a cluster that is slow as a whole still has time to answer.
    fn share(&self, turn: usize, left: Duration) -> Duration {
        if self.ends_round(turn) {
            return left;
        }
        let members = u32::try_from(self.shared.endpoints.len().max(1)).unwrap_or(u32::MAX);
        left.min(self.deadline / members.saturating_mul(2))
    }

    /// Asks one member; logs in where that is needed, and once more where the token has ended.
    fn ask(
        &self,
        at: usize,
        path: &str,
        body: &str,
        share: Duration,
    ) -> Result<Result<Vec<u8>, String>, Refused> {
        let end = clock::now().boot.saturating_add(share);
        let mut fresh = false;
        loop {
            let token = match self.token(at, end, &mut fresh)? {
                Ok(token) => token,
                Err(why) => return Ok(Err(why)),
            };
            match self.send(at, path, body, token.as_deref(), end)? {
                Ok(answer) => return Ok(Ok(answer)),
                Err(Attempt::Next(why)) => return Ok(Err(why)),
                Err(Attempt::Login(_)) if self.shared.login.is_some() && !fresh => {
                    *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                Err(Attempt::Final(status) | Attempt::Login(status)) => {
                    return Err(Refused::Answer(status));
                }
            }
        }
    }

    /// The token, fetched unless there is one; `None` where no login is set.
    fn token(
        &self,
        at: usize,
        end: Duration,
        fresh: &mut bool,
    ) -> Result<Result<Option<String>, String>, Refused> {
        #[derive(Deserialize)]
        struct Given {
            token: String,
        }
        let Some((user, file)) = &self.shared.login else { return Ok(Ok(None)) };
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_some() {
            return Ok(Ok(kept.clone()));
        }
        let password =
            files::password(Path::new(&**file), self.account_uid).map_err(Refused::Store)?;
        let body = json!({"name": user, "password": password}).to_string();
        match self.send(at, "/v3/auth/authenticate", &body, None, end)? {
            Ok(answer) => {
                let given: Given = serde_json::from_slice(&answer)
                    .map_err(|_| Refused::Store(self.unavailable("no token after logging in")))?;
                *fresh = true;
                kept.clone_from(&Some(given.token));
                Ok(Ok(kept.clone()))
            }
            Err(Attempt::Next(why)) => Ok(Err(why)),
            Err(Attempt::Final(status) | Attempt::Login(status)) => {
                let words = format!("user `{user}` can't log in: {}", status.message);
                Err(Refused::Store(self.unavailable(words)))
            }
        }
    }

    fn send(
        &self,
        at: usize,
        path: &str,
        body: &str,
        token: Option<&str>,
        end: Duration,
    ) -> Result<Result<Vec<u8>, Attempt>, Refused> {
        let agent = self.agent().map_err(Refused::Store)?;
        let Some(endpoint) = self.shared.endpoints.get(at) else {
            return Err(Refused::Store(self.unavailable("no endpoint is configured")));
        };
        let left = end.saturating_sub(clock::now().boot).max(Duration::from_millis(1));
        let url = format!("{}{path}", endpoint.trim_end_matches('/'));
        let mut request = agent.post(url).config().timeout_global(Some(left)).build();
        if let Some(token) = token {
            request = request.header("Authorization", token);
        }
        let request = request.header("Content-Type", "application/json");
        let next = |error: ureq::Error| Attempt::Next(format!("{endpoint}: {error}"));
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return Ok(Err(next(error))),
        };
        let answer = match response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec() {
            Ok(answer) => answer,
            Err(ureq::Error::BodyExceedsLimit(_)) => return Err(Refused::Answer(Status::long())),
            Err(error) => return Ok(Err(next(error))),
        };
        Ok(self.judge(endpoint, response.status(), answer))
    }

    fn judge(&self, endpoint: &str, http: StatusCode, answer: Vec<u8>) -> Result<Vec<u8>, Attempt> {
        if http == StatusCode::OK {
            return Ok(answer);
        }
        match serde_json::from_slice::<Status>(&answer) {
            Ok(status) if status.code != 0 => Err(status.attempt()),
            // Not the gateway's words but those of the member's front.
            _ if http == StatusCode::BAD_REQUEST => {
                let message = Safe::new(answer.trim_ascii(), 200).as_str().to_owned();
                Err(Attempt::Final(Status { code: code::INVALID, message }))
            }
            _ => Err(Attempt::Next(format!("{endpoint}: HTTP status {http}"))),
        }
    }

    /// Files are read once, at the first request.
    fn agent(&self) -> Result<&Agent, StoreError> {
        if let Some(agent) = self.agent.get() {
            return Ok(agent);
        }
        self.check_endpoints()?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections_per_host(1)
            .user_agent("refwarden")
            .no_delay(true);
        if self.shared.endpoints.iter().any(|one| one.starts_with("https://")) {
            config = config.tls_config(files::tls(&self.shared, self.account_uid)?);
        }
        Ok(self.agent.get_or_init(|| config.build().new_agent()))
    }

    /// A password crosses no network in the clear.
    fn check_endpoints(&self) -> Result<(), StoreError> {
        for endpoint in &self.shared.endpoints {
            let plain = endpoint.strip_prefix("http://");
            if plain.is_none() && !endpoint.starts_with("https://") {
                return Err(self.unavailable("an endpoint begins with https:// or http://"));
            }
            if self.shared.login.is_some() && plain.is_some_and(|host| !is_here(host)) {
                let words = format!("no password is sent to {endpoint} without TLS");
                return Err(self.unavailable(words));
            }
        }
        Ok(())
    }
}

impl Status {
    /// An answer past [`MAX_ANSWER`].
    fn long() -> Self {
        Self { code: 0, message: format!("the answer is longer than {MAX_ANSWER} bytes") }
    }

    /// Whether the answer was too long to be read: fewer things at once may fit.
    #[must_use]
    pub fn is_long(&self) -> bool {
        self.code == 0
    }
}

/// Whether `host[:port][/…]` is this machine.
fn is_here(host: &str) -> bool {
    let host = host.split('/').next().unwrap_or(host);
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => name,
        Some((name, port)) if port.starts_with(':') => name,
        Some(_) => return false,
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_to_this_machine_alone_without_tls() {
        for here in ["127.0.0.1:2379", "127.0.0.1", "[::1]:2379", "localhost:2379/x"] {
            assert!(is_here(here), "{here}");
        }
        for away in [
            "127.0.0.1.example.org",
            "localhost.example.org",
            "[::1].example.org",
            "127.0.0.1@x",
            "",
        ] {
            assert!(!is_here(away), "{away}");
        }
    }

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
