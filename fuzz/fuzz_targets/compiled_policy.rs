//! A compiled policy with bytes changed: an error, or the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refwarden::policy::compiled::{Compiled, SourceFile, compile};
use refwarden::policy::name::{GroupName, UserName};
use refwarden::policy::scope::NoScope;
use refwarden::policy::source::{NoIncludes, SourceFile as Source};
use std::fmt::Write;
use std::sync::LazyLock;

const EXAMPLE: &str = include_str!("../../policy.example.toml");
const LOOKED_UP: &str = r#"version = 1
[identity]
sources = ["unix"]
[users.alice]
unix = "git"
[users.bob]
names = { gitea = ["b"] }
[groups]
staff = { unix = "staff" }
wide = ["@staff", "bob"]
[roles.dev]
[[schemes.default.permit]]
permissions = ["push"]
branches = ["regex:a|${user}", "x/{a,b}"]
to = ["role:dev", "@wide"]
when = { weekly = ["Mon 09:00-10:00"] }
[projects.P]
repositories = ["pay/**", "web"]
[projects.P.roles]
dev = ["@wide"]
"#;

/// A compiled policy, and all that it answers.
static BASES: LazyLock<[(Vec<u8>, String); 2]> = LazyLock::new(|| {
    [EXAMPLE, LOOKED_UP].map(|text| {
        let main = Source { name: "policy.toml".into(), text: text.into() };
        let (_, loaded) = refwarden::policy::load_file(main, "/etc", &NoIncludes);
        let (policy, _) = loaded.unwrap();
        let sources = [SourceFile { name: "policy.toml".into(), sha256: [3; 32] }];
        let key = |user: &_| Ok(vec![format!("{user:?}").len().to_string()]);
        let bytes = compile(&policy, &sources, None, &key).unwrap();
        let answers = everything(&bytes).unwrap();
        (bytes, answers)
    })
});

/// Magic, version; then the header's offset (8), length (4) and sum (8).
const EXTENT: usize = 12;
const PRELUDE: usize = EXTENT + 20;

fuzz_target!(|data: &[u8]| {
    let Some((&mode, rest)) = data.split_first() else { return };
    let (base, sound) = &BASES[usize::from(mode & 1)];
    let mut bytes = match mode & 2 {
        0 => base.clone(),
        _ => [&base[..EXTENT], rest].concat(),
    };
    if mode & 2 == 0 {
        edit(&mut bytes, rest);
    }
    // Sums catch accidents: with the header's made to fit again, nothing may break either.
    let fitted = mode & 4 != 0 && fit(&mut bytes).is_some();
    if let Ok(found) = everything(&bytes) {
        assert!(fitted || found == *sound, "it means something else");
    }
});

/// Three bytes for where, one for what; 0 cuts the rest off.
fn edit(bytes: &mut Vec<u8>, edits: &[u8]) {
    let (edits, _) = edits.as_chunks::<4>();
    for [a, b, c, xor] in edits {
        let at = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        // Large numbers count from the end, where the header is.
        let at = if at < 0x80_0000 { at } else { bytes.len().wrapping_sub(at - 0x7f_ffff) };
        match (bytes.get_mut(at), xor) {
            (Some(_), 0) => bytes.truncate(at),
            (Some(byte), _) => *byte ^= xor,
            (None, _) => bytes.push(*xor),
        }
    }
}

fn fit(bytes: &mut [u8]) -> Option<()> {
    let offset = u64::from_le_bytes(bytes.get(EXTENT..EXTENT + 8)?.try_into().ok()?);
    let length = u32::from_le_bytes(bytes.get(EXTENT + 8..EXTENT + 12)?.try_into().ok()?);
    let start = usize::try_from(offset).ok()?;
    let piece = bytes.get(start..start.checked_add(length as usize)?)?;
    let head = [1, offset, u64::from(length)].map(u64::to_le_bytes);
    let sum =
        head.as_flattened().iter().chain(piece).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
    bytes.get_mut(EXTENT + 12..PRELUDE)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}

/// Everything that can be asked, as text.
fn everything(bytes: &[u8]) -> Result<String, NoScope> {
    let compiled = Compiled::open(bytes, bytes.len() as u64)?;
    let mut out =
        format!("{:?} {:?} {:?}", compiled.settings(), compiled.files(), compiled.digest());
    for repository in ["payments/api", "pay/x", "web", "x", ""] {
        for user in ["alice", "bob", "dave", "deploybot", "zed"] {
            let user = UserName::parse(user).ok();
            match compiled.ground(user.as_ref(), repository.as_bytes()) {
                Err(error @ (NoScope::Compiled(_) | NoScope::Broken(_))) => return Err(error),
                found => write!(out, "{found:?}").unwrap(),
            }
        }
    }
    for (key, name) in
        [("unix", "git"), ("unix", "bob"), ("gitea", "b"), ("remote-user", "bob@EXAMPLE.ORG")]
    {
        write!(out, "{:?}", compiled.by_external(key, name)?).unwrap();
    }
    let group = GroupName::parse("staff").unwrap();
    write!(out, "{:?} {:?}", compiled.lookup(&group)?, compiled.by_key("200")?).unwrap();
    write!(out, "{:?}", compiled.policy()?).unwrap();
    Ok(out)
}
