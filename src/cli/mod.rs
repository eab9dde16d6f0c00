//! cli
pub mod exit;
pub mod out;
pub mod site;
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Failure { pub words: String, pub exit: exit::Exit }
impl Failure { pub fn new(exit: exit::Exit, words: impl Into<String>) -> Self { Self { words: words.into(), exit } } }
