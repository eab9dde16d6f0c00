//! Programs that `[[notify]]` names: whether they could be started.
//!
//! Knows what a delivery asks of them, as `notify` does; starts none.

use super::out::Out;
use super::site;
use crate::os::account::Account;
use crate::os::site::Site;
use crate::os::trust::{self, TrustError};
use crate::policy::model::{NotifyTo, Settings};
use crate::text::shell_path;
use std::path::Path;

/// Each program that could not be started, and its cure.
#[must_use]
pub fn unfit(settings: &Settings, site: &Site) -> Vec<(String, String)> {
    let account = Account::find(&site.account).ok();
    let mut found = Vec::new();
    for one in &settings.notify {
        let NotifyTo::Command(argv) = &one.to else { continue };
        let Some(program) = argv.first() else { continue };
        let problem = judge(Path::new(&**program), site.account_uid, account.as_ref());
        let problem = problem.map(|(what, cure)| (format!("`[[notify]]` command: {what}"), cure));
        found.extend(problem.filter(|problem| !found.contains(problem)));
    }
    found
}

fn judge(program: &Path, uid: u32, account: Option<&Account>) -> Option<(String, String)> {
    let real = match trust::open_resolved(program, uid) {
        Ok((_, real)) => real,
        Err(TrustError::File(error)) if error.is_absent() => {
            let what = format!("`{}` is not there", program.display());
            return Some((what, "put it there, or name another one and apply the policy".into()));
        }
        Err(error) => {
            let (what, cure) = error.split();
            return Some((what, cure.unwrap_or_else(|| "let the hosting account read it".into())));
        }
    };
    let closed = account?.kept_from_running(&real)?;
    let (shown, typed) = (program.display(), shell_path(&closed));
    Some((format!("the hosting account may not execute `{shown}`"), format!("chmod a+x {typed}")))
}

/// Says so of a policy that is checked or applied, to who can see it.
pub fn warn(settings: &Settings, site: &Site, out: &Out) {
    if site::require_rights(site).is_err() {
        return;
    }
    for (what, cure) in unfit(settings, site) {
        out.note(format!("warning: {what}: nobody would be told; {cure}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::repo::bed::file;

    #[test]
    fn a_program_is_there_executable_and_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail it");
        let uid = rustix::process::geteuid().as_raw();
        let home = folder.path().to_owned();
        let account = Account { name: "git".into(), uid, home, groups: vec![] };
        let judged = || judge(&path, uid, Some(&account));
        assert!(judged().unwrap().0.ends_with("is not there"));
        for (mode, wrong) in [
            (0o755, None),
            (0o644, Some("the hosting account may not execute")),
            (0o777, Some("can be written by its group or by others")),
        ] {
            file(&path, "#!/bin/sh\n", mode);
            match (judged(), wrong) {
                (None, None) => {}
                (Some((what, cure)), Some(words)) => {
                    assert!(what.contains(words), "{what}");
                    assert!(cure.ends_with(&format!("'{}'", path.display())), "{cure}");
                }
                (found, _) => panic!("{mode:o}: {found:?}"),
            }
        }
    }
}
