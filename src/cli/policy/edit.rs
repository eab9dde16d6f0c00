//! `refwarden policy edit`: an editor on a copy, a check, what changes, a question, and only then the
//! policy's own file.

use super::{Loaded, MAX_POLICY, Then, load, pushed, put};
use crate::cli::Failure;
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site;
use crate::os::files;
use crate::os::site::Site;
use anyhow::Context;
use std::path::Path;
use std::time::Duration;

/// What became of an edit.
enum Edited {
    /// The copy is as it was.
    Nothing,
    /// It was not to be applied.
    Declined,
    /// It stands in the policy's file.
    Written(Box<Loaded>),
}

/// Runs the verb.
///
/// # Errors
/// As the steps of it.
pub(super) fn run(out: &Out) -> anyhow::Result<Exit> {
    let site = site::find()?;
    if pushed::counts(&site) {
        let words = format!(
            "the policy comes by pushes: change it in a clone and push it; where that can't be, edit `{}` and `refwarden policy apply --by-hand`",
            site.policy.display()
        );
        return Err(Failure::new(Exit::Failed, words).into());
    }
    let text = files::read_limited(&site.policy, MAX_POLICY)?;
    let folder = site.policy.parent().unwrap_or(Path::new("/"));
    let name = site.policy.file_name().unwrap_or_default().to_string_lossy();
    let copy = folder.join(format!(".{name}.edit"));
    let _lock = files::lock(&folder.join(format!(".{name}.edit.lock")), Duration::ZERO)
        .context("somebody else is editing the policy")?;
    if copy.exists() {
        go_on_with(&site, &copy, out)?;
    } else {
        files::write_whole(&copy, &text, 0o600).context("make a copy to edit")?;
    }
    let done = edit_copy(&site, &copy, &text, out);
    let untouched = || files::read_limited(&copy, MAX_POLICY).is_ok_and(|now| now == text);
    // Now, since who applies becomes the account, which may not remove it.
    if matches!(done, Ok(Edited::Nothing | Edited::Written(_))) || untouched() {
        let _ = std::fs::remove_file(&copy);
    } else {
        out.note(format!(
            "your edit is kept in `{}`, the policy is as it was: `refwarden policy edit` goes on with it",
            copy.display()
        ));
    }
    match done? {
        Edited::Nothing => {
            out.line("nothing was edited");
            Ok(Exit::Done)
        }
        Edited::Declined => Ok(Exit::Failed),
        Edited::Written(loaded) => put(&site, *loaded, Then::Put, "edit", out),
    }
}

/// An edit that was kept is gone on with, unless the policy was changed after it.
fn go_on_with(site: &Site, copy: &Path, out: &Out) -> anyhow::Result<()> {
    let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    if time(&site.policy) > time(copy) {
        let words = format!(
            "`{}` is an edit that was kept, and `{}` was changed since: take over what you need, and remove it",
            copy.display(),
            site.policy.display()
        );
        return Err(Failure::new(Exit::Failed, words).into());
    }
    out.note(format!("going on with the edit that was kept in `{}`", copy.display()));
    Ok(())
}

/// Lets the editor at the copy, shows what it changes, and puts it in place of the policy.
fn edit_copy(site: &Site, copy: &Path, before: &[u8], out: &Out) -> anyhow::Result<Edited> {
    crate::os::child::edit(copy)?;
    let after = files::read_limited(copy, MAX_POLICY)?;
    if after == before {
        return Ok(Edited::Nothing);
    }
    let loaded = load(copy, Some(site.account_uid), out)?;
    put(site, loaded, Then::Nothing, "edit", out)?;
    if !out.confirm("apply it?") {
        return Ok(Edited::Declined);
    }
    if files::read_limited(&site.policy, MAX_POLICY)? != before {
        return Err(
            Failure::new(Exit::Failed, "somebody else has edited the policy meanwhile").into()
        );
    }
    files::replace_text(&site.policy, &after)?;
    Ok(Edited::Written(Box::new(load(&site.policy, Some(site.account_uid), out)?)))
}
