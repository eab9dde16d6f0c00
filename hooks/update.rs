//! The `update` hook: see `refwarden::hook::update`.

fn main() -> std::process::ExitCode {
    refwarden::hook::update::quick()
}
