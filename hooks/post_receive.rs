//! The `post-receive` hook: see `refwarden::hook::post_receive`.

fn main() -> std::process::ExitCode {
    refwarden::hook::run(refwarden::hook::post_receive::main)
}
