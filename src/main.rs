//! The admin command: see `refwarden::cli`.

fn main() -> std::process::ExitCode {
    refwarden::cli::main()
}
