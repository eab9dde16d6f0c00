//! Requests to the HTTP door: an address is read as git-http-backend reads it, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refwarden::door::http::credentials::Credentials;
use refwarden::door::http::request::{API, Bad, MAX_PATH, MAX_QUERY, Method, Part, Request, Wanted};
use refwarden_fuzz::{is_plain, parts};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// Every expression of git-http-backend's table, with the methods that it is for.
static TABLE: LazyLock<[(Regex, bool); 4]> = LazyLock::new(|| {
    let hex = |n: u8| format!("[0-9a-f]{{{n}}}");
    let files = format!(
        "/(HEAD|info/refs|objects/info/(http-)?alternates|objects/info/packs|objects/[0-9a-f]{{2}}/({}|{})|objects/pack/pack-({}|{})\\.(pack|idx))",
        hex(38), hex(62), hex(40), hex(64)
    );
    let whole = |tail: &str| Regex::new(&format!(r"(?s-u)\A(/.+?){tail}\z")).unwrap();
    [
        (whole(&files), false),
        (whole("/git-upload-pack"), true),
        (whole("/git-receive-pack"), true),
        (whole("/git-upload-archive"), true),
    ]
});

const NAMES: [&str; 8] = [
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "HTTP_CONTENT_ENCODING",
    "HTTP_AUTHORIZATION",
    "HTTP_GIT_PROTOCOL",
];

fuzz_target!(|data: &[u8]| {
    let values: Vec<&[u8]> = parts(data).collect();
    let value = |name: &str| {
        let at = NAMES.iter().position(|one| *one == name)?;
        values.get(at).map(|value| value.to_vec())
    };
    let (path, query) =
        (value("PATH_INFO").unwrap_or_default(), value("QUERY_STRING").unwrap_or_default());
    match Request::parse(&value) {
        Ok(request) => {
            assert!(path.len() <= MAX_PATH && query.len() <= MAX_QUERY);
            assert!(!path.iter().chain(&query).any(u8::is_ascii_control));
            accepted(&request, &path);
            credentials(&request.credentials, value("HTTP_AUTHORIZATION").unwrap_or_default());
            assert_eq!(request.remote_user, None);
        }
        Err(bad) => {
            assert!(is_plain(&bad.to_string(), false));
            // What git would serve is refused for a reason that can be told.
            let known = TABLE.iter().any(|(form, _)| form.is_match(&path));
            assert!(!(known && bad == Bad::NoSuchAddress) || query.windows(7).any(|w| w == b"service"));
        }
    }
});

fn accepted(request: &Request, path: &[u8]) {
    let (repository, part) = match &request.wanted {
        Wanted::Api(rest) => return assert_eq!([API, rest].concat(), path),
        Wanted::Git { repository, part } => (repository, part),
    };
    // Nothing was added, dropped or decoded.
    assert_eq!([b"/", repository.as_slice(), &part.path()].concat(), path);
    for one in path[1..].split(|b| *b == b'/') {
        assert!(!one.is_empty() && one != b"." && one != b"..");
    }
    let (form, posts) = TABLE.iter().find(|(form, _)| form.is_match(path)).expect("git knows it");
    let found = form.captures(path).unwrap();
    assert_eq!(found[1], [b"/", repository.as_slice()].concat());
    assert_eq!(*posts, request.method == Method::Post);
    assert_eq!(*posts, matches!(part, Part::Exchange(_)));
    assert!(["", "service=git-upload-pack", "service=git-receive-pack", "service=git-upload-archive"]
        .contains(&part.query().as_str()));
}

fn credentials(credentials: &Credentials, header: Vec<u8>) {
    match credentials {
        Credentials::None => assert!(header.is_empty()),
        Credentials::Malformed => assert!(!header.is_empty()),
        Credentials::Secret(secret) => {
            let secret = secret.expose();
            assert!(!secret.is_empty() && is_plain(secret, false));
            let scheme = header.split(|b| *b == b' ').next().unwrap().to_ascii_lowercase();
            match scheme.as_slice() {
                b"basic" => {}
                b"bearer" => assert!(header.ends_with(secret.as_bytes()) || header.ends_with(b" ")),
                _ => panic!("another scheme carried a secret"),
            }
        }
    }
}
