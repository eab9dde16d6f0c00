//! `[server] policy-repository`: a policy that comes by a push, judged before it lands and in force after.

mod by_hand;
mod landing;

use crate::support::{Person, Policy, Repo, Site, permit};
use serde_json::Value;

/// alice administers and may do everything, bob pushes features everywhere but to the policy.
fn policy() -> Policy {
    Policy::new(&[
        permit("alice", "write", ""),
        permit("bob", "push", "branches = [\"feature/**\"]"),
    ])
    .server("policy-repository = \"admin/policy\"")
    .also("[global]\nadminister = [\"alice\"]")
}

/// The same, and bob may push releases.
fn wider() -> Policy {
    policy().also(&permit("bob", "push", "branches = [\"release/*\"]"))
}

/// A site whose policy names its repository, with alice at work there and on an `app`.
struct Bed {
    site: Site,
    policy: Repo,
    alice: Person,
    bob: Person,
}

impl Bed {
    fn new(policy: &Policy) -> Self {
        let site = Site::new(policy);
        let repo = site.repo("admin/policy");
        let alice = site.person("alice", &repo);
        let (_, developer) = site.started();
        Self { policy: repo, alice, bob: developer.as_user("bob"), site }
    }

    /// A policy's text with this site's folders.
    fn text(&self, policy: &Policy) -> String {
        let [state, log] = ["state", "log"].map(|name| self.site.path(name).display().to_string());
        let name = self.site.path("x");
        let name = name.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        policy.text().replace("{state}", &state).replace("{log}", &log).replace("{site}", &name)
    }

    /// Commits a policy in alice's clone.
    fn commit(&self, policy: &Policy) -> String {
        self.alice.commit("policy.toml", &self.text(policy))
    }

    /// Whether bob may push releases of the app now.
    fn bob_releases(&self, name: &str) -> bool {
        self.bob.push(&[&format!("main:refs/heads/release/{name}")]).ok
    }

    fn applied(&self) -> Vec<Value> {
        self.site.trail().events("policy.applied")
    }

    fn doctor(&self, words: &str) {
        let run = self.site.refwarden(&["doctor"]);
        assert!(run.stdout.contains(words), "should say `{words}`: {run:#?}");
    }
}

#[test]
fn a_pushed_policy_counts_for_the_very_next_push_and_stands_in_the_trail() {
    let bed = Bed::new(&policy());
    bed.doctor("nothing was pushed to `main` of `admin/policy` yet");
    bed.commit(&policy());
    bed.alice.push(&["main"]).landed().says("nobody gains or loses anything");
    assert!(!bed.bob_releases("1"));
    let commit = bed.commit(&wider());
    let push = bed.alice.push(&["main"]);
    push.landed().says("gains  bob   push on release/* in APP").says("the policy counts now: ");
    push.says(&format!("commit {}", &commit[..12]));
    assert!(bed.bob_releases("1"));
    let last = bed.applied().pop().unwrap();
    assert_eq!(last["actor"]["user"], "alice");
    assert_eq!(last["actor"]["source"], "env:TEST_USER");
    assert_eq!(
        (&last["detail"]["how"], &last["detail"]["commit"]),
        (&"push".into(), &commit.into())
    );
    assert_eq!(last["repository"], "admin/policy");
    let decided = bed.site.trail().events("push.decided");
    assert!(decided.iter().any(|line| line["push"]["id"] == last["push"]["id"]));
    bed.doctor("`main` of `admin/policy` is what counts");
    bed.doctor("applied, by a push to its own repository");
    bed.site.trail_verifies();
}

#[test]
fn an_invalid_policy_is_refused_with_every_position_and_changes_nothing() {
    let bed = Bed::new(&policy());
    let text = bed.text(&wider());
    let line = 1 + text.lines().position(|line| line.starts_with("administer")).unwrap();
    let text = text.replace("administer = [\"alice\"]", "administer = [\"alcie\"]\ncolour = 1");
    bed.alice.commit("policy.toml", &text);
    let push = bed.alice.push(&["main"]);
    push.refused("RW206").says(&format!("policy.toml:{line}:15: error RW623"));
    push.says("did you mean `alice`?").says(&format!("policy.toml:{}:1: error RW607", line + 1));
    assert!(!bed.bob_releases("1"));
    assert_eq!(bed.applied().len(), 1, "the first one, by hand");
}

#[test]
fn a_hostile_policy_fills_neither_the_report_nor_the_terminal() {
    let bed = Bed::new(&policy());
    let many: String = (0..5000).map(|n| format!("\"k\\u001b[2J{n}\" = 1\n")).collect();
    bed.alice.commit("policy.toml", &format!("{many}{}", bed.text(&policy())));
    let push = bed.alice.push(&["main"]);
    push.refused("RW206").says("more: `refwarden policy check` shows all");
    assert!(push.stderr.len() < 24 * 1024, "{}", push.stderr.len());
    assert!(!push.report().contains('\u{1b}'), "{}", push.report());
    bed.alice.commit("policy.toml", &"#".repeat(20 << 20));
    bed.alice.push(&["main"]).refused("RW206").says("longer than");
    bed.alice.run(&["rm", "--quiet", "policy.toml"]);
    bed.alice.commit("README", "no policy\n");
    bed.alice.push(&["main"]).refused("RW206").says("`policy.toml` is not there");
}

#[test]
fn a_policy_that_locks_the_last_administrator_out_is_refused() {
    let bed = Bed::new(&policy());
    let text = bed.text(&policy());
    for (from, to, words) in [
        ("administer = [\"alice\"]", "administer = []", "nobody would be left"),
        ("administer = [\"alice\"]", "administer = [\"dave\"]", "nobody would be left"),
        ("[users.alice]\n", "[users.alice]\nactive = false\n", "nobody would be left"),
        ("administer = [\"alice\"]", "administer = [\"bob\"]", "(bob) could push `main` of"),
        ("repositories = [\"**\"]", "repositories = [\"app\"]", "RW206"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        bed.alice.commit("policy.toml", &changed);
        let push = bed.alice.push(&["main"]);
        push.nothing_moved().says(words);
        assert!(push.report().contains("RW207") || words == "RW206", "{}", push.report());
    }
    assert_eq!(bed.applied().len(), 1);
}

#[test]
fn an_include_is_read_out_of_the_tree_alone() {
    let bed = Bed::new(&policy());
    let text =
        bed.text(&policy()).replacen("version = 1\n", "version = 1\ninclude = [\"d/*.toml\"]\n", 1);
    bed.alice.write("policy.toml", &text);
    bed.alice.commit("d/zoe.toml", "[users.zoe]\n");
    bed.alice.push(&["main"]).landed().says("the policy counts now");
    let files = bed.applied().pop().unwrap();
    assert!(files["detail"]["summary"].as_str().unwrap().starts_with("5 users"), "{files}");
    // Beside the site's own file the same name lies too, and is nothing to a push.
    std::fs::create_dir(bed.site.path("d")).unwrap();
    std::fs::write(bed.site.path("d/zoe.toml"), "[users.mallory]\n").unwrap();
    bed.alice.commit("d/zoe.toml", "[users.zoe]\nx = 1\n");
    bed.alice.push(&["main"]).refused("RW206").says("d/zoe.toml:2:1: error RW607");
    bed.alice.run(&["rm", "--quiet", "d/zoe.toml"]);
    std::os::unix::fs::symlink(bed.site.path("d/zoe.toml"), bed.alice.path.join("zoe")).unwrap();
    std::fs::create_dir_all(bed.alice.path.join("d")).unwrap();
    std::fs::rename(bed.alice.path.join("zoe"), bed.alice.path.join("d/zoe.toml")).unwrap();
    bed.alice.commit("README", "a link\n");
    bed.alice.push(&["main"]).refused("RW206").says("it is a symbolic link");
    let out = text.replacen("d/*.toml", "../d/*.toml", 1);
    bed.alice.run(&["rm", "--quiet", "-r", "d"]);
    bed.alice.commit("policy.toml", &out);
    bed.alice.push(&["main"]).refused("RW206").says("error RW605");
}

#[test]
fn a_policy_file_that_is_a_link_is_refused() {
    let bed = Bed::new(&policy());
    std::os::unix::fs::symlink(bed.site.policy(), bed.alice.path.join("policy.toml")).unwrap();
    bed.alice.commit("README", "a link\n");
    bed.alice.push(&["main"]).refused("RW206").says("it is a symbolic link");
}

#[test]
fn who_may_not_push_there_is_refused_as_anywhere_and_the_policy_is_not_read() {
    let bed = Bed::new(&policy());
    bed.alice.commit("policy.toml", "this is no TOML [[\n");
    for somebody in [bed.alice.as_user("bob"), bed.alice.as_user("carol")] {
        let push = somebody.push(&["main"]);
        push.refused("RW201");
        assert!(!push.report().contains("RW206") && !push.report().contains("TOML"));
    }
    bed.alice.as_user("dave").push(&["main"]).refused("RW103");
    bed.alice.nameless().push(&["main"]).refused("RW101");
}

#[test]
fn another_branch_or_another_repository_brings_no_policy() {
    let bed = Bed::new(&policy());
    bed.alice.commit("policy.toml", "this is no TOML [[\n");
    bed.alice.push(&["main:feature/x"]).silent();
    bed.alice.push(&["main:refs/tags/main"]).silent();
    let other = bed.site.repo("admin/policy2");
    bed.alice.to(&other).push(&["main"]).silent();
    assert_eq!(bed.applied().len(), 1);
}

#[test]
fn the_branch_may_be_another_one_and_is_never_deleted() {
    let policy = |more: &str| policy().server("policy-branch = \"live\"").also(more);
    let bed = Bed::new(&policy(""));
    bed.commit(&policy("# a comment"));
    bed.alice.push(&["main"]).silent();
    bed.alice.push(&["main:live"]).landed().says("the policy counts now");
    bed.alice.push(&[":live"]).refused("RW209").says("it can't be deleted");
    bed.policy.config("receive.denyDeleteCurrent", "ignore");
    bed.alice.push(&[":main"]).landed();
}

#[test]
fn a_forced_move_is_as_the_policy_says_and_brings_the_older_policy_back() {
    let bed = Bed::new(&policy());
    let first = bed.commit(&policy());
    bed.alice.push(&["main"]).landed();
    bed.commit(&wider());
    bed.alice.push(&["main"]).landed();
    assert!(bed.bob_releases("1"));
    let push = bed.alice.push(&[&format!("+{first}:refs/heads/main")]);
    push.landed().says("loses  bob").says(&format!("commit {}", &first[..12]));
    assert!(!bed.bob_releases("2"));
}

#[test]
fn a_program_a_file_or_a_url_that_a_push_adds_is_refused() {
    let bed = Bed::new(&policy());
    let group = "[groups]\noncall = { command = [\"/bin/true\"] }";
    for added in [
        group,
        "[[notify]]\nevents = [\"access.*\"]\ncommand = [\"/bin/true\"]",
        "[[notify]]\nevents = [\"access.*\"]\nurl = \"https://x.example.org/\"\nsecret-file = \"/etc/shadow\"",
        "[jira]\nurl = \"https://x.example.org\"\nflavor = \"data-center\"\ntoken-file = \"/etc/shadow\"",
    ] {
        bed.commit(&policy().also(added));
        bed.alice
            .push(&["main"])
            .refused("RW208")
            .says("the server's admin may apply that, by hand");
    }
    for (from, to) in [("audit.jsonl\"", "other.jsonl\""), ("/state\"", "/log\"")] {
        let text = bed.text(&policy()).replacen(from, to, 1);
        bed.alice.commit("policy.toml", &text);
        bed.alice.push(&["main"]).refused("RW208");
    }
    bed.commit(&policy().server("policy-branch = \"other\""));
    bed.alice.push(&["main"]).refused("RW208");
    // By hand it comes in, and from then on a push may keep it.
    bed.site.write_policy(&policy().also(group));
    bed.site
        .refwarden(&["policy", "apply", "--by-hand"])
        .ends(0, "the next push to `admin/policy`");
    bed.commit(&policy().also(group));
    bed.alice.push(&["main"]).landed().says("the policy counts now");
}

#[test]
fn who_is_only_warned_elsewhere_is_refused_on_the_branch_of_the_policy() {
    let warned =
        || policy().project("repositories = [\"**\"]\nbase = \"main\"\nenforce = \"warn\"");
    let bed = Bed::new(&warned());
    bed.commit(&warned());
    let push = bed.alice.as_user("carol").push(&["main"]);
    push.refused("RW209").says("does not hold on it");
    bed.alice.push(&["main"]).landed();
}

#[test]
fn what_an_entitlement_lends_or_a_check_refuses_is_decided_as_anywhere() {
    let check = "[[checks]]\nname = \"key\"\nprojects = [\"APP\"]\nbranches = [\"main\"]\nsubject = \"^OPS-\"";
    let bed = Bed::new(&policy().also(check));
    bed.commit(&wider().also(check));
    bed.alice.push(&["main"]).refused("RW401");
    bed.alice.run(&["commit", "--quiet", "--amend", "--message", "OPS-1: more"]);
    bed.alice.push(&["main"]).landed().says("gains  bob");
}

#[test]
fn a_repository_that_stores_in_another_way_holds_a_policy_too() {
    use crate::support::{Format, Git, skip};
    let sites = [
        Some((Site::new(&policy()), Format::Sha256)),
        Git::at_least(2, 45).map(|git| (Site::with_git(&policy(), &git), Format::Reftable)),
    ];
    if sites.iter().any(Option::is_none) {
        skip("no git with reftable");
    }
    for (site, format) in sites.into_iter().flatten() {
        let repo = site.repo_of("admin/policy", format);
        let alice = site.person("alice", &repo);
        alice.commit("policy.toml", &std::fs::read_to_string(site.policy()).unwrap());
        alice.push(&["main"]).landed().says("the policy counts now");
    }
}
