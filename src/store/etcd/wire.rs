//! etcd's transactions as the HTTP/JSON gateway has them: keys and values in base64, 64-bit
//! numbers as text, what is zero or empty left out.
//!
//! Knows the gateway's form; not what any key means, nor how a request travels. After etcd's
//! `api/etcdserverpb/rpc.proto` and protobuf's JSON mapping.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::cmp::Ordering;

/// A transaction: all of `compare` holds, then `success`, else `failure`.
#[derive(Debug, Clone, Default)]
pub struct Txn {
    /// Conditions.
    pub compare: Vec<Value>,
    /// Steps where all hold.
    pub success: Vec<Value>,
    /// Steps where one does not.
    pub failure: Vec<Value>,
}

impl Txn {
    /// As the body of a request.
    #[must_use]
    pub fn body(&self) -> String {
        let (compare, success, failure) = (&self.compare, &self.success, &self.failure);
        json!({"compare": compare, "success": success, "failure": failure}).to_string()
    }

    /// Steps as etcd counts them against `--max-txn-ops`; nested ones add to it.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.compare.len().max(self.success.len()).max(self.failure.len()) + 1
    }
}

/// Bytes as the gateway takes them.
#[must_use]
pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Condition: the key's value is exactly this.
#[must_use]
pub fn is_value(key: &str, value: &[u8]) -> Value {
    is_sorted(key, Ordering::Equal, value)
}

/// Condition: the key's value sorts before this one, or behind it.
#[must_use]
pub fn is_sorted(key: &str, order: Ordering, value: &[u8]) -> Value {
    let result = match order {
        Ordering::Less => "LESS",
        Ordering::Equal => "EQUAL",
        Ordering::Greater => "GREATER",
    };
    json!({"key": b64(key.as_bytes()), "target": "VALUE", "result": result, "value": b64(value)})
}

/// Condition: there is no such key.
#[must_use]
pub fn is_absent(key: &str) -> Value {
    json!({
        "key": b64(key.as_bytes()), "target": "CREATE", "result": "EQUAL", "create_revision": "0",
    })
}

/// Condition: the key was written last at this revision; 0 is a key that is not there.
#[must_use]
pub fn is_at(key: &str, revision: u64) -> Value {
    json!({
        "key": b64(key.as_bytes()), "target": "MOD", "result": "EQUAL",
        "mod_revision": revision.to_string(),
    })
}

/// Step: write.
#[must_use]
pub fn put(key: &str, value: &[u8]) -> Value {
    json!({"request_put": {"key": b64(key.as_bytes()), "value": b64(value)}})
}

/// Step: write, for as long as the lease lives.
#[must_use]
pub fn put_leased(key: &str, value: &[u8], lease: u64) -> Value {
    let (key, value) = (b64(key.as_bytes()), b64(value));
    json!({"request_put": {"key": key, "value": value, "lease": lease.to_string()}})
}

/// Step: remove.
#[must_use]
pub fn delete(key: &str) -> Value {
    json!({"request_delete_range": {"key": b64(key.as_bytes())}})
}

/// Step: remove from a key on, up to another.
#[must_use]
pub fn delete_range(from: &str, to: &str) -> Value {
    let (from, to) = (b64(from.as_bytes()), b64(to.as_bytes()));
    json!({"request_delete_range": {"key": from, "range_end": to}})
}

/// Step: read one key.
#[must_use]
pub fn get(key: &str) -> Value {
    json!({"request_range": {"key": b64(key.as_bytes())}})
}

/// Step: a transaction inside; without conditions that fail there is no other branch.
#[must_use]
pub fn nested(compare: Value, success: Value) -> Value {
    json!({"request_txn": {"compare": [compare], "success": [success]}})
}

/// Step: read from a key on, up to another, in the order of keys.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// Inclusive.
    pub from: String,
    /// Exclusive.
    pub to: String,
    /// At most so many; 0 is no limit.
    pub limit: usize,
    /// As everything was at this revision; 0 is now.
    pub revision: u64,
}

impl Range {
    /// As a step.
    #[must_use]
    pub fn step(&self) -> Value {
        json!({"request_range": {
            "key": b64(self.from.as_bytes()),
            "range_end": b64(self.to.as_bytes()),
            "limit": self.limit.to_string(),
            "revision": self.revision.to_string(),
        }})
    }
}

/// What a transaction answered.
#[derive(Debug, Deserialize)]
pub struct Answer {
    #[serde(default)]
    header: Header,
    /// Whether all conditions held.
    #[serde(default)]
    pub succeeded: bool,
    #[serde(default)]
    responses: Vec<StepAnswer>,
}

#[derive(Debug, Default, Deserialize)]
struct Header {
    #[serde(default, deserialize_with = "number")]
    revision: u64,
}

#[derive(Debug, Deserialize)]
struct StepAnswer {
    response_range: Option<Found>,
}

/// What a read found.
#[derive(Debug, Default, Deserialize)]
pub struct Found {
    /// Keys and values, in the order of keys.
    #[serde(default)]
    pub kvs: Vec<Pair>,
    /// Whether there are more than the limit let through.
    #[serde(default)]
    pub more: bool,
}

/// A key with what belongs to it.
#[derive(Debug, Deserialize)]
pub struct Pair {
    /// The key.
    #[serde(default, deserialize_with = "text")]
    pub key: String,
    /// Its value.
    #[serde(default, deserialize_with = "bytes")]
    pub value: Vec<u8>,
    /// How often it was written since it was made.
    #[serde(default, deserialize_with = "number")]
    pub version: u64,
    /// The store's revision when it was written last.
    #[serde(default, deserialize_with = "number")]
    pub mod_revision: u64,
}

impl Answer {
    /// The store's revision that the answer is about.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.header.revision
    }

    /// What each read of the branch found, in its order; other steps are left out.
    #[must_use]
    pub fn found(self) -> Vec<Found> {
        self.responses.into_iter().filter_map(|one| one.response_range).collect()
    }
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    let number = match &value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.ok_or_else(|| D::Error::custom("not a number"))
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    STANDARD.decode(text).map_err(|_| D::Error::custom("not base64"))
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::from_utf8(bytes(from)?).map_err(|_| D::Error::custom("a key that is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_zero_and_empty() {
        let answer: Answer = serde_json::from_str(
            r#"{"header":{"cluster_id":"1","revision":"9007199254740993"},"responses":[
                {"response_put":{"header":{}}},{"response_range":{"header":{}}},
                {"response_range":{"kvs":[{"key":"YQ==","mod_revision":"5","version":"2"}],"more":true}}]}"#,
        )
        .unwrap();
        assert!(!answer.succeeded);
        assert_eq!(answer.revision(), 9_007_199_254_740_993);
        let found = answer.found();
        assert_eq!(found.len(), 2);
        assert!(found[0].kvs.is_empty() && !found[0].more);
        let pair = &found[1].kvs[0];
        assert_eq!((pair.key.as_str(), pair.version, pair.mod_revision), ("a", 2, 5));
        assert!(pair.value.is_empty());
    }

    #[test]
    fn a_lying_member_makes_an_error_not_a_panic() {
        for bad in [
            r#"{"header":{"revision":"-1"}}"#,
            r#"{"responses":[{"response_range":{"kvs":[{"key":"?"}]}}]}"#,
            r#"{"responses":[{"response_range":{"kvs":[{"key":"/w=="}]}}]}"#,
            r#"{"responses":[{"response_range":{"kvs":[{"version":{}}]}}]}"#,
            r#"{"responses":"#,
        ] {
            assert!(serde_json::from_str::<Answer>(bad).is_err(), "{bad}");
        }
    }
}
