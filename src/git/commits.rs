//! Commits as the walks need them: parents, tree, and what orders them.
//!
//! Knows the commit-graph and how to do without one, and where a shallow repository ends. Parents
//! are those that the commit itself names: no grafts.

#![expect(clippy::disallowed_methods, reason = "reads the shallow file of a repository")]

use super::error::detail_of;
use super::limits::{Meter, Repeats};
use super::{GitEnv, GitError, objects::Objects};
use gix::ObjectId;
use gix::bstr::{BString, ByteSlice};
use gix::commitgraph::{Graph, Position};
use gix::objs::Kind;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The first generation number that says nothing: git stores all higher ones as this.
const MAX_GENERATION: u32 = 0x3fff_ffff;

/// Most tags of tags between a ref and what it stands for. Nobody needs more than two or three, and
/// a chain is otherwise as long as its author likes.
const MAX_TAGS: usize = 16;

/// Most tags whose commit is kept in mind.
const MAX_PEELED: usize = 1 << 16;

/// The history of one repository and of the push into it.
pub(super) struct History {
    pub(super) objects: Objects,
    pub(super) repeats: Repeats,
    shallow_file: PathBuf,
    shallow: OnceCell<HashSet<ObjectId>>,
    graph: OnceCell<Option<Graph>>,
    /// A push asks for the kind of its new value twice.
    last_kind: Cell<Option<(ObjectId, Kind)>>,
    /// What tags stand for, and behind how many tags: many refs may have one chain in common.
    peeled: RefCell<HashMap<ObjectId, (Option<ObjectId>, usize)>>,
}

/// A commit, named by its place in the commit-graph where it is there: one commit, one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Node {
    /// A commit of the commit-graph; so are all its ancestors.
    Graph(u32),
    /// Any other commit.
    Object(ObjectId),
}

impl Node {
    /// Whether the commit-graph has it.
    pub(super) const fn is_in_graph(self) -> bool {
        matches!(self, Self::Graph(_))
    }
}

/// What makes a walk visit commits early: no ancestor of a commit has a greater `generation`; the
/// date is a mere guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    generation: u32,
    /// What the push brought is visited first whatever date it claims.
    is_new: bool,
    date: i64,
}

impl Rank {
    /// Whether the push brought the commit, as far as its place in walks tells.
    pub(super) const fn is_new(self) -> bool {
        self.is_new
    }
}

/// What a walk needs of a commit.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) parents: Vec<Node>,
    pub(super) tree: ObjectId,
    pub(super) rank: Rank,
    /// Bytes that were read for it.
    pub(super) size: u64,
}

impl History {
    /// Opens nothing yet.
    pub(super) fn new(objects: Objects, common_dir: &Path, env: &GitEnv) -> Self {
        let shallow_file = env.path("GIT_SHALLOW_FILE");
        Self {
            objects,
            repeats: Repeats::default(),
            shallow_file: shallow_file.unwrap_or_else(|| common_dir.join("shallow")),
            shallow: OnceCell::new(),
            graph: OnceCell::new(),
            last_kind: Cell::new(None),
            peeled: RefCell::default(),
        }
    }

    /// The node of a commit's id.
    pub(super) fn node(&self, id: ObjectId) -> Result<Node, GitError> {
        let position = self.graph()?.and_then(|graph| graph.lookup(id));
        Ok(position.map_or(Node::Object(id), |position| Node::Graph(position.0)))
    }

    /// The id of a node.
    pub(super) fn id(&self, node: Node) -> Result<ObjectId, GitError> {
        match node {
            Node::Object(id) => Ok(id),
            Node::Graph(position) => Ok(self.known_graph()?.id_at(Position(position)).to_owned()),
        }
    }

    /// The generation of a commit of the graph, unless it is not told.
    pub(super) fn generation(&self, node: Node) -> Result<Option<u32>, GitError> {
        let Node::Graph(position) = node else { return Ok(None) };
        let generation = self.known_graph()?.commit_at(Position(position)).generation();
        Ok(Some(generation).filter(|generation| (1..MAX_GENERATION).contains(generation)))
    }

    /// The number of commits in the graph.
    pub(super) fn graph_size(&self) -> Result<usize, GitError> {
        Ok(self.graph()?.map_or(0, |graph| graph.num_commits() as usize))
    }

    /// Reads a commit.
    pub(super) fn commit(&self, node: Node) -> Result<Commit, GitError> {
        match node {
            Node::Graph(position) => self.commit_of_graph(position),
            Node::Object(id) => self.commit_of_object(id),
        }
    }

    /// Whether a commit names another as one of its parents: only its own object is read. `None` for
    /// what is no commit.
    pub(super) fn is_child(&self, id: ObjectId, of: ObjectId) -> Result<Option<bool>, GitError> {
        let (object, _) = self.objects.get(&id)?;
        self.last_kind.set(Some((id, object.kind)));
        if object.kind != Kind::Commit {
            return Ok(None);
        }
        let (_, parents, _) =
            self.parse(&object.data).ok_or_else(|| GitError::damaged(id, "it is no commit"))?;
        Ok(Some(parents.contains(&of) && !self.shallow()?.contains(&id)))
    }

    /// Whether the push brought the commit: then no older commit can lead to it.
    pub(super) fn is_new(&self, node: Node) -> Result<bool, GitError> {
        match node {
            Node::Graph(_) => Ok(false),
            Node::Object(id) => self.objects.is_new(&id),
        }
    }

    /// The commit that `id` is or, through tags, stands for; `None` for trees and blobs, and for
    /// what stands behind more than [`MAX_TAGS`] tags: less is known then, never more.
    pub(super) fn peel(
        &self,
        id: ObjectId,
        meter: &Meter<'_>,
    ) -> Result<Option<ObjectId>, GitError> {
        Ok(self.peeled(id, meter)?.flatten())
    }

    /// Refuses a tag of a tag of a tag: whoever stands behind the last one is far away, and each
    /// push that asks what refs stand for would have to go there.
    pub(super) fn refuse_chain(&self, id: ObjectId, meter: &Meter<'_>) -> Result<(), GitError> {
        match self.peeled(id, meter)? {
            Some(_) => Ok(()),
            None => Err(GitError::Chain { id, max: MAX_TAGS }),
        }
    }

    /// As [`Self::peel`], and `None` where there are too many tags.
    fn peeled(
        &self,
        id: ObjectId,
        meter: &Meter<'_>,
    ) -> Result<Option<Option<ObjectId>>, GitError> {
        let mut at = id;
        let mut passed: Vec<ObjectId> = Vec::new();
        let mut buffer = Vec::new();
        let (end, height) = loop {
            meter.step()?;
            if let Some(found) = self.peeled.borrow().get(&at).copied() {
                break found;
            }
            match self.kind(at)? {
                Kind::Commit => break (Some(at), 0),
                Kind::Tree | Kind::Blob => break (None, 0),
                Kind::Tag if passed.len() == MAX_TAGS => return Ok(None),
                Kind::Tag => {
                    let tag = self.objects.find(&at, &mut buffer)?;
                    meter.bytes(tag.data.len() as u64)?;
                    let target = header(tag.data, b"object ").and_then(|(hex, _)| self.hex(hex));
                    passed.push(at);
                    at = target.ok_or_else(|| GitError::damaged(at, "it is no tag"))?;
                }
            }
        };
        if height + passed.len() > MAX_TAGS {
            return Ok(None);
        }
        let mut known = self.peeled.borrow_mut();
        for (above, tag) in passed.into_iter().rev().enumerate() {
            if known.len() < MAX_PEELED {
                known.insert(tag, (end, height + above + 1));
            }
        }
        Ok(Some(end))
    }

    /// `Name <mail>` of a commit's author, as the commit claims it; `None` where it claims none.
    pub(super) fn author(&self, id: ObjectId) -> Result<Option<BString>, GitError> {
        let mut buffer = Vec::new();
        let commit = self.objects.find(&id, &mut buffer)?;
        let line = commit.data.lines().take_while(|line| !line.is_empty());
        let line = line.filter_map(|line| line.strip_prefix(b"author ")).next();
        let name = line.and_then(|line| line.get(..line.rfind_byte(b'>')? + 1));
        Ok(name.map(BString::from))
    }

    /// The kind of an object that has to be there.
    pub(super) fn kind(&self, id: ObjectId) -> Result<Kind, GitError> {
        if let Some((last, kind)) = self.last_kind.get()
            && last == id
        {
            return Ok(kind);
        }
        let (kind, _) = self.objects.header(&id)?.ok_or(GitError::Missing(id))?;
        self.last_kind.set(Some((id, kind)));
        Ok(kind)
    }

    fn commit_of_graph(&self, position: u32) -> Result<Commit, GitError> {
        let commit = self.known_graph()?.commit_at(Position(position));
        let damaged = |error| GitError::damaged(commit.id().to_owned(), error);
        let parents = commit.iter_parents().map(|parent| Ok(Node::Graph(parent?.0)));
        Ok(Commit {
            parents: parents.collect::<gix::Result<_>>().map_err(damaged)?,
            tree: commit.root_tree_id().to_owned(),
            rank: Rank {
                generation: commit.generation(),
                is_new: false,
                date: i64::try_from(commit.committer_timestamp()).unwrap_or(i64::MAX),
            },
            size: 0,
        })
    }

    fn commit_of_object(&self, id: ObjectId) -> Result<Commit, GitError> {
        let (object, brought) = self.objects.get(&id)?;
        if object.kind != Kind::Commit {
            return Err(GitError::damaged(id, "it is no commit"));
        }
        let (tree, ids, date) =
            self.parse(&object.data).ok_or_else(|| GitError::damaged(id, "it is no commit"))?;
        let ids = if self.shallow()?.contains(&id) { Vec::new() } else { ids };
        let is_new = brought && !self.objects.was_there(&id)?;
        Ok(Commit {
            parents: ids.into_iter().map(|id| self.node(id)).collect::<Result<_, _>>()?,
            tree,
            rank: Rank { generation: u32::MAX, is_new, date },
            size: object.data.len() as u64,
        })
    }

    /// Tree, parents and committer date of a commit's text (git's `parse_commit_buffer`).
    fn parse(&self, text: &[u8]) -> Option<(ObjectId, Vec<ObjectId>, i64)> {
        let (hex, mut rest) = header(text, b"tree ")?;
        let tree = self.hex(hex)?;
        let mut parents = Vec::new();
        while let Some((hex, after)) = header(rest, b"parent ") {
            parents.push(self.hex(hex)?);
            rest = after;
        }
        let date = || {
            let (_, rest) = header(rest, b"author ")?;
            let (committer, _) = header(rest, b"committer ")?;
            let after = committer.get(committer.rfind_byte(b'>')? + 1..)?;
            after.trim_ascii().split(|b| *b == b' ').next()?.to_str().ok()?.parse().ok()
        };
        Some((tree, parents, date().unwrap_or(0)))
    }

    fn hex(&self, hex: &[u8]) -> Option<ObjectId> {
        let fits = hex.len() == self.objects.format().len_in_hex();
        ObjectId::from_hex(hex).ok().filter(|_| fits)
    }

    fn known_graph(&self) -> Result<&Graph, GitError> {
        let none = || GitError::Unsupported(detail_of("its commit-graph went away"));
        self.graph()?.ok_or_else(none)
    }

    /// The graph, where there is one that can be read: it is a mere index, and does not know where
    /// a shallow repository ends.
    fn graph(&self) -> Result<Option<&Graph>, GitError> {
        if let Some(known) = self.graph.get() {
            return Ok(known.as_ref());
        }
        let mut found = None;
        if self.shallow()?.is_empty() {
            let format = self.objects.format();
            for folder in self.objects.settled_folders()? {
                found = found.or_else(|| Graph::at(&folder.join("info"), format, None).ok());
            }
        }
        Ok(self.graph.get_or_init(|| found).as_ref())
    }

    /// The commits whose parents are not there.
    fn shallow(&self) -> Result<&HashSet<ObjectId>, GitError> {
        if let Some(known) = self.shallow.get() {
            return Ok(known);
        }
        let text = match std::fs::read(&self.shallow_file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(GitError::io("read", &self.shallow_file)(error)),
        };
        let malformed = || GitError::Unsupported(detail_of("its `shallow` file is malformed"));
        let ids: Option<HashSet<_>> = text.lines().map(|line| self.hex(line)).collect();
        let ids = ids.ok_or_else(malformed)?;
        Ok(self.shallow.get_or_init(|| ids))
    }
}

/// The rest of a line that begins with `key`, and what follows the line.
fn header<'a>(text: &'a [u8], key: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let rest = text.strip_prefix(key)?;
    let end = rest.find_byte(b'\n')?;
    Some((rest.get(..end)?, rest.get(end + 1..)?))
}
