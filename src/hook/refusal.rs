//! A refusal of a push as a whole: a code, and facts for the pusher and for the admin.

use crate::code::Code;
use crate::report::{PushReport, Raw};
use crate::text::Safe;

/// Why a push, or in `update` one ref, is refused before or beside what the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its code.
    pub code: Code,
    /// Facts for the pusher, a line each.
    pub details: Vec<Raw>,
    /// What only the admin should read: paths and causes on the server.
    pub admin: Option<String>,
    /// What the report adds, where it is known: id, help, who.
    pub frame: Box<PushReport>,
}

impl Refusal {
    /// A refusal with facts for the pusher.
    pub fn new<T: Into<Raw>>(code: Code, details: impl IntoIterator<Item = T>) -> Self {
        let details = details.into_iter().map(Into::into).collect();
        Self { code, details, admin: None, frame: Box::default() }
    }

    /// A refusal because refwarden itself has failed.
    #[must_use]
    pub fn defect() -> Self {
        Self::new(Code::Internal, ["a defect of refwarden; the server's log has its place"])
    }

    /// A refusal for a reason on the server: the pusher is told whom to ask, the admin why.
    pub fn server(code: Code, error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let inner_words = inner.to_string();
            if !words.ends_with(&inner_words) {
                words = format!("{words}: {inner_words}");
            }
            cause = inner.source();
        }
        Self {
            admin: Some(words),
            ..Self::new(code, ["tell the server's admin: `refwarden doctor` shows what is wrong"])
        }
    }

    /// The report for the pusher.
    #[must_use]
    pub fn render(&self) -> String {
        let whole = Some((self.code, self.details.clone()));
        PushReport { whole, ..(*self.frame).clone() }.render()
    }

    /// One line for syslog.
    #[must_use]
    pub fn for_admin(&self) -> String {
        let words = match &self.admin {
            Some(words) => words.clone().into_bytes(),
            None => self.details.join(b"; ".as_slice()),
        };
        format!("{} {}: {}", self.code, self.code.title(), Safe::new(&words, 800))
    }
}
