use super::super::contract::{self, append, asked, at, event, history, id, request, user, yes};
use super::*;
use crate::access::{Actor, Event, Terms, What};
use rustix::process::geteuid;
use tempfile::TempDir;

mod brief;
mod child;
mod copies;
mod faults;
mod files;
mod fill;
mod log;
mod scale;
mod walls;

mod contract_suite {
    super::contract::contract_tests!(super::fresh);
}

/// A new store in a folder of its own.
fn made() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    assert!(Sqlite::create(&path, me()).unwrap());
    (folder, path)
}

fn me() -> u32 {
    geteuid().as_raw()
}

fn opened(path: &Path) -> Sqlite {
    Sqlite::open_write(path, me()).unwrap()
}

fn read_only(path: &Path) -> Sqlite {
    Sqlite::open_read(path, me()).unwrap()
}

fn fresh() -> (TempDir, impl Fn() -> Box<dyn AccessStore> + Sync) {
    let (folder, path) = made();
    (folder, move || Box::new(opened(&path)) as Box<dyn AccessStore>)
}

/// Two grants of bob that can be used many times, for changes that must move both.
fn two_grants(store: &Sqlite) {
    for number in [1, 2] {
        let mut many = request();
        many.max_uses = Some(1_000_000);
        let terms =
            Terms { from: at(1), until: at(9999), max_uses: Some(1_000_000), break_glass: false };
        let yes = event(1, "alice", What::Approved { note: None, terms: Some(terms) });
        history(store, &id(number), vec![asked(many), yes]);
    }
}

/// The change that follows when both grants have `count` events.
fn next(count: u32) -> Change {
    let key = format!("push-{}", count / 2);
    let what = match count % 2 {
        0 => What::Reserved { key, host: "h".into() },
        _ => What::Spent { key },
    };
    let event = Event { at: at(2), by: Actor::rule(), what };
    let mut change = append(id(1), count, event.clone());
    change.appends.extend(append(id(2), count, event).appends);
    change
}

/// How many events both grants have; a change that is half there shows here.
#[track_caller]
fn both(store: &Sqlite) -> u32 {
    store.check().unwrap();
    let [one, two] = [1, 2].map(|number| store.record(&id(number)).unwrap().unwrap());
    assert_eq!(one.version(), two.version());
    assert_eq!(one.events[2..], two.events[2..]);
    one.version()
}
