//! `refwarden completions` and `refwarden man`: made from the command line's own definition.

use super::exit::Exit;
use super::out::Out;
use anyhow::Context;
use clap::Command;
use clap_complete::Shell;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// For which shell.
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write one page for each command into this folder.
    folder: Option<PathBuf>,
}

/// Prints completions for a shell.
///
/// # Errors
/// None; it has the form of the other verbs.
pub fn completions(args: &CompletionsArgs, command: &mut Command) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, command, "refwarden", &mut text);
    let _ = std::io::stdout().lock().write_all(&text);
    Ok(Exit::Done)
}

/// Prints the manual page, or writes one for each command.
///
/// # Errors
/// The folder can't be written.
pub fn man(args: &ManArgs, command: Command, out: &Out) -> anyhow::Result<Exit> {
    let Some(folder) = &args.folder else {
        let text = page(command)?;
        let _ = std::io::stdout().lock().write_all(&text);
        return Ok(Exit::Done);
    };
    crate::os::files::ensure_folder(folder)
        .with_context(|| format!("make `{}`", folder.display()))?;
    let mut command = command;
    // Gives every subcommand its whole name, for the synopsis.
    command.build();
    write_pages(folder, command, "refwarden", out)
}

fn write_pages(folder: &Path, command: Command, name: &str, out: &Out) -> anyhow::Result<Exit> {
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        write_pages(folder, inner.clone(), &format!("{name}-{}", inner.get_name()), out)?;
    }
    let path = folder.join(format!("{name}.1"));
    let text = page(command.display_name(name))?;
    crate::os::files::write_whole(&path, &text, 0o644)?;
    out.line(path.display());
    Ok(Exit::Done)
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).context("render the manual page")?;
    Ok(text)
}
