//! The policy's own repository: it is there, our hooks judge it, and what its branch holds counts.

use super::super::finding::{Finding, Level};
use super::super::repo::survey;
use super::super::repo::target::{Installation, Target};
use crate::git::{GitEnv, Reader, RefValue};
use crate::hook::desk::{self, Payload};
use crate::hook::policy_push;
use crate::policy::compiled::Compiled;
use crate::policy::model::PolicyHome;
use crate::push::RefName;
use crate::store::landing;
use std::path::Path;

const CHECK: &str = "policy-repository";

/// Nothing where the policy comes from no repository.
pub fn home(home: &Installation) -> Vec<Finding> {
    let Ok((applied, _)) = desk::open_policy(&home.site) else { return Vec::new() };
    let Some(place) = &applied.settings().home else { return Vec::new() };
    let Some(folder) = policy_push::find(&home.site, place) else {
        let what = format!("there is no repository `{}` below the root", place.repository);
        let cure = "make it with git init --bare, then refwarden repo install";
        return vec![Finding::broken(CHECK, what, cure)];
    };
    let mut found = guarded(&folder, home);
    found.push(stands(&folder, place, &applied, home));
    found
}

/// Who can push there past the hooks brings a policy that nobody judges: it is never applied.
fn guarded(folder: &Path, home: &Installation) -> Vec<Finding> {
    let Ok(target) = Target::repository(folder, home) else { return Vec::new() };
    let open = survey::survey(&target, home).findings;
    let open = open.iter().find(|finding| finding.level > Level::Warn);
    let what = |finding: &Finding| {
        format!("pushes to `{}` bring no policy: {}", folder.display(), finding.what)
    };
    let cure = "refwarden repo install, with its path";
    open.map(|finding| Finding::broken(CHECK, what(finding), cure)).into_iter().collect()
}

fn stands(
    folder: &Path,
    place: &PolicyHome,
    applied: &Compiled<Payload>,
    home: &Installation,
) -> Finding {
    let branch = place.branch.strip_prefix("refs/heads/").unwrap_or(&place.branch);
    let named = format!("`{branch}` of `{}`", place.repository);
    let opened = Reader::open(folder, &GitEnv::default(), home.site.account_uid);
    let value = opened.and_then(|reader| reader.ref_value(&RefName::new(place.branch.as_bytes())));
    let commit = match value {
        Ok(RefValue::Direct(commit)) => commit,
        Ok(RefValue::Missing) => {
            let what =
                format!("what counts was applied by hand: nothing was pushed to {named} yet");
            return Finding::warn(CHECK, what, "push the policy there, as policy.toml");
        }
        Ok(RefValue::Symbolic(_)) => {
            let what = format!("{named} is symbolic, and pushes to it are refused (RW304)");
            return Finding::broken(CHECK, what, "make it an ordinary branch");
        }
        Err(error) => {
            let cure = "let the hosting account own and read the repository";
            return Finding::broken(CHECK, format!("{named}: {error}"), cure);
        }
    };
    if applied.commit() == Some(&commit.to_string()) {
        return Finding::ok(
            CHECK,
            format!("{named} is what counts, commit {}", commit.to_hex_with_len(12)),
        );
    }
    if landing::read(&home.site.state, commit).is_some() {
        let what = format!("what has landed in {named} does not count yet");
        return Finding::broken(CHECK, what, "refwarden sweep: it applies it, or says why not");
    }
    let counts = match applied.commit() {
        Some(commit) => format!("commit {}", commit.get(..12).unwrap_or(commit)),
        None => "a policy that was applied by hand".to_owned(),
    };
    let what = format!(
        "{counts} counts, and not what {named} holds: it was rolled back, replaced by hand, or moved past the hooks"
    );
    Finding::warn(
        CHECK,
        what,
        "refwarden policy apply, or push a further commit there: an empty one will do",
    )
}
