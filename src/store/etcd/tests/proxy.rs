//! A door before a member that loses what it is told to lose.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How many requests' answers are still to be lost, and how many were.
#[derive(Debug, Default)]
pub struct Losing {
    left: AtomicUsize,
    lost: AtomicUsize,
}

/// A proxy of one request a connection; it lives as long as the test process.
#[derive(Debug)]
pub struct Proxy {
    /// Its own URL.
    pub url: String,
    losing: Arc<Losing>,
}

impl Proxy {
    /// Before the member at `url`.
    pub fn before(url: &str) -> Self {
        let to = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let losing = Arc::new(Losing::default());
        let counts = Arc::clone(&losing);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (to, counts) = (to.clone(), Arc::clone(&counts));
                std::thread::spawn(move || pass(client.unwrap(), &to, &counts));
            }
        });
        Self { url, losing }
    }

    /// The next `count` changes reach the member, and their answers nobody.
    pub fn lose(&self, count: usize) {
        self.losing.left.store(count, Ordering::SeqCst);
    }

    /// How many were lost.
    pub fn lost(&self) -> usize {
        self.losing.lost.load(Ordering::SeqCst)
    }
}

fn pass(mut client: TcpStream, to: &str, losing: &Losing) {
    let request = read_request(&mut client);
    // Reads go through: what a lost read does is not asked here.
    let changes = String::from_utf8_lossy(&request).contains("request_put");
    let mut member = TcpStream::connect(to).unwrap();
    member.write_all(&request).unwrap();
    let mut answer = Vec::new();
    member.read_to_end(&mut answer).unwrap();
    let less = |left: usize| left.checked_sub(1);
    if changes && losing.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
        losing.lost.fetch_add(1, Ordering::SeqCst);
        return;
    }
    let _ = client.write_all(&answer);
}

/// Head and body, with `Connection: close` so that the answer's end is the connection's.
fn read_request(client: &mut TcpStream) -> Vec<u8> {
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut bytes, mut part) = (Vec::new(), [0; 65536]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).unwrap();
            let length: usize = length.lines().next().unwrap().parse().unwrap();
            if body.len() >= length {
                return format!("{head}\r\nConnection: close\r\n\r\n{body}").into_bytes();
            }
        }
        match client.read(&mut part) {
            Ok(0) | Err(_) => return bytes,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
        }
    }
}
