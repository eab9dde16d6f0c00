//! The admin command: see `refwarden::cli`. And the hook `update`, for what its program leaves to this
//! one.

use refwarden::hook::{self, update};

fn main() -> std::process::ExitCode {
    if update::is_asked() {
        return hook::run(update::main);
    }
    refwarden::cli::main()
}
