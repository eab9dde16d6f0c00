//! A receiver that is a program: the JSON on its standard input, 0 for taken.

use super::failure::Failure;
use crate::access::Notice;
use crate::os::child::{self, Task};
use crate::os::trust;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

/// How long it may take, with all that it starts.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of what it says, which is not looked at.
const MAX_OUTPUT: usize = 1024 * 1024;

/// Runs `argv`, trusted like the policy, with an environment of `PATH`, `LC_ALL` and the notice's id
/// and event.
pub fn run(argv: &[Box<str>], notice: &Notice, account_uid: u32) -> Result<(), Failure> {
    let (program, arguments) = argv.split_first().ok_or(Failure::NotAbsolute)?;
    if !Path::new(&**program).is_absolute() {
        return Err(Failure::NotAbsolute);
    }
    // What links led to is what is run: a link may be moved after the check.
    let (_checked, real) = trust::open_resolved(Path::new(&**program), account_uid)?;
    let arguments: Vec<OsString> = arguments.iter().map(|word| (&**word).into()).collect();
    let output = child::run(&Task {
        program: &real,
        name: Some(OsStr::new(&**program)),
        arguments: &arguments,
        environment: &[
            ("PATH".into(), child::PATH.into()),
            ("LC_ALL".into(), "C".into()),
            ("REFWARDEN_NOTICE".into(), (&notice.id).into()),
            ("REFWARDEN_EVENT".into(), (&notice.event).into()),
        ],
        folder: None,
        stdin: notice.body.as_bytes(),
        timeout: TIMEOUT,
        max_output: MAX_OUTPUT,
    })?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::Status(output.status)),
    }
}
