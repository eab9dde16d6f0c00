//! The audit trail: no yes without a line on the disk, and no damage in silence.

use crate::support::{Policy, Site, Wire, chmod, null, pack_of, permit, skip};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// A small file system in memory over a folder, for as long as this lives.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(path: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0700");
        let run = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path)
            .output()
            .ok()?;
        run.status.success().then_some(Self(path))
    }

    fn remount(&self, option: &str) {
        let run = Command::new("mount")
            .args(["-o", &format!("remount,{option}")])
            .arg(self.0)
            .output()
            .unwrap();
        assert!(run.status.success(), "{run:?}");
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(self.0).status();
    }
}

#[test]
fn an_approval_that_went_past_refwarden_is_a_finding_of_the_export() {
    let (site, _, bob) = super::lent::started(&super::lent::policy());
    bob.push(&[&super::lent::ASK[..], &["HEAD:release/1"]].concat()).refused("waiting");
    site.refwarden(&["access", "export"]).ends(0, "\"findings\":0");
    super::lent::approve(&site, &super::lent::only(&site), 3600, None);
    site.refwarden(&["access", "export"]).ends(1, "the trail lacks access.approved");
}

#[test]
fn a_trail_on_a_full_disk_refuses_and_recovers() {
    let (site, _repo, alice) = Site::standard();
    let log = site.path("log");
    let Some(disk) = Tmpfs::mount(&log, "64k") else { return skip("no right to mount") };
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    let filler = log.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[b'x'; 512]).is_ok() {}
    alice.commit("a", "2\n");
    // An open file would keep its blocks when it is removed.
    drop(file);
    // What is left of the last block of the trail may still hold a line or two.
    let mut pushes = 0;
    let last = loop {
        let push = alice.push(&["main"]);
        if !push.ok {
            break push;
        }
        pushes += 1;
        assert!(pushes < 40, "the disk never filled");
        alice.commit("a", &format!("more {pushes}\n"));
    };
    last.refused("RW506");
    alice.as_user("bob").push(&["main"]).refused("RW201");
    std::fs::remove_file(filler).unwrap();
    alice.push(&["main"]).landed();
    site.trail_verifies();
    drop(disk);
}

#[test]
fn a_trail_on_a_read_only_disk_refuses() {
    let (site, _repo, alice) = Site::standard();
    let log = site.path("log");
    let Some(disk) = Tmpfs::mount(&log, "1m") else { return skip("no right to mount") };
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    disk.remount("ro");
    alice.commit("a", "2\n");
    alice.push(&["main"]).refused("RW506");
    disk.remount("rw");
    alice.push(&["main"]).silent();
    site.trail_verifies();
    drop(disk);
}

#[test]
fn a_trail_that_others_can_write_refuses() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.commit("a", "2\n");
    for (path, mode, back) in [("log/audit.jsonl", 0o666, 0o600), ("log", 0o777, 0o700)] {
        chmod(&site.path(path), mode);
        let push = alice.push(&["main"]);
        assert!(!push.ok && push.words().contains("RW50"), "{}", push.words());
        push.nothing_moved();
        chmod(&site.path(path), back);
    }
    alice.push(&["main"]).silent();
}

#[test]
fn a_trail_replaced_by_a_link_or_a_device_refuses() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    let path = site.trail().path;
    let _ = std::fs::remove_file(&path);
    for target in ["/dev/null", "/dev/full"] {
        std::os::unix::fs::symlink(target, &path).unwrap();
        let push = alice.push(&["main"]);
        assert!(!push.ok && push.words().contains("RW50"), "{target}: {}", push.words());
        push.nothing_moved();
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_tail_cut_in_the_middle_of_a_line_is_kept_and_told() {
    let (site, _repo, alice) = Site::standard();
    for n in 0..3 {
        alice.commit("a", &format!("{n}\n"));
        alice.push(&["main"]).silent();
    }
    let path = site.trail().path;
    let text = std::fs::read(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 40]).unwrap();
    alice.commit("a", "last\n");
    alice.push(&["main"]).landed();
    assert_eq!(site.trail().events("audit.damaged").len(), 1);
    let folder = path.parent().unwrap();
    let kept = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept
        .filter(|other| *other != path)
        .filter(|other| std::fs::read(other).is_ok_and(|bytes| bytes == text[..text.len() - 40]))
        .collect();
    assert_eq!(kept.len(), 1, "the damaged file is kept as it was");
    let run = site.refwarden(&["audit", "verify"]);
    assert_ne!(run.code, Some(0), "a chain with a damaged file does not pass in silence: {run:?}");
}

#[test]
fn a_line_that_was_changed_is_named() {
    let (site, _repo, alice) = Site::standard();
    for n in 0..3 {
        alice.commit("a", &format!("{n}\n"));
        alice.push(&["main"]).silent();
    }
    site.trail_verifies();
    let path = site.trail().path;
    let text = std::fs::read_to_string(&path).unwrap();
    let first = text.lines().position(|line| line.contains("\"alice\"")).unwrap();
    let lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(
            |(at, line)| {
                if at == first { line.replace("\"alice\"", "\"bobby\"") } else { line.to_owned() }
            },
        )
        .collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let run = site.refwarden(&["audit", "verify"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    run.ends(1, &format!("{}", first + 1));
}

#[test]
fn doctor_tells_of_a_broken_chain() {
    let (site, _repo, alice) = Site::standard();
    for n in 0..3 {
        alice.commit("a", &format!("{n}\n"));
        alice.push(&["main"]).silent();
    }
    let doctor = || site.refwarden(&["doctor"]).stdout;
    let words = "its chain is broken near the end";
    let before = doctor();
    assert!(before.contains("trail") && !before.contains(words), "{before}");
    let path = site.trail().path;
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"alice\"", "\"bobby\"", 1)).unwrap();
    let after = doctor();
    assert!(after.contains(words) && after.contains("refwarden audit verify"), "{after}");
}

#[test]
fn a_line_that_was_taken_out_is_noticed() {
    let (site, _repo, alice) = Site::standard();
    for n in 0..3 {
        alice.commit("a", &format!("{n}\n"));
        alice.push(&["main"]).silent();
    }
    let path = site.trail().path;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> =
        text.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, line)| line).collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    assert_eq!(site.refwarden(&["audit", "verify"]).code, Some(1));
}

#[test]
fn a_trail_whose_first_lines_were_taken_away_is_not_called_whole() {
    let (site, _repo, alice) = Site::standard();
    for n in 0..3 {
        alice.commit("a", &format!("{n}\n"));
        alice.push(&["main"]).silent();
    }
    let path = site.trail().path;
    let text = std::fs::read_to_string(&path).unwrap();
    let rest: Vec<&str> = text.lines().skip(3).collect();
    std::fs::write(&path, rest.join("\n") + "\n").unwrap();
    std::fs::remove_file(site.path("log/audit.jsonl.head")).unwrap();
    let run = site.refwarden(&["audit", "verify"]);
    run.ends(1, "it begins at 4: what was before is not here").ends(1, "NOT whole");
    site.refwarden(&["audit", "verify", "--from", "3"]).ends(1, "NOT whole");
    // The line says itself where the trail begins, and whoever knows why says so.
    site.refwarden(&["audit", "verify", "--from", "4"]).ends(0, "the chain is whole");
    site.refwarden(&["--json", "audit", "verify"]).ends(1, "\"sound\":false");
}

#[test]
fn rotation_goes_on_with_the_chain() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    site.refwarden(&["audit", "rotate"]).ends(0, "");
    alice.commit("a", "2\n");
    alice.push(&["main"]).silent();
    site.trail_verifies();
    assert_eq!(site.trail().events("audit.rotated").len(), 1);
    assert_eq!(site.trail().events("push.decided").len(), 1, "the first is in the other file");
}

#[test]
fn a_logrotate_that_renames_the_file_under_us() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    std::fs::rename(site.trail().path, site.path("log/audit.jsonl.1")).unwrap();
    alice.commit("a", "2\n");
    alice.push(&["main"]).silent();
    site.trail_verifies();
    assert_eq!(site.trail().events("push.decided").len(), 1);
    let run = site.refwarden(&["audit", "verify"]);
    assert!(run.stdout.contains("2 file"), "the renamed file is looked at: {run:?}");
}

#[test]
fn show_export_and_checkpoint_tell_what_happened() {
    let (site, _repo, alice) = Site::standard();
    alice.commit("a", "1\n");
    alice.push(&["main"]).silent();
    alice.as_user("bob").push(&["main:refs/heads/x"]).refused("RW201");
    site.refwarden(&["audit", "show"]).ends(0, "alice").ends(0, "bob");
    site.refwarden(&["audit", "export", "--format", "csv"]).ends(0, "push.decided");
    site.refwarden(&["audit", "export", "--format", "jsonl"]).ends(0, "\"push.decided\"");
    site.refwarden(&["audit", "checkpoint"]).ends(0, "");
    let run = site.refwarden(&["audit", "show", "--json"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn many_pushes_at_once_lose_no_line() {
    let (site, repo, alice) = Site::standard();
    let children: Vec<_> = (0..12)
        .map(|n| {
            let target = format!("main:refs/heads/feature/n{n}");
            crate::support::Guard::new(alice.push_command(&[], &[&target]).spawn().unwrap())
        })
        .collect();
    for child in children {
        let output = child.finish();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(repo.refs().len(), 13);
    assert_eq!(site.trail().events("push.decided").len(), 12);
    assert_eq!(site.trail().events("push.landed").len(), 12);
    site.trail_verifies();
}

#[test]
fn hostile_text_reaches_the_trail_escaped() {
    let (site, _repo, alice) = Site::standard();
    let name = "refs/heads/th\u{e9}-$(id)-'\"";
    alice.as_user("bob").push(&[&format!("main:{name}")]).refused("RW201");
    let text = String::from_utf8(std::fs::read(site.trail().path).unwrap()).expect("text is UTF-8");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert!(text.contains("$(id)"), "{text}");
    site.trail_verifies();
}

#[test]
fn no_file_descriptors_and_no_memory_refuse_or_let_through_correctly() {
    let (site, repo, alice) = Site::standard();
    for limit in
        ["--nofile=12", "--nofile=8", "--as=40000000", "--as=20000000", "--fsize=100", "--nproc=1"]
    {
        let new = alice.commit("a", &format!("{limit}\n"));
        let hook = repo.hook("pre-receive");
        let kept = repo.path.join("hooks/real");
        std::fs::rename(&hook, &kept).unwrap();
        let ours = site.programs().join("pre-receive");
        crate::support::script(&hook, &format!("exec prlimit {limit} -- '{}'", ours.display()));
        let push = alice.push(&["main"]);
        if push.ok {
            assert!(site.trail().says_yes("refs/heads/main", &new), "{limit}");
        } else {
            push.nothing_moved();
        }
        std::fs::remove_file(&hook).unwrap();
        std::fs::rename(&kept, &hook).unwrap();
        alice.push(&["main"]);
        assert_eq!(repo.id("main"), new, "{limit}: the state is intact afterwards");
        site.trail_verifies();
    }
}

#[test]
fn a_refused_push_too_long_for_a_line_is_recorded_all_the_same() {
    let (site, _repo, alice) = Site::standard();
    let id = alice.id("main");
    // Each byte takes five in the line.
    let long = vec![0xff; 65_000];
    let name = |n: usize| [format!("refs/heads/{n}/").as_bytes(), &long].concat();
    let names: Vec<Vec<u8>> = (0..220).map(name).collect();
    let commands: Vec<_> = names.iter().map(|name| (null(), id.clone(), name.as_slice())).collect();
    let before = site.trail().events("push.decided").len();
    Wire::push(&alice, &commands, &pack_of(&alice, &format!("{id} ^{id}"))).refused("RW302");
    let after = site.trail().events("push.decided");
    assert_eq!(after.len(), before + 1);
    let last = after.last().unwrap();
    assert_eq!((&last["verdict"], &last["actor"]["user"]), (&"refused".into(), &"alice".into()));
    // However much a refused push names, its line stays short: nobody fills the disk with them.
    assert_eq!(last["refs"].as_array().unwrap().len(), 2);
    let text = last.to_string();
    assert!(text.contains("\"refs-left-out\":\"218\"") && text.contains("refs-sha256"));
    assert!(text.len() < 1 << 20);
}

#[test]
fn a_refused_push_of_very_many_refs_leaves_a_short_line_with_those_that_were_refused() {
    let site =
        Site::new(&Policy::new(&[permit("alice", "write", r#"branches = ["main", "ok/**"]"#)]));
    let (_repo, alice) = site.started();
    let id = alice.id("main");
    let names: Vec<Vec<u8>> =
        (0..3000).map(|n| format!("refs/heads/ok/{n}").into_bytes()).collect();
    let mut commands: Vec<_> =
        names.iter().map(|name| (null(), id.clone(), name.as_slice())).collect();
    commands.push((null(), id.clone(), b"refs/heads/not/mine".as_slice()));
    Wire::push(&alice, &commands, &pack_of(&alice, &format!("{id} ^{id}"))).refused("RW201");
    let last = site.trail().last_decision();
    assert_eq!(last["refs"].as_array().unwrap().len(), 100);
    assert_eq!(last["refs"][0]["name"], "refs/heads/not/mine");
    assert!(last.to_string().contains("\"refs-left-out\":\"2901\""));
}
