//! `update`: confirms one ref at the last moment, silently unless it refuses.
//!
//! It reads the slip that pre-receive left, the epoch and the applied policy's digest, and nothing
//! more: no policy, no repository, no network.

use super::{End, Refusal, foreign};
use crate::code::Code;
use crate::os::faults;
use crate::os::process::{self, ReceivePack};
use crate::os::site::Site;
use crate::os::{clock, env};
use crate::store::slip::{self, Key, Present, SlipError, SlipRef};
use crate::store::{applied, epoch};
use gix::ObjectId;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Runs the hook.
///
/// # Errors
/// [`Refusal`], for this ref.
pub fn main() -> Result<End, Refusal> {
    let site = Site::find().map_err(|error| Refusal::server(Code::NotTrusted, &error))?;
    site.check_account().map_err(|error| Refusal::server(Code::NotTrusted, &error))?;
    let mut arguments = env::arguments();
    if arguments.len() != 4 {
        return Err(Refusal::new(
            Code::Malformed,
            ["update takes a ref, its old id and its new id"],
        ));
    }
    let argv0 = arguments.remove(0);
    faults::point("update-started");
    foreign::run(Path::new(&argv0), &arguments, None)?;
    confirm(&site, &asked(&arguments)?)?;
    faults::point("update-confirmed");
    Ok(End::Go)
}

fn asked(arguments: &[OsString]) -> Result<SlipRef, Refusal> {
    let malformed = || Refusal::new(Code::Malformed, ["an argument is not an object id"]);
    let [name, old, new] = arguments else { return Err(malformed()) };
    let id = |text: &OsString| ObjectId::from_hex(text.as_bytes()).map_err(|_| malformed());
    Ok(SlipRef { name: name.as_bytes().to_vec(), old: id(old)?, new: id(new)? })
}

/// The push that this hook belongs to.
///
/// # Errors
/// [`Refusal`] RW510 where no receive-pack is above.
pub(super) fn key(git_dir: &Path) -> Result<(ReceivePack, Key), Refusal> {
    let service = process::receive_pack().map_err(|error| Refusal::server(Code::NoSlip, &error))?;
    let service = service.ok_or_else(|| {
        Refusal::new(
            Code::NoSlip,
            ["no `git receive-pack` runs this hook; tell the server's admin"],
        )
    })?;
    let key = Key::new(&service, git_dir).map_err(|error| Refusal::server(Code::Store, &error))?;
    Ok((service, key))
}

fn confirm(site: &Site, asked: &SlipRef) -> Result<(), Refusal> {
    let (_, key) = key(Path::new("."))?;
    let slip = slip::open(&site.state, &key).map_err(refusal)?;
    let epoch = epoch::read(&site.state).map_err(|error| Refusal::server(Code::Store, &error))?;
    let digest = applied::digest(&site.state, site.account_uid)
        .map_err(|error| Refusal::server(Code::NoPolicy, &error))?;
    let present = Present { now: clock::now(), epoch, digest: &digest };
    slip.confirm(asked, &present).map_err(refusal)
}

fn refusal(error: SlipError) -> Refusal {
    match error {
        SlipError::None => Refusal::new(
            Code::NoSlip,
            [
                "tell the server's admin: `refwarden repo status` shows whether pre-receive is in place",
            ],
        ),
        SlipError::Problem(problem) => {
            Refusal::new(Code::PushAgain, [format!("{problem}: push again")])
        }
        error => Refusal::server(Code::Store, &error),
    }
}
