//! What a look at an installation finds: one fact, how bad it is, and its cure.

use serde::Serialize;

/// How bad a finding is, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth a look; pushes are judged nevertheless.
    Warn,
    /// Pushes are refused that should not be.
    Broken,
    /// Pushes can pass that were not judged; in secure mode, reads too.
    FailOpen,
}

/// One fact about an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it, a stable name.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// The fact, with the path that it is about.
    pub what: String,
    /// What to do about it; empty when it is as it should be.
    pub cure: String,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, what: what.into(), cure: String::new() }
    }

    /// Worth a look.
    pub fn warn(check: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, level: Level::Warn, what: what.into(), cure: cure.into() }
    }

    /// Pushes are refused that should not be.
    pub fn broken(check: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, level: Level::Broken, what: what.into(), cure: cure.into() }
    }

    /// Pushes can pass that were not judged.
    pub fn open(check: &'static str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check, level: Level::FailOpen, what: what.into(), cure: cure.into() }
    }

    /// The finding as lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let word = match self.level {
            Level::Ok => "ok       ",
            Level::Warn => "warning  ",
            Level::Broken => "broken   ",
            Level::FailOpen => "FAIL OPEN",
        };
        let mut lines = vec![format!("{word} {}: {}", self.check, self.what)];
        if !self.cure.is_empty() {
            lines.push(format!("          cure: {}", self.cure));
        }
        lines
    }
}

/// The worst level among findings.
#[must_use]
pub fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Level {
    findings.into_iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_open_is_worse_than_refusing_too_much() {
        let found =
            [Finding::open("a", "x", "y"), Finding::broken("b", "x", "y"), Finding::ok("c", "x")];
        assert_eq!(worst(&found), Level::FailOpen);
        assert_eq!(worst(&[]), Level::Ok);
        assert_eq!(found[0].lines(), ["FAIL OPEN a: x", "          cure: y"]);
        assert_eq!(found[2].lines().len(), 1);
    }
}
