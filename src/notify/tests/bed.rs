//! An outbox in memory, and receivers on loopback.

use super::super::*;
use crate::access::{Id, Lock, Record};
use crate::policy::entry::Place;
use crate::policy::name::UserName;
use crate::store::access::{Change, Filter, Idempotency, OfPerson, Status, UnderWay};
use chrono::TimeDelta;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub fn at(seconds: i64) -> DateTime<Utc> {
    "2026-03-01T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

/// What delivery needs of a store; whatever else is asked of it fails.
#[derive(Default)]
pub struct Outbox {
    pub notices: Mutex<Vec<Notice>>,
    pub record: Mutex<Option<Record>>,
}

type Answer<T> = Result<T, StoreError>;

fn not_here<T>() -> Answer<T> {
    Err(StoreError::Absent { at: "memory".into() })
}

impl AccessStore for Outbox {
    fn due(&self, now: DateTime<Utc>, most: usize) -> Answer<Vec<Notice>> {
        let notices = self.notices.lock().unwrap();
        Ok(notices.iter().filter(|notice| notice.due <= now).take(most).cloned().collect())
    }
    fn delivered(&self, id: &str) -> Answer<()> {
        self.notices.lock().unwrap().retain(|notice| notice.id != id);
        Ok(())
    }
    fn postpone(&self, id: &str, tries: u32, due: DateTime<Utc>) -> Answer<bool> {
        let mut notices = self.notices.lock().unwrap();
        let found = notices.iter_mut().find(|one| one.id == id && one.tries == tries);
        Ok(found.map(|notice| (notice.due, notice.tries) = (due, tries + 1)).is_some())
    }
    fn record(&self, id: &Id) -> Answer<Option<Record>> {
        Ok(self.record.lock().unwrap().clone().filter(|record| record.id == *id))
    }
    fn status(&self) -> Answer<Status> {
        not_here()
    }
    fn of_person(&self, _: &UserName, _: DateTime<Utc>) -> Answer<OfPerson> {
        not_here()
    }
    fn list(&self, _: &Filter) -> Answer<Vec<Record>> {
        not_here()
    }
    fn locks(&self, _: DateTime<Utc>) -> Answer<Vec<Lock>> {
        not_here()
    }
    fn done(&self, _: &str) -> Answer<Option<Idempotency>> {
        not_here()
    }
    fn raise(&self) -> Answer<u64> {
        not_here()
    }
    fn raise_above(&self, _: u64) -> Answer<u64> {
        not_here()
    }
    fn reset_newest(&self, _: DateTime<Utc>) -> Answer<u64> {
        not_here()
    }
    fn commit_recorded(&self, _: &Change, _: &mut dyn FnMut() -> bool) -> Answer<Option<u64>> {
        not_here()
    }
    fn register(&self, _: &UnderWay, _: u32) -> Answer<()> {
        not_here()
    }
    fn unregister(&self, _: &str) -> Answer<()> {
        not_here()
    }
    fn under_way(&self) -> Answer<Vec<UnderWay>> {
        not_here()
    }
    fn epoch(&self) -> Answer<Option<u64>> {
        not_here()
    }
    fn raise_epoch(&self) -> Answer<()> {
        not_here()
    }
    fn backup(&self, _: &Path) -> Answer<()> {
        not_here()
    }
}

impl Outbox {
    /// An outbox with `bodies`, each for every receiver.
    pub fn with(settings: &[Notify], bodies: &[&str]) -> Self {
        let outbox = Self::default();
        for (number, body) in bodies.iter().enumerate() {
            for one in settings {
                let target = target(&one.to);
                outbox.notices.lock().unwrap().push(Notice {
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
        outbox
    }

    /// Delivers as if it were so many seconds later.
    pub fn deliver(&self, settings: &[Notify], seconds: i64) -> Delivery {
        let uid = rustix::process::geteuid().as_raw();
        let now = || at(seconds);
        deliver(self, settings, uid, &now, Duration::from_secs(60)).unwrap()
    }

    pub fn left(&self) -> Vec<Notice> {
        self.notices.lock().unwrap().clone()
    }
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
