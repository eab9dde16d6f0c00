//! The `pre-receive` hook: see `refwarden::hook::pre_receive`.

fn main() -> std::process::ExitCode {
    refwarden::hook::run(refwarden::hook::pre_receive::main)
}
