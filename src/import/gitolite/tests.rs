//! What single rules become; and random configurations against an installed gitolite ([`corpus`]).

mod corpus;
mod theirs;

use super::*;
use std::collections::BTreeMap;

/// Files that are only thought of.
pub(super) struct Thought(pub BTreeMap<&'static str, String>);

impl Thought {
    pub(super) fn one(text: &str) -> Self {
        Self([("gitolite.conf", text.to_owned())].into())
    }
}

impl Files for Thought {
    fn read(&self, name: &str) -> Result<String, String> {
        self.0.get(name).cloned().ok_or_else(|| "not there".into())
    }
    fn glob(&self, pattern: &str) -> Vec<String> {
        let begin = pattern.split('*').next().unwrap();
        self.0.keys().filter(|name| name.starts_with(begin)).map(|name| (*name).into()).collect()
    }
    fn identity(&self, name: &str) -> String {
        name.into()
    }
}

pub(super) fn options() -> Options {
    Options {
        main: "gitolite.conf".into(),
        roles: ["READERS", "WRITERS"].map(str::to_owned).into(),
        base: "master".into(),
        ..Options::default()
    }
}

fn imported(text: &str) -> Imported {
    import(&Thought::one(text), &options()).unwrap().0
}

/// The policy without comments and blank lines.
fn bare(imported: &Imported) -> String {
    let lines = imported.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn lost(imported: &Imported) -> Vec<String> {
    imported.notes.iter().filter(|note| note.lost).map(ToString::to_string).collect()
}

#[test]
fn a_denial_before_everything_is_a_forbid_and_one_after_cuts_later_permits() {
    let text = "repo a\n - master$ = bob\n RW+ dev/ = bob\n - = bob\n RW = @all\n";
    let made = imported(text);
    assert!(lost(&made).is_empty());
    let bare = bare(&made);
    for part in [
        "[[schemes.a.forbid]]\npermissions = [\"write\"]\nbranches = [\"master\"]\nto = [\"bob\"]\n",
        "[[schemes.a.permit]]\npermissions = [\"write\"]\nbranches = [\"dev/**\"]\nto = [\"bob\"]\n",
        "permissions = [\"push\"]\nto = [\"authenticated\"]\nexcept = [\"bob\"]\n",
    ] {
        assert!(bare.contains(part), "{part}\n---\n{bare}");
    }
}

#[test]
fn the_meaning_of_plus_changes_where_a_rule_of_the_repository_has_c_or_d() {
    let permissions = |text: &str| {
        let made = imported(&format!("repo a\n{text}\n"));
        let line = made.text.lines().find(|line| line.starts_with("permissions"));
        line.unwrap().to_owned()
    };
    assert_eq!(permissions("RW+ = a"), "permissions = [\"write\"]");
    assert_eq!(permissions("RW = a"), "permissions = [\"push\"]");
    assert_eq!(permissions("RW+ = a\nRWD x = b"), "permissions = [\"push\", \"force\"]");
    assert_eq!(
        permissions("RW+ = a\nRWC x = b"),
        "permissions = [\"update\", \"force\", \"delete\"]"
    );
    assert_eq!(permissions("RW+CD = a"), "permissions = [\"write\"]");
    assert_eq!(permissions("RWCD = a"), "permissions = [\"push\", \"delete\"]");
    assert_eq!(permissions("RW+CDM = a"), "permissions = [\"write\"]");
    assert_eq!(
        permissions("RW+ = a\nRWC x = b\noption CREATE_IS_C = 0"),
        "permissions = [\"write\"]"
    );
}

#[test]
fn repositories_with_equal_rules_share_a_scheme_and_groups_stay_groups() {
    let text =
        "@in = ann\n@out = @in ben\n@repos = x y\nrepo @repos\n RW = @out\nrepo z\n RW = @out\n";
    let made = imported(text);
    let bare = bare(&made);
    assert!(bare.contains("in = [\"ann\"]\nout = [\"@in\", \"ben\"]\n"), "{bare}");
    assert_eq!(bare.matches("[[schemes").count(), 1, "{bare}");
    assert!(bare.contains("[projects.repos]\nrepositories = [\"x\", \"y\"]"), "{bare}");
}

#[test]
fn a_group_stands_for_the_members_that_it_had_when_it_was_named() {
    let made = imported("@in = ann\n@out = @in\n@in = late\nrepo a\n RW = @out\n - = @in\n");
    assert!(bare(&made).contains("out = [\"ann\"]\n"), "{}", made.text);
}

#[test]
fn the_quirks_of_the_text_are_gitolites() {
    let text = "# c\n@g=ann  ben \\\n   cat # more\nrepo a # \"x\n RW+=@g\n desc = \"a # b\"\n\
                =begin testconf\nnothing here\n=end\nrepo \"\n";
    let error = import(&Thought::one(text), &options()).unwrap_err();
    assert_eq!(error.to_string(), "gitolite.conf:10: `\"` can't name a repository");
    let made = imported(text.trim_end_matches("repo \"\n"));
    assert!(bare(&made).contains("g = [\"ann\", \"ben\", \"cat\"]\n"), "{}", made.text);
    assert!(made.notes.iter().all(|note| !note.lost), "{:?}", made.notes);
}

#[test]
fn a_subconf_speaks_only_about_what_was_given_to_it() {
    let files = Thought(
        [
            ("gitolite.conf", "@team = team/a\nsubconf \"sub/*.conf\"\n".to_owned()),
            (
                "sub/team.conf",
                "@dev = ann\nrepo team/a\n RW = @dev\nrepo other\n RW = @dev\n".into(),
            ),
        ]
        .into(),
    );
    let (made, _) = import(&files, &options()).unwrap();
    let bare = bare(&made);
    assert!(bare.contains("\"team.dev\" = [\"ann\"]\n"), "{bare}");
    assert!(bare.contains("repositories = [\"team/a\"]\n") && !bare.contains("other"), "{bare}");
    assert!(made.notes.iter().any(|note| note.to_string().starts_with("sub/team.conf:4: ")));
}

#[test]
fn what_can_not_be_said_is_listed_and_never_lets_more_through() {
    let text = "repo a\n - VREF/COUNT/5 = ann\n RW = ann\n\
                repo b\n RW \\1x = ann\n RW = ann\n\
                repo c\n RW = daemon\n\
                repo d\n RW+M = ann\n RW = ben\n\
                repo w/[a-z]+\n C = ann\n RW = CREATOR\n";
    let made = imported(text);
    let lost = lost(&made).join("\n");
    for place in [
        "conf:2: `VREF/COUNT/5`",
        "conf:5: `refs/heads/\\1x`",
        "conf:8: `daemon`",
        "conf:11: ",
        "conf:13: ",
        "conf:14: ",
    ] {
        assert!(lost.contains(place), "{place}\n{lost}");
    }
    let bare = bare(&made);
    assert!(
        bare.contains("[[schemes.b.forbid]]\npermissions = [\"write\"]\nto = [\"ann\"]"),
        "{bare}"
    );
    assert!(bare.contains("permissions = [\"create\"]\nto = [\"ben\"]"), "{bare}");
}

#[test]
fn who_is_in_which_role_is_taken_from_the_repositories() {
    let mut options = options();
    let found = |name: &str, creator: &str, readers: &str| Found {
        name: name.into(),
        creator: Some(creator.into()),
        roles: [("READERS".to_owned(), [readers.to_owned()].into())].into(),
    };
    options.found = vec![found("u/ann/x", "ann", "ben"), found("u/ben/y", "ben", "@all")];
    let text = "repo u/CREATOR/..*\n C = @all\n RW+ = CREATOR\n R = READERS\n";
    let (made, _) = import(&Thought::one(text), &options).unwrap();
    let bare = bare(&made);
    for part in [
        "everybody = [\"ann\", \"ben\"]\n",
        "[projects.u-ann-x.roles]\ncreator = [\"ann\"]\nreaders = [\"ben\"]\n",
        "[projects.u-ben-y.roles]\ncreator = [\"ben\"]\nreaders = [\"@everybody\"]\n",
    ] {
        assert!(bare.contains(part), "{part}\n---\n{bare}");
    }
    assert_eq!(bare.matches("to = [\"role:creator\"]").count(), 1, "one scheme: {bare}");
}

#[test]
fn names_that_no_policy_can_have_are_mapped_and_told() {
    let made = imported("repo a\n RW = ann@x.org lead\n");
    let bare = bare(&made);
    assert!(
        bare.contains("[users.\"ann-x.org\"]\nnames = { gitolite = [\"ann@x.org\"] }\n"),
        "{bare}"
    );
    assert!(bare.contains("[users.lead-2]\n"), "{bare}");
    assert!(made.notes.iter().any(|note| note.words.contains("`ann@x.org`")));
}

#[test]
fn deny_rules_count_before_a_ref_is_known() {
    let made = imported("repo a\n - x = ann\n RW = @all\n option deny-rules = 1\n");
    let bare = bare(&made);
    assert!(bare.contains("to = [\"authenticated\"]\nexcept = [\"ann\"]"), "{bare}");
    assert!(!bare.contains("permissions = [\"read\"]"), "{bare}");
}
