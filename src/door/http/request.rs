//! A request, out of the variables of a CGI (RFC 3875).
//!
//! Knows the addresses of git-http-backend and which methods they take; whatever is not in that
//! table is not there. Does not know which repositories exist, nor who is asking: credentials are
//! read here and judged elsewhere. `HTTP_*` are the client's words and are taken for no more.

use super::credentials::Credentials;
use crate::door::serve::Service;
use std::net::IpAddr;

/// Longest path, in bytes.
pub const MAX_PATH: usize = 2048;
/// Longest query, in bytes.
pub const MAX_QUERY: usize = 2048;
/// Where refwarden's own interface for programs lies.
pub const API: &[u8] = b"/-/refwarden/v1/";

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// For what.
    pub wanted: Wanted,
    /// The query, as it came.
    pub query: Vec<u8>,
    /// What the client says of itself.
    pub credentials: Credentials,
    /// Whom the web server's own login named. Counts only where the policy says so.
    pub remote_user: Option<Vec<u8>>,
    /// The client's address, as far as the web server knows it.
    pub address: Option<IpAddr>,
    /// Whether the web server says that it took the request over TLS.
    pub is_encrypted: bool,
    /// What the client calls this attempt, for refwarden's own interface.
    pub idempotency_key: Option<Vec<u8>>,
    /// The version of git's protocol that is asked for, as it came.
    pub protocol: Option<Vec<u8>>,
    /// The body that follows.
    pub body: Body,
}

/// A method that some address takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`, which no address takes.
    Put,
    /// `DELETE`, which no address takes.
    Delete,
}

impl Method {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let all = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete];
        all.into_iter().find(|method| method.as_str().as_bytes() == text)
    }
}

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Something of a repository.
    Git {
        /// The repository's name as the client gives it: without the first `/`, never empty.
        repository: Vec<u8>,
        /// What of it.
        part: Part,
    },
    /// Refwarden's own interface: what follows [`API`].
    Api(Vec<u8>),
}

/// What is wanted of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `info/refs?service=…`: what refs there are, as a service begins.
    Advertisement(Service),
    /// The service itself: a request is posted, an answer comes back.
    Exchange(Service),
    /// A file, as clients without git's own protocol read: path below the git directory.
    File(Vec<u8>),
}

impl Part {
    /// The service whose rules apply; files are read like a fetch.
    #[must_use]
    pub const fn service(&self) -> Service {
        match self {
            Self::Advertisement(service) | Self::Exchange(service) => *service,
            Self::File(_) => Service::UploadPack,
        }
    }

    /// Its path below the repository, with the `/` before it.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        match self {
            Self::Advertisement(_) => b"/info/refs".to_vec(),
            Self::Exchange(service) => format!("/git-{}", service.command()).into_bytes(),
            Self::File(path) => [b"/", path.as_slice()].concat(),
        }
    }

    /// The query that says the same, rebuilt.
    #[must_use]
    pub fn query(&self) -> String {
        match self {
            Self::Advertisement(service) => format!("service=git-{}", service.command()),
            Self::Exchange(_) | Self::File(_) => String::new(),
        }
    }
}

/// What is said of the body. Its bytes are on standard input and nobody here touches them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Its length in bytes; `None` where it comes in chunks, or there is none.
    pub length: Option<u64>,
    /// Its type, as it came.
    pub content_type: Vec<u8>,
    /// Whether it is packed by gzip.
    pub is_gzip: bool,
}

/// Why a request is none that can be answered; the same for every repository, there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Not run by a web server.
    #[error("there is no request: a web server runs this as a CGI")]
    NoRequest,
    /// The path or the query is malformed or over-long.
    #[error("the address is malformed")]
    Address,
    /// No such address.
    #[error("there is nothing at this address")]
    NoSuchAddress,
    /// The address is there and takes another method.
    #[error("this address takes {0}")]
    Method(&'static str),
    /// The length of the body is no number.
    #[error("the length of the body is malformed")]
    Length,
    /// The body is of another type than the service takes, or packed in a way git does not know.
    #[error("the body is not what this address takes")]
    Type,
}

type Variables<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

impl Request {
    /// Reads a request out of the variables of a CGI.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn parse(variable: Variables<'_>) -> Result<Self, Bad> {
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        let method = filled("REQUEST_METHOD").ok_or(Bad::NoRequest)?;
        let path = filled("PATH_INFO").unwrap_or_default();
        let query = filled("QUERY_STRING").unwrap_or_default();
        let wanted = wanted(&path, &query)?;
        let method = fitting(&method, &wanted)?;
        let body = body(&filled)?;
        check_type(&wanted, &body)?;
        Ok(Self {
            method,
            wanted,
            query,
            credentials: Credentials::parse(filled("HTTP_AUTHORIZATION").as_deref()),
            remote_user: filled("REMOTE_USER"),
            address: filled("REMOTE_ADDR").and_then(|text| address(&text)),
            is_encrypted: is_encrypted(&filled),
            idempotency_key: filled("HTTP_IDEMPOTENCY_KEY"),
            protocol: filled("HTTP_GIT_PROTOCOL"),
            body,
        })
    }
}

fn wanted(path: &[u8], query: &[u8]) -> Result<Wanted, Bad> {
    if path.len() > MAX_PATH || query.len() > MAX_QUERY {
        return Err(Bad::Address);
    }
    if path.iter().chain(query).any(u8::is_ascii_control) {
        return Err(Bad::Address);
    }
    let below = path.strip_prefix(b"/").ok_or(Bad::Address)?;
    if let Some(rest) = path.strip_prefix(API) {
        return Ok(Wanted::Api(rest.to_vec()));
    }
    // What two programs may read in two ways is refused before either does.
    let is_plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
    if !below.split(|byte| *byte == b'/').all(is_plain) {
        return Err(Bad::Address);
    }
    for (at, _) in below.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let (repository, rest) = below.split_at(at);
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        // No tail that means something ends another one that does: there is one reading at most.
        if let Some(part) = part(rest, query)? {
            return Ok(Wanted::Git { repository: repository.to_vec(), part });
        }
    }
    Err(Bad::NoSuchAddress)
}

/// The table of git-http-backend.
fn part(tail: &[u8], query: &[u8]) -> Result<Option<Part>, Bad> {
    if tail == b"info/refs" {
        return advertisement(query).map(Some);
    }
    if let Some(service) = Service::named(tail) {
        return Ok(Some(Part::Exchange(service)));
    }
    Ok(is_file(tail).then(|| Part::File(tail.to_vec())))
}

/// `info/refs` with one service, or with none: then it is a file.
fn advertisement(query: &[u8]) -> Result<Part, Bad> {
    let parameters = query.split(|byte| *byte == b'&');
    let mut services = parameters.filter_map(|one| {
        let name = one.split(|byte| *byte == b'=').next()?;
        // Names that only look like it after decoding are as ambiguous as two of them.
        (name == b"service" || name.contains(&b'%')).then_some(one)
    });
    let Some(service) = services.next() else { return Ok(Part::File(b"info/refs".to_vec())) };
    if services.next().is_some() {
        return Err(Bad::Address);
    }
    let name = service.strip_prefix(b"service=").ok_or(Bad::Address)?;
    Service::named(name).map(Part::Advertisement).ok_or(Bad::NoSuchAddress)
}

/// Files that git-http-backend hands out.
fn is_file(tail: &[u8]) -> bool {
    const PLAIN: [&[u8]; 4] = [
        b"HEAD",
        b"objects/info/alternates",
        b"objects/info/http-alternates",
        b"objects/info/packs",
    ];
    if PLAIN.contains(&tail) {
        return true;
    }
    let Some(object) = tail.strip_prefix(b"objects/") else { return false };
    let is_id = |text: &[u8], lengths: [usize; 2]| {
        lengths.contains(&text.len())
            && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if let Some(pack) = object.strip_prefix(b"pack/pack-") {
        let id = pack.strip_suffix(b".pack").or_else(|| pack.strip_suffix(b".idx"));
        return id.is_some_and(|id| is_id(id, [40, 64]));
    }
    match object.split_at_checked(2) {
        Some((folder, rest)) => {
            let rest = rest.strip_prefix(b"/").unwrap_or_default();
            is_id(folder, [2, 2]) && is_id(rest, [38, 62])
        }
        None => false,
    }
}

fn fitting(method: &[u8], wanted: &Wanted) -> Result<Method, Bad> {
    let method = Method::parse(method);
    let (fits, takes): (&[Method], _) = match wanted {
        Wanted::Git { part: Part::Exchange(_), .. } => (&[Method::Post], "POST"),
        Wanted::Git { .. } => (&[Method::Get, Method::Head], "GET, HEAD"),
        Wanted::Api(_) => (
            &[Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete],
            "GET, HEAD, POST",
        ),
    };
    method.filter(|method| fits.contains(method)).ok_or(Bad::Method(takes))
}

fn body(filled: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Body, Bad> {
    let length = filled("CONTENT_LENGTH").map(|text| {
        let digits = text.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(&text).ok().filter(|_| digits);
        text.and_then(|text| text.parse().ok()).ok_or(Bad::Length)
    });
    let is_gzip = match filled("HTTP_CONTENT_ENCODING").as_deref() {
        None | Some(b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Err(Bad::Type),
    };
    let content_type = filled("CONTENT_TYPE").unwrap_or_default();
    Ok(Body { length: length.transpose()?, content_type, is_gzip })
}

/// A service takes one type, as git-http-backend says it.
fn check_type(wanted: &Wanted, body: &Body) -> Result<(), Bad> {
    let Wanted::Git { part: Part::Exchange(service), .. } = wanted else { return Ok(()) };
    match body.content_type == content_type(*service).as_bytes() {
        true => Ok(()),
        false => Err(Bad::Type),
    }
}

/// The type of a request to a service.
#[must_use]
pub fn content_type(service: Service) -> String {
    format!("application/x-git-{}-request", service.command())
}

fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_encrypted(filled: &dyn Fn(&str) -> Option<Vec<u8>>) -> bool {
    filled("HTTPS").is_some_and(|value| value.eq_ignore_ascii_case(b"on"))
        || filled("REQUEST_SCHEME").as_deref() == Some(b"https")
}

#[cfg(test)]
mod tests;
