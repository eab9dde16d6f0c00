//! Slips: what was written reads back; a file of any other bytes is an error or a slip that could
//! have been written, and allows nothing that it does not name.
#![no_main]

use chrono::DateTime;
use gix::ObjectId;
use libfuzzer_sys::fuzz_target;
use refwarden::access::Id;
use refwarden::os::clock::Now;
use refwarden::os::process::Host;
use refwarden::store::slip::{
    self, End, Head, Key, Present, Reserved, Slip, SlipError, SlipRef, StaleKind, repository_prefix,
};
use refwarden_fuzz::{folder, parts};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use tempfile::TempDir;

/// A state folder with one slip in it, and that slip's file.
static STATE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let state = folder();
    slip::write(state.path(), &plain(Vec::new())).unwrap();
    let file =
        std::fs::read_dir(state.path().join("slips")).unwrap().next().unwrap().unwrap().path();
    (state, file)
});

fn key() -> Key {
    // No process has this id, so the slip is stale from the start.
    let host = Host { boot_id: "boot".into(), pid_namespace: 3 };
    Key { pid: u32::MAX, start_time: 5, host, git_dir: (7, 9), uid: 1000 }
}

fn plain(refs: Vec<SlipRef>) -> Slip {
    let end = End { wall: None, boot: Duration::from_secs(100) };
    let head = Head {
        key: key(),
        folder: b"/srv/git/a.git".to_vec(),
        push: "20261121-1".into(),
        digest: [7; 32],
        epoch: 4,
        end,
        audit_seq: 12,
        lent: vec![Id::of([1; 5])],
        reserved: Some(Reserved {
            key: "r:1:2:b:3:p".into(),
            grants: vec![Id::of([1; 5]), Id::of([2; 5])],
            update: true,
        }),
        shared_epoch: Some(8),
        refused: 0,
    };
    Slip { head, refs, confirmed: false, void: false }
}

fn present(digest: &[u8; 32]) -> Present<'_> {
    let now = Now {
        wall: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        boot: Duration::from_secs(50),
    };
    Present { now, epoch: 4, digest }
}

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    match mode & 1 {
        0 => raw(rest),
        _ => written(rest, mode),
    }
});

fn raw(data: &[u8]) {
    let (state, file) = &*STATE;
    std::fs::write(file, data).unwrap();
    let host = key().host;
    let now = present(&[7; 32]).now;
    let stale = slip::stale(state.path(), &repository_prefix((7, 9)), "", &host, now, 9).unwrap();
    match slip::open(state.path(), &key()) {
        Err(SlipError::Malformed { .. }) => {
            assert!(stale.iter().all(|one| matches!(one.kind, StaleKind::Damaged)));
        }
        Err(SlipError::OtherPush { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(opened) => {
            assert_eq!(opened.head().key, key());
            assert_eq!(stale.len(), 1);
            for name in [b"refs/heads/main".as_slice(), b"refs/heads/\xff"] {
                let found = opened.find(name);
                let id = ObjectId::null(gix::hash::Kind::Sha1);
                let asked = SlipRef { name: name.to_vec(), old: id, new: id };
                let yes = opened.confirm(&asked, &present(&[7; 32]));
                assert!(yes.is_err() || found.unwrap().as_ref() == Some(&asked));
            }
            if let Ok(slip) = slip::read(state.path(), &key()) {
                again(&slip);
            }
        }
    }
    if let [stale] = stale.as_slice()
        && let StaleKind::Gone(slip) | StaleKind::Rebooted(slip) = &stale.kind
    {
        again(slip);
    }
}

/// Written again, it is the same slip; its index may have told another order of the refs.
fn again(slip: &Slip) {
    let elsewhere = folder();
    match slip::write(elsewhere.path(), slip) {
        Ok(()) => {
            let back = slip::read(elsewhere.path(), &slip.head.key).unwrap();
            assert_eq!(sorted(back), sorted(slip.clone()));
        }
        Err(SlipError::Unwritable(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

fn sorted(mut slip: Slip) -> Slip {
    slip.refs.sort_by_key(|one| (one.name.clone(), one.old, one.new));
    slip
}

fn written(data: &[u8], mode: u8) {
    let (state, _) = &*STATE;
    let id = |seed: usize| {
        let byte = format!("{:02x}", (seed % 255) + 1);
        ObjectId::from_hex(byte.repeat(if mode & 2 == 0 { 20 } else { 32 }).as_bytes()).unwrap()
    };
    let mut refs: Vec<SlipRef> = Vec::new();
    for (number, name) in parts(data).filter(|name| !name.is_empty()).enumerate() {
        if refs.iter().all(|one| one.name != name) {
            refs.push(SlipRef {
                name: name.to_vec(),
                old: id(number),
                new: id(number + name.len()),
            });
        }
    }
    let mut slip = plain(refs.clone());
    slip.head.folder = data.to_vec();
    slip.head.end.wall = DateTime::from_timestamp_nanos(i64::from(mode) * 1_234_567_891_011).into();
    if let Err(error) = slip::write(state.path(), &slip) {
        assert!(matches!(error, SlipError::Unwritable(_)), "{error}");
        return;
    }
    assert_eq!(sorted(slip::read(state.path(), &key()).unwrap()), sorted(slip));
    let opened = slip::open(state.path(), &key()).unwrap();
    for one in &refs {
        assert_eq!(opened.find(&one.name).unwrap().as_ref(), Some(one));
    }
    let strange = [data, b"?"].concat();
    assert!(opened.find(&strange).unwrap().is_none_or(|found| found.name == strange));
}
