//! What came of a push: exit, words, and the refs before and after.

use super::Repo;
use std::collections::BTreeMap;
use std::process::Output;

/// Refs and what they point to.
pub type Refs = BTreeMap<String, String>;

/// The end of one push.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Whether the client ended with 0.
    pub ok: bool,
    /// The client's standard error, verbatim.
    pub stderr: Vec<u8>,
    /// Refs of the server before.
    pub before: Refs,
    /// Refs of the server after.
    pub after: Refs,
}

impl Outcome {
    /// Runs `push` and looks at the server's refs before and after.
    pub fn of(repo: &Repo, push: impl FnOnce() -> Output) -> Self {
        let before = repo.refs();
        let output = push();
        Self { ok: output.status.success(), stderr: output.stderr, before, after: repo.refs() }
    }

    /// The client's words.
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What the server said: the `remote:` lines without that word and without padding.
    pub fn report(&self) -> String {
        let words = self.words();
        let lines = words.lines().filter_map(|line| line.trim_end().strip_prefix("remote:"));
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The push went through and the server said nothing.
    #[track_caller]
    pub fn silent(&self) -> &Self {
        self.landed();
        assert_eq!(self.report(), "", "an ordinary permitted push is silent");
        self
    }

    /// The push went through.
    #[track_caller]
    pub fn landed(&self) -> &Self {
        assert!(self.ok, "the push should land:\n{}", self.words());
        assert_ne!(self.before, self.after, "something should have moved:\n{}", self.words());
        self
    }

    /// The push was refused with this code, and nothing moved.
    #[track_caller]
    pub fn refused(&self, code: &str) -> &Self {
        assert!(!self.ok, "the push should be refused with {code}:\n{}", self.words());
        self.says(code);
        self.nothing_moved()
    }

    /// No ref moved.
    #[track_caller]
    pub fn nothing_moved(&self) -> &Self {
        assert_eq!(self.before, self.after, "no ref should have moved:\n{}", self.words());
        self
    }

    /// The server's words contain this.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.report().contains(text), "should say `{text}`:\n{}", self.words());
        self
    }

    /// The ref exists now and has another value than before.
    #[track_caller]
    pub fn moved(&self, name: &str) -> &Self {
        assert!(self.after.contains_key(name), "`{name}` should be there:\n{}", self.words());
        assert_ne!(self.before.get(name), self.after.get(name), "`{name}` should have moved");
        self
    }

    /// The ref is as it was.
    #[track_caller]
    pub fn stayed(&self, name: &str) -> &Self {
        let (before, after) = (self.before.get(name), self.after.get(name));
        assert_eq!(before, after, "`{name}` should not have moved:\n{}", self.words());
        self
    }

    /// The ref is gone.
    #[track_caller]
    pub fn deleted(&self, name: &str) -> &Self {
        assert!(self.before.contains_key(name), "`{name}` was there");
        assert!(!self.after.contains_key(name), "`{name}` should be gone:\n{}", self.words());
        self
    }
}
