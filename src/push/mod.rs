//! What a client pushes, parsed once at the edge.

pub mod action;
