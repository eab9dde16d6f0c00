//! An outbox of its own for each test, and receivers on loopback.

use super::super::*;
use crate::policy::entry::Place;
use crate::store::access::Change;
use crate::store::sqlite::{FILE_NAME, Sqlite};
use chrono::TimeDelta;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

pub fn at(seconds: i64) -> DateTime<Utc> {
    "2026-03-01T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

/// A store with notices and at most one record.
pub struct Outbox {
    folder: TempDir,
}

impl Outbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        assert!(Sqlite::create(&folder.path().join(FILE_NAME), uid()).unwrap());
        Self { folder }
    }

    /// An outbox with `bodies`, each for every receiver.
    pub fn with(settings: &[Notify], bodies: &[&str]) -> Self {
        let outbox = Self::new();
        let mut notices = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            for one in settings {
                let target = target(&one.to);
                notices.push(Notice {
                    id: format!("7f3k-92qd-{number}-{target}"),
                    target,
                    event: "access.requested".into(),
                    body: (*body).into(),
                    at: at(0),
                    due: at(0),
                    while_lent: None,
                    tries: 0,
                });
            }
        }
        outbox.commit(&Change { notices, ..Change::default() });
        outbox
    }

    pub fn commit(&self, change: &Change) {
        self.store().commit(change).unwrap();
    }

    fn store(&self) -> Sqlite {
        Sqlite::open_write(&self.folder.path().join(FILE_NAME), uid()).unwrap()
    }

    /// Delivers as if it were so many seconds later.
    pub fn deliver(&self, settings: &[Notify], seconds: i64) -> Delivery {
        self.deliver_within(settings, seconds, Duration::from_secs(60))
    }

    pub fn deliver_within(&self, settings: &[Notify], seconds: i64, budget: Duration) -> Delivery {
        let takers = Takers { settings, other: None, account_uid: uid() };
        deliver(&self.store(), takers, &|| at(seconds), budget).unwrap()
    }

    pub fn left(&self) -> Vec<Notice> {
        self.store().due(at(1_000_000_000), 1000).unwrap()
    }
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub fn setting(to: NotifyTo) -> Notify {
    Notify {
        place: Place { file: 0, line: 1 },
        events: vec!["*".into()],
        projects: [].into(),
        to,
        before_end: None,
    }
}

pub fn to_url(url: &str) -> Notify {
    setting(NotifyTo::Url { url: url.into(), slack: false, secret_file: None })
}

/// One request, as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A server of HTTP that does to each connection what it is told.
pub struct Receiver {
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    pub fn new(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/T0/secret-part", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer, mut stream) =
                    (Arc::clone(&log), Arc::clone(&answer), stream.unwrap());
                std::thread::spawn(move || {
                    if let Some(request) = read(&mut stream) {
                        log.lock().unwrap().push(request);
                        answer(&mut stream);
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// One that always answers so.
    pub fn saying(head: &'static str) -> Self {
        Self::new(move |stream| say(stream, head))
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// Sends the head of an answer without a body.
pub fn say(stream: &mut TcpStream, head: &str) {
    let _ = write!(stream, "HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let request = Request { head: head.into(), body: body.into() };
            let length: usize = request.header("content-length")?.parse().ok()?;
            if body.len() >= length {
                return Some(request);
            }
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => bytes.extend(&buffer[..count]),
            _ => return None,
        }
    }
}
