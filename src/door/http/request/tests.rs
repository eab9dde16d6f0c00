//! Requests as servers hand them on, and as attackers would like to.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn parse(variables: &[(&str, &[u8])]) -> Result<Request, Bad> {
    let all: BTreeMap<&str, &[u8]> = variables.iter().copied().collect();
    Request::parse(&|name| all.get(name).map(|value| value.to_vec()))
}

fn get(path: &[u8], query: &[u8]) -> Result<Wanted, Bad> {
    parse(&[("REQUEST_METHOD", b"GET"), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .map(|request| request.wanted)
}

fn post(path: &[u8], content_type: &[u8]) -> Result<Wanted, Bad> {
    parse(&[("REQUEST_METHOD", b"POST"), ("PATH_INFO", path), ("CONTENT_TYPE", content_type)])
        .map(|request| request.wanted)
}

fn git(repository: &[u8], part: Part) -> Result<Wanted, Bad> {
    Ok(Wanted::Git { repository: repository.to_vec(), part })
}

#[test]
fn the_addresses_of_git_http_backend_are_known() {
    use Service::{ReceivePack, UploadArchive, UploadPack};
    for (name, service) in [
        ("upload-pack", UploadPack),
        ("receive-pack", ReceivePack),
        ("upload-archive", UploadArchive),
    ] {
        let query = format!("service=git-{name}");
        let wanted = get(b"/a/b.git/info/refs", query.as_bytes());
        assert_eq!(wanted, git(b"a/b.git", Part::Advertisement(service)));
        let path = format!("/a/b.git/git-{name}");
        let wanted = post(path.as_bytes(), content_type(service).as_bytes());
        assert_eq!(wanted, git(b"a/b.git", Part::Exchange(service)));
    }
    let id = |length: usize| "0123456789abcdef".chars().cycle().take(length).collect::<String>();
    for file in [
        "HEAD".to_owned(),
        "info/refs".to_owned(),
        "objects/info/packs".to_owned(),
        "objects/info/alternates".to_owned(),
        "objects/info/http-alternates".to_owned(),
        format!("objects/ab/{}", id(38)),
        format!("objects/ab/{}", id(62)),
        format!("objects/pack/pack-{}.pack", id(40)),
        format!("objects/pack/pack-{}.idx", id(40)),
    ] {
        let wanted = get(format!("/r/{file}").as_bytes(), b"");
        assert_eq!(wanted, git(b"r", Part::File(file.clone().into_bytes())), "{file}");
    }
}

#[test]
fn nothing_else_of_a_repository_can_be_fetched() {
    for path in [
        "/r",
        "/r.git",
        "/r/",
        "/r/config",
        "/r/hooks/pre-receive",
        "/r/packed-refs",
        "/r/refs/heads/main",
        "/r/objects",
        "/r/objects/ab/short",
        "/r/objects/AB/0123",
        "/r/objects/pack/pack-x.pack",
        "/r/objects/pack/pack-0123456789abcdef0123456789abcdef01234567.keep",
        "/r/logs/HEAD.lock",
        "/r/git-shell",
        "/r/git-upload-pack2",
        "/HEAD",
        "/info/refs",
        "/r/info/refs2",
        "/r/description",
    ] {
        assert!(get(path.as_bytes(), b"").is_err(), "{path}");
    }
}

#[test]
fn an_address_that_two_programs_could_read_in_two_ways_is_refused() {
    let long = format!("/{}/HEAD", "x".repeat(MAX_PATH));
    for path in [
        b"".as_slice(),
        b"r/HEAD",
        b"//r/HEAD",
        b"/r//HEAD",
        b"/./r/HEAD",
        b"/../r/HEAD",
        b"/r/../s/HEAD",
        b"/r/..",
        b"/r/HEAD/",
        b"/r\0/HEAD",
        b"/r\n/HEAD",
        b"/r\r\nX: y/HEAD",
        b"/r\x7f/HEAD",
        long.as_bytes(),
    ] {
        assert_eq!(get(path, b""), Err(Bad::Address), "{}", path.escape_ascii());
    }
    for query in [
        "service=git-upload-pack&service=git-receive-pack",
        "service=git-upload-pack&service=git-upload-pack",
        "service",
        "%73ervice=git-receive-pack",
        "service=git-upload-pack&%73ervice=git-receive-pack",
        "a=\n",
        &"x".repeat(MAX_QUERY + 1),
    ] {
        assert_eq!(get(b"/r/info/refs", query.as_bytes()), Err(Bad::Address), "{query}");
    }
    for query in
        ["service=git-shell", "service=", "service=upload-pack", "service=git%2Dupload-pack"]
    {
        assert_eq!(get(b"/r/info/refs", query.as_bytes()), Err(Bad::NoSuchAddress), "{query}");
    }
}

#[test]
fn the_first_reading_of_an_address_is_the_only_one() {
    // A repository may lie in a folder called `HEAD`; the tail is what ends the path.
    assert_eq!(get(b"/HEAD/HEAD", b""), git(b"HEAD", Part::File(b"HEAD".to_vec())));
    assert_eq!(
        get(b"/r/HEAD/info/refs", b"service=git-upload-pack"),
        git(b"r/HEAD", Part::Advertisement(Service::UploadPack))
    );
    assert_eq!(get(b"/a%2e%2e/HEAD", b""), git(b"a%2e%2e", Part::File(b"HEAD".to_vec())));
    assert_eq!(get(b"/\xff/HEAD", b""), git(b"\xff", Part::File(b"HEAD".to_vec())));
    assert_eq!(get(b"/-/refwarden/v1/who", b""), Ok(Wanted::Api(b"who".to_vec())));
}

#[test]
fn an_address_takes_its_own_methods_alone() {
    let with = |method: &[u8], path: &[u8]| {
        let kind = content_type(Service::UploadPack);
        parse(&[("REQUEST_METHOD", method), ("PATH_INFO", path), ("CONTENT_TYPE", kind.as_bytes())])
            .map(|request| request.method)
    };
    assert_eq!(with(b"HEAD", b"/r/HEAD"), Ok(Method::Head));
    for method in [b"POST".as_slice(), b"PUT", b"DELETE", b"PROPFIND", b"get", b"GET ", b"\xff"] {
        assert_eq!(with(method, b"/r/HEAD"), Err(Bad::Method("GET, HEAD")));
    }
    for method in [b"GET".as_slice(), b"HEAD", b"OPTIONS"] {
        assert_eq!(with(method, b"/r/git-upload-pack"), Err(Bad::Method("POST")));
    }
    assert_eq!(with(b"", b"/r/HEAD"), Err(Bad::NoRequest));
}

#[test]
fn a_body_is_what_the_service_takes_or_refused() {
    let with = |length: &[u8], encoding: &[u8], content_type: &[u8]| {
        parse(&[
            ("REQUEST_METHOD", b"POST"),
            ("PATH_INFO", b"/r/git-upload-pack"),
            ("CONTENT_LENGTH", length),
            ("HTTP_CONTENT_ENCODING", encoding),
            ("CONTENT_TYPE", content_type),
        ])
        .map(|request| (request.body.length, request.body.is_gzip))
    };
    let kind = b"application/x-git-upload-pack-request";
    assert_eq!(with(b"12", b"", kind), Ok((Some(12), false)));
    assert_eq!(with(b"", b"gzip", kind), Ok((None, true)));
    for length in
        [b"-1".as_slice(), b"+1", b"1, 2", b"0x10", b" 1", b"99999999999999999999", b"1\n"]
    {
        assert_eq!(with(length, b"", kind), Err(Bad::Length), "{}", length.escape_ascii());
    }
    for (encoding, content_type) in [
        (b"br".as_slice(), kind.as_slice()),
        (b"gzip, gzip", kind),
        (b"", b"application/x-git-receive-pack-request"),
        (b"", b"application/x-www-form-urlencoded"),
        (b"", b""),
    ] {
        assert_eq!(with(b"1", encoding, content_type), Err(Bad::Type));
    }
}

#[test]
fn what_the_server_says_and_what_the_client_says_are_kept_apart() {
    let request = parse(&[
        ("REQUEST_METHOD", b"GET"),
        ("PATH_INFO", b"/r/HEAD"),
        ("HTTP_REMOTE_USER", b"alice"),
        ("HTTP_REFWARDEN_USER", b"alice"),
        ("HTTP_HTTPS", b"on"),
        ("HTTP_X_FORWARDED_FOR", b"127.0.0.1"),
        ("REMOTE_ADDR", b"192.0.2.7"),
    ])
    .unwrap();
    assert_eq!(request.remote_user, None);
    assert_eq!(request.credentials, Credentials::None);
    assert!(!request.is_encrypted);
    assert_eq!(request.address.unwrap().to_string(), "192.0.2.7");
}

/// What git-http-backend itself makes of a path: each of its expressions, anywhere at the end.
fn naive(path: &str) -> Option<(String, String)> {
    const TABLE: [&str; 9] = [
        "/HEAD",
        "/info/refs",
        "/objects/info/alternates",
        "/objects/info/http-alternates",
        "/objects/info/packs",
        "/objects/[0-9a-f]{2}/[0-9a-f]{38}",
        "/objects/[0-9a-f]{2}/[0-9a-f]{62}",
        "/objects/pack/pack-[0-9a-f]{40}\\.(pack|idx)",
        "/objects/pack/pack-[0-9a-f]{64}\\.(pack|idx)",
    ];
    TABLE.iter().find_map(|pattern| {
        let found = regex::Regex::new(&format!("{pattern}$")).unwrap().find(path)?;
        let (before, tail) = path.split_at(found.start());
        Some((before.to_owned(), tail.to_owned()))
    })
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("HEAD".to_owned()),
        Just("info".to_owned()),
        Just("refs".to_owned()),
        Just("objects".to_owned()),
        Just("packs".to_owned()),
        Just("pack".to_owned()),
        Just("alternates".to_owned()),
        Just(String::new()),
        Just("..".to_owned()),
        "[a-z.]{1,4}",
        "[0-9a-f]{2}",
        "[0-9a-f]{38}",
        "[0-9a-f]{40}".prop_map(|id| format!("pack-{id}.pack")),
    ];
    proptest::collection::vec(part, 0..7).prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    #[test]
    fn our_reading_is_that_of_git_http_backend(path in path()) {
        match (get(path.as_bytes(), b""), naive(&path)) {
            (Ok(Wanted::Git { repository, part }), Some((before, tail))) => {
                prop_assert_eq!([b"/", repository.as_slice()].concat(), before.into_bytes());
                prop_assert_eq!(part.path(), tail.into_bytes());
            }
            (Ok(wanted), None) => prop_assert!(false, "{path}: {wanted:?}"),
            (Ok(Wanted::Api(_)), _) => {}
            (Err(_), None) => {}
            (Err(error), Some((before, _))) => {
                let odd = before.is_empty()
                    || path.split('/').skip(1).any(|part| ["", ".", ".."].contains(&part));
                prop_assert!(odd, "{path}: {error}");
            }
        }
    }
}
