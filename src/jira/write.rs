//! What landed commits do to an issue: a comment, a transition.
//!
//! Knows the two calls and how text is kept from meaning anything; not which commits say so, nor when
//! it is tried again. Not a part of any push: it has its own time, and the breaker does not hear of it.

use super::client::Client;
use super::failure::JiraError;
use super::{Jira, wire};
use crate::policy::model::Flavor;
use crate::push::IssueKey;
use crate::push::smart::spelled;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one call may take: making a comment takes Jira longer than answering a question.
const CALL: Duration = Duration::from_secs(10);
/// How many of the newest comments are looked through for one that was made before.
const RECENT: usize = 50;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Two lines: what was said, and who says where it comes from.
    Comment {
        /// The commit's words.
        said: &'a str,
        /// Ours; the mark stands in it.
        by: &'a str,
        /// Names this comment among all.
        mark: &'a str,
    },
    /// The issue takes the transition of that name.
    Transition(&'a str),
}

impl Jira {
    /// Does it, and says to which issue: a moved one has another key today. `again` says that an
    /// earlier try may have come through.
    ///
    /// # Errors
    /// [`JiraError`]; [`JiraError::is_final`] tells those that another try would not mend.
    pub fn act(
        &self,
        key: &IssueKey,
        projects: &[Box<str>],
        act: Act<'_>,
        again: bool,
    ) -> Result<String, JiraError> {
        let client = self.client()?;
        let issue = client.issue(key, &[], &BTreeMap::new(), CALL)?;
        let Some(issue) = issue else {
            // What nobody may see is absent, and so it is to a token that has ended.
            client.me(CALL)?;
            return Err(JiraError::Absent(key.to_string()));
        };
        if !projects.iter().any(|project| **project == *issue.project) {
            return Err(JiraError::Moved(key.to_string(), issue.key));
        }
        // It becomes a part of an address.
        let key = IssueKey::parse(&issue.key).map_err(|_| JiraError::Form("an issue's key"))?;
        match act {
            Act::Comment { mark, .. } if again && client.has_comment(&key, mark)? => {}
            Act::Comment { said, by, .. } => client.comment(&key, said, by)?,
            Act::Transition(name) => client.transition(&key, name)?,
        }
        Ok(key.to_string())
    }
}

impl Client {
    fn has_comment(&self, key: &IssueKey, mark: &str) -> Result<bool, JiraError> {
        let path = format!("/issue/{key}/comment?orderBy=-created&maxResults={RECENT}");
        let body = self.there(&path, &format!("comments on {key}"), CALL)?;
        let all = body.get("comments").and_then(Value::as_array);
        let all = all.ok_or(JiraError::Form("the list of comments"))?;
        Ok(all.iter().filter_map(|one| one.get("body")).any(|body| body.to_string().contains(mark)))
    }

    fn comment(&self, key: &IssueKey, said: &str, by: &str) -> Result<(), JiraError> {
        let body = match self.flavor() {
            Flavor::Cloud => document(&[said, by]),
            Flavor::DataCenter => Value::String(plain(&[said, by])),
        };
        let what = format!("a comment on {key}");
        self.post(&format!("/issue/{key}/comment"), &json!({ "body": body }), &what, CALL)?;
        Ok(())
    }

    fn transition(&self, key: &IssueKey, name: &str) -> Result<(), JiraError> {
        let what = format!("a transition of {key}");
        let path = format!("/issue/{key}/transitions");
        let there = wire::transitions(&self.there(&path, &what, CALL)?)?;
        let found = there.iter().find(|(_, other)| spelled(other) == spelled(name));
        let Some((id, _)) = found else {
            return Err(JiraError::NoTransition(key.to_string(), name.to_owned()));
        };
        self.post(&path, &json!({ "transition": { "id": id } }), &what, CALL)?;
        Ok(())
    }
}

/// Paragraphs of text alone, in the format of Cloud's documents: a mention or a link would be another
/// kind of node, so text is never one.
fn document(lines: &[&str]) -> Value {
    let paragraph =
        |line: &&str| json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] });
    json!({ "type": "doc", "version": 1, "content": lines.iter().map(paragraph).collect::<Vec<_>>() })
}

/// Text for Data Center, whose comments are markup: between two `{noformat}` nothing is, and no text
/// ends them, because something of no width follows each `{`. The same after `[`, for mentions.
fn plain(lines: &[&str]) -> String {
    let kept = lines.join("\n").replace('{', "{\u{2060}").replace('[', "[\u{2060}");
    format!("{{noformat}}\n{kept}\n{{noformat}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_text_in_both_flavors() {
        let hostile = "{noformat} [~admin] h1. {html}<b>!http://x/y.png!@bob";
        let plain = plain(&[hostile, "by alice"]);
        assert_eq!(plain.matches("{noformat}").count(), 2);
        assert!(!plain.contains("[~") && !plain.contains("{html"), "{plain}");
        let document = document(&[hostile, "by alice"]);
        assert_eq!(document["content"][0]["content"][0]["text"], hostile);
        assert_eq!(document["content"].as_array().unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_ends_the_plain_part(text in "(\\{|\\}|noformat|NoFormat|\\[|~|[ a-z\\\\]){0,20}") {
            let plain = plain(&[&text]);
            let inner = plain.strip_prefix("{noformat}\n").unwrap();
            let inner = inner.strip_suffix("\n{noformat}").unwrap().to_lowercase();
            let (ended, mentioned) = (inner.contains("{noformat"), inner.contains("[~"));
            prop_assert!(!ended && !mentioned);
            prop_assert_eq!(inner.replace('\u{2060}', ""), text.to_lowercase());
        }
    }
}
