//! The store's version beside the trail's: a snapshot that was put back shows.

use super::*;
use crate::code::Code;

fn at_version(mut record: Record, version: u64) -> Record {
    record.store = Some(crate::audit::StoreRecord { version });
    record
}

fn yes(version: u64) -> Record {
    at_version(decided(Verdict::Allowed), version)
}

fn no(version: Option<u64>) -> Record {
    let record = decided(Verdict::Refused);
    version.map_or(record.clone(), |version| at_version(record, version))
}

fn known(site: &Site) -> Option<u64> {
    site.trail().known_store(&"host".into(), noon()).unwrap()
}

impl Site {
    fn write(&self, record: &Record) -> Result<Appended, TrailError> {
        self.trail().append(record, noon())
    }

    fn versions(&self) -> Vec<Option<u64>> {
        self.lines().iter().map(|line| line.end.store).collect()
    }
}

#[track_caller]
fn refused(result: Result<Appended, TrailError>, given: Option<u64>, last: u64) {
    match result {
        Err(error @ TrailError::Store { given: found, known })
            if (found, known) == (given, last) =>
        {
            assert_eq!(error.code(), Code::Store);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_that_was_put_back_from_a_snapshot_refuses_every_yes() {
    let site = Site::new();
    site.write(&yes(5)).unwrap();
    site.write(&yes(5)).unwrap();
    refused(site.write(&yes(4)), Some(4), 5);
    let approved = Record::new(Event::named("access.approved"), "host");
    refused(site.write(&at_version(approved, 4)), Some(4), 5);
    let laid = Record::new(Event::named("lock.laid"), "host");
    refused(site.write(&laid), None, 5);
    assert_eq!(site.lines().len(), 2, "nothing was written");
    site.write(&yes(6)).unwrap();
    site.sound(3);
}

#[test]
fn a_store_that_was_removed_refuses_every_yes() {
    let site = Site::new();
    site.write(&yes(1)).unwrap();
    refused(site.write(&decided(Verdict::Allowed)), None, 1);
    let words = site.write(&decided(Verdict::Allowed)).unwrap_err().to_string();
    assert!(words.contains("store init") && words.contains("store accept"), "{words}");
}

#[test]
fn lines_without_a_store_demand_none() {
    let site = Site::with_lines(3);
    assert_eq!(site.versions(), [None; 3]);
    assert_eq!(known(&site), None);
    site.write(&yes(1)).unwrap();
    assert_eq!(known(&site), Some(1));
}

#[test]
fn refusals_and_what_is_told_afterwards_are_written_and_carry_the_version_on() {
    let site = Site::new();
    site.write(&yes(7)).unwrap();
    site.write(&no(None)).unwrap();
    site.write(&no(Some(3))).unwrap();
    site.write(&Record::new(Event::PUSH_LANDED, "host")).unwrap();
    site.write(&at_version(Record::new(Event::named("access.used"), "host"), 2)).unwrap();
    assert_eq!(site.versions(), [Some(7); 5]);
    refused(site.write(&yes(6)), Some(6), 7);
    assert!(site.write(&yes(7)).is_ok());
}

#[test]
fn an_accepted_store_counts_from_its_line_on() {
    let site = Site::new();
    site.write(&yes(7)).unwrap();
    let accepted = Record::new(Event::STORE_ACCEPTED, "host");
    site.write(&at_version(accepted, 8)).unwrap();
    refused(site.write(&yes(7)), Some(7), 8);
    site.write(&yes(8)).unwrap();
}

#[test]
fn a_yes_that_others_overtook_asks_the_store_once_more() {
    let site = Site::new();
    site.write(&yes(9)).unwrap();
    let asked = std::cell::Cell::new(0);
    let ask = |answer: Option<u64>| {
        asked.set(asked.get() + 1);
        answer
    };
    let trail = site.trail();
    trail.append_asking(&yes(9), noon(), &|| ask(None)).unwrap();
    assert_eq!(asked.get(), 0, "only where it is behind");
    trail.append_asking(&yes(6), noon(), &|| ask(Some(12))).unwrap();
    assert_eq!(site.versions(), [Some(9), Some(9), Some(12)]);
    refused(trail.append_asking(&yes(6), noon(), &|| ask(Some(11))), Some(11), 12);
    refused(trail.append_asking(&yes(6), noon(), &|| ask(None)), Some(6), 12);
    assert_eq!(asked.get(), 3);
}

#[test]
fn the_version_outlives_rotation_and_damage() {
    let site = Site::new();
    site.write(&yes(7)).unwrap();
    site.trail().rotate(Record::new(Event::AUDIT_ROTATED, "host"), noon()).unwrap();
    assert_eq!(site.versions(), [Some(7)]);
    site.set(b"damage\n");
    site.write(&no(None)).unwrap();
    assert_eq!(site.versions(), [Some(7), Some(7)], "by the head");
    fs::remove_file(held::head_path(&site.path())).unwrap();
    assert_eq!(known(&site), Some(7), "by the last line");
    fs::remove_file(site.path()).unwrap();
    fs::remove_file(held::head_path(&site.path())).unwrap();
    assert_eq!(known(&site), Some(7), "by the rotated part");
    refused(site.write(&decided(Verdict::Allowed)), None, 7);
}

#[test]
fn a_tail_that_was_cut_off_does_not_lower_the_demand() {
    let site = Site::new();
    site.write(&yes(3)).unwrap();
    let short = site.bytes();
    site.write(&yes(9)).unwrap();
    site.set(&short);
    refused(site.write(&yes(4)), Some(4), 9);
    assert_eq!(site.events().last().unwrap(), "audit.damaged");
}

#[test]
fn looking_for_the_version_makes_no_file() {
    let site = Site::new();
    assert_eq!(known(&site), None);
    assert_eq!(fs::read_dir(site.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_change_of_access_by_a_clock_that_is_behind_is_refused() {
    let site = Site::with_lines(1);
    let early = noon() - TimeDelta::seconds(3);
    let approved = Record::new(Event::named("access.approved"), "host");
    let error = site.trail().append(&approved, early).unwrap_err();
    assert_eq!(error.code(), Code::Clock);
    let used = Record::new(Event::named("access.used"), "host");
    site.trail().append(&used, early).unwrap();
}
