//! `submodules`: which other repositories a tree may point to.
//!
//! Knows `.gitmodules` (gitmodules(5)). git takes the last of several values, and other programs
//! may take another one: here every value of every section that names a path has to be allowed.

use crate::policy::name::UserName;
use crate::policy::pattern::{Broken, Pattern};
use gix::bstr::{BStr, BString, ByteSlice};
use gix::config::File;
use gix::config::file::{Metadata, init};
use std::collections::BTreeMap;

/// Where the submodules of a tree are described.
pub const FILE: &[u8] = b".gitmodules";
/// Largest `.gitmodules` that is read, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// Most bytes of a URL that are told.
const TOLD: usize = 80;

/// What a `.gitmodules` says.
#[derive(Debug, Default)]
pub struct Modules(BTreeMap<BString, Module>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Module {
    paths: Vec<BString>,
    urls: Vec<BString>,
}

impl Modules {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let options = init::Options { lossy: true, ..Default::default() };
        let file = File::from_bytes_no_includes(text, Metadata::api(), options)
            .map_err(|_| "`.gitmodules` is malformed")?;
        let mut all: BTreeMap<BString, Module> = BTreeMap::new();
        for section in file.sections_by_name("submodule").into_iter().flatten() {
            let name = section.header().subsection_name().map(ToOwned::to_owned);
            let module = all.entry(name.unwrap_or_default()).or_default();
            module.paths.extend(section.values("path"));
            module.urls.extend(section.values("url"));
        }
        Ok(Self(all))
    }

    /// Whether the submodule at `path` may be there: what is wrong with it.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn refuses(
        &self,
        path: &[u8],
        allowed: &[Pattern],
        user: &UserName,
    ) -> Result<Option<Vec<u8>>, Broken> {
        if allowed.is_empty() {
            return Ok(Some(b"a new or moved submodule: none may be".to_vec()));
        }
        let is_it = |module: &&Module| module.paths.iter().any(|other| *other == path);
        let mut urls = self.0.values().filter(is_it).flat_map(|module| &module.urls).peekable();
        if urls.peek().is_none() {
            return Ok(Some(b"a submodule for which `.gitmodules` has no URL".to_vec()));
        }
        for url in urls {
            if !is_allowed(url.as_bstr(), allowed, user)? {
                return Ok(Some(told(url)));
            }
        }
        Ok(None)
    }

    /// URLs that are not allowed and that none of `olds` has for the submodule of that name.
    ///
    /// # Errors
    /// [`Broken`] when a pattern can't be evaluated.
    pub fn new_urls(
        &self,
        olds: &[&Self],
        allowed: &[Pattern],
        user: &UserName,
    ) -> Result<Vec<Vec<u8>>, Broken> {
        let mut found = Vec::new();
        for (name, module) in &self.0 {
            // A path that moves to a URL of another section's is a new one as well.
            if allowed.is_empty() || olds.iter().any(|old| old.0.get(name) == Some(module)) {
                continue;
            }
            for url in &module.urls {
                if !is_allowed(url.as_bstr(), allowed, user)? {
                    found.push(told(url));
                }
            }
        }
        Ok(found)
    }
}

fn is_allowed(url: &BStr, allowed: &[Pattern], user: &UserName) -> Result<bool, Broken> {
    if wanders(url) {
        return Ok(false);
    }
    for pattern in allowed {
        if pattern.matches(url, Some(user))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `..` stands behind a name or at the end, percent-encoded too: such a URL is not what a
/// pattern sees in it.
fn wanders(url: &[u8]) -> bool {
    let plain = url.to_ascii_lowercase().replace("%2e", ".");
    let plain = plain.replace("%2f", "/").replace("%5c", "/");
    let parts = plain.split(|byte| matches!(byte, b'/' | b'\\' | b':' | b'?' | b'#'));
    let parts: Vec<&[u8]> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
    let up = parts.iter().take_while(|part| **part == b"..").count();
    parts.len() == up || parts.iter().skip(up).any(|part| *part == b"..")
}

fn told(url: &[u8]) -> Vec<u8> {
    let url = url.get(..TOLD).unwrap_or(url);
    [b"the submodule's URL `", url, b"` is not an allowed one"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[submodule \"a\"]\n\tpath = lib/a\n\turl = https://git.example.org/a.git\n\
                        [submodule \"b\"]\n\tpath = lib/b\n\turl = ../b.git\n\turl = https://evil.example/b\n";

    const OURS: &str = "regex:https://git\\.example\\.org/.*";

    fn refuses(path: &str, allowed: &[&str]) -> Option<String> {
        let allowed: Vec<_> = allowed.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let user = UserName::parse("bob").unwrap();
        let modules = Modules::parse(TEXT.as_bytes()).unwrap();
        let found = modules.refuses(path.as_bytes(), &allowed, &user).unwrap();
        found.map(|words| String::from_utf8(words).unwrap())
    }

    #[test]
    fn a_submodule_needs_a_url_and_every_one_of_them_allowed() {
        let ours = [OURS, "../*"];
        assert_eq!(refuses("lib/a", &ours), None);
        assert!(
            refuses("lib/a", &["regex:https://other\\.example/.*"])
                .unwrap()
                .contains("not an allowed")
        );
        assert!(refuses("lib/a", &[]).unwrap().contains("none may be"));
        assert!(refuses("lib/c", &ours).unwrap().contains("no URL"));
        // The one that git does not take, or another program may take.
        assert!(refuses("lib/b", &ours).unwrap().contains("evil.example"));
    }

    #[test]
    fn a_url_that_climbs_out_of_what_its_pattern_says_is_not_allowed() {
        let user = UserName::parse("bob").unwrap();
        let patterns = ["../*", OURS, "regex:git@git\\.example\\.org:.*"];
        let allowed: Vec<_> = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let passes = |url: &str| is_allowed(url.into(), &allowed, &user).unwrap();
        for url in [
            "../b.git",
            "https://git.example.org/team/a.git",
            "https://git.example.org/a..b/..c",
            "git@git.example.org:team/a.git",
        ] {
            assert!(passes(url), "{url}");
        }
        for url in [
            "../..",
            "../.",
            "..//",
            "https://git.example.org/../../evil",
            "https://git.example.org/a/..",
            "https://git.example.org/%2e%2E/evil",
            "https://git.example.org/.%2e%2fevil",
            "https://git.example.org/a\\..\\evil",
            "git@git.example.org:../evil",
            "git@git.example.org:a/../../evil",
        ] {
            assert!(!passes(url), "{url}");
        }
    }

    #[test]
    fn a_url_that_changes_under_an_old_submodule_is_a_new_one() {
        let user = UserName::parse("bob").unwrap();
        let allowed = [Pattern::parse(OURS).unwrap()];
        let new = Modules::parse(TEXT.as_bytes()).unwrap();
        let found = |olds: &[&Modules]| new.new_urls(olds, &allowed, &user).unwrap().len();
        assert_eq!(found(&[]), 2);
        assert_eq!(found(&[&Modules::parse(TEXT.as_bytes()).unwrap()]), 0);
        assert!(Modules::parse(b"[submodule \"x\"\n").is_err());
    }
}
