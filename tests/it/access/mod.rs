//! Asking, answering, taking back: by the built command, on a real site, with a real store.

mod answers;
mod asking;
mod books;
mod explained;
mod glass;
mod open;
mod races;
mod shared;
mod shipped;
mod take;

use crate::support::{Person, Policy, Repo, Run, Site, permit};
use serde_json::Value;

/// Who is who: alice administers, ann and amy approve, bob and carol ask; bot is bob's service.
const USERS: &str = r#"
[users.alice]
[users.ann]
[users.amy]
[users.bob]
[users.carol]
[users.dave]
active = false
[users.bot]
kind = "service"
owner = "bob"
[groups]
leads = ["ann", "bob"]
everybody = ["@leads", "carol"]
[roles]
maintainer = { default-members = ["amy", "bob"] }
[global]
administer = ["alice", "bob"]
"#;

/// An entitlement `hotfix`, with these keys beside the usual ones.
fn hotfix(keys: &str) -> String {
    entitlement("hotfix", keys)
}

fn entitlement(name: &str, keys: &str) -> String {
    let usual = [
        ("projects", "[\"APP\"]"),
        ("permissions", "[\"create\", \"update\"]"),
        ("branches", "[\"main\", \"release/*\"]"),
        ("eligible", "[\"bob\", \"carol\", \"bot\"]"),
        ("max-duration", "\"4h\""),
        ("approval", "[{ from = [\"ann\", \"@leads\", \"role:maintainer\"], count = 1 }]"),
    ];
    let mut text = format!("[entitlements.{name}]\n{keys}\n");
    for (key, value) in usual {
        let given = keys.lines().any(|line| line.starts_with(&format!("{key} ")));
        if !given {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

/// A policy with [`USERS`] and these tables.
fn policy(tables: &str) -> Policy {
    Policy::new(&[permit("alice", "write", "")]).users(USERS).also(tables)
}

/// A site with a store and one repository `app`.
fn site(tables: &str) -> Site {
    site_of(&policy(tables))
}

fn site_of(policy: &Policy) -> Site {
    let site = empty(policy);
    site.repo("app");
    site
}

/// The same with `main` in `app`, and alice who made it.
fn started(policy: &Policy) -> (Site, Repo, Person) {
    let site = empty(policy);
    let (repo, alice) = site.started();
    (site, repo, alice)
}

fn empty(policy: &Policy) -> Site {
    let site = Site::new(policy);
    site.refwarden(&["store", "init"]).ends(0, "");
    site
}

const REASON: [&str; 2] = ["--reason", "the retry storm has to end"];
const MAIN: [&str; 3] = ["--branches", "main", "--update"];

/// The words of `access request NAME` of somebody, in `app`, with a reason.
fn request<'a>(name: &'a str, person: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let begin = ["request", name, "--as", person, "--repository", "app"];
    [&begin, REASON.as_slice(), more].concat()
}

impl Site {
    /// `refwarden access …`
    fn access(&self, arguments: &[&str]) -> Run {
        self.refwarden(&[&["access"], arguments].concat())
    }

    /// bob asks by `hotfix`; the id.
    #[track_caller]
    fn asks(&self, more: &[&str]) -> String {
        self.asks_as("bob", more)
    }

    #[track_caller]
    fn asks_as(&self, person: &str, more: &[&str]) -> String {
        let run = self.access(&request("hotfix", person, more));
        run.ends(5, "pending");
        run.stdout.split(' ').next().unwrap().to_owned()
    }

    /// bob asks and ann approves; the id.
    #[track_caller]
    fn lent(&self, more: &[&str]) -> String {
        let id = self.asks(more);
        self.access(&["approve", &id, "--as", "ann"]).ends(0, "active");
        id
    }

    /// A record as `show --json` has it.
    #[track_caller]
    fn shown(&self, id: &str) -> Value {
        let run = self.access(&["--json", "show", id]);
        run.ends(0, id);
        serde_json::from_str(&run.stdout).unwrap()
    }

    #[track_caller]
    fn state_of(&self, id: &str) -> String {
        self.shown(id)["state"].as_str().unwrap().to_owned()
    }

    /// Events about access, as the trail has them.
    fn access_events(&self) -> Vec<String> {
        let lines = self.trail().lines();
        let events = lines.iter().filter_map(|line| line["event"].as_str());
        events.filter(|event| event.starts_with("access.")).map(str::to_owned).collect()
    }
}
