//! Cases by what they are about; each named after what it proves or after the attack.

mod actions;
mod as_code;
mod bombs;
mod checks;
mod clock;
mod commands;
mod faults;
mod foreign;
mod gitolite_host;
mod grants;
mod groups;
mod hosts;
mod identity;
mod import;
mod issue_checks;
mod issues;
mod kills;
pub mod lent;
mod notices;
mod objects;
mod orders;
mod others;
mod overtaken;
mod paths;
mod people;
mod policy_push;
mod quorum;
mod ref_names;
mod report;
mod require;
mod scopes;
mod smart;
#[cfg(feature = "test-faults")]
mod stages;
mod stdin;
mod store;
#[cfg(feature = "test-faults")]
mod time;
mod tokens;
mod trail;
mod trust;
mod unseen;
mod uses;
mod versions;
