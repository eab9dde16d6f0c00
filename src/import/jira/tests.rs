use super::*;
use crate::policy::source::{NoIncludes, SourceFile};

fn made(text: &str) -> Imported {
    let branches = Branches { integration: "main".into(), release: "release/**".into() };
    import("scheme.json", text, &branches).unwrap()
}

fn grant(permission: &str, holder: &str) -> String {
    format!(r#"{{"id":1,"permission":"{permission}","holder":{holder}}}"#)
}

fn scheme(grants: &[String]) -> String {
    format!(r#"{{"id":10000,"name":"Payments scheme","permissions":[{}]}}"#, grants.join(","))
}

#[test]
fn every_holder_of_both_flavors_has_its_own_and_others_are_named() {
    let holders = [
        (r#"{"type":"anyone"}"#, "anyone"),
        (r#"{"type":"applicationRole"}"#, "authenticated"),
        (r#"{"type":"assignee"}"#, "assignee"),
        (r#"{"type":"reporter"}"#, "reporter"),
        (r#"{"type":"projectLead"}"#, "lead"),
        (r#"{"type":"group","parameter":"release managers","value":"276f"}"#, "@release-managers"),
        (
            r#"{"type":"projectRole","parameter":"10360","projectRole":{"name":"Developers"}}"#,
            "role:developers",
        ),
        (r#"{"type":"projectRole","parameter":"10361"}"#, "role:role-10361"),
        (
            r#"{"type":"userCustomField","parameter":"customfield_10202"}"#,
            "field:customfield_10202",
        ),
        (
            r#"{"type":"groupCustomField","parameter":"customfield_10203"}"#,
            "field:customfield_10203",
        ),
        (
            r#"{"type":"user","parameter":"5b10","user":{"accountId":"5b10","displayName":"Ann A"}}"#,
            "Ann-A",
        ),
        (
            r#"{"type":"user","parameter":"ben","user":{"name":"ben","key":"ben","emailAddress":"b@x.org"}}"#,
            "ben",
        ),
    ];
    for (holder, written) in holders {
        let made = made(&scheme(&[grant("BROWSE_PROJECTS", holder)]));
        assert!(made.text.contains(&format!("to = [\"{written}\"]")), "{holder}\n{}", made.text);
        assert!(made.notes.iter().all(|note| !note.lost), "{:?}", made.notes);
    }
    for unknown in [
        r#"{"type":"sd.customer.portal.only"}"#,
        r#"{"type":"applicationRole","parameter":"jira-core"}"#,
        r#"{"type":"user"}"#,
    ] {
        let made = made(&scheme(&[grant("EDIT_ISSUES", unknown)]));
        let lost: Vec<String> =
            made.notes.iter().filter(|note| note.lost).map(ToString::to_string).collect();
        assert!(
            lost.len() == 1 && lost[0].starts_with("scheme.json: EDIT_ISSUES (grant 1) for "),
            "{lost:?}"
        );
        assert!(!made.text.contains("permit"));
    }
}

#[test]
fn rows_are_those_of_the_table_and_the_outcome_is_a_valid_policy() {
    let lead = r#"{"type":"projectLead"}"#;
    let keys = [
        "EDIT_ISSUES",
        "CREATE_ISSUES",
        "DELETE_ISSUES",
        "MOVE_ISSUES",
        "RESOLVE_ISSUES",
        "CLOSE_ISSUES",
        "ADD_COMMENTS",
        "EDIT_ALL_COMMENTS",
        "DELETE_OWN_COMMENTS",
        "MODIFY_REPORTER",
        "WORK_ON_ISSUES",
    ];
    let made = made(&scheme(&keys.map(|key| grant(key, lead))));
    for part in [
        "permissions = [\"write\"]\nexcept-branches = [\"main\", \"release/**\"]\nto = [\"lead\"]",
        "permissions = [\"update\"]\nbranches = [\"main\"]\nto = [\"lead\"]",
        "permissions = [\"update\"]\nbranches = [\"release/**\"]\nto = [\"lead\"]",
        "permissions = [\"push\", \"delete\"]\nrefs = [\"refs/notes/${user}/**\"]",
        "permissions = [\"update\", \"force\"]\nrefs = [\"refs/notes/**\"]",
    ] {
        assert!(made.text.contains(part), "{part}\n{}", made.text);
    }
    assert_eq!(made.notes.iter().filter(|note| note.lost).count(), 2, "{:?}", made.notes);
    let main = SourceFile { name: "p.toml".into(), text: made.text.clone() };
    let (_, loaded) = crate::policy::load_file(main, "/", &NoIncludes);
    assert!(loaded.unwrap().1.is_empty());
    assert_eq!(tidy(&made.text).as_ref(), Ok(&made.text));
}

#[test]
fn a_scheme_that_was_not_expanded_is_an_error_and_a_list_is_none() {
    let branches = Branches { integration: "main".into(), release: "release/**".into() };
    let error = import("x", r#"{"id":1,"name":"P"}"#, &branches).unwrap_err();
    assert_eq!(error, JiraError::NotExpanded("P".into()));
    assert!(matches!(import("x", "[]", &branches), Err(JiraError::Json(_))));
    let one = scheme(&[grant("BROWSE_PROJECTS", r#"{"type":"anyone"}"#)]);
    let many = made(&format!(r#"{{"permissionSchemes":[{one},{one}]}}"#));
    assert!(many.text.contains("[schemes.Payments-scheme]"), "{}", many.text);
}
