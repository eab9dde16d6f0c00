//! `refwarden store backup` and `restore`.

use super::{Exit, Failure, Here, Mode, Out, Text, failed, known, line, opened, record};
use crate::audit::Event;
use crate::hook::ledger;
use crate::store::sqlite;
use std::path::Path;

pub(super) fn backup(file: &Path, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    if here.settings().shared_store.is_some() {
        let words = "etcd is backed up by its own means: `etcdctl snapshot save FILE`; the tokens of \
                     this host are not in it, after a loss they are made anew";
        return Err(Failure::new(Exit::Failed, words).into());
    }
    let store = opened(&here, Mode::Read)?;
    // No change is between its first step and its last while the copy is made.
    let alone = ledger::change_lock(&here.site.state)?;
    let version = store.status().map_err(failed)?.version;
    store.backup(file).map_err(|error| {
        let words = match here.by_root {
            true => format!("{error}; the account `{}` writes it, not root", here.site.account),
            false => error.to_string(),
        };
        Failure::new(Exit::Unavailable, words)
    })?;
    drop(alone);
    let made = line(Event::STORE_BACKED_UP, version);
    record(&here, &here.actor, made.with("file", Text::new(file.as_os_str().as_encoded_bytes())))?;
    out.line(format!("version {version} is in `{}`", file.display()));
    Ok(Exit::Done)
}

pub(super) fn restore(file: &Path, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    if here.settings().shared_store.is_some() {
        let words = "etcd is restored by its own means: `etcdctl snapshot restore`; then run \
                     `refwarden store accept`";
        return Err(Failure::new(Exit::Failed, words).into());
    }
    if !file.is_file() {
        let words = format!("there is no backup `{}`", file.display());
        return Err(Failure::new(Exit::NotFound, words).into());
    }
    let file = std::path::absolute(file)?;
    let path = here.site.state.join(sqlite::FILE_NAME);
    let known = known(&here)?;
    // Slips of pushes under way rest on the store that goes.
    let restored = super::epoch::changing(&here.site.state, super::WAIT, || {
        sqlite::restore(&file, &path, here.site.account_uid)
    });
    let restored = restored.map_err(|error| Failure::new(Exit::Unavailable, error.to_string()))?;
    let mut done = line(Event::STORE_RESTORED, restored.version)
        .with("file", Text::new(file.as_os_str().as_encoded_bytes()))
        .with("restored-version", restored.version.to_string());
    if let Some(kept) = &restored.kept {
        done = done.with("kept", Text::new(kept.as_os_str().as_encoded_bytes()));
        out.line(format!("the store that was there is kept as `{}`", kept.display()));
    }
    record(&here, &here.actor, done)?;
    out.line(format!("restored: version {}", restored.version));
    if known > Some(restored.version) {
        out.line(format!(
            "the trail knows version {}, so every push is refused (RW504): what was approved, \
             revoked or locked since is not in it",
            known.unwrap_or(0)
        ));
        out.line("see `refwarden audit show`, then run `refwarden store accept`");
    }
    Ok(Exit::Done)
}
