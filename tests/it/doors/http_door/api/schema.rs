//! Whether a value is what the document says: the part of JSON Schema that the document uses, by hand.
//!
//! An object is closed here unless the document opens it: what is answered and not told fails.

use serde_json::Value;

/// Where `value` is not what `schema` says; a word of a schema that is not known here is a mistake too.
pub fn wrong(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, said) in schema.as_object().unwrap_or_else(|| panic!("{at}: a schema")) {
        match word.as_str() {
            "$ref" => {
                let path = said.as_str().unwrap().strip_prefix('#').unwrap();
                let schema = document.pointer(path).unwrap_or_else(|| panic!("{at}: {path}"));
                found.extend(wrong(document, schema, value, at));
            }
            "anyOf" => {
                let mut any = said.as_array().unwrap().iter();
                if !any.any(|one| wrong(document, one, value, at).is_empty()) {
                    found.push(format!("{at}: none of anyOf fits {value}"));
                }
            }
            "type" => found.extend(kind(said, value, at)),
            "enum" if said.as_array().unwrap().contains(value) => {}
            "enum" => found.push(format!("{at}: {value} is not one of {said}")),
            "minimum" if value.is_null() || value.as_i64() >= said.as_i64() => {}
            "minimum" => found.push(format!("{at}: {value} is below {said}")),
            "format" => {
                assert_eq!(said, "date-time");
                let text = value.as_str().unwrap_or("2026-01-01T00:00:00Z");
                if chrono::DateTime::parse_from_rfc3339(text).is_err() {
                    found.push(format!("{at}: {text} is no time"));
                }
            }
            "items" => {
                for (n, one) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(wrong(document, said, one, &format!("{at}/{n}")));
                }
            }
            "required" => {
                for name in said.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
                    if value.get(name).is_none() {
                        found.push(format!("{at}: `{name}` is missing"));
                    }
                }
            }
            "properties" => found.extend(properties(document, (schema, said), value, at)),
            "additionalProperties" | "description" => {}
            word => panic!("{at}: the tests do not know `{word}`"),
        }
    }
    if let (Some(more), None) = (schema.get("additionalProperties"), schema.get("properties")) {
        for (name, one) in value.as_object().into_iter().flatten() {
            found.extend(wrong(document, more, one, &format!("{at}/{name}")));
        }
    }
    found
}

fn properties(
    document: &Value,
    (schema, said): (&Value, &Value),
    value: &Value,
    at: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, one) in value.as_object().into_iter().flatten() {
        match said.get(name) {
            Some(schema) => found.extend(wrong(document, schema, one, &format!("{at}/{name}"))),
            None if schema.get("additionalProperties") == Some(&Value::Bool(true)) => {}
            None => found.push(format!("{at}: nobody told of `{name}`")),
        }
    }
    found
}

fn kind(said: &Value, value: &Value, at: &str) -> Option<String> {
    let one = [said.clone()];
    let all = said.as_array().map_or(one.as_slice(), Vec::as_slice);
    let fits = all.iter().any(|word| match word.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        word => panic!("{at}: `{word}`"),
    });
    (!fits).then(|| format!("{at}: {value} is no {said}"))
}

#[test]
fn a_value_that_is_otherwise_is_found() {
    use serde_json::json;
    let document = json!({ "x": { "type": ["string", "null"], "enum": ["a", null] } });
    let schema = json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "$ref": "#/x" }, "n": { "type": "integer", "minimum": 1 },
        "l": { "type": "array", "items": { "anyOf": [{ "type": "string" }, { "type": "null" }] } },
        "t": { "type": "string", "format": "date-time" },
    } });
    let wrong = |value| wrong(&document, &schema, &value, "").len();
    let good = json!({ "a": null, "n": 1, "l": ["x", null], "t": "2026-01-01T00:00:00Z" });
    assert_eq!(wrong(good), 0);
    for bad in [
        json!([]),
        json!({}),
        json!({ "a": "b" }),
        json!({ "a": "a", "z": 1 }),
        json!({ "a": "a", "n": 0 }),
        json!({ "a": "a", "n": "1" }),
        json!({ "a": "a", "l": [1] }),
        json!({ "a": "a", "t": "today" }),
    ] {
        assert!(wrong(bad.clone()) > 0, "{bad}");
    }
}
