//! The admin command `refwarden`: one file a verb, each of them a use case.

pub mod exit;
pub mod out;
