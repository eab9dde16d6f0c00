//! `[[checks]]` at real pushes: what is refused, what is lifted, what gets round nothing.

use super::lent::store;
use crate::support::{Person, Policy, Repo, Site, forbid, grant, permit};
use refwarden::store::access::Filter;

const SUBJECT: &str = "[[checks]]\nname = \"subject\"\nsubject = \"^APP-[0-9]+: \"\n\
                       help = \"begin with the issue, as in APP-7\"\n";

/// alice writes everything, bob pushes everything; then these entries, checks and entitlements.
fn policy(entries: &[String], tables: &str) -> Policy {
    let usual = [permit("alice", "write", ""), permit("bob", "push force", "")];
    Policy::new(&[&usual, entries].concat()).also(tables)
}

/// A site whose `main` was there before the checks were.
fn started(policy: &Policy) -> (Site, Repo, Person) {
    let site = Site::new(policy);
    site.refwarden(&["store", "init"]).ends(0, "");
    let (repo, alice) = site.started();
    repo.config("receive.advertisePushOptions", "true");
    let bob = alice.as_user("bob");
    (site, repo, bob)
}

fn says(person: &Person, subject: &str) -> String {
    person.write(&format!("file-{}", subject.len()), subject);
    person.run(&["add", "--all"]);
    person.commit_index(subject)
}

/// Entitlement `lift`: bob may ask for `subject` to be lifted, alice approves.
fn lift(keys: &str) -> String {
    format!(
        "[entitlements.lift]\nprojects = [\"APP\"]\neligible = [\"bob\"]\npermissions = [\"bypass\"]\n\
         checks = [\"subject\", \"size\"]\nmax-duration = \"4h\"\n{keys}\n\
         approval = [{{ from = [\"alice\"], count = 1 }}]\n"
    )
}

#[test]
fn commits_that_fail_are_refused_all_at_once_and_nothing_moves() {
    let (site, _, bob) = started(&policy(&[], SUBJECT));
    let first = says(&bob, "one");
    says(&bob, "APP-1: two");
    for number in 0..12 {
        says(&bob, &format!("more {number:03}{}", "x".repeat(number)));
    }
    let push = bob.push(&["main"]);
    push.refused("RW401").says("check subject, policy.toml:").says("and 3 more (subject)");
    push.says("begin with the issue, as in APP-7");
    let line = site.trail().last_decision();
    assert_eq!(line["refs"][0]["code"], "RW401");
    assert_eq!(line["refs"][0]["checks"][0], "subject");
    // The oldest one is beyond the ten that are shown.
    assert!(!push.report().contains(&first[..12]), "{}", push.words());
    bob.run(&["reset", "--quiet", "--hard", "HEAD~14"]);
    says(&bob, "APP-1: two");
    bob.push(&["main"]).landed().silent();
    assert!(site.trail().last_decision()["refs"][0]["checks"].is_null());
}

#[test]
fn a_commit_parked_on_a_branch_that_the_check_does_not_govern_is_not_new_to_nobody() {
    let tables = SUBJECT.replace("name = ", "branches = [\"main\"]\nname = ");
    let (_site, _repo, bob) = started(&policy(&[], &tables));
    says(&bob, "parked");
    bob.push(&["main:refs/heads/parked"]).landed();
    bob.push(&["main"]).refused("RW401");
    // Merged by either side it is as new.
    bob.run(&["branch", "--quiet", "parked"]);
    bob.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    says(&bob, "APP-2: other");
    bob.run(&["merge", "--quiet", "--no-ff", "-m", "APP-3: merge", "parked"]);
    bob.push(&["main"]).refused("RW401");
}

#[test]
fn a_branch_on_which_somebody_may_go_past_a_check_hides_nothing_from_it() {
    let lifts = permit("alice", "bypass", "checks = [\"subject\"]\nbranches = [\"import/**\"]");
    let (_site, _repo, bob) = started(&policy(&[lifts], SUBJECT));
    let alice = bob.as_user("alice");
    says(&bob, "parked");
    bob.push(&["main:refs/heads/import/x"]).refused("RW401");
    alice.push(&["main:refs/heads/import/x"]).landed().silent();
    bob.push(&["main"]).refused("RW401");
    // What another governed branch has passed is known there.
    bob.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    says(&bob, "APP-1: seen");
    bob.push(&["main:refs/heads/feature/a"]).landed();
    bob.push(&["main"]).landed().silent();
}

#[test]
fn a_merge_that_takes_the_older_side_is_seen_on_a_new_ref_before_the_base_is_there() {
    let table = "[[checks]]\nname = \"closed\"\nforbid-paths = [\"secret/**\"]\n";
    let site = Site::new(&policy(&[], table));
    let repo = site.repo("app");
    let bob = site.person("bob", &repo);
    bob.write("secret/key", "1\n");
    bob.commit("open", "1\n");
    bob.run(&["branch", "side"]);
    bob.commit("secret/key", "2\n");
    // The repository has no `main`.
    repo.seed(&bob.path, &["main:dev"]);
    bob.run(&["checkout", "--quiet", "side"]);
    bob.commit("open", "2\n");
    bob.run(&["checkout", "--quiet", "main"]);
    bob.run(&["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
    bob.push(&["main:refs/heads/same"]).landed();
    bob.run(&["checkout", "side", "--", "secret/key"]);
    bob.commit_index("merge, with the older secret");
    bob.push(&["main:refs/heads/turned"]).refused("RW408").says("secret/key").nothing_moved();
    bob.run(&["checkout", "main^1", "--", "secret/key"]);
    bob.run(&["commit", "--quiet", "--amend", "--message", "merge"]);
    bob.push(&["main:refs/heads/honest"]).landed().silent();
}

#[test]
fn a_bypass_that_is_taken_away_does_not_make_what_it_let_by_known() {
    let lifts = permit("alice", "bypass", "checks = [\"subject\"]\nbranches = [\"import/**\"]");
    let (site, _repo, bob) = started(&policy(&[lifts], SUBJECT));
    says(&bob, "parked");
    bob.as_user("alice").push(&["main:refs/heads/import/x"]).landed().silent();
    site.write_policy(&policy(&[], SUBJECT));
    site.apply();
    bob.push(&["main"]).refused("RW401");
    // Nor is it forgotten by going back.
    site.refwarden(&["policy", "rollback"]).ends(0, "");
    site.refwarden(&["policy", "rollback"]).ends(0, "");
    bob.push(&["main"]).refused("RW401");
    // Under another name it is another check, which governs what comes after it.
    site.write_policy(&policy(&[], &SUBJECT.replace("\"subject\"", "\"subject-2\"")));
    site.apply();
    bob.push(&["main"]).landed().silent();
}

#[test]
fn a_check_that_grows_does_not_know_what_it_did_not_govern() {
    let on =
        |branches: &str| SUBJECT.replace("name = ", &format!("branches = [{branches}]\nname = "));
    let (site, _repo, bob) = started(&policy(&[], &on("\"main\"")));
    says(&bob, "parked");
    bob.push(&["main:refs/heads/rel/x"]).landed();
    site.write_policy(&policy(&[], &on("\"main\", \"rel/*\"")));
    site.apply();
    bob.push(&["main"]).refused("RW401");
    // On the branch itself it was there before.
    says(&bob, "APP-1: more");
    bob.push(&["main:refs/heads/rel/x"]).landed().silent();
}

#[test]
fn a_damaged_memory_of_what_checks_were_refuses() {
    let (site, _repo, bob) = started(&policy(&[], SUBJECT));
    says(&bob, "APP-1: one");
    let past = site.path("state/policy/past");
    let whole = std::fs::read(&past).unwrap();
    std::fs::write(&past, &whole[..whole.len() - 1]).unwrap();
    bob.push(&["main"]).refused("RW501");
    site.refwarden(&["policy", "apply"]).ends(1, "policy/past");
    std::fs::write(&past, whole).unwrap();
    bob.push(&["main"]).landed();
}

#[test]
fn a_bypass_of_ones_own_lifts_the_named_checks_and_gives_no_right_to_the_ref() {
    let entries = [
        permit("carol", "bypass", "checks = [\"*\"]"),
        permit("bob", "bypass", "checks = [\"subject\"]\nbranches = [\"main\"]"),
    ];
    let other = "[[checks]]\nname = \"size\"\nmax-file-size = \"1kB\"\n";
    let (site, _repo, bob) = started(&policy(&entries, &format!("{SUBJECT}{other}")));
    says(&bob, "whatever");
    bob.as_user("carol").push(&["main"]).refused("RW201");
    bob.push(&["main:refs/heads/x"]).refused("RW401");
    bob.push(&["main"]).landed().silent();
    let line = site.trail().last_decision();
    assert_eq!(line["refs"][0]["bypassed"][0], "subject");
    bob.commit("large", &"x".repeat(2000));
    bob.push(&["main"]).refused("RW407").says("check size");
}

#[test]
fn a_forbid_takes_a_bypass_away() {
    let entries = [
        permit("bob", "bypass", "checks = [\"*\"]"),
        forbid("bypass", "checks = [\"subject\"]\nbranches = [\"main\"]"),
    ];
    let (_site, _repo, bob) = started(&policy(&entries, SUBJECT));
    says(&bob, "whatever");
    bob.push(&["main"]).refused("RW401");
    bob.push(&["main:refs/heads/x"]).landed();
}

#[test]
fn a_grant_written_by_hand_lifts_a_check_and_is_named() {
    let lifts =
        grant("import", "bob", 3600.0, "permissions = [\"bypass\"]\nchecks = [\"subject\"]");
    let (_site, _repo, bob) = started(&policy(&[], &format!("{SUBJECT}{lifts}")));
    says(&bob, "whatever");
    bob.push(&["main"]).landed().says("allowed by grant import: bypass of subject on main");
}

#[test]
fn warn_only_lets_the_push_through_and_says_what_it_would_refuse() {
    let warn = format!("{SUBJECT}enforce = \"warn\"\n");
    let (site, repo, bob) = started(&policy(&[], &warn));
    says(&bob, "whatever");
    bob.push(&["main"]).landed().says("warning: refwarden would refuse").says("RW401");
    let line = site.trail().last_decision();
    assert_eq!(line["verdict"], "would-refuse");
    assert_eq!(line["refs"][0]["code"], "RW401");
    // The project's own word counts as well.
    let project = "repositories = [\"**\"]\nbase = \"main\"\nenforce = \"warn\"";
    site.write_policy(&policy(&[], SUBJECT).project(project));
    site.apply();
    says(&bob, "another");
    bob.to(&repo).push(&["main"]).landed().says("check subject (warn-only)");
}

#[test]
fn a_check_lifted_for_one_push_is_asked_for_approved_and_charged_once() {
    let other = "[[checks]]\nname = \"size\"\nmax-file-size = \"1kB\"\n";
    let tables = format!("{SUBJECT}{other}{}", lift("max-uses = 1"));
    let (site, _repo, bob) = started(&policy(&[], &tables));
    says(&bob, "whatever");
    bob.push(&["main"]).refused("RW401").says("git push -o access=lift");
    let ask = ["-o", "access=lift", "-o", "reason=the import has no issue keys"];
    let asked = bob.push_with(&ask, &["main"]);
    asked.refused("waiting for approval").says("bob asks for bypass of subject on");
    let store = store(&site);
    let mut records = store.list(&Filter { limit: 10, ..Filter::default() }).unwrap();
    let record = records.remove(0);
    assert!(records.is_empty());
    let request = record.state().unwrap().request;
    assert_eq!(request.checks, ["subject".into()], "no more than the push needs");
    assert_eq!(request.permissions.to_string(), "bypass");
    let id = record.id.to_string();
    site.refwarden(&["access", "show", &id]).ends(0, "bypass");
    site.refwarden(&["access", "approve", &id, "--as", "alice"]).ends(0, "");
    // A push that fails no check is not charged, nor one to another ref.
    bob.push(&["main:refs/heads/other"]).refused("RW401");
    let push = bob.push(&["main"]);
    push.landed().says(&format!("allowed by grant {id} (lift, approved by alice"));
    push.says("bypass of subject on main");
    assert_eq!(site.trail().last_decision()["grant"], id.as_str());
    says(&bob, "whatever else");
    bob.push(&["main"]).refused("RW401").says("is spent or put aside");
}

#[test]
fn a_lent_bypass_is_not_charged_where_no_check_fails_and_does_not_lift_others() {
    let other = "[[checks]]\nname = \"size\"\nmax-file-size = \"1kB\"\n";
    let tables = format!("{SUBJECT}{other}{}", lift("max-uses = 1\nbranches = [\"main\"]"));
    let (site, _repo, bob) = started(&policy(&[], &tables));
    let request = [
        "access",
        "request",
        "lift",
        "--as",
        "bob",
        "--repository",
        "app",
        "--checks",
        "subject",
        "--branches",
        "main",
        "--reason",
        "the import has no issue keys",
    ];
    let run = site.refwarden(&request);
    let id = run.stdout.split(' ').next().unwrap().to_owned();
    site.refwarden(&["access", "approve", &id, "--as", "alice"]).ends(0, "");
    says(&bob, "APP-1: fine");
    bob.push(&["main"]).landed().silent();
    bob.write("large", &"x".repeat(2000));
    bob.run(&["add", "--all"]);
    bob.commit_index("large, and without its key");
    // One of two is not enough: the ref stays, and nothing is charged.
    let push = bob.push(&["main"]);
    push.refused("RW401").says("check subject").says("check size");
    assert!(site.trail().last_decision()["grant"].is_null());
    bob.run(&["reset", "--quiet", "--hard", "HEAD~1"]);
    says(&bob, "now it is needed");
    bob.push(&["main"]).landed().says(&id);
}

#[test]
fn a_deletion_is_not_looked_at_and_what_is_not_a_commit_is() {
    let tags = "[[checks]]\nname = \"tags\"\ntags = [\"**\"]\nannotated-tags = true\n";
    let (_site, _repo, bob) = started(&policy(&[], &format!("{SUBJECT}{tags}")));
    let alice = bob.as_user("alice");
    alice.push(&["HEAD:refs/tags/light"]).refused("RW405");
    alice.run(&["tag", "--annotate", "--message", "v1", "v1"]);
    alice.push(&["v1"]).landed();
    alice.push(&[":refs/tags/v1"]).landed().silent();
}

#[test]
fn with_refuse_ref_only_the_ref_that_fails_stays() {
    let policy = policy(&[], SUBJECT).server("refuse = \"ref\"");
    let (_site, _repo, bob) = started(&policy);
    says(&bob, "APP-1: fine");
    bob.run(&["branch", "--quiet", "fine"]);
    says(&bob, "whatever");
    let push = bob.push(&["fine", "main"]);
    push.moved("refs/heads/fine").stayed("refs/heads/main").says("RW401");
}

#[test]
fn explain_says_which_checks_are_asked_and_who_may_go_past_them() {
    let lifts = permit("bob", "bypass", "checks = [\"subject\"]\nbranches = [\"import/**\"]");
    let other = "[[checks]]\nname = \"size\"\nmax-file-size = \"1kB\"\n";
    let tables = format!("{SUBJECT}{other}{}", lift("branches = [\"main\"]"));
    let (site, _repo, _bob) = started(&policy(&[lifts], &tables));
    let explain = |reference: &str| {
        let begin =
            ["policy", "explain", "--as", "bob", "--repository", "app", "--action", "update"];
        site.refwarden(&[begin.as_slice(), &["--ref", reference, "--no-paths"]].concat())
    };
    let main = explain("main");
    main.ends(0, "check subject: subject everywhere; is asked").ends(0, "entitlement lift");
    explain("import/x").ends(0, "lifted by policy.toml:").ends(0, "bob may go past it");
}

#[test]
fn commits_of_somebody_who_is_not_active_any_more_are_nobodys() {
    let check = "[[checks]]\nname = \"known\"\nauthor = \"known\"\n";
    let with = |active: &str| {
        let users = format!("[users.eve]\nemails = [\"eve@example.org\"]\n{active}");
        policy(&[], &format!("{users}{check}"))
    };
    let (site, _repo, bob) = started(&with(""));
    let by_eve = |name: &str| {
        bob.write(name, name);
        bob.run(&["add", "--all"]);
        let author = "--author=Eve <eve@example.org>";
        bob.run(&["commit", "--quiet", "-m", name, author]);
    };
    by_eve("one");
    bob.push(&["main"]).landed().silent();
    site.write_policy(&with("active = false\n"));
    site.apply();
    by_eve("two");
    let push = bob.push(&["main"]);
    push.refused("RW403").says("an address of no active user");
}

#[test]
fn a_message_of_megabytes_is_refused_in_words() {
    let (_site, _repo, bob) = started(&policy(&[], SUBJECT));
    bob.write("message", &"x".repeat(5 << 20));
    bob.run(&["commit", "--quiet", "--allow-empty", "-F", "message"]);
    bob.push(&["main"]).refused("RW308").says("more than 4 MiB of one commit or tag");
}

#[test]
fn a_commit_that_names_its_parent_and_an_ancestor_is_no_merge() {
    let only = "[[checks]]\nname = \"merges\"\nmerges = \"only\"\n";
    let (_site, _repo, bob) = started(&policy(&[], only));
    bob.run(&["checkout", "--quiet", "-b", "side"]);
    says(&bob, "side");
    bob.run(&["checkout", "--quiet", "main"]);
    bob.run(&["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
    bob.push(&["main"]).landed().silent();
    // Its own change, and the parents of one line of history.
    bob.write("evil", "evil");
    bob.run(&["add", "--all"]);
    let tree = bob.run(&["write-tree"]);
    for parents in [["main", "main~1"], ["main~1", "main"]] {
        let [one, two] = parents;
        let fake = bob.run(&["commit-tree", "-m", "fake", "-p", one, "-p", two, tree.trim()]);
        bob.push(&[&format!("{}:main", fake.trim())]).refused("RW406").says("it is no merge");
    }
}
