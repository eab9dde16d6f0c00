//! The doors: what stands before git where people come in by ssh or HTTP. A door learns who it is,
//! whether they may read or push at all, and becomes git.
//!
//! [`place`] finds the repository that was asked for, [`reading`] decides who may read it,
//! [`record`] writes it down, [`serve`] becomes git with a proof for the hooks, [`token`] tells who
//! shows a token. A door judges no ref: that is the hooks' part. [`quick`] is the doors' own small
//! program, [`rest`] what it leaves to the whole one.

pub mod http;
pub mod place;
pub mod quick;
pub mod reading;
pub mod record;
pub mod rest;
pub mod serve;
pub mod ssh;
pub mod token;
