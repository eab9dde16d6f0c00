//! The starter set of `content`: what looks like a secret, however little is known of a project.
//!
//! Knows forms that issuers publish and that begin with letters of their own, so that ordinary text
//! is not met; and checksums, where a form has one and a text without the right one is no token.

use crate::pusher::token;

/// One kind of secret.
pub struct Kind {
    /// What it is called in the report.
    pub name: &'static str,
    /// Over one line, without Unicode classes.
    pub pattern: &'static str,
    /// Tells a token from a mere likeness, where that can be told.
    confirm: Option<fn(&[u8]) -> bool>,
}

impl Kind {
    const fn new(name: &'static str, pattern: &'static str) -> Self {
        Self { name, pattern, confirm: None }
    }

    /// Whether a text that the pattern found is one.
    #[must_use]
    pub fn is(&self, found: &[u8]) -> bool {
        self.confirm.is_none_or(|confirm| confirm(found))
    }
}

/// All kinds.
pub const STARTER: &[Kind] = &[
    Kind::new("private key", "-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    Kind::new("PuTTY private key", "PuTTY-User-Key-File-[23]: "),
    Kind::new("age secret key", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}"),
    Kind::new("AWS access key id", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    Kind::new(
        "AWS secret access key",
        r#"(?i-u:aws_?secret_?(?:access_?)?key)["']?\s*[:=]\s*["']?[A-Za-z0-9/+]{40}(?:[^A-Za-z0-9/+=]|$)"#,
    ),
    Kind::new("Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    Kind::new("Google API key", r"\bAIza[A-Za-z0-9_-]{35}(?:[^A-Za-z0-9_-]|$)"),
    Kind::new("Google client secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}(?:[^A-Za-z0-9_-]|$)"),
    Kind::new("DigitalOcean token", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    Kind {
        name: "GitHub token",
        pattern: r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
        confirm: Some(is_github),
    },
    Kind::new("GitHub token", r"\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    Kind::new(
        "GitLab token",
        r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[A-Za-z0-9_-]{20,}",
    ),
    Kind::new("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    Kind::new("PyPI token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    Kind::new("crates.io token", r"\bcio[A-Za-z0-9]{32}\b"),
    Kind::new("Docker Hub token", r"\bdckr_pat_[A-Za-z0-9_-]{27,}"),
    Kind::new("Slack token", r"\bxox[abeoprs]-[0-9A-Za-z-]{20,}"),
    Kind::new(
        "Slack webhook",
        r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}",
    ),
    Kind::new("Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{24,}"),
    Kind::new("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Kind::new("Vault token", r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
    Kind::new("Hugging Face token", r"\bhf_[A-Za-z]{34}\b"),
    Kind::new("OpenAI key", r"\bsk-[A-Za-z0-9_-]*T3BlbkFJ[A-Za-z0-9_-]{20,}"),
    Kind::new("Anthropic key", r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80,}"),
    Kind {
        name: "refwarden token",
        pattern: r"\brwt_[0-9a-hjkmnp-tv-z]{8}_[A-Za-z0-9]{38}\b",
        confirm: Some(is_ours),
    },
];

/// The last six characters are the checksum of the thirty before them.
fn is_github(text: &[u8]) -> bool {
    let body = text.get(4..).and_then(|rest| rest.split_at_checked(30));
    body.is_some_and(|(random, sum)| token::checksum(random).as_bytes() == sum)
}

fn is_ours(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| token::Secret::parse(text).is_ok())
}

#[cfg(test)]
mod tests;
