//! Hooks that were there before ours: kept beside ours as `NAME.before-refwarden`, and run.

use super::Refusal;
use crate::code::Code;
use crate::os::child;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is appended to the name of a hook that was there before ours.
pub const SUFFIX: &str = ".before-refwarden";

/// The kept hook beside the one that git started as `argv0`, where it is executable. One that was
/// not executable was off, and stays off.
#[must_use]
pub fn kept(argv0: &Path) -> Option<PathBuf> {
    let mut name = argv0.file_name()?.to_owned();
    name.push(SUFFIX);
    let path = argv0.with_file_name(name);
    let meta = std::fs::metadata(&path).ok()?;
    (meta.is_file() && meta.permissions().mode() & 0o111 != 0).then_some(path)
}

/// Runs the kept hook, if there is one, with what git gave us.
///
/// # Errors
/// It refuses, or can't be run: both refuse the push.
pub fn run(argv0: &Path, arguments: &[OsString], stdin: Option<&[u8]>) -> Result<(), Refusal> {
    let Some(path) = kept(argv0) else { return Ok(()) };
    let name = argv0.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match child::pass_through(&path, arguments, stdin) {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Refusal::new(
            Code::ForeignHook,
            [format!("the repository's own {name} hook refused")],
        )),
        Err(error) => Err(Refusal::server(Code::ForeignHook, &error)),
    }
}
