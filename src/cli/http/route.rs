//! The addresses of the interface for programs, each with what a token needs for it.
//!
//! `docs/openapi.json` says the same; a test holds one against the other.

use super::api::Asked;
use super::fields::Fields;
use super::{urgent, verbs};
use crate::door::http::answer::Answer;
use crate::door::http::request::Method;
use crate::pusher::token::Scope;

/// One operation.
#[derive(Debug)]
pub struct Route {
    /// `GET` (and with it `HEAD`) changes nothing, `POST` alone does.
    pub method: Method,
    /// The address, with `{id}` where an id stands.
    pub path: &'static str,
    /// Scopes of which a token needs one.
    pub scopes: &'static [Scope],
    /// What answers.
    pub run: fn(&Asked<'_>, Fields) -> anyhow::Result<Answer>,
}

/// Where the document lies that describes the others; it needs no token.
pub const DOCUMENT: &str = "openapi.json";

const LOOK: &[Scope] =
    &[Scope::Read, Scope::Request, Scope::Approve, Scope::Audit, Scope::Administer];
const RULES: &[Scope] = &[Scope::Read, Scope::Audit, Scope::Administer];

const fn get(
    path: &'static str,
    scopes: &'static [Scope],
    run: fn(&Asked<'_>, Fields) -> anyhow::Result<Answer>,
) -> Route {
    Route { method: Method::Get, path, scopes, run }
}

const fn post(
    path: &'static str,
    scopes: &'static [Scope],
    run: fn(&Asked<'_>, Fields) -> anyhow::Result<Answer>,
) -> Route {
    Route { method: Method::Post, path, scopes, run }
}

/// All of them.
pub static ROUTES: [Route; 19] = [
    get("requests", LOOK, verbs::list),
    post("requests", &[Scope::Request], verbs::ask),
    get("requests/{id}", LOOK, verbs::show),
    post("requests/{id}/approve", &[Scope::Approve], verbs::approve),
    post("requests/{id}/deny", &[Scope::Approve], verbs::deny),
    post("requests/{id}/withdraw", &[Scope::Request], verbs::withdraw),
    post("requests/{id}/extend", &[Scope::Request], verbs::extend),
    get("grants", LOOK, verbs::grants),
    get("grants/{id}", LOOK, verbs::grant),
    post("grants/{id}/return", &[Scope::Request], verbs::give_back),
    post("grants/{id}/revoke", &[Scope::Administer], verbs::revoke),
    post("grants/{id}/attest", &[Scope::Approve], urgent::attest),
    // As much as an approval of one's own, which no token for asking alone may give.
    post("glass", &[Scope::Approve], urgent::break_glass),
    get("locks", LOOK, urgent::locks),
    post("locks", &[Scope::Administer], urgent::lay),
    post("locks/{id}/lift", &[Scope::Administer], urgent::lift),
    get("explain", RULES, verbs::explain),
    get("who", RULES, verbs::who),
    get("audit", &[Scope::Audit], verbs::audit),
];

/// What lies at an address.
#[derive(Debug)]
pub enum Found {
    /// The operation, and the id in its address; empty where there is none.
    Route(&'static Route, String),
    /// The address is there and takes other methods.
    Method(&'static str),
    /// Nothing.
    Nothing,
}

/// Finds what a request is for.
#[must_use]
pub fn find(method: Method, path: &[u8]) -> Found {
    let Ok(path) = std::str::from_utf8(path) else { return Found::Nothing };
    let here = || ROUTES.iter().filter_map(|route| Some((route, id(route.path, path)?)));
    let method = if method == Method::Head { Method::Get } else { method };
    if let Some((route, id)) = here().find(|(route, _)| route.method == method) {
        return Found::Route(route, id);
    }
    let has = |method| here().any(|(route, _)| route.method == method);
    match (has(Method::Get), has(Method::Post)) {
        (true, true) => Found::Method("GET, HEAD, POST"),
        (true, false) => Found::Method("GET, HEAD"),
        (false, true) => Found::Method("POST"),
        (false, false) => Found::Nothing,
    }
}

/// What stands for `{id}`, where `path` has this form.
fn id(form: &str, path: &str) -> Option<String> {
    let Some((before, after)) = form.split_once("{id}") else {
        return (form == path).then(String::new);
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn an_address_has_one_reading() {
        let found = |method, path: &str| match find(method, path.as_bytes()) {
            Found::Route(route, id) => format!("{} {id}", route.path),
            Found::Method(allow) => allow.into(),
            Found::Nothing => "-".into(),
        };
        assert_eq!(found(Method::Get, "requests"), "requests ");
        assert_eq!(found(Method::Head, "requests/7f3k-92qd"), "requests/{id} 7f3k-92qd");
        assert_eq!(found(Method::Post, "requests/a/deny"), "requests/{id}/deny a");
        assert_eq!(found(Method::Delete, "requests"), "GET, HEAD, POST");
        assert_eq!(found(Method::Post, "grants"), "GET, HEAD");
        assert_eq!(found(Method::Get, "grants/a/return"), "POST");
        for path in
            ["", "/", "requests/", "requests//deny", "requests/a/b", "requests/a/deny/", "Who"]
        {
            assert_eq!(found(Method::Post, path), "-", "{path}");
        }
        assert!(matches!(find(Method::Get, b"who\xff"), Found::Nothing));
    }

    #[test]
    fn reading_changes_nothing_and_every_change_is_posted() {
        for route in &ROUTES {
            let changes = route.path.matches('/').count() == 2;
            assert!(!changes || route.method == Method::Post, "{}", route.path);
        }
    }

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document: Value = serde_json::from_str(super::super::api::OPENAPI).unwrap();
        let mut told = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let scopes = operation["x-token-scopes"].as_array().unwrap();
                let scopes: Vec<&str> = scopes.iter().map(|one| one.as_str().unwrap()).collect();
                told.insert(format!("{method} {path} {}", scopes.join(" ")));
            }
        }
        let mut built: BTreeSet<String> = ROUTES
            .iter()
            .map(|route| {
                let scopes: Vec<&str> = route.scopes.iter().map(|scope| scope.word()).collect();
                let method = route.method.as_str().to_lowercase();
                format!("{method} /{} {}", route.path, scopes.join(" "))
            })
            .collect();
        built.insert(format!("get /{DOCUMENT} "));
        assert_eq!(told, built);
    }
}
