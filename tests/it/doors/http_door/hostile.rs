//! Requests that no client of good will sends.

use super::{Door, policy};
use crate::doors::web::{Kind, read, request, status};
use crate::support::wait_until;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const UPLOAD: &str = "/app.git/git-upload-pack";
const UPLOAD_TYPE: &str =
    "Content-Type: application/x-git-upload-pack-request\r\nGit-Protocol: version=2\r\n";
/// The second protocol's question for refs.
const LS_REFS: &[u8] = b"0014command=ls-refs\n00010000";

fn doors() -> Vec<Door> {
    [Kind::Nginx, Kind::Apache].into_iter().filter_map(|kind| Door::open(&policy(), kind)).collect()
}

#[test]
fn no_spelling_of_an_address_leads_out_or_around() {
    for door in doors() {
        let alice = door.login("alice");
        std::fs::write(door.site.path("root/secret"), "secret\n").unwrap();
        let long = format!("/{}/HEAD", "x".repeat(3000));
        let longer = format!("/{}/HEAD", "x".repeat(30_000));
        for path in [
            "/../root/app.git/HEAD",
            "/app.git/../app.git/../../HEAD",
            "/%2e%2e/root/app.git/HEAD",
            "/app.git/%2e%2e/%2e%2e/policy.toml",
            "/app.git%00/HEAD",
            "/app.git/HEAD%00",
            "/%00",
            "/app.git%2fHEAD%2f..",
            "/app.git%0d%0aX-Evil:%20yes/HEAD",
            "/app.git%0a/HEAD",
            "/secret",
            "/app.git/objects/../config",
            "/app.git/config",
            "/app.git/HEAD/",
            "/app.git/hooks/update",
            "/~root/HEAD",
            "/app.git/objects/info/packs/../../../config",
            "/%ff%fe/HEAD",
            "/-/refwarden/v1/x",
            "/app.git\\..\\HEAD",
            "/app.git/info/refs?service=git-upload-pack&service=git-receive-pack",
            "/app.git/info/refs?service=git-shell",
            "/app.git/info/refs?%73ervice=git-receive-pack",
            "/app.git?policy+show",
            "/?doctor",
            &long,
            &longer,
        ] {
            let answer = door.web.get(&alice, path, "");
            assert!((400..500).contains(&status(&answer)), "{path}: {answer}");
            assert!(!answer.contains("X-Evil"), "{path}: {answer}");
            assert!(!answer.contains("secret") && !answer.contains("[core]"), "{path}: {answer}");
        }
        // Servers join slashes; what reaches the door is one address.
        let joined = door.web.get(&alice, "//app.git///HEAD", "");
        assert!([200, 400].contains(&status(&joined)), "{joined}");
        assert_eq!(status(&door.web.get(&alice, "/app.git/HEAD", "")), 200);
    }
}

#[test]
fn headers_can_t_forge_what_servers_and_doors_say() {
    for door in doors() {
        let bob = door.login("bob");
        let forged = "Remote-User: alice\r\nRemote_User: alice\r\nRefwarden-User: alice\r\nREFWARDEN_USER: alice\r\n\
             X-Remote-User: alice\r\nX-Forwarded-User: alice\r\nGit-Http-Export-All: 1\r\nGit-Project-Root: /\r\n\
             Path-Info: /other/HEAD\r\nPath-Translated: /etc/passwd\r\nProxy: http://127.0.0.1:1\r\n\
             Git-Dir: /tmp\r\nGit-Config-Parameters: 'core.hooksPath=/tmp'\r\n";
        let refs = "/app.git/info/refs?service=git-upload-pack";
        let plain = door.web.get(&bob, refs, "");
        assert_eq!(status(&plain), 200, "{plain}");
        assert_eq!(door.web.get(&bob, refs, forged), plain);
        assert_eq!(status(&door.web.get("", refs, forged)), 401);
        door.person.commit("a", "1\n");
        let lines: Vec<String> =
            forged.lines().map(|line| format!("http.extraHeader={line}")).collect();
        let mut arguments: Vec<&str> = lines.iter().flat_map(|line| ["-c", line]).collect();
        arguments.extend(["push", "URL", "main"]);
        let push = crate::support::Outcome::of(&door.repo, || {
            door.web.git(&door.person, &bob, &arguments)
        });
        push.refused("RW201").says("you are bob");
        // A protocol that is none is not passed on, and is no way round the trail.
        for protocol in ["version=2\u{e9}", "x;version=2", &format!("version=2:{}", "x".repeat(80))]
        {
            let answer = door.web.get(&bob, refs, &format!("Git-Protocol: {protocol}\r\n"));
            assert!([200, 400].contains(&status(&answer)), "{answer}");
            assert!(!answer.contains("version 2"), "{answer}");
        }
    }
}

#[test]
fn a_user_name_is_never_a_header_a_path_or_an_option() {
    for door in doors() {
        let token = door.login("alice").split_once(':').unwrap().1.to_owned();
        for name in ["", "a\r\nX-Evil", "../../x", "--upload-pack=id", "\u{202e}", "bob", "a\0b"] {
            let answer = door.web.get(&format!("{name}:{token}"), "/app.git/HEAD", "");
            assert_eq!(status(&answer), 200, "{name:?}: {answer}");
            let answer = door.web.get(&format!("{name}:wrong"), "/app.git/HEAD", "");
            assert_eq!(status(&answer), 401, "{name:?}");
            assert!(!answer.contains("X-Evil"), "{answer}");
        }
    }
}

#[test]
fn bodies_by_gzip_in_chunks_and_byte_by_byte_are_served() {
    for door in doors() {
        let bob = door.login("bob");
        let plain = door.web.ask("POST", &bob, UPLOAD, UPLOAD_TYPE, LS_REFS);
        assert!(status(&plain) == 200 && plain.contains("refs/heads/main"), "{plain}");
        let packed = gzip(LS_REFS);
        let zipped = format!("{UPLOAD_TYPE}Content-Encoding: gzip\r\n");
        assert_eq!(door.web.ask("POST", &bob, UPLOAD, &zipped, &packed), plain);
        let answer = door.web.ask("POST", &bob, UPLOAD, &zipped.replace("gzip", "br"), &packed);
        assert_eq!(status(&answer), 415);
        // In chunks, and with pauses.
        let head = format!("{UPLOAD_TYPE}Transfer-Encoding: chunked\r\n");
        let mut stream = door.web.connect();
        stream.write_all(&request("POST", &bob, UPLOAD, &head, b"")).unwrap();
        for chunk in LS_REFS.chunks(7) {
            write!(stream, "{:x}\r\n", chunk.len()).unwrap();
            stream.write_all(&[chunk, b"\r\n"].concat()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        assert!(read(&mut stream).contains("refs/heads/main"));
        let mut stream = door.web.connect();
        let whole = request("POST", &bob, UPLOAD, UPLOAD_TYPE, LS_REFS);
        let (head, body) = whole.split_at(whole.len() - LS_REFS.len());
        stream.write_all(head).unwrap();
        for byte in body {
            stream.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(read(&mut stream).contains("refs/heads/main"));
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_push_that_is_cut_moves_nothing_and_leaves_nobody_waiting() {
    for door in doors() {
        let alice = door.login("alice");
        let new = door.person.commit("a", "1\n");
        let old = door.repo.id("main");
        let line = format!("{old} {new} refs/heads/main\0 report-status\n");
        let body = format!("{:04x}{line}0000PACK", line.len() + 4);
        let kind =
            "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100000\r\n";
        let before = door.repo.refs();
        let mut stream = door.web.connect();
        let head = request("POST", &alice, "/app.git/git-receive-pack", kind, b"");
        stream.write_all(&[&head, body.as_bytes()].concat()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        drop(stream);
        let place = door.repo.path.display().to_string();
        wait_until("nobody serves the cut push", || !is_served(&place));
        assert_eq!(door.repo.refs(), before);
        // A pack that is cut within its promised length.
        let body = format!("{:04x}{line}0000PACK\0\0\0\x02\0\0\0\x03cut", line.len() + 4);
        let kind = "Content-Type: application/x-git-receive-pack-request\r\n";
        let answer =
            door.web.ask("POST", &alice, "/app.git/git-receive-pack", kind, body.as_bytes());
        assert!(answer.contains("unpack") || status(&answer) >= 500, "{answer}");
        assert_eq!(door.repo.refs(), before);
        door.web.push(&door.repo, &door.person, &alice, &["main"]).silent();
    }
}

/// Whether some receive-pack or git-http-backend works for a repository.
pub fn is_served(repository: &str) -> bool {
    let mut all = std::fs::read_dir("/proc").unwrap().flatten();
    all.any(|entry| {
        let told = |name: &str| {
            let text = std::fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        let line = told("cmdline");
        (line.contains("receive-pack") && line.contains(repository))
            || (line.contains("http-backend") && told("environ").contains(repository))
    })
}

#[test]
fn one_request_is_never_two() {
    for door in doors() {
        let bob = door.login("bob");
        // With what it takes to be answered, were it ever taken for a request.
        let inner = request("GET", &bob, "/app.git/HEAD", "Remote-User: alice\r\n", b"");
        let inner = String::from_utf8(inner).unwrap();
        let length = inner.len();
        let chunks = format!("0\r\n\r\n{inner}");
        let shapes = [
            (format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), &inner),
            (format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), &inner),
            (format!("Content-Length: 0, {length}\r\n"), &inner),
            ("Content-Length: +0\r\n".into(), &inner),
            ("Content-Length: 0x0\r\n".into(), &inner),
            ("Content-Length: -1\r\n".into(), &inner),
            ("Content-Length: 18446744073709551616\r\n".into(), &inner),
            (format!("Content-Length : 0\r\nContent-Length: {length}\r\n"), &inner),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n".into(), &chunks),
            ("Transfer-Encoding: xchunked\r\n".into(), &inner),
            ("Transfer-Encoding : chunked\r\n".into(), &chunks),
            ("Transfer-Encoding: \u{b}chunked\r\n".into(), &chunks),
            ("Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n".into(), &inner),
            ("Transfer-Encoding: identity, chunked\r\n".into(), &inner),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n"
                    .into(),
                &inner,
            ),
            (format!("X: y\rContent-Length: 0\r\nContent-Length: {length}\r\n"), &inner),
        ];
        std::thread::scope(|scope| {
            for (headers, body) in &shapes {
                let (door, bob) = (&door, &bob);
                scope.spawn(move || smuggled(door, bob, headers, body));
            }
        });
    }
}

fn smuggled(door: &Door, login: &str, headers: &str, body: &str) {
    let head = request("POST", login, UPLOAD, &format!("{UPLOAD_TYPE}{headers}"), b"");
    let head = String::from_utf8(head).unwrap().replace("Connection: close\r\n", "");
    let mut stream = door.web.connect();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
    let answer = read(&mut stream);
    // What was hidden inside is no request: it gets no answer.
    assert!(!answer.contains("ref: refs/heads/main"), "{headers}: {answer}");
    assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{headers}: {answer}");
}

#[test]
fn a_big_push_in_chunks_is_judged_alike() {
    for door in doors() {
        let mut state = 1_u64;
        let noise: String = (0..300_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
            })
            .collect();
        door.person.commit("noise", &noise);
        door.person.run(&["config", "http.postBuffer", "65536"]);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| door.login(name));
        let push = |login: &str| door.web.push(&door.repo, &door.person, login, &["main"]);
        push(&bob).refused("RW201");
        assert!(!push(&carol).ok);
        push(&alice).silent();
    }
}

#[test]
fn slow_bodies_from_one_address_keep_no_other_out() {
    let Some(door) = Door::open(&policy(), Kind::Nginx) else { return };
    let alice = door.login("alice");
    let kind = "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100000\r\n";
    let slow = request("POST", "", "/app.git/git-receive-pack", kind, b"");
    let mut held: Vec<_> = (0..70).map(|_| door.web.connect_from([127, 0, 0, 9])).collect();
    held.iter_mut().for_each(|stream| stream.write_all(&slow).unwrap());
    std::thread::sleep(Duration::from_secs(1));
    // As many as fcgiwrap has places, and more, from one address: most were sent away at once.
    let mut refused = 0;
    for stream in &mut held {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut head = [0; 12];
        refused += usize::from(stream.read_exact(&mut head).is_ok() && &head == b"HTTP/1.1 429");
    }
    assert!(refused >= 50, "{refused} of 70 sent away");
    let before = std::time::Instant::now();
    let answer = door.web.get(&alice, "/app.git/info/refs?service=git-upload-pack", "");
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    drop(held);
}

#[test]
fn a_body_for_nobody_is_answered_without_being_read() {
    for door in doors() {
        let body = vec![b'x'; 3_000_000];
        let kind = "Content-Type: application/x-git-receive-pack-request\r\n";
        let mut stream = door.web.connect();
        let bytes = request("POST", "", "/app.git/git-receive-pack", kind, &body);
        let mut other = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let _ = other.write_all(&bytes);
        });
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 401");
        drop(stream);
        let _ = sender.join();
    }
}
