//! Policies as text: a head that every test needs, and entries as one writes them.

use std::fmt::Write;

/// One policy file; `{state}` and `{log}` in it become the site's folders.
#[derive(Debug, Clone)]
pub struct Policy {
    server: String,
    store: String,
    audit: String,
    identity: String,
    users: String,
    project: String,
    body: String,
}

impl Default for Policy {
    /// alice may do everything to heads and tags, bob may push to `feature/**`, dave is inactive.
    fn default() -> Self {
        Self::new(&[
            permit("alice", "write", ""),
            permit("bob", "push", r#"branches = ["feature/**"]"#),
        ])
    }
}

impl Policy {
    /// A policy with these entries, `env:TEST_USER` as its source, and one project for everything.
    pub fn new(entries: &[String]) -> Self {
        Self {
            server: "name = \"git.test\"\n".into(),
            store: shared_store(),
            audit: String::new(),
            identity: "sources = [\"env:TEST_USER\"]\n".into(),
            users: "[users.alice]\n[users.bob]\n[users.carol]\n[users.dave]\nactive = false\n"
                .into(),
            project: "repositories = [\"**\"]\nbase = \"main\"\n".into(),
            body: entries.concat(),
        }
    }

    /// Further keys of `[server]`.
    #[must_use]
    pub fn server(mut self, keys: &str) -> Self {
        writeln!(self.server, "{keys}").unwrap();
        self
    }

    /// Further keys of `[store]`.
    #[must_use]
    pub fn store(mut self, keys: &str) -> Self {
        writeln!(self.store, "{keys}").unwrap();
        self
    }

    /// Further keys of `[audit]`.
    #[must_use]
    pub fn audit(mut self, keys: &str) -> Self {
        writeln!(self.audit, "{keys}").unwrap();
        self
    }

    /// Further keys of `[identity]`.
    #[must_use]
    pub fn identity(mut self, keys: &str) -> Self {
        writeln!(self.identity, "{keys}").unwrap();
        self
    }

    /// The list of sources, as TOML.
    #[must_use]
    pub fn sources(mut self, list: &str) -> Self {
        self.identity = format!("sources = {list}\n");
        self
    }

    /// The declared users, as TOML.
    #[must_use]
    pub fn users(mut self, users: &str) -> Self {
        self.users = format!("{users}\n");
        self
    }

    /// The keys of `[projects.APP]`.
    #[must_use]
    pub fn project(mut self, keys: &str) -> Self {
        self.project = format!("{keys}\n");
        self
    }

    /// Further tables.
    #[must_use]
    pub fn also(mut self, tables: &str) -> Self {
        writeln!(self.body, "{tables}").unwrap();
        self
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let Self { server, store, audit, identity, users, project, body } = self;
        format!(
            "version = 1\n[server]\n{server}[store]\npath = \"{{state}}\"\n{store}[audit]\nfile = \"{{log}}/audit.jsonl\"\n{audit}\
             [identity]\n{identity}{users}[schemes.default]\n{body}[projects.APP]\n{project}"
        )
    }
}

/// A permit of the default scheme: to whom, what (words with blanks between), and further keys.
pub fn permit(to: &str, permissions: &str, keys: &str) -> String {
    format!(
        "[[schemes.default.permit]]\npermissions = [{}]\nto = [\"{to}\"]\n{keys}\n",
        list(permissions)
    )
}

/// A forbid of the default scheme.
pub fn forbid(permissions: &str, keys: &str) -> String {
    format!("[[schemes.default.forbid]]\npermissions = [{}]\n{keys}\n", list(permissions))
}

/// A grant written by hand that ends so many seconds from now (fractions count).
pub fn grant(id: &str, to: &str, seconds: f64, keys: &str) -> String {
    let until = chrono::Utc::now() + chrono::TimeDelta::milliseconds((seconds * 1000.0) as i64);
    format!(
        "[[grants]]\nid = \"{id}\"\nto = [\"{to}\"]\nprojects = [\"APP\"]\nuntil = {}\nreason = \"for this test\"\n{keys}\n",
        until.format("%Y-%m-%dT%H:%M:%S%.3fZ")
    )
}

fn list(words: &str) -> String {
    words.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// With `REFWARDEN_TEST_STORE=etcd` every site keeps its records on members that the tests start:
/// `REFWARDEN_TEST_STORE=etcd cargo test --test it access::` runs the verbs' tests there.
fn shared_store() -> String {
    match std::env::var("REFWARDEN_TEST_STORE") {
        Ok(store) if store == "etcd" => {
            let urls = super::etcd::common().urls();
            format!("endpoints = {urls:?}\nprefix = \"it/{{site}}/\"\n")
        }
        _ => String::new(),
    }
}
