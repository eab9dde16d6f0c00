//! The files of one commit, as a policy's loader reads them.
//!
//! Knows trees and blobs, and that nothing leads out of the tree: a symbolic link or a submodule is no
//! file and no folder here. What stands in the files is [`crate::policy`]'s matter.

use super::GitError;
use super::objects::Objects;
use crate::policy::source::{Loader, MAX_BYTES, SourceFile, text_of};
use gix::ObjectId;
use gix::objs::tree::EntryKind;
use gix::objs::{CommitRefIter, Kind, TreeRefIter};

/// Most names in one folder.
const MAX_NAMES: usize = 100_000;
/// Most bytes of one tree object.
const MAX_TREE: u64 = 64 << 20;

/// The files below a commit's tree.
pub struct CommitFiles<'a> {
    objects: &'a Objects,
    root: ObjectId,
}

/// A name in a tree.
struct Item {
    name: Vec<u8>,
    kind: EntryKind,
    id: ObjectId,
}

impl<'a> CommitFiles<'a> {
    /// Those of `commit`.
    ///
    /// # Errors
    /// It is no commit, is not there, or can't be read.
    pub fn of(objects: &'a Objects, commit: ObjectId) -> Result<Self, GitError> {
        let mut buffer = Vec::new();
        let data = objects.find(&commit, &mut buffer)?;
        if data.kind != Kind::Commit {
            return Err(GitError::damaged(commit, "it is no commit"));
        }
        let root = CommitRefIter::from_bytes(data.data, objects.format()).tree_id();
        let root = root.map_err(|error| GitError::damaged(commit, error))?;
        Ok(Self { objects, root })
    }

    /// The file `name` at the root of the tree.
    ///
    /// # Errors
    /// A message, where it is not there, no file, too long, or not UTF-8.
    pub fn main(&self, name: &str) -> Result<SourceFile, String> {
        Ok(SourceFile { name: name.to_owned(), text: self.read(name, MAX_BYTES)? })
    }

    fn folder(&self, folder: &str) -> Result<ObjectId, String> {
        let mut at = self.root;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let item = self.item(at, part).map_err(|words| format!("`{folder}`: {words}"))?;
            at = match item.kind {
                EntryKind::Tree => item.id,
                other => return Err(format!("`{folder}`: `{part}` is {}", described(other))),
            };
        }
        Ok(at)
    }

    fn item(&self, tree: ObjectId, name: &str) -> Result<Item, String> {
        let mut found = self.items(tree)?.into_iter().filter(|one| one.name == name.as_bytes());
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(format!("the tree has `{name}` twice")),
            (None, _) => Err(format!("`{name}` is not there")),
        }
    }

    fn items(&self, tree: ObjectId) -> Result<Vec<Item>, String> {
        self.fits(tree, MAX_TREE)?;
        let mut buffer = Vec::new();
        let data = self.objects.find(&tree, &mut buffer).map_err(|error| error.to_string())?;
        if data.kind != Kind::Tree {
            return Err(format!("`{tree}` is no tree"));
        }
        let mut items = Vec::new();
        for entry in TreeRefIter::from_bytes(data.data, self.objects.format()) {
            let entry = entry.map_err(|error| format!("the tree `{tree}` is damaged: {error}"))?;
            let (name, kind) = (entry.filename.to_vec(), entry.mode.kind());
            items.push(Item { name, kind, id: entry.oid.to_owned() });
            if items.len() > MAX_NAMES {
                return Err(format!("more than {MAX_NAMES} names in one folder"));
            }
        }
        Ok(items)
    }

    /// Asked before anything is inflated.
    fn fits(&self, id: ObjectId, most: u64) -> Result<(), String> {
        let header = self.objects.header(&id).map_err(|error| error.to_string())?;
        match header {
            None => Err(GitError::Missing(id).to_string()),
            Some((_, size)) if size > most => Err(format!("it is longer than {most} bytes")),
            Some(_) => Ok(()),
        }
    }
}

impl Loader for CommitFiles<'_> {
    fn names(&self, folder: &str) -> Result<Vec<String>, String> {
        let items = self.items(self.folder(folder)?)?.into_iter();
        let files = items.filter(|one| one.kind != EntryKind::Tree);
        let name = |one: Item| {
            String::from_utf8(one.name).map_err(|_| "a file's name is not UTF-8".to_owned())
        };
        files.map(name).collect()
    }

    fn read(&self, path: &str, max: usize) -> Result<String, String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let item = self.item(self.folder(folder)?, name)?;
        let wrong = |words: String| format!("`{path}`: {words}");
        if !matches!(item.kind, EntryKind::Blob | EntryKind::BlobExecutable) {
            return Err(wrong(format!("it is {}", described(item.kind))));
        }
        self.fits(item.id, u64::try_from(max).unwrap_or(u64::MAX)).map_err(wrong)?;
        let mut buffer = Vec::new();
        let data = self.objects.find(&item.id, &mut buffer).map_err(|e| wrong(e.to_string()))?;
        if data.kind != Kind::Blob {
            return Err(wrong("it is no file".into()));
        }
        text_of(data.data.to_vec()).map_err(|error| wrong(format!("it {error}")))
    }
}

const fn described(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Link => "a symbolic link, which a pushed policy may not have",
        EntryKind::Commit => "a submodule, which a pushed policy may not have",
        EntryKind::Tree => "a folder",
        EntryKind::Blob | EntryKind::BlobExecutable => "a file",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Repo;
    use super::*;
    use crate::policy::load_file;

    const MAIN: &str = "version = 1\ninclude = [\"d/*.toml\"]\n[identity]\nsources = [\"gitea\"]\n\
                        [schemes.default]\n";
    const ALICE: (&str, &str, &str) = ("100644", "d/a.toml", "[users.alice]\n");

    /// The declared users of the policy that a tree of these and a main file has, or what is wrong.
    fn load(more: &[(&str, &str, &str)]) -> Result<usize, String> {
        let repo = Repo::new();
        let mut all = vec![("100644", "policy.toml", MAIN)];
        all.extend(more);
        let commit = repo.commit_tree(repo.tree(&all), &[], 1_700_000_000);
        load_commit(&repo, commit)
    }

    fn load_commit(repo: &Repo, commit: ObjectId) -> Result<usize, String> {
        let objects = repo.objects();
        let files = CommitFiles::of(&objects, commit).map_err(|error| error.to_string())?;
        let (_, result) = load_file(files.main("policy.toml")?, "/etc/refwarden", &files);
        let told = |problem: &crate::policy::diag::Problem| problem.message.clone();
        result
            .map(|(policy, _)| policy.users.len())
            .map_err(|problems| problems.iter().map(told).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_policy_is_read_with_what_it_includes_out_of_the_tree() {
        assert_eq!(load(&[ALICE, ("100755", "d/b.toml", "[users.bob]\n")]), Ok(2));
        assert_eq!(load(&[ALICE, ("100644", "d/.b.toml", "[users.bob]\n")]), Ok(1), "hidden");
        assert_eq!(load(&[ALICE, ("100644", "d/e/b.toml", "[users.bob]\n")]), Ok(1), "deeper");
        let sha256 = Repo::sha256();
        let tree = sha256.tree(&[("100644", "policy.toml", MAIN), ALICE]);
        let commit = sha256.commit_tree(tree, &[], 1_700_000_000);
        assert_eq!(load_commit(&sha256, commit), Ok(1));
    }

    #[test]
    fn a_link_or_a_submodule_in_place_of_a_file_or_a_folder_is_refused() {
        let id = "a".repeat(40);
        for (more, words) in [
            (vec![ALICE, ("120000", "d/l.toml", "/etc/passwd")], "a symbolic link"),
            (vec![ALICE, ("120000", "d/l.toml", "a.toml")], "a symbolic link"),
            (vec![ALICE, ("160000", "d/s.toml", id.as_str())], "a submodule"),
            (vec![("120000", "d", "/etc/refwarden/policy.d")], "`d` is a symbolic link"),
            (vec![("160000", "d", id.as_str())], "`d` is a submodule"),
            (vec![("100644", "d", "x")], "`d` is a file"),
            (vec![], "`d` is not there"),
        ] {
            let told = load(&more).unwrap_err();
            assert!(told.contains(words), "{more:?}: {told}");
        }
    }

    #[test]
    fn a_main_file_that_is_a_link_is_refused_or_absent_or_a_folder() {
        let repo = Repo::new();
        for (mode, path, words) in [
            ("120000", "policy.toml", "a symbolic link"),
            ("100644", "other.toml", "is not there"),
            ("100644", "policy.toml/x", "a folder"),
        ] {
            let tree = repo.tree(&[(mode, path, "/etc/refwarden/policy.toml")]);
            let told = load_commit(&repo, repo.commit_tree(tree, &[], 1)).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
        let blob = repo.blob("x");
        assert!(load_commit(&repo, blob).unwrap_err().contains("no commit"));
    }

    #[test]
    fn a_name_twice_in_a_tree_is_refused() {
        let repo = Repo::new();
        let [one, two] = [MAIN, "version = 2\n"].map(|text| repo.blob(text));
        let mut raw = Vec::new();
        for id in [one, two] {
            raw.extend(b"100644 policy.toml\0");
            raw.extend(id.as_slice());
        }
        let tree = repo.git_in(&["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], raw);
        let tree = ObjectId::from_hex(tree.as_bytes()).unwrap();
        let told = load_commit(&repo, repo.commit_tree(tree, &[], 1)).unwrap_err();
        assert!(told.contains("twice"), "{told}");
    }

    #[test]
    fn a_policy_of_fifty_megabytes_is_refused_before_it_is_inflated() {
        let large = "#".repeat(50 << 20);
        let told = load(&[ALICE, ("100644", "d/l.toml", &large)]).unwrap_err();
        assert!(told.contains("longer than"), "{told}");
        let told = load(&[ALICE, ("100644", "d/b.toml", "# \u{e4}")]).map(|_| ());
        assert_eq!(told, Ok(()));
    }
}
