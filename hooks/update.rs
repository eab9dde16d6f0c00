//! The `update` hook: see `refwarden::hook::update`.

fn main() -> std::process::ExitCode {
    refwarden::hook::run(refwarden::hook::update::main)
}
