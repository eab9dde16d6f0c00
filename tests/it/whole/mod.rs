//! Promises about the whole: its layers, its codes, its documents.

mod codes;
mod docs;
mod rings;
