//! Makes a compiled policy of a valid one.

use super::super::checks::Check;
use super::super::members::{groups_of, lookups_of};
use super::super::model::{Entitlement, Grant, Group, Policy, User};
use super::super::name::{EntitlementName, ProjectName, UserName};
use super::super::pattern::Pattern;
use super::format::{
    EXTENT, Extent, HEADER_PURPOSE, Header, MAGIC, PRELUDE, SourceFile, Table, Tables, VERSION,
    WHOLE_PURPOSE, external_key, folded, place_key,
};
use super::read::CompiledUser;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Keys of a bucket on average, at most.
const LOAD: usize = 2;

/// Why a policy can't be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A key that the policy's check let pass is none.
    #[error("a key of `[users.{0}]` can't be used: {1}")]
    Key(String, String),
    /// More than four gigabytes in one piece, or more than four thousand million pieces.
    #[error("the policy is too large to compile")]
    TooLarge,
    /// The encoder gave up.
    #[error("the policy can't be encoded: {0}")]
    Encode(String),
}

/// Keys and values of a table under construction; several values of one key become a list.
type Rows<V> = BTreeMap<Vec<u8>, V>;

/// Compiles. `commit` is the one that brought the policy, where a push did; it does not count for the
/// digest. `fingerprints` gives those of a user's ssh and OpenPGP keys.
///
/// The same policy, sources and commit give the same bytes.
///
/// # Errors
/// [`CompileError`].
pub fn compile(
    policy: &Policy,
    sources: &[SourceFile],
    commit: Option<&str>,
    fingerprints: &dyn Fn(&User) -> Result<Vec<String>, String>,
) -> Result<Vec<u8>, CompileError> {
    let mut writer = Writer { out: vec![0; PRELUDE], tables: 2 };
    let tables = tables(&mut writer, policy, fingerprints)?;
    let whole = encode(&(
        &policy.files,
        &policy.settings,
        &policy.users,
        &policy.groups,
        &policy.roles,
        &policy.schemes,
        &policy.projects,
        &policy.grants,
        &policy.entitlements,
        &policy.checks,
    ))?;
    let digest = Sha256::new()
        .chain_update(VERSION.to_le_bytes())
        .chain_update(encode(&sources)?)
        .chain_update(&whole);
    let mut header = Header {
        length: 0,
        digest: digest.finalize().into(),
        files: sources.to_vec(),
        commit: commit.map(str::to_owned),
        settings: policy.settings.clone(),
        lookups_of: lookups_of(&policy.groups),
        tables,
        has_checks: !policy.checks.is_empty(),
        whole: writer.piece(WHOLE_PURPOSE, &whole)?,
    };
    writer.finish(&mut header)
}

fn tables(
    writer: &mut Writer,
    policy: &Policy,
    fingerprints: &dyn Fn(&User) -> Result<Vec<String>, String>,
) -> Result<Tables, CompileError> {
    let [externals, keys] = identities(policy, fingerprints)?;
    let (project_grants, place_grants) = grants(&policy.grants);
    let (project_entitlements, place_entitlements) = by_place(&policy.entitlements);
    let (project_checks, place_checks) = checks(&policy.checks);
    let entitlements = policy.entitlements.iter().map(|(name, one)| (name.as_str().into(), one));
    let lookups = policy.groups.iter().filter_map(|(name, group)| match group {
        Group::Lookup(lookup) => Some((name.as_str().into(), lookup)),
        Group::Members(_) => None,
    });
    let projects = policy.projects.iter().map(|(name, project)| (name.as_str().into(), project));
    let schemes = policy.schemes.iter();
    let schemes = schemes.map(|(name, scheme)| (name.as_str().into(), &scheme.entries));
    Ok(Tables {
        users: writer.table(&users(policy))?,
        externals: writer.table(&externals)?,
        keys: writer.table(&keys)?,
        emails: writer.table(&emails(policy))?,
        lookups: writer.table(&lookups.collect::<Rows<_>>())?,
        places: writer.table(&places(policy))?,
        projects: writer.table(&projects.collect::<Rows<_>>())?,
        schemes: writer.table(&schemes.collect::<Rows<_>>())?,
        project_grants: writer.table(&project_grants)?,
        place_grants: writer.table(&place_grants)?,
        entitlements: writer.table(&entitlements.collect::<Rows<_>>())?,
        project_entitlements: writer.table(&project_entitlements)?,
        place_entitlements: writer.table(&place_entitlements)?,
        project_checks: writer.table(&project_checks)?,
        place_checks: writer.table(&place_checks)?,
    })
}

fn users(policy: &Policy) -> Rows<CompiledUser> {
    let mut groups = groups_of(&policy.groups);
    let users = policy.users.iter().map(|(name, declared)| {
        let groups = groups.remove(name).unwrap_or_default();
        (name.as_str().into(), CompiledUser { declared: declared.clone(), groups })
    });
    users.collect()
}

/// Who is meant by an external name, and whose a key is. The policy's check allows one user for
/// each; should there be two, both are written and the reader refuses.
fn identities(
    policy: &Policy,
    fingerprints: &dyn Fn(&User) -> Result<Vec<String>, String>,
) -> Result<[Rows<Vec<String>>; 2], CompileError> {
    let (mut externals, mut keys) = (Rows::<Vec<_>>::new(), Rows::<Vec<_>>::new());
    for (name, user) in &policy.users {
        let named = user.names.iter();
        let named = named.flat_map(|(key, names)| names.iter().map(move |n| (&**key, &**n)));
        let account = user.unix.iter().map(|account| ("unix", &**account));
        for (key, external) in named.chain(account) {
            externals.entry(external_key(key, external)).or_default().push(name.to_string());
        }
        let found =
            fingerprints(user).map_err(|reason| CompileError::Key(name.to_string(), reason))?;
        for fingerprint in found {
            keys.entry(fingerprint.into()).or_default().push(name.to_string());
        }
    }
    for names in externals.values_mut().chain(keys.values_mut()) {
        names.dedup();
    }
    Ok([externals, keys])
}

/// Whose an address is; of somebody who is not active too: history has them.
fn emails(policy: &Policy) -> Rows<Vec<&UserName>> {
    let mut emails = Rows::<Vec<_>>::new();
    for (name, user) in &policy.users {
        for email in &user.emails {
            let row = emails.entry(folded(email)).or_default();
            if row.last() != Some(&name) {
                row.push(name);
            }
        }
    }
    emails
}

fn places(policy: &Policy) -> Rows<Vec<(&ProjectName, Vec<&Pattern>)>> {
    let mut places = Rows::<Vec<(&ProjectName, Vec<&Pattern>)>>::new();
    for (name, project) in &policy.projects {
        for pattern in &project.repositories {
            let row = places.entry(place_key(pattern).into()).or_default();
            match row.last_mut() {
                Some((last, patterns)) if *last == name => patterns.push(pattern),
                _ => row.push((name, vec![pattern])),
            }
        }
    }
    places
}

/// Grants with their numbers, by project and by [`place_key`].
type NumberedGrants<'a> = Rows<Vec<(u32, &'a Grant)>>;

fn grants(grants: &[Grant]) -> (NumberedGrants<'_>, NumberedGrants<'_>) {
    let (mut by_project, mut by_place) = (Rows::<Vec<_>>::new(), Rows::<Vec<_>>::new());
    for (number, grant) in (0..).zip(grants) {
        for project in &grant.projects {
            by_project.entry(project.as_str().into()).or_default().push((number, grant));
        }
        for pattern in &grant.repositories {
            let row = by_place.entry(place_key(pattern).into()).or_default();
            if row.last().is_none_or(|(last, _)| *last != number) {
                row.push((number, grant));
            }
        }
    }
    (by_project, by_place)
}

/// Entitlements by project and by [`place_key`].
type NamedEntitlements<'a> = Rows<Vec<(&'a EntitlementName, &'a Entitlement)>>;

fn by_place(
    all: &BTreeMap<EntitlementName, Entitlement>,
) -> (NamedEntitlements<'_>, NamedEntitlements<'_>) {
    let (mut by_project, mut by_place) = (Rows::<Vec<_>>::new(), Rows::<Vec<_>>::new());
    for (name, entitlement) in all {
        for project in &entitlement.projects {
            by_project.entry(project.as_str().into()).or_default().push((name, entitlement));
        }
        for pattern in &entitlement.repositories {
            let row = by_place.entry(place_key(pattern).into()).or_default();
            if row.last().is_none_or(|(last, _)| *last != name) {
                row.push((name, entitlement));
            }
        }
    }
    (by_project, by_place)
}

/// Checks with their numbers, by project and by [`place_key`].
type NumberedChecks<'a> = Rows<Vec<(u32, &'a Check)>>;

fn checks(checks: &[Check]) -> (NumberedChecks<'_>, NumberedChecks<'_>) {
    let (mut by_project, mut by_place) = (Rows::<Vec<_>>::new(), Rows::<Vec<_>>::new());
    for (number, check) in (0..).zip(checks) {
        for project in &check.projects {
            by_project.entry(project.as_str().into()).or_default().push((number, check));
        }
        let everywhere = check.projects.is_empty() && check.repositories.is_empty();
        let keys = check.repositories.iter().map(place_key);
        for key in keys.chain(everywhere.then_some(b"".as_slice())) {
            let row = by_place.entry(key.into()).or_default();
            if row.last().is_none_or(|(last, _)| *last != number) {
                row.push((number, check));
            }
        }
    }
    (by_project, by_place)
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>, CompileError> {
    postcard::to_stdvec(value).map_err(|error| CompileError::Encode(error.to_string()))
}

struct Writer {
    out: Vec<u8>,
    /// Number of the next table.
    tables: u32,
}

impl Writer {
    fn piece(&mut self, purpose: u64, bytes: &[u8]) -> Result<Extent, CompileError> {
        let offset = self.out.len() as u64;
        let length = u32::try_from(bytes.len()).map_err(|_| CompileError::TooLarge)?;
        self.out.extend_from_slice(bytes);
        Ok(Extent { offset, length, sum: Extent::sum(purpose, offset, bytes) })
    }

    fn table<V: Serialize>(&mut self, rows: &Rows<V>) -> Result<Table, CompileError> {
        let buckets =
            u32::try_from(rows.len().div_ceil(LOAD).max(1)).map_err(|_| CompileError::TooLarge)?;
        let mut table = Table { id: self.tables, offset: 0, buckets };
        self.tables += 1;
        let mut sorted: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for (key, value) in rows {
            let bucket = Table::bucket(buckets, key);
            sorted.entry(bucket).or_default().push((key.as_slice(), encode(value)?));
        }
        let mut slots = Vec::new();
        for bucket in 0..buckets {
            let bytes = match sorted.get(&bucket) {
                Some(rows) => encode(rows)?,
                None => Vec::new(),
            };
            slots.extend(self.piece(table.purpose(bucket), &bytes)?.to_bytes());
        }
        table.offset = self.out.len() as u64;
        self.out.extend_from_slice(&slots);
        Ok(table)
    }

    /// Writes the header, which says how long the file is with it.
    fn finish(mut self, header: &mut Header) -> Result<Vec<u8>, CompileError> {
        let mut bytes = encode(header)?;
        // The length is a varint: writing it may lengthen the header, at most a few times.
        while header.length != (self.out.len() + bytes.len()) as u64 {
            header.length = (self.out.len() + bytes.len()) as u64;
            bytes = encode(header)?;
        }
        let extent = self.piece(HEADER_PURPOSE, &bytes)?.to_bytes();
        let prelude = [MAGIC.as_slice(), &VERSION.to_le_bytes(), &extent].concat();
        debug_assert_eq!(prelude.len(), MAGIC.len() + 4 + EXTENT);
        for (to, from) in self.out.iter_mut().zip(prelude) {
            *to = from;
        }
        Ok(self.out)
    }
}
