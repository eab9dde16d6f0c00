//! What the documents show is run: pushes, commands, policies, the script that walks the trail.
//! What they list is held against the code: codes, events, keys of the policy, names of tests.
//!
//! A fenced block is a test where the line before it is a comment `<!-- test: KIND -->`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests run programs and read the documents"
)]

use refwarden::audit::Event;
use refwarden::code::Code;
use refwarden::policy::diag::PolicyCode;
use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const REFWARDEN: &str = env!("CARGO_BIN_EXE_refwarden");

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(source(name)).unwrap()
}

/// README and everything in `docs/`, by name.
fn pages() -> Vec<String> {
    let docs = fs::read_dir(source("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<String> = docs.filter(|name| name.ends_with(".md")).collect();
    all.sort();
    all.iter().map(|name| format!("docs/{name}")).chain(["README.md".to_owned()]).collect()
}

/// A fenced block, with the kind of test that the comment before it names.
struct Block {
    kind: Option<String>,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let text = text(page);
    let mut lines = text.lines();
    let (mut kind, mut all) = (None, Vec::new());
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            all.push(Block { kind: kind.take(), text: body.join("\n") + "\n" });
        } else {
            let mark = line.strip_prefix("<!-- test: ").and_then(|rest| rest.strip_suffix(" -->"));
            kind = mark.map(str::to_owned);
        }
    }
    all
}

fn marked(page: &str, kind: &str) -> Vec<String> {
    let all = blocks(page).into_iter();
    all.filter(|block| block.kind.as_deref() == Some(kind)).map(|block| block.text).collect()
}

fn only(page: &str, kind: &str) -> String {
    let mut found = marked(page, kind);
    assert_eq!(found.len(), 1, "{page} has one block of the kind {kind}");
    found.remove(0)
}

fn words(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// A folder of one's own, in which nothing of the account's settings counts.
struct Bed(tempfile::TempDir);

impl Bed {
    fn new() -> Self {
        let bed = Self(tempfile::tempdir().unwrap());
        fs::write(bed.at("gitconfig"), "[user]\n\tname = t\n\temail = t@example.org\n").unwrap();
        bed
    }

    fn at(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(name)
    }

    fn shell(&self, folder: &Path, pusher: &str, command: &str) -> Output {
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", Path::new(REFWARDEN).parent().unwrap().display());
        Command::new("sh")
            .args(["-c", command])
            .current_dir(folder)
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.at(""))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.at("gitconfig"))
            .env("PUSHER", pusher)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn run(&self, folder: &Path, command: &str) -> String {
        let done = self.shell(folder, "alice", command);
        assert!(done.status.success(), "{command}: {}", words(&done));
        words(&done)
    }

    /// What README's commands make of README's policy: a server with one repository, `main` in it,
    /// and a clone with one more commit. The clone's folder is `git/bob`.
    fn server() -> Self {
        let bed = Self::serving(&only("README.md", "policy"));
        let clone = bed.at("git/bob");
        bed.run(&clone, "git commit -q --allow-empty -m two && git branch feature/retry");
        bed
    }

    /// The same of any policy in which alice may push `main`; the clone has what the server has.
    fn serving(policy: &str) -> Self {
        let bed = Self::installable();
        // Where the state lies is the test's matter; at the end, so that line numbers stay.
        let own = format!(
            "[store]\npath = \"{0}/var/lib/refwarden\"\n[audit]\nfile = \"{0}/var/log/refwarden/audit.jsonl\"\n",
            bed.at("prefix").display()
        );
        fs::write(bed.at("policy.toml"), policy.to_owned() + &own).unwrap();
        let here = bed.at("");
        bed.run(&here, "git init -q --bare git/payments/api.git");
        bed.run(&here, "git -C git/payments/api.git symbolic-ref HEAD refs/heads/main");
        bed.run(
            &here,
            "sh install.sh --prefix prefix --policy policy.toml --root git git/payments/api.git",
        );
        bed.run(&here, "git init -q git/bob && cd git/bob && git checkout -q -b main");
        let clone = bed.at("git/bob");
        bed.run(&clone, "git remote add origin ../payments/api.git");
        bed.run(&clone, "git commit -q --allow-empty -m one && git push -q origin main");
        bed
    }

    /// The built programs and `install.sh`.
    fn installable() -> Self {
        let bed = Self::new();
        for name in ["pre-receive", "update", "post-receive", "door", "refwarden"] {
            let built = Path::new(REFWARDEN).with_file_name(name);
            fs::create_dir_all(bed.at("bin")).unwrap();
            fs::copy(built, bed.at("bin").join(name)).unwrap();
        }
        fs::copy(source("install.sh"), bed.at("install.sh")).unwrap();
        bed
    }
}

/// Without what differs from run to run: the push's id, times, the host, where lines are broken.
fn timeless(words: &str) -> String {
    let lines: Vec<&str> = words.lines().map(str::trim_end).collect();
    let mut text = lines.join("\n") + "\n";
    for (pattern, with) in [
        (r"(?m)^remote: push [0-9]{8}-[0-9a-z]{6}", "remote: push ID"),
        (r"(?-u:\b)[0-9a-f]{7,12}\.\.[0-9a-f]{7,12}(?-u:\b)", "OLD..NEW"),
        (r"(?-u:\b)[0-9]{4}-[0-9]{2}-[0-9]{2} ", ""),
        (r"(?-u:\b)[0-9]{2}:[0-9]{2}(:[0-9]{2})?(?-u:\b)", "TIME"),
        // Where a line is broken depends on the length of the host's name.
        (r"\nremote:   +", " "),
        (r"TIME +UTC, in ([0-9]+ h|[0-9]+ min( [0-9]+ s)?)", "TIME UTC, in SOON"),
        (r"[a-z0-9_-]+@[A-Za-z0-9.-]+", "root@git"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, with).into_owned();
    }
    text
}

/// The same without ids of grants.
fn nameless(words: &str) -> String {
    let id = Regex::new(r"(?-u:\b)[0-9a-z]{4}-[0-9a-z]{4}(?-u:\b)").unwrap();
    id.replace_all(&timeless(words), "GRANT").into_owned()
}

/// The commands of a story, each with what follows it: `WHO$ COMMAND`.
fn story(block: &str) -> Vec<(String, String, String)> {
    let prompt = Regex::new(r"(?m)^([a-z]+)\$ (.*)\n").unwrap();
    let starts: Vec<_> = prompt.captures_iter(block).collect();
    let ends = starts.iter().skip(1).map(|next| next.get(0).unwrap().start());
    let ends: Vec<usize> = ends.chain([block.len()]).collect();
    let one = |(start, end): (&regex::Captures<'_>, usize)| {
        let said = block.get(start.get(0).unwrap().end()..end).unwrap().to_owned();
        (start[1].to_owned(), start[2].to_owned(), said)
    };
    starts.iter().zip(ends).map(one).collect()
}

#[test]
fn the_story_of_the_readme_is_what_people_see() {
    let bed = Bed::server();
    let story = story(&only("README.md", "story"));
    assert!(story.len() >= 4, "{story:?}");
    let id = Regex::new(r"request ([0-9a-z]{4}-[0-9a-z]{4}):").unwrap();
    let (mut shown_id, mut real_id) = (String::new(), String::new());
    for (who, command, expected) in story {
        let said = if who == "server" {
            let command = command.replace(&shown_id, &real_id);
            let command = command.replacen("refwarden", "prefix/bin/refwarden", 1);
            bed.shell(&bed.at(""), "", &command)
        } else {
            bed.shell(&bed.at("git/bob"), &who, &command)
        };
        let said = words(&said);
        if let (Some(shown), Some(real)) = (id.captures(&expected), id.captures(&said)) {
            (shown_id, real_id) = (shown[1].to_owned(), real[1].to_owned());
        }
        assert_eq!(nameless(&said), nameless(&expected), "{who}$ {command}\n{said}");
    }
    let allowed = bed.shell(&bed.at("git/bob"), "bob", "git push -q origin feature/retry");
    assert_eq!((words(&allowed).as_str(), allowed.status.success()), ("", true));
}

/// Commands of a session and what each prints, as a page shows them.
fn session(page: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let text = marked(page, "session").concat();
    let mut goes_on = false;
    for line in text.lines() {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push((command.to_owned(), String::new())),
            (None, Some((command, _))) if goes_on => *command += &format!("\n{line}"),
            (None, Some((_, output))) => *output += &format!("{line}\n"),
            (None, None) => assert!(line.is_empty(), "{page}: a session begins with a command"),
        }
        goes_on = line.ends_with('\\') && (goes_on || line.starts_with("$ "));
    }
    all
}

#[test]
fn the_sessions_about_access_say_what_is_shown() {
    let bed = Bed::serving(&only("docs/access.md", "policy"));
    let clone = bed.at("git/bob");
    bed.run(&clone, "git checkout -q -b release/2.4 && git push -q origin release/2.4");
    bed.run(
        &clone,
        "git commit -q --allow-empty --author='bob <bob@example.org>' -m 'stop the retry storm'",
    );
    let id = Regex::new(r"(?-u:\b)[0-9a-hjkmnp-tv-z]{4}-[0-9a-hjkmnp-tv-z]{4}(?-u:\b)").unwrap();
    let mut known: Vec<(String, String)> = Vec::new();
    let prefix = bed.at("prefix/bin");
    for (command, expected) in session("docs/access.md") {
        // The page's ids stand for those that this run has made.
        let real = known.iter().fold(command.clone(), |c, (page, real)| c.replace(page, real));
        let run = format!("PATH={}:$PATH\n{real}", prefix.display());
        let said = words(&bed.shell(&clone, "bob", &run));
        let wanted: Vec<&str> = id.find_iter(&expected).map(|found| found.as_str()).collect();
        let got: Vec<&str> = id.find_iter(&said).map(|found| found.as_str()).collect();
        for (page, real) in wanted.iter().zip(&got) {
            if known.iter().all(|(known, _)| known != page) {
                known.push(((*page).to_owned(), (*real).to_owned()));
            }
        }
        let said = known.iter().fold(said.clone(), |said, (page, real)| said.replace(real, page));
        assert_eq!(timeless(&said), timeless(&expected), "$ {command}\n{said}");
    }
    assert!(known.len() >= 4, "{known:?}");
    bed.run(&clone, &format!("{}/refwarden audit verify", prefix.display()));
}

#[test]
fn the_commands_of_the_documents_say_what_is_shown() {
    let bed = Bed::new();
    fs::write(bed.at("policy.toml"), only("README.md", "policy")).unwrap();
    let mut count = 0;
    for page in pages() {
        for block in marked(&page, "run") {
            let mut command = String::new();
            let mut rest = block.as_str();
            while let Some((line, more)) = rest.split_once('\n') {
                command.push_str(line.strip_prefix("$ ").unwrap_or(line));
                command.push('\n');
                rest = more;
                if !line.ends_with('\\') {
                    break;
                }
            }
            assert_eq!(words(&bed.shell(&bed.at(""), "", &command)), rest, "{page}: {command}");
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn the_policies_of_the_documents_are_valid() {
    let bed = Bed::new();
    let mut count = 0;
    for page in pages() {
        for policy in marked(&page, "policy") {
            fs::write(bed.at("policy.toml"), &policy).unwrap();
            let said = bed.run(&bed.at(""), "refwarden policy check policy.toml");
            assert!(said.starts_with("policy.toml is valid"), "{page}: {said}\n{policy}");
            count += 1;
        }
        // Parts of a policy: with what every policy needs around them.
        for part in marked(&page, "policy part") {
            let around = "version = 1\nidentity.sources = [\"env:PUSHER\"]\n";
            let needed = if part.contains("[schemes.default") { "" } else { "[schemes.default]\n" };
            fs::write(bed.at("policy.toml"), format!("{around}{part}{needed}")).unwrap();
            let said = bed.run(&bed.at(""), "refwarden policy check policy.toml");
            assert!(said.starts_with("policy.toml is valid"), "{page}: {said}\n{part}");
            count += 1;
        }
        for whole in blocks(&page).iter().filter(|block| block.text.starts_with("version = 1\n")) {
            fs::write(bed.at("policy.toml"), &whole.text).unwrap();
            bed.run(&bed.at(""), "refwarden policy fmt --check policy.toml");
        }
    }
    assert!(count >= 8, "{count}");
}

/// `(user, action, ref, paths, time) -> (verdict, code)` in `payments/api`; `-` for no paths known.
const QUESTIONS: [(&str, &str, &str, &str, &str, &str, &str); 14] = [
    ("bob", "create", "feature/x", "-", "2026-11-18T10:00:00Z", "allowed", ""),
    ("bob", "force", "feature/x", "-", "2026-11-18T10:00:00Z", "refused", "RW202"),
    ("bob", "update", "main", "-", "2026-11-18T10:00:00Z", "refused", "RW201"),
    ("alice", "update", "main", "-", "2026-11-18T10:00:00Z", "allowed", ""),
    ("erin", "update", "main", "docs/a.txt", "2026-11-18T10:00:00Z", "allowed", ""),
    ("erin", "update", "main", "src/a.c", "2026-11-18T10:00:00Z", "refused", "RW203"),
    ("erin", "update", "main", "docs/a.txt", "2026-12-25T10:00:00Z", "refused", "RW202"),
    ("alice", "update", "main", "-", "2026-12-25T10:00:00Z", "allowed", ""),
    ("alice", "delete", "refs/tags/v1", "-", "2026-11-18T10:00:00Z", "refused", "RW202"),
    ("frank", "create", "feature/frank/x", "-", "2026-11-18T10:00:00Z", "allowed", ""),
    ("frank", "create", "feature/frank/x", "-", "2027-01-01T00:00:00Z", "refused", "RW201"),
    ("frank", "create", "feature/bob/x", "-", "2026-11-18T10:00:00Z", "refused", "RW201"),
    ("dave", "read", "-", "-", "2026-11-18T10:00:00Z", "refused", "RW103"),
    ("alice", "update", "release/1", "-", "2026-11-21T10:00:00Z", "would-refuse", "RW202"),
];

#[test]
fn the_example_policy_is_valid_and_decides_as_its_comments_say() {
    let bed = Bed::new();
    fs::copy(source("policy.example.toml"), bed.at("policy.toml")).unwrap();
    assert_eq!(
        bed.run(&bed.at(""), "refwarden policy check policy.toml").lines().count(),
        1,
        "no warning"
    );
    for (user, action, reference, path, time, verdict, code) in QUESTIONS {
        let path = if path == "-" { String::new() } else { format!("--path {path}") };
        let reference = if reference == "-" { "" } else { &format!("--ref {reference}") };
        let command = format!(
            "refwarden --json policy explain --policy policy.toml --as {user} \
             --repository payments/api --action {action} {reference} {path} --at {time}"
        );
        let done = bed.shell(&bed.at(""), "", &command);
        let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        let warned = answer.get("would_refuse").and_then(|code| code.as_str());
        let said = warned.map_or(&answer["verdict"], |_| &serde_json::Value::Null);
        let got = (said.as_str().unwrap_or("would-refuse"), warned.or(answer["code"].as_str()));
        assert_eq!((got.0, got.1.unwrap_or_default()), (verdict, code), "{command}: {answer}");
    }
}

#[test]
fn the_example_policy_is_applied_and_shows_what_can_be_asked_for() {
    let bed = Bed::installable();
    let here = bed.at("");
    // Only where this installation keeps things differs.
    let prefix = bed.at("prefix").display().to_string();
    let example = text("policy.example.toml")
        .replace("\"/var/lib/refwarden\"", &format!("\"{prefix}/var/lib/refwarden\""))
        .replace("\"/var/log/refwarden/", &format!("\"{prefix}/var/log/refwarden/"))
        .replace("/usr/local/lib/refwarden/mail-notice", "/bin/true");
    fs::write(bed.at("policy.toml"), &example).unwrap();
    bed.run(&here, "git init -q --bare git/payments/api.git");
    let said = bed.run(
        &here,
        "sh install.sh --prefix prefix --policy policy.toml --root git git/payments/api.git",
    );
    assert!(said.contains("applied: "), "{said}");
    let shown = bed.run(&here, "prefix/bin/refwarden policy show --project PAY");
    for name in ["hotfix", "docs-in-hours", "emergency"] {
        assert!(shown.contains(&format!("\n  entitlement {name}: ")), "{shown}");
    }
    let explain = "prefix/bin/refwarden policy explain --repository payments/api --action update \
                   --ref release/2.4 --at 2026-11-18T10:00:00Z --as";
    let refused = words(&bed.shell(&here, "", &format!("{explain} bob")));
    assert!(refused.contains("\ncould be asked for: entitlement hotfix: "), "{refused}");
    let other = words(&bed.shell(&here, "", &format!("{explain} erin")));
    assert!(other.contains("refused: RW201") && !other.contains("could be asked for"), "{other}");
    // One entitlement less: the dry run says who can no longer ask.
    let narrower = example.replace("eligible = [\"bob\", \"carol\"]", "eligible = [\"bob\"]");
    assert_ne!(narrower, example);
    fs::write(bed.at("policy.toml"), narrower).unwrap();
    let told = bed.run(&here, "prefix/bin/refwarden policy apply --dry-run");
    assert!(told.contains("loses carol   asking for `emergency` in MISC, PAY"), "{told}");
}

#[test]
fn every_code_is_listed_with_its_title() {
    let page = text("docs/codes.md");
    for code in Code::ALL {
        let heading = format!("### {code} {}", code.title());
        let section = page.split_once(&format!("{heading}\n"));
        let (_, after) = section.unwrap_or_else(|| panic!("no `{heading}`"));
        let section = format!("\n{}", after.split("\n### ").next().unwrap());
        assert!(section.contains("\nCause: ") && section.contains("\nCure: "), "{section}");
    }
    for code in PolicyCode::ALL {
        let row = format!("\n| {code} | {} |", code.title());
        assert!(page.contains(&row), "docs/codes.md has no row `{}`", row.trim());
    }
}

#[test]
fn no_code_is_named_that_is_not_there() {
    let known: BTreeSet<String> = Code::ALL
        .iter()
        .map(ToString::to_string)
        .chain(PolicyCode::ALL.iter().map(ToString::to_string))
        .collect();
    let code = Regex::new(r"RW[0-9]{3}").unwrap();
    for page in pages() {
        for found in code.find_iter(&text(&page)) {
            assert!(known.contains(found.as_str()), "{page} names {}", found.as_str());
        }
    }
}

#[test]
fn every_event_is_described() {
    let page = text("docs/audit.md");
    for event in Event::ALL {
        assert!(page.contains(&format!("| `{event}` |")), "{event}");
    }
}

#[test]
fn every_key_of_the_policy_is_described() {
    let schema = text("src/policy/raw/schema.rs");
    let page = text("docs/policy.md");
    let keys = Regex::new(r#"\(\s*"([a-z-]+)",\s"#).unwrap();
    let found: BTreeSet<&str> =
        keys.captures_iter(&schema).map(|key| key.get(1).unwrap().as_str()).collect();
    assert!(found.len() > 60, "{}", found.len());
    for key in found {
        let named = Regex::new(&format!(r"`([^`]*[^`a-z-])?{key}([^`a-z-][^`]*)?`")).unwrap();
        assert!(named.is_match(&page), "docs/policy.md does not describe `{key}`");
    }
}

/// Command lines of `refwarden`: in code spans, and lines of code.
fn command_lines(page: &str) -> Vec<String> {
    let page = text(page).replace("\\\n", " ");
    let span = Regex::new(r"`refwarden (--?[a-z]|[a-z])[^`]*`").unwrap();
    let spans = span.find_iter(&page).map(|found| found.as_str().trim_matches('`').to_owned());
    let line =
        Regex::new(r"(?m)^(?:    |\$ |[ ]*ExecStart=[^ ]*/|[0-9*].* [*] [a-z]+ (?:[^ ]*/)?)(?:sudo (?:-u [a-z]+ )?)?(refwarden [a-z-].*)$")
            .unwrap();
    let lines = line.captures_iter(&page).map(|found| found[1].to_owned());
    spans.chain(lines).collect()
}

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let word = Regex::new(r"'([^']*)'|[^ \t\n]+").unwrap();
    let mut count = 0;
    for page in pages() {
        for line in command_lines(&page) {
            let stop = ["...", "|", ">", "&&", "#", "||", "2>&1"];
            let words = word.captures_iter(&line).skip(1);
            let words = words.map(|one| one.get(1).unwrap_or(one.get(0).unwrap()).as_str());
            let words: Vec<&str> = words.take_while(|word| !stop.contains(word)).collect();
            let done = Command::new(REFWARDEN).args(&words).arg("--help").output().unwrap();
            assert!(done.status.success(), "{page}: `{line}`: {}", self::words(&done));
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_test_that_is_named_is_there() {
    let mut code = String::new();
    let mut folders = vec![source("src"), source("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let name = Regex::new(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`").unwrap();
    let mut count = 0;
    for page in pages() {
        for found in name.captures_iter(&text(&page)) {
            assert!(code.contains(&format!("fn {}(", &found[1])), "{page} names {}", &found[1]);
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn every_link_leads_somewhere() {
    // Others write these at the same time.
    let link = Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").unwrap();
    for page in pages() {
        let folder = Path::new(&page).parent().unwrap().to_owned();
        for found in link.captures_iter(&text(&page)) {
            let path = source(folder.join(&found[1]).to_str().unwrap());
            assert!(path.exists() || found[1].starts_with("benches/"), "{page}: {}", &found[1]);
        }
    }
}

#[test]
fn the_script_that_walks_the_trail_agrees_with_audit_verify() {
    let script = only("docs/audit.md", "script");
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: python3 is not installed");
        return;
    }
    let bed = Bed::server();
    let refused = bed.shell(&bed.at("git/bob"), "bob", "git push -q origin main");
    assert!(!refused.status.success());
    let here = bed.at("");
    bed.run(&here, "prefix/bin/refwarden audit rotate");
    bed.run(&bed.at("git/bob"), "git push -q origin main");
    fs::write(bed.at("walk.py"), script).unwrap();
    let log = bed.at("prefix/var/log/refwarden");
    let both = |bed: &Bed| {
        let script = bed.shell(&log, "", "python3 ../../../../walk.py audit.jsonl.1-* audit.jsonl");
        let program = bed.shell(&here, "", "prefix/bin/refwarden audit verify");
        assert_eq!(script.status.success(), program.status.success(), "{}", words(&script));
        (script.status.success(), words(&script))
    };
    let (sound, said) = both(&bed);
    assert!(sound, "{said}");
    let first = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let rotated = first.into_iter().find(|path| path.to_str().unwrap().contains(".jsonl.1-"));
    for file in [rotated.unwrap(), log.join("audit.jsonl")] {
        let whole = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        let changed = whole.replacen("\"host\":\"", "\"host\":\"x", 1);
        let taken = lines.first().unwrap().to_string() + &lines.get(2..).unwrap().concat();
        for bad in [changed, taken] {
            if bad == whole {
                continue;
            }
            fs::write(&file, bad).unwrap();
            let (sound, said) = both(&bed);
            assert!(!sound, "{said}");
        }
        fs::write(&file, whole).unwrap();
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    }
    assert!(both(&bed).0);
}
