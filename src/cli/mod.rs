//! The admin command `refwarden`: one file a verb, each of them a use case.

pub mod doctor;
pub mod exit;
pub mod finding;
pub mod out;
pub mod repo;
