//! The audit trail as the tests read it: plainly, without our own reader.

use serde_json::Value;
use std::path::PathBuf;

/// One trail file.
#[derive(Debug, Clone)]
pub struct Trail {
    /// The file.
    pub path: PathBuf,
}

impl Trail {
    /// Every line.
    ///
    /// # Panics
    /// When a line is not JSON.
    pub fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lines of one event.
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// The last decision.
    #[track_caller]
    pub fn last_decision(&self) -> Value {
        self.events("push.decided").pop().expect("a decision is recorded")
    }

    /// Whether some decision lets this ref take this value.
    pub fn says_yes(&self, name: &str, new: &str) -> bool {
        let fits = |one: &Value| {
            let no = one["verdict"] == "refused";
            one["name"] == name && one["new"] == new && !no
        };
        self.events("push.decided")
            .iter()
            .filter(|line| line["verdict"] != "refused")
            .any(|line| line["refs"].as_array().is_some_and(|refs| refs.iter().any(fits)))
    }
}
