//! The hosting account's groups, as the host's user data base has them.

use super::files::{self, FileError};
use std::path::Path;

const MAX_PASSWD: usize = 16 << 20;

/// The primary group of `uid`, from `/etc/passwd`; an account that is not there has the group of
/// its own number.
///
/// # Errors
/// The file can't be read.
pub fn primary_group(uid: u32) -> Result<u32, FileError> {
    let text = files::read_limited(Path::new("/etc/passwd"), MAX_PASSWD)?;
    Ok(find(&String::from_utf8_lossy(&text), uid).unwrap_or(uid))
}

fn find(passwd: &str, uid: u32) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let found: u32 = fields.next()?.parse().ok()?;
        (found == uid).then(|| fields.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_group_stands_after_the_uid() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbroken\ngit:x:998:997::/srv:/bin/sh\n";
        assert_eq!(super::find(passwd, 998), Some(997));
        assert_eq!(super::find(passwd, 1), None);
    }
}
