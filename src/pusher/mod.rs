//! Who is pushing.

pub mod source;
