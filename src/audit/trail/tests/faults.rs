//! Full and read-only disks, and trails of every length.

use super::*;
use crate::code::Code;
use std::process::Command;

/// A small file system of its own, where the tests run as root and may mount one.
struct Disk(Site);

impl Disk {
    fn mount() -> Option<Self> {
        let site = Site::new();
        let options = "size=64k,mode=0700";
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(site.folder.path());
        mount.output().is_ok_and(|out| out.status.success()).then(|| Self(site))
    }

    fn make_read_only(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,ro"]).arg(self.0.folder.path());
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.folder.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_refuses_and_leaves_no_half_line() {
    let Some(disk) = Disk::mount() else { return };
    let site = &disk.0;
    site.yes();
    let filler = site.folder.path().join("filler");
    fs::write(&filler, vec![0; 40_000]).unwrap();
    let mut written = 1;
    let error = loop {
        match site.trail().append(&decided(Verdict::Allowed), noon()) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::Audit);
    assert!(error.to_string().contains("append"), "{error}");
    assert_eq!(site.lines().len(), written);
    assert!(site.trail().append(&decided(Verdict::Allowed), noon()).is_err());
    fs::remove_file(filler).unwrap();
    site.yes();
    site.sound(written as u64 + 1);
    assert!(site.names("damaged").is_empty());
}

#[test]
fn a_damaged_trail_on_a_full_disk_refuses_and_is_recorded_later() {
    let Some(disk) = Disk::mount() else { return };
    let site = &disk.0;
    site.yes();
    let mut bytes = site.bytes();
    bytes.extend(b"half");
    site.set(&bytes);
    let filler = site.folder.path().join("filler");
    let _ = fs::write(&filler, vec![0; 100_000]);
    for _ in 0..2 {
        assert!(site.trail().append(&decided(Verdict::Allowed), noon()).is_err());
    }
    fs::remove_file(filler).unwrap();
    site.yes();
    assert_eq!(site.events(), ["audit.damaged", "push.decided"]);
    site.sound(3);
}

#[test]
fn a_read_only_disk_refuses() {
    let Some(disk) = Disk::mount() else { return };
    disk.0.yes();
    disk.make_read_only();
    let error = disk.0.trail().append(&decided(Verdict::Allowed), noon()).unwrap_err();
    assert_eq!(error.code(), Code::Audit);
    disk.0.sound(1);
}

#[test]
fn a_read_only_file_refuses_whoever_is_not_root() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::with_lines(1);
    fs::set_permissions(site.path(), fs::Permissions::from_mode(0o400)).unwrap();
    assert!(site.trail().append(&decided(Verdict::Allowed), noon()).is_err());
}

#[test]
fn appending_after_gigabytes_costs_what_it_costs_after_nothing() {
    let (short, long) = (Site::with_lines(1), Site::with_lines(1));
    let last = long.bytes();
    let file = fs::File::create(long.path()).unwrap();
    // A hole stands for the lines before: whoever reads it all needs seconds.
    let hole = 8 << 30;
    file.set_len(hole).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[b"\n", &last[..]].concat(), hole).unwrap();
    let cost = |site: &Site| {
        let mut times: Vec<_> = (0..51)
            .map(|_| {
                let start = crate::os::clock::now().boot;
                site.yes();
                crate::os::clock::now().boot - start
            })
            .collect();
        times.sort();
        times[25]
    };
    let (before, after) = (cost(&short), cost(&long));
    assert!(after < before * 3, "{before:?} {after:?}");
    assert!(after < Duration::from_millis(200), "{after:?}");
}
