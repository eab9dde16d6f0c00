//! Pushes through real doors: sshd, a web server, and a client that is not git.

mod clients;
mod http;
mod http_door;
mod ours;
mod quick;
mod side_paths;
mod ssh;
mod web;

use std::net::{TcpListener, TcpStream};

/// A port of the loopback that nobody listens on just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens on a port of the loopback.
fn wait_for(port: u16) {
    crate::support::wait_until("the server listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
}
