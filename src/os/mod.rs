//! What only the operating system knows or does.

pub mod gpg;
