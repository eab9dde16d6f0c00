//! An installed gitolite that answers many questions at once: a home of its own, and a few lines of Perl
//! that call the same function as `gitolite access` does.

#![expect(clippy::disallowed_methods, reason = "tests run gitolite and write its configuration")]

use super::super::ask::{Answer, Answers, Questions};
use super::super::world::Found;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const DRIVER: &str = r#"
use Gitolite::Rc; use Gitolite::Common; use Gitolite::Conf::Load;
while (<STDIN>) {
    chomp;
    my ($aa, $ref, $repo, $user) = split /\t/;
    my $q = $aa;
    $q = 'W' if $aa eq 'C' and not option($repo, 'CREATE_IS_C');
    $q = '+' if $aa eq 'D' and not option($repo, 'DELETE_IS_D');
    my $said = eval { access($repo, $user, $q, $ref) } // 'DENIED';
    print $said =~ /DENIED by fallthru/ ? 'S' : $said =~ /DENIED/ ? 'D' : 'A', "\n";
}
"#;

pub(super) struct Theirs {
    home: TempDir,
    programs: PathBuf,
}

impl Theirs {
    /// `None` where gitolite is not installed.
    pub(super) fn new(found: &[Found]) -> Option<Self> {
        if !std::path::Path::new("/usr/bin/gitolite").exists() {
            println!("skipped: gitolite is not installed");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        for folder in [".gitolite/conf", ".gitolite/logs", "repositories"] {
            std::fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let rc = "%RC = (UMASK => 0077, GIT_CONFIG_KEYS => '.*', \
                  ROLES => { READERS => 1, WRITERS => 1 }, \
                  SYNTACTIC_SUGAR => ['continuation-lines']);\n1;\n";
        std::fs::write(home.path().join(".gitolite.rc"), rc).unwrap();
        for one in found {
            let folder = home.path().join(format!("repositories/{}.git", one.name));
            std::fs::create_dir_all(folder.join("hooks")).unwrap();
            std::fs::write(folder.join("gl-creator"), one.creator.as_ref().unwrap()).unwrap();
            let lines = one.roles.iter().map(|(role, members)| {
                format!("{role} {}\n", members.iter().cloned().collect::<Vec<_>>().join(" "))
            });
            std::fs::write(folder.join("gl-perms"), lines.collect::<String>()).unwrap();
        }
        let mut theirs = Self { home, programs: PathBuf::new() };
        theirs.compile("repo first\n RW = nobody\n");
        assert!(theirs.run("gitolite", &["setup", "--hooks-only"], "").status.success());
        let output = theirs.run("gitolite", &["query-rc", "GL_BINDIR"], "");
        theirs.programs = String::from_utf8(output.stdout).unwrap().trim().into();
        Some(theirs)
    }

    /// Whether gitolite takes the configuration.
    pub(super) fn compile(&self, text: &str) -> bool {
        let conf = self.home.path().join(".gitolite/conf/gitolite.conf");
        std::fs::write(conf, text).unwrap();
        self.run("gitolite", &["compile"], "").status.success()
    }

    pub(super) fn answers(&self, questions: &Questions) -> Answers {
        let mut asked = Vec::new();
        let mut lines = String::new();
        for pair in &questions.pairs {
            for (letter, on) in &questions.keys {
                lines.push_str(&format!("{letter}\t{on}\t{}\t{}\n", pair.0, pair.1));
                asked.push(((*letter, on.clone()), pair.clone()));
            }
        }
        let library = format!("-I{}/lib", self.programs.display());
        let output = self.run("perl", &[&library, "-e", DRIVER], &lines);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said.lines().count(),
            asked.len(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut all: Answers = BTreeMap::new();
        for (line, (key, pair)) in said.lines().zip(asked) {
            let answer = match line {
                "A" => Answer::Allowed,
                "S" => Answer::Silent,
                _ => Answer::Denied,
            };
            all.entry(key).or_default().insert(pair, answer);
        }
        all
    }

    fn run(&self, program: &str, arguments: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("HOME", self.home.path().to_str().unwrap())])
            .env("GL_BINDIR", &self.programs)
            .env("GL_LIBDIR", self.programs.join("lib"))
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let text = stdin.to_owned();
        let writer = std::thread::spawn(move || pipe.write_all(text.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join();
        output
    }
}
