//! Where keys usually stand in their table: who and where, then what, then when and why.

/// The keys of a table in their order, by the names that lead to it; those that are not here come
/// after, in the order in which they were written. Nothing for tables whose keys the admin chooses.
pub(super) fn order(path: &[&str]) -> &'static [&'static str] {
    match path {
        [] => &["version", "include"],
        ["server"] => &["name", "help", "timezone", "refuse", "max-commits-per-push"],
        ["store"] => {
            &["path", "endpoints", "ca", "certificate", "key", "user", "password-file", "prefix"]
        }
        ["identity", "require"] => {
            &["source", "branches", "tags", "refs", "except-branches", "except-tags", "except-refs"]
        }
        ["users", _] => &[
            "name", "kind", "owner", "active", "emails", "unix", "jira", "names", "ssh-keys",
            "gpg-keys",
        ],
        ["global"] => &["administer", "audit", "max-refs-per-push", "bulk-change"],
        ["schemes", _] => &["description", "extends"],
        ["schemes", _, "permit" | "forbid"] => &[
            "permissions",
            "branches",
            "tags",
            "refs",
            "except-branches",
            "except-tags",
            "except-refs",
            "paths",
            "except-paths",
            "checks",
            "to",
            "except",
            "when",
            "enforce",
            "reason",
        ],
        ["projects", _] => &[
            "name",
            "description",
            "repositories",
            "scheme",
            "lead",
            "base",
            "jira-keys",
            "roles-from",
            "read-needs",
            "enforce",
        ],
        ["grants"] => &[
            "id",
            "to",
            "except",
            "projects",
            "repositories",
            "permissions",
            "branches",
            "tags",
            "refs",
            "except-branches",
            "except-tags",
            "except-refs",
            "paths",
            "except-paths",
            "checks",
            "from",
            "until",
            "reason",
        ],
        ["entitlements", _] => &[
            "description",
            "projects",
            "repositories",
            "eligible",
            "permissions",
            "branches",
            "tags",
            "refs",
            "except-branches",
            "except-tags",
            "except-refs",
            "paths",
            "except-paths",
            "checks",
            "max-duration",
            "default-duration",
            "pending",
            "max-uses",
            "max-ahead",
            "max-until",
            "reason",
            "ticket",
            "ticket-status",
            "auto",
            "approval",
            "break-glass",
            "pin",
            "extend",
        ],
        ["checks"] => &[
            "name",
            "projects",
            "repositories",
            "branches",
            "tags",
            "refs",
            "except-branches",
            "except-tags",
            "except-refs",
        ],
        ["access"] => &["max-open", "max-wait", "server-approvals"],
        ["notify"] => {
            &["events", "projects", "url", "format", "secret-file", "command", "before-end"]
        }
        _ => &[],
    }
}
