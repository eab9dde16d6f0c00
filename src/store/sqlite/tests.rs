use super::super::contract;
use super::*;
use rustix::process::geteuid;
use tempfile::TempDir;

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

fn fresh() -> (TempDir, impl Fn() -> Box<dyn AccessStore> + Sync) {
    let (folder, path) = made();
    (folder, move || Box::new(opened(&path)) as Box<dyn AccessStore>)
}

mod contract_suite {
    super::contract::contract_tests!(super::fresh);
}
