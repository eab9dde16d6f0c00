//! What a pusher asks for by push options (`git push -o access=hotfix -o for=1h …`).
//!
//! Knows the words; whether anything comes of them is decided elsewhere. An option only ever asks:
//! `push.pushOption` in a config file is sent silently with every push. Options of other tools are
//! passed by.

use crate::policy::name::EntitlementName;
use crate::policy::span::Span;

/// Longest reason, in bytes.
pub const MAX_REASON: usize = 1000;
/// Longest ticket, in bytes.
pub const MAX_TICKET: usize = 100;

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `access=`: the entitlement; without it nothing is asked.
    pub entitlement: Option<EntitlementName>,
    /// `for=`
    pub duration: Option<Span>,
    /// `reason=`
    pub reason: Option<String>,
    /// `ticket=`
    pub ticket: Option<String>,
    /// `uses=`
    pub uses: Option<u32>,
    /// `wait=`
    pub wait: Option<Span>,
}

/// Reads push options; of one that is given twice the last counts, as in git's own options.
///
/// # Errors
/// Words for the pusher about every option of ours that can't be read.
pub fn parse(options: &[Vec<u8>]) -> Result<Asked, Vec<String>> {
    let mut asked = Asked::default();
    let mut wrong = Vec::new();
    for option in options {
        let Some(at) = option.iter().position(|byte| *byte == b'=') else { continue };
        let (name, value) = option.split_at(at);
        if let Err(words) = one(&mut asked, name, value.get(1..).unwrap_or_default()) {
            wrong.push(words);
        }
    }
    if wrong.is_empty() { Ok(asked) } else { Err(wrong) }
}

fn one(asked: &mut Asked, name: &[u8], value: &[u8]) -> Result<(), String> {
    if !matches!(name, b"access" | b"for" | b"reason" | b"ticket" | b"uses" | b"wait") {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(name);
    let text = std::str::from_utf8(value).map_err(|_| format!("`{shown}=` is not UTF-8"))?;
    let said = |error: &dyn std::fmt::Display| format!("`{shown}=`: {error}");
    let short = |most: usize| match text.len() {
        0 => Err(format!("`{shown}=` is empty")),
        length if length > most => Err(format!("`{shown}=` has more than {most} bytes")),
        _ => Ok(text.to_owned()),
    };
    match name {
        b"access" => asked.entitlement = Some(EntitlementName::parse(text).map_err(|e| said(&e))?),
        b"for" => asked.duration = Some(Span::parse(text).map_err(|e| said(&e))?),
        b"wait" => asked.wait = Some(Span::parse(text).map_err(|e| said(&e))?),
        b"reason" => asked.reason = Some(short(MAX_REASON)?),
        b"ticket" => asked.ticket = Some(short(MAX_TICKET)?),
        _ => {
            let number = text.parse().ok().filter(|number| *number > 0);
            asked.uses = Some(number.ok_or_else(|| format!("`{shown}=` is a number from 1"))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Result<Asked, Vec<String>> {
        parse(&options.iter().map(|o| o.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_is_read_and_other_tools_options_are_passed_by() {
        let asked = read(&[
            "ci.skip",
            "access=hotfix",
            "for=1h",
            "reason=a=b, because",
            "ticket=PAY-1",
            "uses=2",
            "wait=10m",
            "topic=x",
            "for=2h",
        ])
        .unwrap();
        assert_eq!(asked.entitlement.unwrap().as_str(), "hotfix");
        assert_eq!(asked.duration.unwrap().seconds(), 7200);
        assert_eq!(asked.reason.as_deref(), Some("a=b, because"));
        assert_eq!((asked.uses, asked.wait.map(Span::seconds)), (Some(2), Some(600)));
        assert_eq!(read(&["whatever", "access"]).unwrap(), Asked::default());
    }

    #[test]
    fn every_option_that_cannot_be_read_is_named() {
        let wrong =
            read(&["access=../x", "for=soon", "uses=0", "uses=-1", "wait=", "reason=", "ticket="])
                .unwrap_err();
        assert_eq!(wrong.len(), 7);
        assert!(wrong.iter().all(|words| words.starts_with('`')), "{wrong:?}");
        assert!(parse(&[b"reason=\xff".to_vec()]).is_err());
        assert!(read(&[&format!("reason={}", "x".repeat(MAX_REASON + 1))]).is_err());
    }
}
