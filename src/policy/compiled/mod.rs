//! The applied policy as one file of which a hook reads only what the push needs.
//!
//! Knows the file's layout and how to find users, projects, entries and grants in it with a few
//! positioned reads. Does not know where the file lies, who may write it, or how it gets there.
//!
//! `format` is the layout, `write` makes a file, `read` asks it. Every piece carries a checksum
//! that covers its place too, so that a damaged file is an error (RW501) and never a missing entry.

mod format;
mod read;
mod write;

pub use format::{CompiledError, ReadAt, SourceFile};
pub use read::{Compiled, CompiledUser};
pub use write::{CompileError, compile};

#[cfg(test)]
mod tests;
