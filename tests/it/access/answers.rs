//! Who may answer whom, and which moves there are.

use super::{MAIN, entitlement, hotfix, policy, request, site, site_of};
use crate::support::{Policy, Run, forbid};
use refwarden::access::Id;
use refwarden::store::access::{Append, Change};
use serde_json::Value;

#[test]
fn asked_approved_and_given_back() {
    let site = site(&hotfix(""));
    let id = site.asks(&MAIN);
    site.access(&["list", "waiting", "--as", "ann"]).ends(0, &id);
    site.access(&["list", "waiting", "--as", "carol"]).ends(0, "no request or grant matches");
    site.access(&["approve", &id, "--as", "ann", "--note", "go ahead"]).ends(0, "active");
    let shown = site.shown(&id);
    assert_eq!(shown["approvals"][0]["by"]["user"], "ann");
    let server = shown["approvals"][0]["by"]["server"].as_str().unwrap();
    assert!(server.contains('@'), "done on the server: {server}");
    assert_eq!(shown["events"].as_array().unwrap().len(), 2);
    site.access(&["list", "live"]).ends(0, &id);
    site.access(&["return", &id, "--as", "carol"]).ends(3, "only bob can do that");
    site.access(&["return", &id, "--as", "bob"]).ends(0, "given back");
    site.access(&["return", &id, "--as", "bob"]).ends(3, "it was returned by");
    assert_eq!(site.state_of(&id), "returned");
    let events = ["access.requested", "access.approved", "access.returned"];
    assert_eq!(site.access_events(), events);
    site.trail_verifies();
}

#[test]
fn withdrawn_and_denied_are_closed_for_good() {
    let site = site(&hotfix(""));
    let id = site.asks(&MAIN);
    site.access(&["withdraw", &id, "--as", "ann"]).ends(3, "only bob");
    site.access(&["withdraw", &id, "--as", "bob"]).ends(0, "withdrawn");
    site.access(&["approve", &id, "--as", "ann"]).ends(3, "it was withdrawn by");
    let id = site.asks(&MAIN);
    site.access(&["deny", &id, "--as", "carol"]).ends(3, "not among those who approve");
    site.access(&["deny", &id, "--as", "ann", "--note", "after the freeze"]).ends(0, "denied");
    site.access(&["approve", &id, "--as", "amy"]).ends(3, "ann (by").ends(3, "it was denied by");
    site.access(&["revoke", &id]).ends(3, "it was denied by");
    assert_eq!(site.state_of(&id), "denied");
}

#[test]
fn an_id_is_typed_whole_and_the_nearest_is_named() {
    let site = site(&hotfix(""));
    let id = site.asks(&MAIN);
    let most = id.get(..8).unwrap();
    site.access(&["approve", most, "--as", "ann"]).ends(6, &format!("did you mean `{id}`"));
    site.access(&["show", "nonsense"]).ends(6, "there is no request `nonsense`");
    site.access(&request("hotfixx", "bob", &[])).ends(6, "did you mean `hotfix`");
    site.access(&["withdraw", &id, "--as", "bob3"]).ends(6, "did you mean `bob");
    site.access(&["withdraw", &id]).ends(2, "--as NAME");
}

#[test]
fn nobody_approves_their_own_request_by_any_way_round() {
    // bob is named, in @leads, in the role, lead of the project, and administers.
    let from = r#"["bob", "ann", "@leads", "@everybody", "role:maintainer", "lead"]"#;
    let tables = hotfix(&format!("approval = [{{ from = {from}, count = 1 }}]"));
    let project = "repositories = [\"**\"]\nbase = \"main\"\nlead = \"bob\"\n";
    let site = site_of(&policy(&tables).project(project));
    let id = site.asks(&MAIN);
    site.access(&["approve", &id, "--as", "bob"]).ends(3, "nobody approves their own request");
    site.access(&["approve", &id, "--as", "bot"]).ends(3, "is a service");
    site.access(&["approve", &id]).ends(2, "--as NAME");
    site.access(&["approve", &id, "--as", "dave"]).ends(6, "dave");
    assert_eq!(site.state_of(&id), "pending");
    // A service of bob's asks: he is its owner.
    let of_bot = site.asks_as("bot", &MAIN);
    site.access(&["approve", &of_bot, "--as", "bob"]).ends(3, "are one person");
    assert_eq!(site.state_of(&of_bot), "pending");
    site.access(&["approve", &of_bot, "--as", "ann"]).ends(0, "active");
}

#[test]
fn one_person_in_two_lists_fills_one_slot() {
    let lists = r#"approval = [{ from = ["ann", "@leads"], count = 1 }, { from = ["role:maintainer", "@leads"], count = 1 }]"#;
    let site = site(&hotfix(lists));
    let id = site.asks_as("carol", &MAIN);
    site.access(&["approve", &id, "--as", "ann"]).ends(5, "1 more of");
    site.access(&["approve", &id, "--as", "ann"]).ends(3, "ann approved it before");
    assert_eq!(site.state_of(&id), "pending");
    site.access(&["approve", &id, "--as", "amy"]).ends(0, "active");
    let approvals = site.shown(&id)["approvals"].clone();
    assert_eq!(approvals.as_array().unwrap().len(), 2);
}

#[test]
fn the_holder_of_the_key_that_asked_approves_nothing_under_whatever_name() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJK2xRGSHMVzGsxkGdhkqpjCLHoXdyfFLnuFpZxPPsDs";
    let users =
        super::USERS.replace("[users.ann]", &format!("[users.ann]\nssh-keys = [\"{key}\"]"));
    let site = site_of(&Policy::new(&[]).users(&users).also(&hotfix("")));
    let id = site.asks(&MAIN);
    // As if bob had pushed with that key, before the policy gave it to ann.
    let store = crate::cases::lent::store(&site);
    let mut event = store.record(&Id::parse(&id).unwrap()).unwrap().unwrap().events.remove(0);
    let fingerprint =
        ssh_key::PublicKey::from_openssh(key).unwrap().fingerprint(ssh_key::HashAlg::Sha256);
    event.by.key = Some(fingerprint.to_string());
    let other = Id::parse("0000-0001").unwrap();
    let append = Append { id: other.clone(), after: 0, event };
    store.commit(&Change { appends: vec![append], ..Change::default() }).unwrap();
    site.access(&["approve", other.as_str(), "--as", "ann"]).ends(3, "with a key of ann");
    site.access(&["approve", other.as_str(), "--as", "amy"]).ends(0, "active");
}

#[test]
fn a_yes_counts_only_for_as_long_as_its_giver_stands_in_the_list() {
    let site = site(&hotfix("approval = [{ from = [\"ann\", \"amy\", \"alice\"], count = 2 }]"));
    let id = site.asks(&MAIN);
    site.access(&["approve", &id, "--as", "ann"]).ends(5, "1 more of");
    let without_ann = hotfix("approval = [{ from = [\"amy\", \"alice\"], count = 2 }]");
    site.write_policy(&policy(&without_ann));
    site.apply();
    site.access(&["approve", &id, "--as", "amy"]).ends(5, "1 more of amy, alice");
    site.access(&["approve", &id, "--as", "alice"]).ends(0, "active");
}

#[test]
fn a_group_that_cannot_be_looked_up_approves_nothing() {
    let users = super::USERS.replace(
        "leads = [\"ann\", \"bob\"]",
        "leads = [\"ann\", \"bob\"]\noutside = { unix = \"no-such-group-here\" }",
    );
    let keys = "approval = [{ from = [\"ann\", \"@outside\"], count = 1 }]";
    let site = site_of(&Policy::new(&[]).users(&users).also(&hotfix(keys)));
    let id = site.asks(&MAIN);
    site.access(&["approve", &id, "--as", "amy"]).ends(3, "could not be asked");
    site.access(&["approve", &id, "--as", "ann"]).ends(0, "active");
}

#[test]
fn what_would_lend_nothing_is_not_filed() {
    let site = site(&hotfix(""));
    let ask = |person: &'static str, more: &[&str]| site.access(&request("hotfix", person, more));
    ask("bob", &["--branches", "other", "--update"]).ends(3, "lends no `update` of");
    ask("bob", &["--branches", "main,other", "--update"]).ends(3, "refs/heads/other");
    ask("bob", &["--branches", "main", "--delete"]).ends(3, "lends no `delete`");
    ask("bob", &["--branches", "main", "--update", "--delete"]).ends(3, "no `delete`");
    ask("ann", &["--branches", "main", "--update"]).ends(3, "ann is not eligible");
    ask("bob", &["--branches", "main", "--for", "5h"]).ends(3, "at most 4 h");
    ask("bob", &["--branches", "main", "--from", "30d"]).ends(3, "ahead");
    ask("bob", &["--branches", "[", "--update"]).ends(2, "`[`");
    let bare = ["request", "hotfix", "--as", "bob", "--repository"];
    site.access(&[bare.as_slice(), &["app"]].concat()).ends(3, "--reason 'at least 10");
    site.access(&[bare.as_slice(), &["nope"]].concat()).ends(6, "nope");
    site.access(&[bare.as_slice(), &["../app"]].concat()).ends(6, "../app");
    assert_eq!(site.access(&["list", "all"]).stdout, "");
}

#[test]
fn more_than_an_entitlement_lends_is_not_asked_for_in_advance() {
    let of_docs = entitlement("docs", "paths = [\"docs/**\"]\nexcept-branches = [\"release/old\"]");
    let site = site(&[hotfix(""), of_docs].concat());
    let ask = |name, more: &[&str]| site.access(&request(name, "bob", more));
    for wide in ["**", "*", "release/**", "regex:.*", "regex:release/.*", "m*"] {
        let run = ask("hotfix", &["--update", "--branches", wide]);
        run.ends(3, "more than `hotfix` lends: `refs/heads/main`, `refs/heads/release/*`");
    }
    ask("hotfix", &["--update", "--refs", "refs/**"]).ends(3, "more than `hotfix` lends");
    ask("hotfix", &["--update", "--branches", "main,release/**"])
        .ends(3, "`refs/heads/release/**`");
    assert_eq!(site.access(&["list", "all"]).stdout, "");
    for within in ["release/*", "release/2.*", "release/[0-9]*", "regex:release/[0-9]+"] {
        ask("hotfix", &["--update", "--branches", within]).ends(5, "pending");
    }
    ask("docs", &["--branches", "release/1", "--paths", "**"]).ends(3, "lends: paths docs/**");
    ask("docs", &["--branches", "release/1", "--paths", "docs/a/*.md"]).ends(5, "pending");
    // What is left out stays out, and without paths those of today are meant.
    let run = ask("docs", &["--update", "--branches", "release/*"]);
    run.ends(5, "pending");
    let shown = site.shown(run.stdout.split(' ').next().unwrap()).to_string();
    assert!(shown.contains("release/old") && shown.contains("docs/**"), "{shown}");
}

#[test]
fn filing_and_withdrawing_does_not_go_on_for_ever() {
    let site = site(&format!("{}[access]\nmax-open = 2\n", hotfix("")));
    for _ in 0..20 {
        let id = site.asks(&MAIN);
        site.access(&["withdraw", &id, "--as", "bob"]).ends(0, "withdrawn");
    }
    site.access(&request("hotfix", "bob", &MAIN)).ends(3, "within the hour: again at ");
    site.access(&request("hotfix", "bot", &MAIN)).ends(3, "within the hour: again at ");
    site.asks_as("carol", &MAIN);
}

#[test]
fn asking_again_finds_the_open_request_and_a_key_finds_what_it_did() {
    let site = site(&hotfix(""));
    let id = site.asks(&MAIN);
    assert_eq!(site.asks(&[MAIN.as_slice(), &["--for", "1h"]].concat()), id);
    assert_ne!(site.asks_as("carol", &MAIN), id);
    let keyed = |key: &str, branch: &str| {
        let more = ["--update", "--branches", branch, "--idempotency-key", key];
        site.access(&request("hotfix", "bob", &more))
    };
    let first = keyed("deploy-1", "release/1");
    first.ends(5, "pending");
    let id = first.stdout.split(' ').next().unwrap().to_owned();
    site.access(&["approve", &id, "--as", "ann"]).ends(0, "active");
    // The open one is approved now; without the key this would be a second request.
    keyed("deploy-1", "release/1").ends(0, &id);
    keyed("deploy-1", "release/2").ends(3, "used for something else");
    keyed("deploy 2", "release/2").ends(2, "printable");
    site.access(&["revoke", &id]).ends(0, "revoked");
    keyed("deploy-1", "release/1").ends(3, "revoked");
}

#[test]
fn a_forbid_or_lock_over_the_whole_time_is_refused_at_asking_and_at_approving() {
    let freeze = forbid("push", "branches = [\"release/*\"]\nreason = \"release freeze\"");
    let site = site(&hotfix(""));
    let on_release = site.asks(&["--branches", "release/1", "--update"]);
    let on_main = site.asks(&MAIN);
    site.write_policy(&Policy::new(&[freeze]).users(super::USERS).also(&hotfix("")));
    site.apply();
    site.access(&["approve", &on_release, "--as", "ann"]).ends(3, "release freeze");
    let asks = |branch: &str| {
        site.access(&request("hotfix", "carol", &["--update", "--branches", branch]))
    };
    asks("release/1").ends(3, "release freeze");
    asks("main").ends(5, "pending");
    // Part of it could still be used.
    asks("main,release/1").ends(5, "pending");
    let lock = ["lock", "--branches", "main", "--message", "the build is red"];
    site.refwarden(&lock).ends(0, "until it is lifted");
    site.access(&["approve", &on_main, "--as", "ann"]).ends(3, "the build is red");
    assert_eq!(site.state_of(&on_main), "pending");
}

#[test]
fn a_forbid_that_ends_before_the_grant_does_is_no_reason_to_refuse() {
    let soon = (chrono::Utc::now() + chrono::TimeDelta::minutes(10)).format("%Y-%m-%dT%H:%M:%SZ");
    let keys = format!("branches = [\"main\"]\nwhen = {{ until = {soon} }}");
    let policy = Policy::new(&[forbid("push", &keys)]).users(super::USERS).also(&hotfix(""));
    let site = site_of(&policy);
    let asks = |time: &str| {
        let more = [MAIN.as_slice(), &["--for", time]].concat();
        site.access(&request("hotfix", "bob", &more))
    };
    asks("5m").ends(3, "stops it for all of that time");
    asks("1h").ends(5, "pending");
}

#[test]
fn who_lost_the_entitlement_since_is_not_approved() {
    let site = site(&hotfix(""));
    let id = site.asks(&MAIN);
    site.write_policy(&policy(&hotfix("eligible = [\"carol\"]")));
    site.apply();
    site.access(&["approve", &id, "--as", "ann"]).ends(3, "bob is not eligible");
    site.write_policy(&policy(""));
    site.apply();
    site.access(&["approve", &id, "--as", "ann"]).ends(3, "there is no entitlement `hotfix`");
    assert_eq!(site.state_of(&id), "pending");
}

#[test]
fn approved_by_rule_while_its_window_is_open() {
    let auto = "auto = { when = { weekly = [\"Mon-Sun 00:00-24:00\"] }, max-duration = \"30m\" }\nmax-uses = 1";
    let site = site(&hotfix(auto));
    let run = site.access(&[&["--json"], request("hotfix", "bob", &MAIN).as_slice()].concat());
    run.ends(0, "\"state\":\"active\"");
    let value: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["approvals"][0]["by"]["text"], "refwarden");
    assert_eq!(value["uses_left"], 1);
    let time =
        |key: &str| chrono::DateTime::parse_from_rfc3339(value[key].as_str().unwrap()).unwrap();
    assert_eq!((time("until") - time("from")).num_minutes(), 30);
}

#[test]
fn too_many_open_requests_are_refused() {
    let site = site(&format!("{}[access]\nmax-open = 2\n", hotfix("")));
    site.asks(&["--branches", "release/1"]);
    site.asks(&["--branches", "release/2"]);
    site.access(&request("hotfix", "bob", &["--branches", "release/3"]))
        .ends(3, "2 of your requests wait already");
}

#[test]
fn waiting_ends_with_the_answer_and_with_its_time() {
    let site = site(&hotfix(""));
    let wait = |branch: &'static str, time: &'static str| {
        let more = ["--update", "--branches", branch, "--wait", time];
        [&["access"], request("hotfix", "bob", &more).as_slice()].concat()
    };
    site.refwarden(&wait("main", "1s")).ends(5, "pending");
    for (branch, answer, code) in [("main", "approve", 0), ("release/1", "deny", 3)] {
        let id = site.asks(&["--update", "--branches", branch]);
        let waiting = site.refwarden_command(&wait(branch, "30s")).spawn().unwrap();
        site.access(&[answer, &id, "--as", "ann"]).ends(0, &id);
        Run::from(waiting.wait_with_output().unwrap()).ends(code, &id);
    }
}

#[test]
fn server_approvals_off_means_that_nobody_is_acted_for_where_a_person_must() {
    let glass = entitlement("emergency", "break-glass = true");
    let site = site(&format!("{}{glass}[access]\nserver-approvals = false\n", hotfix("")));
    let id = site.asks(&MAIN);
    site.access(&["approve", &id, "--as", "ann"]).ends(3, "server-approvals = false");
    // What does not work is not shown to be copied.
    let again = site.access(&request("hotfix", "bob", &MAIN));
    again.ends(5, "deny: refwarden access deny");
    assert!(!again.stdout.contains("\napprove: "), "{again:#?}");
    let mut glass = request("emergency", "bob", &MAIN);
    glass[0] = "break-glass";
    site.access(&glass).ends(3, "server-approvals = false");
    site.access(&["attest", &id, "--as", "ann"]).ends(3, "server-approvals = false");
    site.access(&["deny", &id, "--as", "ann"]).ends(0, "denied");
}

#[test]
fn whoever_is_locked_decides_nothing_and_never_lifts_their_own_lock() {
    let site = site(&hotfix("eligible = [\"bob\", \"carol\", \"bot\"]"));
    let lock = |who: &str| {
        let run = site.refwarden(&["--json", "lock", "--user", who, "--message", "stolen"]);
        run.ends(0, "");
        let value: Value = serde_json::from_str(&run.stdout).unwrap();
        value["id"].as_str().unwrap().to_owned()
    };
    let id = site.asks_as("carol", &MAIN);
    let of_ann = lock("ann");
    site.access(&["approve", &id, "--as", "ann"]).ends(3, "ann is locked");
    site.access(&["deny", &id, "--as", "ann"]).ends(3, "ann is locked");
    // An administrator who is locked stays so, whatever their rights.
    let of_alice = lock("alice");
    site.refwarden(&["unlock", &of_alice, "--as", "alice"]).ends(3, "alice is locked");
    site.refwarden(&["unlock", &of_ann, "--as", "alice"]).ends(3, "alice is locked");
    // A narrower lock on oneself is for another to lift, too.
    site.refwarden(&["unlock", &of_alice]).ends(0, "");
    let narrow = ["lock", "--user", "alice", "--branches", "main", "--message", "wait"];
    let narrow = site.refwarden(&[&["--json"], &narrow[..]].concat());
    let narrow: Value = serde_json::from_str(&narrow.stdout).unwrap();
    let narrow = narrow["id"].as_str().unwrap().to_owned();
    site.refwarden(&["unlock", &narrow, "--as", "alice"])
        .ends(3, "nobody lifts a lock on themselves");
    site.refwarden(&["unlock", &of_ann, "--as", "alice"]).ends(0, "");
    site.access(&["approve", &id, "--as", "ann"]).ends(0, "active");
    // What is locked for a person is locked for their services.
    lock("bob");
    site.access(&request("hotfix", "bot", &MAIN)).ends(3, "bot is locked");
    let about = ["--as", "bot", "--repository", "app", "--action", "update", "--ref", "main"];
    site.refwarden(&[&["policy", "explain", "--no-paths"], &about[..]].concat()).ends(3, "RW205");
}

#[test]
fn an_earlier_yes_of_somebody_who_was_locked_since_does_not_count() {
    let site = site(&hotfix("approval = [{ from = [\"ann\", \"amy\", \"@leads\"], count = 2 }]"));
    let id = site.asks_as("carol", &MAIN);
    site.access(&["approve", &id, "--as", "ann"]).ends(5, "1 more");
    site.refwarden(&["lock", "--user", "ann", "--message", "stolen"]).ends(0, "");
    site.access(&["approve", &id, "--as", "amy"]).ends(5, "1 more");
}

#[test]
fn a_lock_on_a_person_stops_the_pushes_of_their_services() {
    let table = "[[schemes.default.permit]]\npermissions = [\"write\"]\nto = [\"bot\"]\n";
    let (site, _repo, alice) = super::started(&policy(&(hotfix("") + table)));
    let bot = alice.as_user("bot");
    alice.commit("a", "1\n");
    bot.push(&["main"]).silent();
    site.refwarden(&["lock", "--user", "bob", "--message", "stolen"]).ends(0, "");
    alice.commit("a", "2\n");
    bot.push(&["main"]).refused("RW205").says("stolen");
    alice.push(&["main"]).silent();
}
