//! Somebody who works in a clone and pushes.

use super::git::words;
use super::{Git, Outcome, Repo};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A user of the policy with a work folder.
#[derive(Debug, Clone)]
pub struct Person {
    /// The work folder, which is the home as well.
    pub path: PathBuf,
    /// The client's git.
    pub git: Git,
    /// Where pushes go.
    pub repo: Repo,
    env: Vec<(String, String)>,
}

impl Person {
    /// A person with an empty clone of `repo`.
    pub(super) fn create(name: &str, path: PathBuf, repo: &Repo, sha256: bool) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        let git = repo.git.clone();
        let format = if sha256 { "--object-format=sha256" } else { "--object-format=sha1" };
        git.run(&path, &["init", "--quiet", "--template=", "--initial-branch=main", format]);
        let env = vec![("TEST_USER".to_owned(), name.to_owned())];
        Self { path, git, repo: repo.clone(), env }
    }

    /// The same person with a further variable in the environment (and so in that of the hooks).
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut person = self.clone();
        person.env.push((name.to_owned(), value.to_owned()));
        person
    }

    /// The same clone without `TEST_USER`: nobody.
    #[must_use]
    pub fn nameless(&self) -> Self {
        Self { env: Vec::new(), ..self.clone() }
    }

    /// The same clone in the hands of another user.
    #[must_use]
    pub fn as_user(&self, name: &str) -> Self {
        let env = vec![("TEST_USER".to_owned(), name.to_owned())];
        Self { env, ..self.clone() }
    }

    /// The same clone, pushing to another repository.
    #[must_use]
    pub fn to(&self, repo: &Repo) -> Self {
        Self { repo: repo.clone(), ..self.clone() }
    }

    /// A git command in the clone.
    pub fn command(&self) -> Command {
        let mut command = self.git.command(&self.path);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs git in the clone.
    pub fn run(&self, arguments: &[&str]) -> String {
        words(&self.command().args(arguments).output().unwrap(), &format!("{arguments:?}"))
    }

    /// Commits one file and gives the commit's id.
    pub fn commit(&self, path: &str, text: &str) -> String {
        self.write(path, text);
        self.run(&["add", "--all"]);
        self.commit_index(&format!("change {path}"))
    }

    /// Commits what is in the index.
    pub fn commit_index(&self, message: &str) -> String {
        self.run(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.id("HEAD")
    }

    /// Writes a file of the work folder.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What a name points to in the clone.
    pub fn id(&self, name: &str) -> String {
        self.run(&["rev-parse", "--verify", name])
    }

    /// A push command with these arguments after the address.
    pub fn push_command(&self, options: &[&str], refspecs: &[&str]) -> Command {
        let mut command = self.command();
        command.arg("push").args(options).arg(self.repo.url()).args(refspecs);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Pushes.
    pub fn push(&self, refspecs: &[&str]) -> Outcome {
        self.push_with(&[], refspecs)
    }

    /// Pushes with options of `git push`.
    pub fn push_with(&self, options: &[&str], refspecs: &[&str]) -> Outcome {
        Outcome::of(&self.repo, || self.push_command(options, refspecs).output().unwrap())
    }
}
