//! Asks a compiled policy.

use super::super::checks::Check;
use super::super::entry::Entry;
use super::super::members::Standing;
use super::super::model::{
    Entitlement, Grant, Group, Lookup, NoProject, Policy, Project, Scheme, Settings, User,
    project_of,
};
use super::super::name::{EntitlementName, GroupName, ProjectName, SchemeName, UserName};
use super::super::pattern::Pattern;
use super::super::scope::{Ground, NoScope};
use super::format::{
    CompiledError, EXTENT, Extent, HEADER_PURPOSE, Header, MAGIC, PRELUDE, ReadAt, SourceFile,
    Table, VERSION, WHOLE_PURPOSE, decode, external_key, folded, place_keys,
};
use crate::pusher::source::plain_name_counts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A user, and the groups that the policy alone puts the user in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledUser {
    /// As `[users.X]` says.
    pub declared: User,
    /// Nested ones included, looked-up ones not.
    pub groups: BTreeSet<GroupName>,
}

/// An applied policy, read piece by piece.
#[derive(Debug)]
pub struct Compiled<R> {
    reader: R,
    length: u64,
    header: Header,
}

impl<R: ReadAt> Compiled<R> {
    /// Reads what leads to everything else. `length` is the file's, in bytes.
    ///
    /// # Errors
    /// [`CompiledError`], as of every other question asked of it.
    pub fn open(reader: R, length: u64) -> Result<Self, CompiledError> {
        if length < PRELUDE as u64 {
            return Err(CompiledError::NotOurs);
        }
        let prelude = reader.read_at(0, PRELUDE).map_err(unreadable)?;
        let rest = prelude.strip_prefix(&MAGIC).ok_or(CompiledError::NotOurs)?;
        let (version, extent) = rest.split_first_chunk().ok_or(CompiledError::NotOurs)?;
        match u32::from_le_bytes(*version) {
            VERSION => {}
            other => return Err(CompiledError::Version(other)),
        }
        let extent = Extent::from_bytes(extent).ok_or(CompiledError::Damaged("no header"))?;
        let header: Header = decode(&piece(&reader, length, extent, HEADER_PURPOSE)?)?;
        if header.length != length {
            return Err(CompiledError::Damaged("it has another length than it was written with"));
        }
        Ok(Self { reader, length, header })
    }

    /// What every push needs.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.header.settings
    }

    /// The files that it was made from.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.header.files
    }

    /// The commit of its own repository that it came from; `None` where it was applied by hand.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        self.header.commit.as_deref()
    }

    /// SHA-256 that names this policy: of its meaning and of its sources.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.header.digest
    }

    /// A declared user.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn user(&self, name: &UserName) -> Result<Option<CompiledUser>, CompiledError> {
        self.find(self.header.tables.users, name.as_str().as_bytes())
    }

    /// The one user whom a source calls `external`; `name_key` is a key of `[users.X] names`, or
    /// `unix`. A user with an entry of that key is not known to the source by the plain name.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn by_external(
        &self,
        name_key: &str,
        external: &str,
    ) -> Result<Option<UserName>, CompiledError> {
        let key = external_key(name_key, external);
        let named = self.find::<Vec<UserName>>(self.header.tables.externals, &key)?;
        let plain = self.by_plain_name(name_key, external)?;
        one_of(named.into_iter().flatten().chain(plain))
    }

    fn by_plain_name(
        &self,
        name_key: &str,
        external: &str,
    ) -> Result<Option<UserName>, CompiledError> {
        if !plain_name_counts(name_key) {
            return Ok(None);
        }
        let Ok(name) = UserName::parse(external) else { return Ok(None) };
        let known = self.user(&name)?.is_some_and(|user| match name_key {
            "unix" => user.declared.unix.is_none(),
            key => !user.declared.names.contains_key(key),
        });
        Ok(known.then_some(name))
    }

    /// The user with the ssh or OpenPGP key.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn by_key(&self, fingerprint: &str) -> Result<Option<UserName>, CompiledError> {
        let found: Option<Vec<UserName>> =
            self.find(self.header.tables.keys, fingerprint.as_bytes())?;
        one_of(found.into_iter().flatten())
    }

    /// The user, active or not, with the e-mail address, whose case does not count.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn by_email(&self, email: &str) -> Result<Option<UserName>, CompiledError> {
        let found: Option<Vec<UserName>> = self.find(self.header.tables.emails, &folded(email))?;
        one_of(found.into_iter().flatten())
    }

    /// The project of a repository.
    ///
    /// # Errors
    /// [`CompiledError`]; inside it [`NoProject`], where there is none or no single one.
    pub fn project_of(
        &self,
        repository: &[u8],
    ) -> Result<Result<(ProjectName, Project), NoProject>, CompiledError> {
        let mut candidates: BTreeMap<ProjectName, Vec<Pattern>> = BTreeMap::new();
        for key in place_keys(repository) {
            let row: Option<Vec<(ProjectName, Vec<Pattern>)>> =
                self.find(self.header.tables.places, key)?;
            for (name, patterns) in row.into_iter().flatten() {
                candidates.entry(name).or_default().extend(patterns);
            }
        }
        let all = candidates.iter().map(|(name, patterns)| (name, patterns.as_slice()));
        let name = match project_of(repository, all) {
            Ok(name) => name.clone(),
            Err(none) => return Ok(Err(none)),
        };
        let project = self.find(self.header.tables.projects, name.as_str().as_bytes())?;
        project
            .map(|project| Ok((name, project)))
            .ok_or(CompiledError::Damaged("a project is missing"))
    }

    /// The entries of a scheme.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn entries(&self, scheme: &SchemeName) -> Result<Vec<Entry>, CompiledError> {
        self.find(self.header.tables.schemes, scheme.as_str().as_bytes())?
            .ok_or(CompiledError::Damaged("a scheme is missing"))
    }

    /// The grants that may apply in a repository, in the policy's order; [`Grant::applies`] says
    /// whether they do.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn grants(
        &self,
        project: &ProjectName,
        repository: &[u8],
    ) -> Result<Vec<Grant>, CompiledError> {
        let tables = &self.header.tables;
        let mut found: BTreeMap<u32, Grant> = BTreeMap::new();
        let of_project = (tables.project_grants, project.as_str().as_bytes());
        let of_places = place_keys(repository).map(|key| (tables.place_grants, key));
        for (table, key) in [of_project].into_iter().chain(of_places) {
            found.extend(self.find::<Vec<(u32, Grant)>>(table, key)?.into_iter().flatten());
        }
        Ok(found.into_values().collect())
    }

    /// An entitlement, wherever it applies.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn entitlement(
        &self,
        name: &EntitlementName,
    ) -> Result<Option<Entitlement>, CompiledError> {
        self.find(self.header.tables.entitlements, name.as_str().as_bytes())
    }

    /// The entitlements that apply in a repository, by name.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn entitlements(
        &self,
        project: &ProjectName,
        repository: &[u8],
    ) -> Result<Vec<(EntitlementName, Entitlement)>, CompiledError> {
        let tables = &self.header.tables;
        let mut found: BTreeMap<EntitlementName, Entitlement> = BTreeMap::new();
        let of_project = (tables.project_entitlements, project.as_str().as_bytes());
        let of_places = place_keys(repository).map(|key| (tables.place_entitlements, key));
        for (table, key) in [of_project].into_iter().chain(of_places) {
            let row: Option<Vec<(EntitlementName, Entitlement)>> = self.find(table, key)?;
            for (name, entitlement) in row.into_iter().flatten() {
                let applies = entitlement.applies(project, repository);
                if applies.map_err(|_| CompiledError::Damaged("a pattern can't be evaluated"))? {
                    found.insert(name, entitlement);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// The checks that apply in a repository, in the policy's order.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn checks(
        &self,
        project: &ProjectName,
        repository: &[u8],
    ) -> Result<Vec<Check>, CompiledError> {
        if !self.header.has_checks {
            return Ok(Vec::new());
        }
        let tables = &self.header.tables;
        let mut found: BTreeMap<u32, Check> = BTreeMap::new();
        let of_project = (tables.project_checks, project.as_str().as_bytes());
        let of_places = place_keys(repository).map(|key| (tables.place_checks, key));
        for (table, key) in [of_project].into_iter().chain(of_places) {
            let row: Option<Vec<(u32, Check)>> = self.find(table, key)?;
            for (number, check) in row.into_iter().flatten() {
                let applies = check.applies(project, repository);
                if applies.map_err(|_| CompiledError::Damaged("a pattern can't be evaluated"))? {
                    found.insert(number, check);
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// How a group is looked up, if it is.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn lookup(&self, group: &GroupName) -> Result<Option<Lookup>, CompiledError> {
        self.find(self.header.tables.lookups, group.as_str().as_bytes())
    }

    /// The standing of a user in a project; `None` when there is no such user, or not active.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn standing(
        &self,
        name: &UserName,
        project: &Project,
    ) -> Result<Option<Standing>, CompiledError> {
        let user = self.user(name)?.filter(|user| user.declared.active);
        Ok(user
            .map(|user| Standing::new(name.clone(), user.groups, project, &self.header.lookups_of)))
    }

    /// Everything that could speak about one person in one repository.
    ///
    /// # Errors
    /// [`NoScope`]: the same as [`super::super::scope::Scopes::scope`] gives, or the file is damaged.
    pub fn ground(&self, user: Option<&UserName>, repository: &[u8]) -> Result<Ground, NoScope> {
        let user = match user {
            None => None,
            Some(name) => match self.user(name)? {
                None => return Err(NoScope::UnknownUser),
                Some(user) if !user.declared.active => return Err(NoScope::InactiveUser),
                Some(user) => Some((name, user.groups)),
            },
        };
        let (name, project) = self.project_of(repository)??;
        let standing = user.map_or_else(Standing::default, |(name, groups)| {
            Standing::new(name.clone(), groups, &project, &self.header.lookups_of)
        });
        let mut entries = self.entries(&project.scheme)?;
        for grant in self.grants(&name, repository)? {
            if grant.applies(&name, repository)? {
                entries.push(grant.entry);
            }
        }
        Ok(Ground { name, project, standing, entries })
    }

    /// The policy whole, as it was when it was applied; for comparing, not for a push.
    ///
    /// # Errors
    /// [`CompiledError`].
    pub fn policy(&self) -> Result<Policy, CompiledError> {
        type Whole = (
            Vec<String>,
            Settings,
            BTreeMap<UserName, User>,
            BTreeMap<GroupName, Group>,
            BTreeMap<super::super::name::RoleName, Vec<super::super::model::Member>>,
            BTreeMap<SchemeName, Scheme>,
            BTreeMap<ProjectName, Project>,
            Vec<Grant>,
            BTreeMap<EntitlementName, Entitlement>,
            Vec<Check>,
        );
        let bytes = piece(&self.reader, self.length, self.header.whole, WHOLE_PURPOSE)?;
        let whole: Whole = decode(&bytes)?;
        let (files, settings, users, groups, roles, schemes, projects, grants, lending, checks) =
            whole;
        Ok(Policy {
            files,
            settings,
            users,
            groups,
            roles,
            schemes,
            projects,
            grants,
            entitlements: lending,
            checks,
        })
    }

    fn find<V: DeserializeOwned>(
        &self,
        table: Table,
        key: &[u8],
    ) -> Result<Option<V>, CompiledError> {
        let bucket = Table::bucket(table.buckets, key);
        let slot = u64::from(bucket) * EXTENT as u64;
        let slot = table.offset.checked_add(slot).ok_or(CompiledError::Damaged("a table"))?;
        let slot = Extent::from_bytes(&bounded(&self.reader, self.length, slot, EXTENT)?)
            .ok_or(CompiledError::Damaged("a table"))?;
        let bytes = piece(&self.reader, self.length, slot, table.purpose(bucket))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let rows: Vec<(&[u8], &[u8])> = postcard::from_bytes(&bytes)
            .map_err(|_| CompiledError::Damaged("a bucket can't be decoded"))?;
        let row = rows.into_iter().find(|(found, _)| *found == key);
        row.map(|(_, value)| decode(value)).transpose()
    }
}

fn one_of(mut users: impl Iterator<Item = UserName>) -> Result<Option<UserName>, CompiledError> {
    let Some(first) = users.next() else { return Ok(None) };
    match users.all(|other| other == first) {
        true => Ok(Some(first)),
        false => Err(CompiledError::Damaged("one external name or key means two users")),
    }
}

fn unreadable(error: std::io::Error) -> CompiledError {
    CompiledError::Read(error.to_string())
}

fn piece(
    reader: &impl ReadAt,
    length: u64,
    extent: Extent,
    purpose: u64,
) -> Result<Vec<u8>, CompiledError> {
    let size = usize::try_from(extent.length)
        .map_err(|_| CompiledError::Damaged("a piece is too long"))?;
    let bytes = bounded(reader, length, extent.offset, size)?;
    match Extent::sum(purpose, extent.offset, &bytes) == extent.sum {
        true => Ok(bytes),
        false => Err(CompiledError::Damaged("a checksum differs")),
    }
}

fn bounded(
    reader: &impl ReadAt,
    length: u64,
    offset: u64,
    size: usize,
) -> Result<Vec<u8>, CompiledError> {
    match offset.checked_add(size as u64) {
        Some(end) if end <= length => reader.read_at(offset, size).map_err(unreadable),
        _ => Err(CompiledError::Damaged("a piece lies outside the file")),
    }
}
