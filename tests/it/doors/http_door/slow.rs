//! Pushes over a line that drips, stops or breaks within the pack.

use super::{Door, policy};
use crate::doors::web::Kind;
use crate::support::{Outcome, wait_until};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// What becomes of what the client sends after so many bytes of one connection.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// It goes on in small pieces.
    Drips,
    /// Nothing comes any more, and the connection stays.
    Stops,
    /// The connection ends.
    Breaks,
}

/// Bytes that pass at once: a request for refs does whole, a pack does not.
const PASS: usize = 2000;

/// A line between git and a server; gives its port.
fn line(server: u16, line: Line) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || carry(client, server, line));
        }
    });
    port
}

fn carry(mut client: TcpStream, mut server: TcpStream, line: Line) {
    let mut piece = [0; 400];
    let mut passed = 0;
    while let Ok(length @ 1..) = client.read(&mut piece) {
        passed += length;
        if passed > PASS {
            match line {
                Line::Drips => std::thread::sleep(Duration::from_millis(10)),
                Line::Stops => continue,
                Line::Breaks => break,
            }
        }
        if server.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = (server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both));
}

/// Text that deflate makes no smaller than a line lets pass at once.
fn noise() -> String {
    let mut state = 1_u64;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    (0..30_000).map(letter).collect()
}

fn push(door: &Door, login: &str, kind: Line) -> Outcome {
    let port = line(door.web.port, kind);
    let url = format!("http://{login}@127.0.0.1:{port}/app.git");
    Outcome::of(&door.repo, || door.person.command().args(["push", &url, "main"]).output().unwrap())
}

#[test]
fn a_push_over_a_bad_line_lands_whole_or_not_at_all() {
    for kind in [Kind::Nginx, Kind::Apache] {
        let Some(door) = Door::open(&policy(), kind) else { return };
        let alice = door.login("alice");
        let new = door.person.commit("noise", &noise());
        // Apache waits as long as its `Timeout` says.
        let bad = [Line::Breaks, Line::Stops];
        for bad in &bad[..if kind == Kind::Nginx { 2 } else { 1 }] {
            let broken = push(&door, &alice, *bad);
            let words = broken.words();
            assert!(!broken.ok && words.contains("the remote end hung up"), "{words}");
            broken.nothing_moved();
            assert!(door.site.trail().events("push.decided").is_empty());
            let place = door.repo.path.display().to_string();
            wait_until("nobody serves it any more", || !super::hostile::is_served(&place));
        }
        push(&door, &alice, Line::Drips).silent();
        assert_eq!(door.repo.id("main"), new);
        assert_eq!(door.site.trail().events("push.landed").len(), 1);
        door.site.trail_verifies();
    }
}
