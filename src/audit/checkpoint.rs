//! A checkpoint: where the trail of a host ended, to be kept elsewhere.
//!
//! Knows its JSON form; a chain alone can't show that its tail was cut, a checkpoint can.

use super::line::{End, Hash};
use super::text::Text;
use serde::{Deserialize, Serialize};

/// `{"host":…,"seq":…,"hash":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Whose trail.
    pub host: Text,
    /// Number of its last line then.
    pub seq: u64,
    /// Hash of that line.
    #[serde(with = "hex")]
    pub hash: Hash,
}

impl Checkpoint {
    /// The checkpoint for a chain that ends at `end` on `host`.
    #[must_use]
    pub const fn new(host: Text, end: End) -> Self {
        Self { host, seq: end.seq, hash: end.hash }
    }
}

mod hex {
    use super::Hash;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::parse(&text).ok_or_else(|| D::Error::custom("not 64 lower-case hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_contract_says_and_nothing_else_is_read() {
        let point = Checkpoint { host: "h".into(), seq: 7, hash: Hash::NONE };
        let text = serde_json::to_string(&point).unwrap();
        assert_eq!(text, format!(r#"{{"host":"h","seq":7,"hash":"{}"}}"#, "0".repeat(64)));
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), point);
        for bad in [text.replace('0', "A"), text.replace("}", ",\"x\":1}"), text.replace('7', "-7")]
        {
            assert!(serde_json::from_str::<Checkpoint>(&bad).is_err(), "{bad}");
        }
    }
}
