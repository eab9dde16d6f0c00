//! Pushes under way on all hosts, each under a lease: what a host leaves behind when it dies goes
//! by itself.

use super::super::access::{StoreError, UnderWay};
use super::keys::behind;
use super::wire::{self, Txn};
use super::{Call, Etcd};
use serde::Deserialize;
use serde_json::json;

/// A lease, as the gateway grants it.
#[derive(Deserialize)]
struct Granted {
    #[serde(rename = "ID")]
    id: String,
}

impl Etcd {
    pub(super) fn lease_push(&self, push: &UnderWay, seconds: u32) -> Result<(), StoreError> {
        let call = self.call();
        let lease = call.grant(seconds)?;
        let step = wire::put_leased(&self.keys.of("push", &push.key), &self.json(push)?, lease);
        call.txn(Txn { success: vec![step], ..Txn::default() })?;
        Ok(())
    }

    /// The lease ends by itself; nothing hangs on it any more.
    pub(super) fn end_push(&self, key: &str) -> Result<(), StoreError> {
        let steps = vec![wire::delete(&self.keys.of("push", key))];
        self.call().txn(Txn { success: steps, ..Txn::default() })?;
        Ok(())
    }

    pub(super) fn pushes(&self) -> Result<Vec<UnderWay>, StoreError> {
        let all = self.keys.of("push", "");
        let mut pushes = Vec::new();
        Call::pages(self, (all.clone(), behind(&all)), |pair| {
            pushes.push(self.parse(&pair)?);
            Ok(true)
        })?;
        Ok(pushes)
    }
}

impl Call<'_> {
    /// One that nobody gets, because the answer was lost, ends by itself.
    pub(super) fn grant(&self, seconds: u32) -> Result<u64, StoreError> {
        let body = json!({"TTL": seconds.max(1).to_string(), "ID": "0"}).to_string();
        let answer = self.post("/v3/lease/grant", &body)?;
        let granted = serde_json::from_slice::<Granted>(&answer).ok();
        granted.and_then(|granted| granted.id.parse().ok()).ok_or_else(|| {
            self.etcd.client.unavailable("the answer to asking for a lease has no id")
        })
    }

    /// Ends a lease, and with it whatever hangs on it.
    pub(super) fn end_lease(&self, lease: u64) -> Result<(), StoreError> {
        let body = json!({"ID": lease.to_string()}).to_string();
        self.post("/v3/lease/revoke", &body)?;
        Ok(())
    }
}
