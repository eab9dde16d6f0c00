//! `refwarden`, the admin command.

use clap::{Parser, Subcommand};
use refwarden::cli::{doctor, exit::Exit, out::Out, repo};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "refwarden", version, about)]
struct Cli {
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Hooks in repositories
    Repo(repo::RepoArgs),
    /// Look for what fails open or is broken
    Doctor(doctor::DoctorArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out { json: cli.json };
    let done = match &cli.verb {
        Verb::Repo(args) => repo::run(args, &out),
        Verb::Doctor(args) => doctor::run(args, &[], &out),
    };
    let exit = done.unwrap_or_else(|error| {
        out.note(format!("error: {error:#}"));
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}
