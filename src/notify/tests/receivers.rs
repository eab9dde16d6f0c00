use super::super::*;
use super::bed::{Outbox, Receiver, Request, at, say, setting, to_url};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const BODY: &str = r#"{"type":"access.requested","data":{"asker_says":"a\u0000\n\"b"}}"#;

#[test]
fn a_notice_that_is_taken_leaves_the_outbox() {
    for status in ["200 OK", "202 Accepted", "204 No Content"] {
        let receiver = Receiver::saying(status);
        let settings = [to_url(&receiver.url)];
        let outbox = Outbox::with(&settings, &[BODY]);
        let delivery = outbox.deliver(&settings, 7);
        assert_eq!(delivery, Delivery { sent: 1, ..Delivery::default() }, "{status}");
        assert!(outbox.left().is_empty());
        let seen = receiver.seen();
        assert_eq!((seen.len(), seen[0].body.as_str()), (1, BODY));
        assert!(seen[0].head.starts_with("POST /T0/secret-part HTTP/1.1\r\n"), "{seen:?}");
        assert_eq!(seen[0].header("content-type"), Some("application/json"));
        assert_eq!(seen[0].header("webhook-timestamp"), Some(&*at(7).timestamp().to_string()));
        assert!(seen[0].header("webhook-id").unwrap().starts_with("7f3k-92qd-0-"));
        assert!(seen[0].header("webhook-signature").is_none(), "there is no secret");
    }
}

fn signed(url: &str, secret: &Path) -> Notify {
    let secret_file = Some(secret.to_str().unwrap().into());
    setting(NotifyTo::Url { url: url.into(), slack: false, secret_file })
}

fn write_secret(path: &Path, content: &str, mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// The receiver's side, as the documentation has it, at the time of the test.
fn recipe() -> String {
    let docs = include_str!("../../../docs/notices.md");
    let (_, rest) = docs.split_once("```python\n").unwrap();
    let (recipe, _) = rest.split_once("```").unwrap();
    let arguments = "
import json, sys
secret, headers = sys.argv[1], json.loads(sys.argv[2])
time.time = lambda: int(sys.argv[3])
body = sys.stdin.buffer.read()
key = base64.b64decode(secret.removeprefix('whsec_'))
hub = 'sha256=' + hmac.new(key, body, hashlib.sha256).hexdigest()
assert hub == headers['x-hub-signature-256']
assert verify(headers, body, secret)
";
    format!("{recipe}{arguments}")
}

fn python_agrees(request: &Request, secret: &str, now: i64) -> bool {
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256"];
    let headers = names.map(|name| (name, request.header(name).unwrap()));
    let headers: std::collections::BTreeMap<_, _> = headers.into_iter().collect();
    let mut child = Command::new("python3")
        .args(["-c", &recipe(), secret, &serde_json::to_string(&headers).unwrap()])
        .arg(now.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(request.body.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn somebody_elses_code_verifies_both_signatures() {
    if Command::new("python3").arg("-V").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let receiver = Receiver::saying("200 OK");
    let settings = [signed(&receiver.url, &secret)];
    for content in ["whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n", "0123456789abcdef"] {
        write_secret(&secret, content, 0o600);
        assert_eq!(Outbox::with(&settings, &[BODY]).deliver(&settings, 0).sent, 1);
    }
    let (own, now) = ("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", at(0).timestamp());
    for request in receiver.seen() {
        assert!(python_agrees(&request, own, now + 299), "{request:?}");
        assert!(!python_agrees(&request, own, now + 300), "an old one, sent again");
        assert!(!python_agrees(&request, "whsec_MDEyMzQ1Njc4OWFiY2RlZw==", now), "another key");
        let changed = Request { body: request.body.replace('b', "c"), ..request };
        assert!(!python_agrees(&changed, own, now), "another body");
    }
}

#[test]
fn a_secret_that_others_can_read_sends_nothing_and_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    write_secret(&secret, "0123456789abcdef", 0o644);
    let receiver = Receiver::saying("200 OK");
    let settings = [signed(&receiver.url, &secret)];
    let outbox = Outbox::with(&settings, &[BODY]);
    let delivery = outbox.deliver(&settings, 0);
    assert!(receiver.seen().is_empty(), "never unsigned");
    let told = format!("{delivery:?}");
    assert!(told.contains("can be read by its group or by others"), "{told}");
    assert!(!told.contains("0123456789") && !told.contains("secret-part"), "{told}");
    assert_eq!(outbox.left()[0].tries, 1);
}

#[test]
fn a_failure_is_tried_again_later_and_then_taken() {
    let receiver = Receiver::new(|stream| {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let first = COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        say(stream, if first { "500 Oops" } else { "200 OK" });
    });
    let settings = [to_url(&receiver.url)];
    let outbox = Outbox::with(&settings, &[BODY]);
    let first = outbox.deliver(&settings, 0);
    assert_eq!((first.postponed.len(), first.postponed[0].reason.as_str()), (1, "it answered 500"));
    assert_eq!(first.postponed[0].receiver, "127.0.0.1");
    let due = outbox.left()[0].due;
    assert!(at(30) <= due && due <= at(36), "{due}");
    assert_eq!(outbox.deliver(&settings, 29), Delivery::default());
    assert_eq!(outbox.deliver(&settings, 36).sent, 1);
    let ids: Vec<_> =
        receiver.seen().iter().map(|one| one.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(ids[0], ids[1], "the receiver can tell that it is the same");
}

#[test]
fn a_redirect_is_not_followed() {
    for status in ["301", "302", "303", "307", "308"] {
        let elsewhere = Receiver::saying("200 OK");
        let to = elsewhere.url.clone();
        let receiver =
            Receiver::new(move |stream| say(stream, &format!("{status} Moved\r\nlocation: {to}")));
        let settings = [to_url(&receiver.url)];
        let delivery = Outbox::with(&settings, &[BODY]).deliver(&settings, 0);
        assert_eq!(delivery.postponed[0].reason, format!("it answered {status}"));
        assert!(elsewhere.seen().is_empty());
    }
}

#[test]
fn a_receiver_that_is_gone_is_tried_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-part", listener.local_addr().unwrap());
    drop(listener);
    let settings = [to_url(&url)];
    let outbox = Outbox::with(&settings, &[BODY]);
    let reason = outbox.deliver(&settings, 0).postponed[0].reason.clone();
    assert!(reason.starts_with("no connection: ") && !reason.contains("secret"), "{reason}");
    assert_eq!(outbox.left().len(), 1);
}

#[test]
fn a_name_that_nobody_knows_and_an_answer_that_is_no_http() {
    let nonsense = Receiver::new(|stream| {
        let _ = stream.write_all(b"SSH-2.0-hello\r\n");
    });
    let settings = [to_url("https://receiver.invalid/secret-part"), to_url(&nonsense.url)];
    let delivery = Outbox::with(&settings, &[BODY]).deliver(&settings, 0);
    assert_eq!(delivery.postponed.len(), 2, "{delivery:?}");
    assert!(!format!("{delivery:?}").contains("secret"), "{delivery:?}");
}

/// How long a delivery to `receiver` takes, and that it fails.
fn seconds_until_given_up(receiver: &Receiver) -> f64 {
    let settings = [to_url(&receiver.url)];
    let outbox = Outbox::with(&settings, &[BODY]);
    let start = Instant::now();
    let delivery = outbox.deliver(&settings, 0);
    let took = start.elapsed().as_secs_f64();
    assert_eq!(delivery.postponed[0].reason, "it did not answer in time");
    took
}

#[test]
fn a_receiver_that_hangs_costs_five_seconds() {
    let hangs = Receiver::new(|_| std::thread::sleep(Duration::from_secs(30)));
    let took = seconds_until_given_up(&hangs);
    assert!((4.5..8.0).contains(&took), "{took}");
}

#[test]
fn a_receiver_that_drips_costs_five_seconds() {
    let drips = Receiver::new(|stream| {
        for byte in b"HTTP/1.1 200 OK\r\nx: ".iter().chain(std::iter::repeat_n(&b'x', 1000)) {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let took = seconds_until_given_up(&drips);
    assert!((4.5..8.0).contains(&took), "{took}");
}

#[test]
fn one_that_hangs_keeps_nobody_else_waiting_and_costs_one_timeout() {
    let hangs = Receiver::new(|_| std::thread::sleep(Duration::from_secs(30)));
    let good = Receiver::saying("200 OK");
    let settings = [to_url(&hangs.url), to_url(&good.url)];
    let outbox = Outbox::with(&settings, &["1", "2", "3", "4"]);
    let start = Instant::now();
    let delivery = outbox.deliver(&settings, 0);
    assert!(start.elapsed() < Duration::from_secs(8));
    assert_eq!((delivery.sent, delivery.postponed.len(), delivery.waiting), (4, 1, 3));
    assert_eq!(good.seen().len(), 4);
    let mut tries: Vec<u32> = outbox.left().iter().map(|notice| notice.tries).collect();
    tries.sort_unstable();
    assert_eq!(tries, [0, 0, 0, 1]);
}

#[test]
fn a_body_without_end_is_not_read() {
    let huge = Receiver::new(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let settings = [to_url(&huge.url)];
    let start = Instant::now();
    assert_eq!(Outbox::with(&settings, &[BODY]).deliver(&settings, 0).sent, 1);
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_head_without_end_is_a_failure() {
    let huge = Receiver::new(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(format!("x: {}\r\n", "x".repeat(1000)).as_bytes()).is_ok() {}
    });
    let settings = [to_url(&huge.url)];
    let start = Instant::now();
    assert_eq!(Outbox::with(&settings, &[BODY]).deliver(&settings, 0).postponed.len(), 1);
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[test]
fn retry_after_is_honoured_within_bounds() {
    for (head, least, most) in [
        ("429 Slow\r\nretry-after: 1800", 1800, 1800),
        ("503 Down\r\nretry-after: Sun, 01 Mar 2026 10:30:00 GMT", 1800, 1800),
        ("429 Slow\r\nretry-after: 1", 30, 36),
        ("429 Slow\r\nretry-after: 999999999", 6 * 3600, 6 * 3600),
        ("429 Slow\r\nretry-after: soon", 30, 36),
    ] {
        let receiver = Receiver::saying(head);
        let settings = [to_url(&receiver.url)];
        let outbox = Outbox::with(&settings, &[BODY]);
        outbox.deliver(&settings, 0);
        let due = outbox.left()[0].due;
        assert!(at(least) <= due && due <= at(most), "{head}: {due}");
    }
}

#[test]
fn it_is_given_up_in_the_end_and_that_is_told() {
    let receiver = Receiver::saying("404 Gone");
    let settings = [to_url(&receiver.url)];
    let outbox = Outbox::with(&settings, &[BODY]);
    let mut rounds = 0;
    let given_up = loop {
        rounds += 1;
        let delivery = outbox.deliver(&settings, 100_000 * rounds);
        if !delivery.given_up.is_empty() {
            break delivery.given_up;
        }
        assert_eq!(delivery.postponed.len(), 1);
    };
    assert_eq!((rounds, receiver.seen().len()), (10, 10));
    let NotTaken { event, receiver, reason, .. } = &given_up[0];
    let told = (event.as_str(), receiver.as_str(), reason.as_str());
    assert_eq!(told, ("access.requested", "127.0.0.1", "it answered 404"));
    assert!(outbox.left().is_empty());
}

#[test]
fn a_receiver_that_the_policy_no_longer_has_is_told_nothing() {
    let receiver = Receiver::saying("200 OK");
    let outbox = Outbox::with(&[to_url(&receiver.url)], &[BODY]);
    let delivery = outbox.deliver(&[], 0);
    assert_eq!(delivery.given_up[0].reason, "the policy no longer has this receiver");
    assert!(receiver.seen().is_empty() && outbox.left().is_empty());
}

#[test]
fn plain_http_to_another_host_is_not_sent() {
    let settings = [to_url("http://192.0.2.1/secret-part")];
    let delivery = Outbox::with(&settings, &[BODY]).deliver(&settings, 0);
    assert_eq!(delivery.postponed[0].reason, "its URL is neither https nor http on loopback");
}

#[test]
fn senders_at_once_send_each_notice_once() {
    let receiver = Receiver::new(|stream| {
        std::thread::sleep(Duration::from_millis(20));
        say(stream, "200 OK");
    });
    let settings = [to_url(&receiver.url)];
    let bodies: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let outbox = Outbox::with(&settings, &bodies);
    let sent: usize = std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..8).map(|_| scope.spawn(|| outbox.deliver(&settings, 0).sent)).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!((sent, receiver.seen().len()), (10, 10));
}

#[test]
fn nothing_is_begun_after_the_budget() {
    let receiver = Receiver::saying("200 OK");
    let settings = [to_url(&receiver.url)];
    let outbox = Outbox::with(&settings, &[BODY]);
    let delivery = outbox.deliver_within(&settings, 0, Duration::ZERO);
    assert_eq!(delivery, Delivery::default());
    assert_eq!(outbox.left().len(), 1);
}
