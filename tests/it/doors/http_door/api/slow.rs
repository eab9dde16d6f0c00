//! Bodies for the interface that drip, stop or are cut, behind each web server.

use super::{ALL, WISH, policy};
use crate::doors::http_door::Door;
use crate::doors::web::{Kind, Web, read, request};
use crate::support::{is_root, own_account};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const PATH: &str = "/-/refwarden/v1/requests";

/// A connection on which the head of a request was sent whose body is `WISH`.
fn begun(web: &Web, token: &str) -> TcpStream {
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        WISH.len()
    );
    let mut stream = web.connect();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(&request("POST", "", PATH, &headers, b"")).unwrap();
    stream
}

/// Each way to send a body badly, and what was answered. Who only stops is waited for as long as the
/// web server's own limit says, a minute by Apache's default: that is left out but for `stops`.
fn badly_sent(web: &Web, token: &str, stops: bool) -> Vec<(&'static str, String)> {
    std::thread::scope(|scope| {
        let way = |name: &'static str, send: fn(&mut TcpStream)| {
            scope.spawn(move || {
                let mut stream = begun(web, token);
                send(&mut stream);
                (name, read(&mut stream))
            })
        };
        let mut ways = vec![
            // For longer than the door waits.
            way("drips", |stream| {
                for byte in WISH.as_bytes() {
                    if stream.write_all(&[*byte]).is_err() {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
            }),
            way("is cut", |stream| {
                stream.write_all(&WISH.as_bytes()[..9]).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            }),
        ];
        if stops {
            ways.push(way("stops", |stream| stream.write_all(&WISH.as_bytes()[..9]).unwrap()));
        }
        ways.into_iter().map(|way| way.join().unwrap()).collect()
    })
}

#[test]
fn a_body_that_does_not_come_whole_in_time_asks_for_nothing() {
    // Apache does not serve as root: then the site is given to an account of every Debian.
    let account = if is_root() { "daemon" } else { Box::leak(own_account().into_boxed_str()) };
    std::thread::scope(|scope| {
        for kind in [Kind::Nginx, Kind::Apache, Kind::ApacheCgi(account)] {
            scope.spawn(move || judged(kind));
        }
    });
}

fn judged(kind: Kind) {
    let Some(door) = Door::open(&policy(), kind) else { return };
    let token = door.token("bob", &ALL, &[], 600).1.reveal().to_owned();
    if let (true, Kind::ApacheCgi(account)) = (is_root(), kind) {
        door.site.give_to(account, 1);
    }
    let lines = door.site.trail().lines().len();
    let served_by_wrap = !matches!(kind, Kind::ApacheCgi(_));
    for (name, answer) in badly_sent(&door.web, &token, kind == Kind::Nginx) {
        let said = |words: &str| assert!(answer.contains(words), "{kind:?} {name}: {answer}");
        match (name, kind) {
            // fcgiwrap drops the door's answer when the door reads no more.
            ("drips", _) if served_by_wrap => said(" 502 "),
            ("drips", _) => said(" 408 Request Timeout\r\n"),
            (_, Kind::Nginx) => assert_eq!(answer, "", "nginx hangs up"),
            _ => said(" 400 Bad Request\r\n"),
        }
        if name == "drips" && !served_by_wrap {
            said("\"too_slow\"");
        }
    }
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let list = door.web.get("", &format!("{PATH}?which=all"), &bearer);
    assert!(list.contains("\"requests\":[]"), "{list}");
    assert_eq!(door.site.trail().lines().len(), lines, "nothing was asked, and nothing is told");
}
