//! The ssh door: what sshd starts, as the hosting account, for whoever came in with a key.
//!
//! [`keys`] tells sshd which keys open the door and for whom, [`line`](mod@line) takes the client's command
//! apart, [`login`] holds what sshd knows against the applied policy, [`git`] serves git, [`session`] orders
//! the steps. What
//! people can ask of refwarden itself over this door stands in `cli::ssh`.

pub mod git;
pub mod keys;
pub mod line;
pub mod login;
pub mod session;
