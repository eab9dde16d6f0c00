//! The keys of every section and the types of their values, as 02-policy.md to 04-access.md give
//! them. Sections whose part of refwarden is not built yet are here as well: their syntax counts.

use toml::de::DeValue;

/// The type of a value.
pub(super) enum Shape {
    Text,
    Int,
    Bool,
    Time,
    /// A list of values of one type.
    List(&'static Shape),
    /// A table with these keys and no others.
    Table(&'static [Key]),
    /// A table whose keys the admin chooses.
    Map(&'static Shape),
    /// The first one that fits.
    Either(&'static [Shape]),
}

pub(super) type Key = (&'static str, Shape);

use Shape::{Bool, Either, Int, List, Map, Table, Text, Time};

impl Shape {
    /// Whether a value is of this type at its top.
    pub fn takes(&self, value: &DeValue<'_>) -> bool {
        match (self, value) {
            (Text, DeValue::String(_))
            | (Int, DeValue::Integer(_))
            | (Bool, DeValue::Boolean(_))
            | (Time, DeValue::Datetime(_))
            | (List(_), DeValue::Array(_))
            | (Table(_) | Map(_), DeValue::Table(_)) => true,
            (Either(shapes), value) => shapes.iter().any(|shape| shape.takes(value)),
            _ => false,
        }
    }

    /// What the type is called in a message.
    pub fn words(&self) -> String {
        match self {
            Text => "a string".into(),
            Int => "an integer".into(),
            Bool => "`true` or `false`".into(),
            Time => "a date-time without quotes".into(),
            List(Text) => "a list of strings".into(),
            List(Table(_)) => "an array of tables".into(),
            List(Either(_)) => "a list of strings or tables".into(),
            List(_) => "a list".into(),
            Table(_) | Map(_) => "a table".into(),
            Either(shapes) => {
                let words: Vec<String> = shapes.iter().map(Self::words).collect();
                words.join(" or ")
            }
        }
    }
}

const TEXTS: Shape = List(&Text);

/// The top of a file.
pub(super) const ROOT: &[Key] = &[
    ("version", Int),
    ("include", TEXTS),
    ("server", Table(SERVER)),
    ("store", Table(STORE)),
    ("audit", Table(&[("file", Text), ("reads", Text)])),
    (
        "identity",
        Table(&[("sources", TEXTS), ("ssh-ca", TEXTS), ("require", List(&Table(REQUIRE)))]),
    ),
    ("users", Map(&Table(USER))),
    ("groups", Map(&Either(&[TEXTS, Table(GROUP)]))),
    ("roles", Map(&Table(&[("default-members", TEXTS), ("jira", Text)]))),
    ("global", Table(GLOBAL)),
    ("schemes", Map(&Table(SCHEME))),
    ("projects", Map(&Table(PROJECT))),
    ("grants", List(&Table(GRANT))),
    ("entitlements", Map(&Table(ENTITLEMENT))),
    ("checks", List(&Table(CHECK))),
    ("jira", Table(JIRA)),
    ("notify", List(&Table(NOTIFY))),
    ("access", Table(ACCESS)),
    ("tokens", Table(TOKENS)),
];

const SERVER: &[Key] = &[
    ("name", Text),
    ("help", Text),
    ("timezone", Text),
    ("refuse", Text),
    ("max-commits-per-push", Int),
    ("secure-mode", Bool),
    ("policy-repository", Text),
    ("policy-branch", Text),
];

const STORE: &[Key] = &[
    ("path", Text),
    ("endpoints", TEXTS),
    ("ca", Text),
    ("certificate", Text),
    ("key", Text),
    ("user", Text),
    ("password-file", Text),
    ("prefix", Text),
];

const TOKENS: &[Key] = &[("max-lifetime", Text), ("default-lifetime", Text), ("url", Text)];

const JIRA: &[Key] = &[
    ("url", Text),
    ("flavor", Text),
    ("email", Text),
    ("token-file", Text),
    ("timeout", Text),
    ("push-timeout", Text),
    ("key-from", TEXTS),
    ("cache-issues", Text),
    ("cache-people", Text),
    ("when-down", Text),
    ("smart-commits", Table(SMART_COMMITS)),
];

const SMART_COMMITS: &[Key] =
    &[("branches", TEXTS), ("except-branches", TEXTS), ("comment", Bool), ("transitions", TEXTS)];

const REQUIRE: &[Key] = &[
    ("source", Text),
    ("branches", TEXTS),
    ("tags", TEXTS),
    ("refs", TEXTS),
    ("except-branches", TEXTS),
    ("except-tags", TEXTS),
    ("except-refs", TEXTS),
];

const USER: &[Key] = &[
    ("name", Text),
    ("kind", Text),
    ("owner", Text),
    ("active", Bool),
    ("emails", TEXTS),
    ("ssh-keys", TEXTS),
    ("gpg-keys", TEXTS),
    ("unix", Text),
    ("jira", Text),
    ("names", Map(&TEXTS)),
];

const GROUP: &[Key] = &[("unix", Text), ("command", TEXTS), ("jira", Text), ("members", TEXTS)];

const GLOBAL: &[Key] =
    &[("administer", TEXTS), ("audit", TEXTS), ("bulk-change", TEXTS), ("max-refs-per-push", Int)];

const SCHEME: &[Key] = &[
    ("description", Text),
    ("extends", Text),
    ("permit", List(&Table(PERMIT))),
    ("forbid", List(&Table(FORBID))),
];

const PERMIT: &[Key] = &[
    ("permissions", TEXTS),
    ("to", TEXTS),
    ("except", TEXTS),
    ("branches", TEXTS),
    ("tags", TEXTS),
    ("refs", TEXTS),
    ("except-branches", TEXTS),
    ("except-tags", TEXTS),
    ("except-refs", TEXTS),
    ("paths", TEXTS),
    ("except-paths", TEXTS),
    ("when", WHEN),
    ("checks", TEXTS),
    ("reason", Text),
];

const FORBID: &[Key] = &[
    ("permissions", TEXTS),
    ("to", TEXTS),
    ("except", TEXTS),
    ("branches", TEXTS),
    ("tags", TEXTS),
    ("refs", TEXTS),
    ("except-branches", TEXTS),
    ("except-tags", TEXTS),
    ("except-refs", TEXTS),
    ("paths", TEXTS),
    ("except-paths", TEXTS),
    ("when", WHEN),
    ("checks", TEXTS),
    ("reason", Text),
    ("enforce", Text),
];

const WHEN: Shape = Table(&[("from", Time), ("until", Time), ("weekly", TEXTS), ("zone", Text)]);

const PROJECT: &[Key] = &[
    ("name", Text),
    ("description", Text),
    ("repositories", TEXTS),
    ("scheme", Text),
    ("lead", Text),
    ("base", Text),
    ("jira-keys", TEXTS),
    ("roles-from", Text),
    ("read-needs", Text),
    ("roles", Map(&TEXTS)),
    ("enforce", Text),
];

const GRANT: &[Key] = &[
    ("id", Text),
    ("permissions", TEXTS),
    ("to", TEXTS),
    ("except", TEXTS),
    ("projects", TEXTS),
    ("repositories", TEXTS),
    ("branches", TEXTS),
    ("tags", TEXTS),
    ("refs", TEXTS),
    ("except-branches", TEXTS),
    ("except-tags", TEXTS),
    ("except-refs", TEXTS),
    ("paths", TEXTS),
    ("except-paths", TEXTS),
    ("checks", TEXTS),
    ("from", Time),
    ("until", Time),
    ("reason", Text),
];

const ENTITLEMENT: &[Key] = &[
    ("description", Text),
    ("projects", TEXTS),
    ("repositories", TEXTS),
    ("permissions", TEXTS),
    ("branches", TEXTS),
    ("tags", TEXTS),
    ("refs", TEXTS),
    ("except-branches", TEXTS),
    ("except-tags", TEXTS),
    ("except-refs", TEXTS),
    ("paths", TEXTS),
    ("except-paths", TEXTS),
    ("checks", TEXTS),
    ("eligible", TEXTS),
    ("max-duration", Text),
    ("default-duration", Text),
    ("max-until", Time),
    ("max-ahead", Text),
    ("max-uses", Int),
    ("pending", Text),
    ("reason", Text),
    ("ticket", Text),
    ("ticket-status", Either(&[Text, TEXTS])),
    ("approval", List(&Table(&[("from", TEXTS), ("count", Int)]))),
    ("auto", Table(&[("when", WHEN), ("max-duration", Text)])),
    ("break-glass", Bool),
    ("pin", Bool),
    ("extend", Table(&[("times", Int), ("max-duration", Text)])),
];

const CHECK: &[Key] = &[
    ("name", Text),
    ("projects", TEXTS),
    ("repositories", TEXTS),
    ("branches", TEXTS),
    ("tags", TEXTS),
    ("refs", TEXTS),
    ("except-branches", TEXTS),
    ("except-tags", TEXTS),
    ("except-refs", TEXTS),
    ("enforce", Text),
    ("help", Text),
    ("subject", Text),
    ("message", Text),
    ("max-subject", Int),
    ("committer", Text),
    ("author", Text),
    ("signed", Either(&[Text, TEXTS])),
    ("annotated-tags", Bool),
    ("merges", Text),
    ("max-file-size", Either(&[Text, Int])),
    ("lfs", Bool),
    ("forbid-paths", TEXTS),
    ("only-paths", TEXTS),
    ("max-path-length", Int),
    ("case-conflicts", Bool),
    ("reserved-names", Bool),
    ("symlinks", Text),
    ("submodules", Either(&[Text, TEXTS])),
    ("content", List(&Either(&[Text, Table(&[("name", Text), ("pattern", Text)])]))),
    ("content-paths", TEXTS),
    ("ref-name", Text),
    ("ref-case-conflicts", Bool),
    ("issue", Table(ISSUE)),
];

const ISSUE: &[Key] = &[
    ("required", Bool),
    ("exists", Bool),
    ("status", Either(&[Text, TEXTS])),
    ("status-category", Either(&[Text, TEXTS])),
    ("type", Either(&[Text, TEXTS])),
    ("assignee", Text),
    ("fix-version", Either(&[Text, TEXTS])),
    ("jql", Text),
];

const NOTIFY: &[Key] = &[
    ("events", TEXTS),
    ("projects", TEXTS),
    ("url", Text),
    ("format", Text),
    ("secret-file", Text),
    ("command", TEXTS),
    ("before-end", Text),
];

const ACCESS: &[Key] = &[("max-open", Int), ("max-wait", Text), ("server-approvals", Bool)];
