//! Another process: this test binary again, told by its environment what to do.

use super::*;
use crate::store::access::StoreError;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::Write;
use std::process::{Command, Stdio};

const TASK: &str = "REFWARDEN_TEST_TASK";
const STORE: &str = "REFWARDEN_TEST_STORE";

/// This program, to do `task` with the store at `path`.
pub(super) fn command(task: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "store::sqlite::tests::child::what_a_child_does";
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env(TASK, task).env(STORE, path).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
#[ignore = "run by the tests beside it, as another process"]
fn what_a_child_does() {
    let path = PathBuf::from(std::env::var_os(STORE).expect("run by a test"));
    let task = std::env::var(TASK).unwrap();
    let (word, number) = task.split_once(' ').unwrap_or((&task, "0"));
    let number: u64 = number.parse().unwrap();
    match word {
        "commit" => commit_once(&path, number),
        "commit-on" => commit_on(&path),
        "race" => race(&path, number),
        "open" => tell(&Sqlite::open_read(&path, me()).map(|store| both(&store))),
        "write" => tell(&Sqlite::open_write(&path, me()).and_then(|store| store.raise())),
        other => panic!("{other}"),
    }
}

fn tell<T>(result: &Result<T, StoreError>) {
    match result {
        Ok(_) => println!("done"),
        Err(error) => println!("error: {error}"),
    }
}

/// One change, with files that can't grow past so many bytes.
fn commit_once(path: &Path, most: u64) {
    setrlimit(Resource::Fsize, Rlimit { current: Some(most), maximum: None }).unwrap();
    let result = Sqlite::open_write(path, me()).and_then(|store| {
        let count = store.record(&id(1))?.unwrap().version();
        store.commit(&next(count))
    });
    tell(&result);
}

/// One change after another, each told once it is durable, until somebody kills us.
fn commit_on(path: &Path) {
    let mut out = std::io::stdout().lock();
    loop {
        let store = opened(path);
        let mut count = store.record(&id(1)).unwrap().unwrap().version();
        // A close between, so that the log is taken into the file under fire too.
        for _ in 0..3 {
            store.commit(&next(count)).unwrap();
            count += 1;
            writeln!(out, "durable {count}").unwrap();
        }
    }
}

/// Takes the last use of grant 9 if it can, and makes three records of its own.
fn race(path: &Path, number: u64) {
    let number = u8::try_from(number).unwrap();
    let store = opened(path);
    for own in 0..3 {
        let mine = Id::of([1, 1, 1, number, own]);
        store.commit(&append(mine, 0, asked(request()))).unwrap();
    }
    loop {
        let record = store.record(&id(9)).unwrap().unwrap();
        if record.state().unwrap().uses_left() == Some(0) {
            return;
        }
        let reserved = contract::reserved(20, &format!("push-{number}"));
        match store.commit(&append(id(9), record.version(), reserved)) {
            Ok(_) => return println!("won"),
            Err(StoreError::Moved) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
