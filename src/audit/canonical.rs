//! Canonical JSON (RFC 8785): one text for one value, so that a hash over the text is one over the value.
//!
//! Knows the form, restricted to whole numbers that every reader holds exactly; not what a record
//! is. Keys are in order of their UTF-16 units (3.2.3), strings use the shortest escapes (3.2.2.2).

use serde_json::{Map, Value};
use std::cmp::Ordering;

/// The largest whole number that an IEEE 754 double and its neighbours tell apart: 2^53 - 1.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A number that the trail's canonical form leaves out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the number {0} is not a whole number of at most 2^53 - 1")]
pub struct UnfitNumber(pub String);

/// The canonical text of `object`.
///
/// # Errors
/// [`UnfitNumber`] for a fraction, or a whole number past [`MAX_INTEGER`].
pub fn write(object: &Map<String, Value>) -> Result<Vec<u8>, UnfitNumber> {
    let mut out = Vec::with_capacity(512);
    write_object(object, &mut out)?;
    Ok(out)
}

fn write_object(object: &Map<String, Value>, out: &mut Vec<u8>) -> Result<(), UnfitNumber> {
    let mut members: Vec<_> = object.iter().collect();
    members.sort_by(|(a, _), (b, _)| compare(a, b));
    out.push(b'{');
    for (number, (key, value)) in members.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        write_value(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn compare(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<(), UnfitNumber> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(number, out)?,
        Value::String(text) => write_string(text, out),
        Value::Array(items) => write_array(items, out)?,
        Value::Object(object) => write_object(object, out)?,
    }
    Ok(())
}

fn write_array(items: &[Value], out: &mut Vec<u8>) -> Result<(), UnfitNumber> {
    out.push(b'[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write_value(item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_number(number: &serde_json::Number, out: &mut Vec<u8>) -> Result<(), UnfitNumber> {
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match magnitude {
        Some(n) if n <= MAX_INTEGER => {
            out.extend_from_slice(number.to_string().as_bytes());
            Ok(())
        }
        _ => Err(UnfitNumber(number.to_string())),
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> Result<String, UnfitNumber> {
        let object: Map<String, Value> = serde_json::from_str(text).unwrap();
        Ok(String::from_utf8(write(&object)?).unwrap())
    }

    #[test]
    fn keys_are_in_order_of_their_utf16_units() {
        // The example of RFC 8785, 3.2.3, where UTF-8 order differs for the last two.
        let text = r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let expected = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(text).unwrap(), expected);
    }

    #[test]
    fn strings_have_the_shortest_escapes() {
        // RFC 8785, 3.2.2.2.
        let text = r#"{"s":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u0008\t\f\r\u007f"}"#;
        let expected = "{\"s\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\b\\t\\f\\r\u{7f}\"}";
        assert_eq!(canonical(text).unwrap(), expected);
    }

    #[test]
    fn numbers_that_readers_might_round_are_refused() {
        for good in ["0", "-1", "9007199254740991", "-9007199254740991"] {
            assert_eq!(
                canonical(&format!("{{\"n\":{good}}}")).unwrap(),
                format!("{{\"n\":{good}}}")
            );
        }
        for bad in ["1.0", "1e2", "-0", "9007199254740992", "-9007199254740992", "1e400000"] {
            let parsed = serde_json::from_str::<Map<String, Value>>(&format!("{{\"n\":{bad}}}"));
            assert!(parsed.is_err() || write(&parsed.unwrap()).is_err(), "{bad}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_text_means_the_value_and_is_the_same_again(value in json()) {
            let object: Map<String, Value> = [("k".to_owned(), value)].into_iter().collect();
            let text = write(&object).unwrap();
            let again: Map<String, Value> = serde_json::from_slice(&text).unwrap();
            prop_assert_eq!(&again, &object);
            prop_assert_eq!(write(&again).unwrap(), text);
        }
    }
}
