//! Members, and stores on them.

use super::super::Etcd;
use crate::policy::model::SharedStore;
use std::time::{Duration, Instant};

#[path = "../../../../tests/it/support/etcd.rs"]
mod members;

pub use members::{Cluster, Setup, common};

impl Cluster {
    /// A store of all members.
    pub fn store(&self, prefix: &str, deadline: Duration) -> Etcd {
        open(&shared(&self.urls(), prefix), deadline)
    }

    /// A store of this name that was just made.
    pub fn made(&self, prefix: &str) -> Etcd {
        let store = self.store(prefix, Duration::from_secs(10));
        assert!(store.create().unwrap());
        store
    }
}

/// `[store]` with these endpoints.
pub fn shared(urls: &[String], prefix: &str) -> SharedStore {
    SharedStore {
        endpoints: urls.iter().map(|url| url.as_str().into()).collect(),
        ca: None,
        identity: None,
        login: None,
        prefix: prefix.into(),
    }
}

/// The store that `shared` names, for whoever runs the test.
pub fn open(shared: &SharedStore, deadline: Duration) -> Etcd {
    Etcd::open(shared, rustix::process::geteuid().as_raw(), deadline).unwrap()
}

/// Waits until `test` holds.
///
/// # Panics
/// After 30 s.
#[track_caller]
pub fn wait_until(what: &str, mut test: impl FnMut() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < Duration::from_secs(30), "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
