//! The gate's own login to Jira: never shown, not even by `Debug`.

use super::failure::TokenError;
use crate::os::files::{self, FileError};
use crate::os::trust;
use crate::policy::model::{Flavor, JiraSettings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

const MAX_BYTES: usize = 8192;

/// What the `authorization` header says.
pub(super) struct Token(String);

impl Token {
    /// The header's value.
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

/// Reads the token from a file that nobody but root or the hosting account could have written, and
/// nobody but its owner can read.
pub(super) fn read(settings: &JiraSettings, account_uid: u32) -> Result<Token, TokenError> {
    let path = Path::new(&*settings.token_file);
    let untrusted = |error| TokenError::Trust(Arc::new(error));
    let unread = |error| TokenError::File(Arc::new(error));
    let file = trust::open_file(path, account_uid).map_err(untrusted)?;
    let about = file.metadata().map_err(|error| unread(FileError::new(path, "read", error)))?;
    let mode = about.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Readable { path: path.to_owned(), mode });
    }
    let bytes = files::read_opened(&file, path, MAX_BYTES).map_err(unread)?;
    let token = bytes.trim_ascii();
    let plain = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let token = std::str::from_utf8(token).ok().filter(|_| plain);
    let token = token.ok_or_else(|| TokenError::Form { path: path.to_owned() })?;
    Ok(Token(match (settings.flavor, settings.email.as_deref()) {
        (Flavor::Cloud, Some(email)) => {
            format!("Basic {}", STANDARD.encode(format!("{email}:{token}")))
        }
        _ => format!("Bearer {token}"),
    }))
}
