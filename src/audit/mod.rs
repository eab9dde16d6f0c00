//! The audit trail.
pub mod canonical;
pub mod line;
pub mod record;
mod stamp;
pub mod text;
