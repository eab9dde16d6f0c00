//! What a program says with a request: named fields, of a JSON object or of a query.
//!
//! Knows their forms and says which field is wrong; not what they mean. Whatever nobody asked for is
//! refused, so that a misspelled limit is never taken for none.

use crate::cli::Failure;
use crate::cli::exit::Exit;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Named fields that wait to be taken.
#[derive(Debug)]
pub struct Fields {
    all: Vec<(String, Value)>,
    /// In a query everything is text, and a list is a name given several times.
    is_query: bool,
}

/// An object's fields in their order, one that is given twice twice.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut all = Vec::new();
                while let Some(field) = map.next_entry()? {
                    all.push(field);
                    if all.len() > MAX_FIELDS {
                        return Err(A::Error::custom("too many fields"));
                    }
                }
                Ok(Object(all))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// Most fields of a request.
const MAX_FIELDS: usize = 200;

impl Fields {
    /// Of a JSON object; nothing at all is an object without fields.
    ///
    /// # Errors
    /// It is none.
    pub fn of_body(bytes: &[u8]) -> anyhow::Result<Self> {
        if bytes.trim_ascii().is_empty() {
            return Ok(Self { all: Vec::new(), is_query: false });
        }
        let object: Object = serde_json::from_slice(bytes)
            .map_err(|error| usage(format!("the body is not a JSON object: {error}")))?;
        Ok(Self { all: object.0, is_query: false })
    }

    /// Of a query, as forms write it.
    ///
    /// # Errors
    /// It is malformed.
    pub fn of_query(query: &[u8]) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            let text = |bytes: &[u8]| decoded(bytes).ok_or_else(|| usage("the query is malformed"));
            all.push((text(name)?, Value::String(text(value.get(1..).unwrap_or_default())?)));
        }
        Ok(Self { all, is_query: true })
    }

    /// Text, where the field is given; `null` is as if it were not.
    ///
    /// # Errors
    /// It is given twice, or is no text.
    pub fn text(&mut self, name: &str) -> anyhow::Result<Option<String>> {
        self.one(name)?.map(|value| text(name, value)).transpose()
    }

    /// Text that has to be there.
    ///
    /// # Errors
    /// As [`Fields::text`], and where it is not given.
    pub fn needed(&mut self, name: &str) -> anyhow::Result<String> {
        let missing = || usage(format!("`{name}` is missing")).into();
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// One of some words.
    ///
    /// # Errors
    /// As [`Fields::text`], and for another word.
    pub fn word(&mut self, name: &str, words: &[&str]) -> anyhow::Result<Option<String>> {
        match self.text(name)? {
            Some(text) if !words.contains(&text.as_str()) => {
                Err(usage(format!("`{name}` is one of {}", words.join(", "))).into())
            }
            text => Ok(text),
        }
    }

    /// A list of texts; none where the field is not given.
    ///
    /// # Errors
    /// It is no list of texts.
    pub fn texts(&mut self, name: &str) -> anyhow::Result<Vec<String>> {
        if self.is_query {
            return self.take(name).into_iter().map(|value| text(name, value)).collect();
        }
        match self.one(name)? {
            None => Ok(Vec::new()),
            Some(Value::Array(all)) => all.into_iter().map(|value| text(name, value)).collect(),
            Some(_) => Err(usage(format!("`{name}` has to be a list of strings")).into()),
        }
    }

    /// Yes or no; no where the field is not given.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&mut self, name: &str) -> anyhow::Result<bool> {
        match self.one(name)? {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::String(text)) if self.is_query && text == "true" => Ok(true),
            Some(Value::String(text)) if self.is_query && text == "false" => Ok(false),
            Some(_) => Err(usage(format!("`{name}` has to be true or false")).into()),
        }
    }

    /// A number between two, both included.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&mut self, name: &str, (low, high): (u64, u64)) -> anyhow::Result<Option<u64>> {
        let number = match self.one(name)? {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) if self.is_query => text.parse().ok(),
            Some(_) => None,
        };
        let number = number.filter(|number| (low..=high).contains(number));
        let words = || usage(format!("`{name}` has to be a whole number from {low} to {high}"));
        number.map(Some).ok_or_else(|| words().into())
    }

    /// Nothing else may be there.
    ///
    /// # Errors
    /// Something is; it is named.
    pub fn end(self) -> anyhow::Result<()> {
        match self.all.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name = crate::text::Safe::new(name.as_bytes(), 80);
                Err(usage(format!("there is no field `{name}` here")).into())
            }
        }
    }

    fn take(&mut self, name: &str) -> Vec<Value> {
        self.all.extract_if(.., |(one, _)| one == name).map(|(_, value)| value).collect()
    }

    fn one(&mut self, name: &str) -> anyhow::Result<Option<Value>> {
        let mut all = self.take(name);
        if all.len() > 1 {
            return Err(usage(format!("`{name}` is given twice")).into());
        }
        Ok(all.pop().filter(|value| !value.is_null()))
    }
}

/// What no command line can hold, no verb is given.
fn text(name: &str, value: Value) -> anyhow::Result<String> {
    match value {
        Value::String(text) if !text.contains('\0') => Ok(text),
        Value::String(_) => Err(usage(format!("`{name}` has a zero byte")).into()),
        _ => Err(usage(format!("`{name}` has to be a string")).into()),
    }
}

fn usage(words: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, words)
}

/// `%41` and `+` made what they stand for.
fn decoded(bytes: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Fields {
        Fields::of_body(text.as_bytes()).unwrap()
    }

    fn query(text: &str) -> Fields {
        Fields::of_query(text.as_bytes()).unwrap()
    }

    fn said<T: fmt::Debug>(result: anyhow::Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn fields_are_taken_by_name_and_nothing_may_be_left() {
        let mut fields = body(r#"{"a":"x","list":["p","q{r,s}"],"n":3,"yes":true,"none":null}"#);
        assert_eq!(fields.needed("a").unwrap(), "x");
        assert_eq!(fields.texts("list").unwrap(), ["p", "q{r,s}"]);
        assert_eq!(fields.number("n", (1, 9)).unwrap(), Some(3));
        assert!(fields.flag("yes").unwrap() && !fields.flag("no").unwrap());
        assert_eq!(fields.text("none").unwrap(), None);
        fields.end().unwrap();
        assert_eq!(said(body(r#"{"use":1}"#).end()), "there is no field `use` here");
        body(" \n").end().unwrap();
    }

    #[test]
    fn a_field_of_the_wrong_form_is_named() {
        assert_eq!(said(body(r#"{"a":1}"#).text("a")), "`a` has to be a string");
        assert_eq!(said(body(r#"{"a":"x\u0000"}"#).text("a")), "`a` has a zero byte");
        assert_eq!(said(body(r#"{"a":"x"}"#).texts("a")), "`a` has to be a list of strings");
        assert_eq!(said(body(r#"{"a":[1]}"#).texts("a")), "`a` has to be a string");
        assert_eq!(said(body(r#"{"a":"true"}"#).flag("a")), "`a` has to be true or false");
        for number in ["0", "10", "1.5", "-1", "\"3\"", "1e400"] {
            let text = format!(r#"{{"a":{number}}}"#);
            let Ok(mut fields) = Fields::of_body(text.as_bytes()) else { continue };
            let words = said(fields.number("a", (1, 9)));
            assert_eq!(words, "`a` has to be a whole number from 1 to 9", "{number}");
        }
        assert_eq!(said(body("{}").needed("a")), "`a` is missing");
        assert_eq!(said(body(r#"{"a":"z"}"#).word("a", &["x", "y"])), "`a` is one of x, y");
    }

    #[test]
    fn what_two_programs_may_read_in_two_ways_is_refused() {
        assert_eq!(said(body(r#"{"a":"1","a":"2"}"#).text("a")), "`a` is given twice");
        assert_eq!(said(query("a=1&a=2").text("a")), "`a` is given twice");
        for text in ["[]", "1", "{", "{}{}", "{\"a\":\"\\ud800\"}", "nul"] {
            assert!(Fields::of_body(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "[".repeat(60_000);
        assert!(Fields::of_body(format!("{{\"a\":{deep}").as_bytes()).is_err());
        let many: Vec<String> = (0..1000).map(|n| format!("\"f{n}\":1")).collect();
        assert!(Fields::of_body(format!("{{{}}}", many.join(",")).as_bytes()).is_err());
    }

    #[test]
    fn a_query_is_decoded_once() {
        let mut fields = query("a=x%2By+z&list=1&list=%32&f=true&n=7&e=");
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("x+y z"));
        assert_eq!(fields.texts("list").unwrap(), ["1", "2"]);
        assert!(fields.flag("f").unwrap());
        assert_eq!(fields.number("n", (0, 9)).unwrap(), Some(7));
        assert_eq!(fields.text("e").unwrap().as_deref(), Some(""));
        fields.end().unwrap();
        assert_eq!(query("a=%2541").text("a").unwrap().as_deref(), Some("%41"));
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "%=1", "a=%+1"] {
            assert!(Fields::of_query(text.as_bytes()).is_err(), "{text}");
        }
    }
}
