//! Both doors' own program: see `refwarden::door::quick`.

fn main() -> std::process::ExitCode {
    refwarden::door::quick::main()
}
