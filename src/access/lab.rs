//! What tests of requests and grants begin with.

use super::request::{Request, exactly};
use crate::policy::entry::Permissions;
use crate::policy::name::{EntitlementName, ProjectName, UserName};
use crate::policy::refs::RefScope;
use crate::policy::span::Span;
use chrono::{DateTime, Utc};

/// bob asks by `hotfix` for an hour of updates of `main` in `payments/api`.
pub fn request(pending_until: DateTime<Utc>) -> Request {
    Request {
        person: UserName::parse("bob").unwrap(),
        entitlement: EntitlementName::parse("hotfix").unwrap(),
        project: ProjectName::parse("PAY").unwrap(),
        repository: "payments/api".into(),
        permissions: Permissions::UPDATE,
        refs: RefScope { include: vec![exactly(b"refs/heads/main").unwrap()], exclude: vec![] },
        more: vec![],
        paths: None,
        checks: vec![],
        pins: vec![],
        duration: Span::of_seconds(3600).unwrap(),
        from: None,
        max_uses: None,
        reason: None,
        ticket: None,
        pending_until,
        seen: vec![],
    }
}
