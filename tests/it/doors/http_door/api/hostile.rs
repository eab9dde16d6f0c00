//! What the interface for programs tells those who should not get anything from it.

use super::{ALL, Api, WISH, body, message};
use crate::doors::web::{Kind, request, status};
use refwarden::pusher::token::Scope;
use serde_json::Value;

const PATH: &str = "/-/refwarden/v1/requests";
const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn nobody_gets_in_without_a_token_that_is_good_for_it() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(api) = Api::open(kind) else { return };
        let web = &api.door.web;
        for (login, headers) in [
            ("", ""),
            ("bob:bob", ""),
            ("", "Authorization: Bearer x\r\n"),
            ("", "Authorization: Digest x\r\n"),
        ] {
            let answer = web.get(login, PATH, headers);
            assert_eq!(api.judged("GET", PATH, &answer).0, 401);
            assert!(
                answer.contains("\r\nWWW-Authenticate: Bearer realm=\"git.test\"\r\n"),
                "{answer}"
            );
            assert!(!answer.contains("Basic"), "{answer}");
        }
        // As the password it is the same token.
        let bob = api.door.login_for("bob", &[Scope::Read], &[], 60);
        assert_eq!(api.judged("GET", PATH, &web.get(&bob, PATH, "")).0, 200);
        let nothing = api.token("bob", &[Scope::Push]);
        let (status, value) = api.ask("GET requests", &nothing, "");
        assert_eq!(status, 403);
        assert!(message(&value).starts_with("your token has no scope `read` or"), "{value}");
        let reader = api.token("bob", &[Scope::Read]);
        assert_eq!(api.ask("POST requests", &reader, WISH).0, 403);
        assert_eq!(api.ask("GET audit", &reader, "").0, 403);
        let dave = api.token("dave", &ALL);
        assert_eq!(api.ask("GET requests", &dave, "").0, 401, "inactive");
    }
}

#[test]
fn what_one_may_not_see_is_told_like_what_is_not_there() {
    let Some(api) = Api::open(Kind::Nginx) else { return };
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| api.token(name, &ALL));
    let id = api.wish(&bob);
    let missing = if id == "7f3k-92qd" { "7f3k-92qe" } else { "7f3k-92qd" };
    let narrow = api.token("alice", &[Scope::Read, Scope::Request]);
    let elsewhere = api.door.token("alice", &ALL, &["other/**"], 60).1.reveal().to_owned();
    for token in [&carol, &narrow, &elsewhere] {
        for (method, tail) in [
            ("GET requests", ""),
            ("GET grants", ""),
            ("POST requests", "/approve"),
            ("POST requests", "/deny"),
            ("POST requests", "/withdraw"),
            ("POST requests", "/extend"),
            ("POST grants", "/return"),
            ("POST grants", "/revoke"),
        ] {
            let of = |id: &str| api.ask(&format!("{method}/{id}{tail}"), token, "");
            let ((status, there), (_, gone)) = (of(&id), of(missing));
            assert_eq!(message(&there).replace(&id, missing), message(&gone), "{method} {tail}");
            // A token without the scope learns that alone.
            assert!(
                status == 404 || status == 403 && message(&there).contains("no scope"),
                "{there}"
            );
        }
        let (_, list) = api.ask("GET requests?which=all&user=bob", token, "");
        assert_eq!(list["requests"], serde_json::json!([]));
    }
    assert_eq!(api.ask(&format!("GET requests/{id}"), &alice, "").0, 200);
    // carol may read nothing: a repository that is there is as one that is not.
    for request in
        ["GET who?action=read&repository=NAME", "GET explain?action=read&repository=NAME"]
    {
        let of = |name: &str| api.ask(&request.replace("NAME", name), &carol, "");
        let ((status, there), (_, gone)) = (of("app"), of("nothing"));
        assert_eq!(
            (status, message(&there).replace("app", "nothing").as_str()),
            (404, message(&gone))
        );
    }
    let of = |name: &str| api.ask("POST requests", &carol, &WISH.replace("app", name));
    let ((status, there), (_, gone)) = (of("app"), of("nothing"));
    assert_eq!((status, message(&there).replace("app", "nothing").as_str()), (404, message(&gone)));
    assert_eq!(api.ask("GET audit", &elsewhere, "").0, 403);
}

#[test]
fn a_page_of_another_site_can_t_post_and_a_malformed_body_is_named() {
    let Some(api) = Api::open(Kind::Nginx) else { return };
    let login = api.door.login_for("bob", &ALL, &[], 60);
    let web = &api.door.web;
    let post = |headers: &str, said: &[u8]| {
        let answer = web.ask("POST", &login, PATH, headers, said);
        api.judged("POST", PATH, &answer)
    };
    for kind in
        ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"]
    {
        assert_eq!(post(kind, WISH.as_bytes()).0, 415, "{kind}");
    }
    assert_eq!(post(&format!("{JSON}Content-Encoding: gzip\r\n"), b"\x1f\x8b").0, 415);
    for (said, words) in [
        ("[]", "the body is not a JSON object"),
        ("{\"entitlement\":", "the body is not a JSON object"),
        ("{}", "`entitlement` is missing"),
        (r#"{"entitlement":"hotfix"}"#, "`repository` is missing"),
        (&WISH.replace("\"1h\"", "1"), "`for` has to be a string"),
        (&WISH.replace("\"1h\"", "\"soon\""), "`for`: "),
        (&WISH.replace("\"for\"", "\"fro\""), "there is no field `fro` here"),
        (&WISH.replace("\"for\":\"1h\"", "\"uses\":0"), "`uses` has to be a whole number"),
        (&WISH.replace("\"for\":\"1h\"", "\"branches\":\"main\""), "`branches` has to be a list"),
        (&WISH.replace("\"for\":\"1h\"", "\"repository\":\"b\""), "`repository` is given twice"),
        (
            &WISH.replace("\"for\":\"1h\"", "\"permissions\":[\"--all\"]"),
            "`--all` is no permission",
        ),
    ] {
        let (status, value) = post(JSON, said.as_bytes());
        assert_eq!(status, 400, "{said}: {value}");
        assert!(message(&value).starts_with(words), "{said}: {value}");
    }
    let long = WISH.replace("17", &"x".repeat(70_000));
    assert_eq!(post(JSON, long.as_bytes()).0, 413);
    // In chunks nobody says beforehand how long it is.
    let chunked = format!("{JSON}Transfer-Encoding: chunked\r\n");
    let send = |said: &str| {
        let chunk = format!("{:x}\r\n{said}\r\n0\r\n\r\n", said.len());
        let head = request("POST", &login, PATH, &chunked, b"");
        api.judged("POST", PATH, &web.raw(&[head.as_slice(), chunk.as_bytes()].concat())).0
    };
    assert_eq!(send(&long), 413);
    assert_eq!(send(WISH), 202);
    let (status, value) = post(&format!("{JSON}Idempotency-Key: a b\r\n"), WISH.as_bytes());
    assert_eq!(status, 400, "{value}");
    let token = api.token("bob", &ALL);
    for (query, words) in [
        ("?wich=mine", "there is no field `wich` here"),
        ("?which=theirs", "`which` is one of"),
        ("?limit=0", "`limit` has to be"),
        ("?limit=1&limit=2", "`limit` is given twice"),
        ("?user=%zz", "the query is malformed"),
    ] {
        let (status, value) = api.ask(&format!("GET requests{query}"), &token, "");
        assert_eq!(status, 400, "{query}: {value}");
        assert!(message(&value).starts_with(words), "{query}: {value}");
    }
    assert_eq!(api.ask("POST requests?for=9h", &token, WISH).0, 400);
}

#[test]
fn every_other_method_and_address_is_refused_as_json() {
    let Some(api) = Api::open(Kind::Nginx) else { return };
    let web = &api.door.web;
    let token = format!("Authorization: Bearer {}\r\n", api.token("bob", &ALL));
    for (method, path, expected, allow) in [
        ("DELETE", "requests", 405, "GET, HEAD, POST"),
        ("PUT", "grants", 405, "GET, HEAD"),
        ("PATCH", "grants", 405, "GET, HEAD, POST"),
        ("GET", "grants/7f3k-92qd/return", 405, "POST"),
        ("POST", "openapi.json", 405, "GET, HEAD"),
        ("GET", "", 404, ""),
        ("GET", "nothing", 404, ""),
        ("GET", "requests/", 404, ""),
        ("POST", "requests/7f3k-92qd/approve/x", 404, ""),
    ] {
        let answer = web.ask(method, "", &format!("/-/refwarden/v1/{path}"), &token, b"");
        assert_eq!(status(&answer), expected, "{method} {path}: {answer}");
        let value: Value = serde_json::from_str(&body(&answer)).unwrap();
        assert!(!message(&value).is_empty());
        if !allow.is_empty() {
            assert!(answer.contains(&format!("\r\nAllow: {allow}\r\n")), "{answer}");
        }
    }
    let head = web.ask("HEAD", "", PATH, &token, b"");
    assert_eq!((status(&head), body(&head).as_str()), (200, ""));
}

#[test]
fn a_login_of_the_web_server_s_own_needs_no_token_and_posts_json_all_the_same() {
    let policy = super::policy().sources("[\"remote-user\"]");
    let Some(api) = Api::open_with(&policy, Kind::NginxLogin) else { return };
    let web = &api.door.web;
    let ask = |method, login: &str, headers: &str, said: &str| {
        let answer = web.ask(method, login, PATH, headers, said.as_bytes());
        api.judged(method, PATH, &answer)
    };
    assert_eq!(ask("GET", "bob:bob-pw", "", "").0, 200);
    let form = "Content-Type: text/plain\r\n";
    assert_eq!(ask("POST", "bob:bob-pw", form, WISH).0, 415);
    let (status, value) = ask("POST", "bob:bob-pw", JSON, WISH);
    assert_eq!((status, &value["asked_by"]["source"]), (202, &"remote-user".into()), "{value}");
    let (status, value) = ask("GET", "mallory:mallory-pw", "", "");
    assert_eq!(status, 403, "{value}");
    assert!(message(&value).contains("RW102"), "{value}");
}
