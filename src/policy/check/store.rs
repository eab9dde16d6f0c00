//! `[store]` with `endpoints`: a store that several git hosts share.

use super::Check;
use super::notify::{Address, address};
use crate::policy::diag::{PolicyCode, Problem};
use crate::policy::model::SharedStore;
use crate::policy::raw::{Table, Word};

/// What keys begin with, unless the policy says otherwise.
const PREFIX: &str = "refwarden/";
/// Keys that mean something beside `endpoints` alone.
const REMOTE: [&str; 6] = ["ca", "certificate", "key", "user", "password-file", "prefix"];

impl Check<'_> {
    pub(super) fn shared_store(&mut self, store: &Table) -> Option<SharedStore> {
        let endpoints = self.endpoints(store);
        let ca = self.path_if_any(store, "ca");
        let identity = self.pair(store, "certificate", "key");
        let certificate = self.path_if_any(store, "certificate");
        let key = self.path_if_any(store, "key");
        let login = self.pair(store, "user", "password-file");
        let user = self.line(store, "user");
        let password = self.path_if_any(store, "password-file");
        let prefix = self.prefix(store);
        if !store.has("endpoints") {
            for item in REMOTE.iter().filter_map(|key| store.get(key)) {
                let message =
                    "this belongs to a store on other hosts, and there are no `endpoints`";
                self.report(PolicyCode::StorePairs, item.key, message);
            }
            return None;
        }
        Some(SharedStore {
            endpoints,
            ca,
            identity: certificate.zip(key).filter(|_| identity),
            login: user.zip(password).filter(|_| login),
            prefix,
        })
    }

    /// URLs of the members: a scheme, a host, perhaps a port.
    fn endpoints(&mut self, store: &Table) -> Vec<Box<str>> {
        let Some(words) = store.texts("endpoints") else { return Vec::new() };
        self.not_empty(&words, "endpoints");
        let what = "an endpoint is a URL, as in `https://etcd-1.example.org:2379`";
        for Word { text, at } in &words.words {
            let found = self.safe_url(text, *at, what);
            if let Some(Address { rest, .. }) = found.then(|| address(text)).flatten()
                && !matches!(rest, "" | "/")
            {
                let message =
                    format!("`{text}`: an endpoint is a host and a port, nothing after it");
                self.report(PolicyCode::BadUrl, *at, message);
            }
        }
        words.words.iter().map(|word| word.text.trim_end_matches('/').into()).collect()
    }

    /// Whether both of two keys are there; reports where it is one alone.
    fn pair(&mut self, store: &Table, one: &str, two: &str) -> bool {
        for (here, missing) in [(one, two), (two, one)] {
            if let Some(item) = store.get(here)
                && !store.has(missing)
            {
                let message = format!("`{here}` needs `{missing}` beside it");
                self.problems.push(Problem::new(PolicyCode::StorePairs, item.key, message));
            }
        }
        store.has(one) && store.has(two)
    }

    fn prefix(&mut self, store: &Table) -> Box<str> {
        let Some(Word { text, at }) = store.text("prefix") else { return PREFIX.into() };
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "`prefix` is plain ASCII without blanks, as in `refwarden/`";
            self.report(PolicyCode::BadText, at, message);
        }
        text.into()
    }
}
