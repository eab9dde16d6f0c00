#![expect(clippy::string_slice, reason = "secrets are ASCII")]

use super::*;
use chrono::TimeDelta;
use proptest::prelude::*;

fn secret() -> Secret {
    let mut next = 0_u8;
    Secret::of(&TokenId::of([1, 2, 3, 4, 5]), &mut || {
        next = next.wrapping_mul(5).wrapping_add(17);
        next
    })
}

fn token() -> Token {
    let created = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    Token {
        id: TokenId::of([1, 2, 3, 4, 5]),
        terms: Terms {
            user: UserName::parse("alice").unwrap(),
            note: None,
            scopes: Scope::DEFAULT.into(),
            repositories: Vec::new(),
            created,
            by: "alice".into(),
            until: created + TimeDelta::days(30),
        },
        revoked: None,
        last_used: None,
    }
}

fn days(days: u32) -> Option<Span> {
    Span::of_seconds(days * 86_400)
}

#[test]
fn the_checksum_is_crc_32_in_base_62() {
    // The check value of CRC-32 is 0xcbf43926 for these digits.
    let value = 0xcbf4_3926_u64;
    let mut digits: Vec<char> =
        (0..6).map(|at| char::from(BASE62[(value / 62_u64.pow(at) % 62) as usize])).collect();
    digits.reverse();
    assert_eq!(checksum(b"123456789"), digits.iter().collect::<String>());
}

#[test]
fn a_secret_is_read_back_and_never_shown_by_accident() {
    let secret = secret();
    let text = secret.reveal();
    assert_eq!(text.len(), Secret::LENGTH);
    assert!(text.starts_with("rwt_"), "{text}");
    let read = Secret::parse(text).unwrap();
    assert_eq!((read.id(), read.hash()), (secret.id(), secret.hash()));
    let shown = format!("{secret:?} {:?}", secret.hash());
    assert!(!shown.contains(&text[13..]), "{shown}");
}

#[test]
fn no_character_of_a_secret_can_be_changed_cut_or_added() {
    let text = secret().reveal().to_owned();
    for at in 0..text.len() {
        for other in ["0", "z", "_", " ", "\n", "\u{e9}"] {
            let forged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(forged == text || Secret::parse(&forged).is_err(), "{forged}");
        }
        assert_eq!(Secret::parse(&text[..at]).unwrap_err(), SecretError::Form, "cut at {at}");
    }
    for around in [format!("{text} "), format!(" {text}"), format!("{text}0"), text.to_uppercase()]
    {
        assert_eq!(Secret::parse(&around).unwrap_err(), SecretError::Form, "{around:?}");
    }
}

#[test]
fn a_typing_error_is_told_from_another_password() {
    let text = secret().reveal().to_owned();
    let last = if text.ends_with('0') { "1" } else { "0" };
    let typo = format!("{}{last}", &text[..text.len() - 1]);
    assert_eq!(Secret::parse(&typo).unwrap_err(), SecretError::Sum);
    assert_eq!(Secret::parse("hunter2").unwrap_err(), SecretError::Form);
}

#[test]
fn the_secret_of_another_token_has_another_hash() {
    let own = secret();
    let other = own.reveal().replacen(own.id().as_str(), "00000000", 1);
    let body = &other[..Secret::LENGTH - 6];
    let other = Secret::parse(&format!("{body}{}", checksum(body.as_bytes()))).unwrap();
    assert_ne!(other.hash(), own.hash());
}

#[test]
fn bytes_that_would_favour_some_characters_are_drawn_again() {
    let mut draws = 0_u32;
    let secret = Secret::of(&TokenId::of([0; 5]), &mut || {
        draws += 1;
        if draws.is_multiple_of(2) { 255 } else { 0 }
    });
    assert_eq!(draws, 63);
    assert!(secret.reveal().contains(&"0".repeat(32)));
}

#[test]
fn ids_have_one_spelling() {
    let id = TokenId::of([255; 5]);
    assert_eq!(id.as_str(), "zzzzzzzz");
    assert_eq!(TokenId::parse(id.as_str()), Ok(id.clone()));
    assert_eq!(TokenId::of_key(&id.key()), Some(Ok(id)));
    assert_eq!(TokenId::of_key("SHA256:abc"), None);
    for bad in ["", "ZZZZZZZZ", "zzzzzzz", "zzzzzzzzz", "zzzzzzz_", "zzzz-zzz", "../../xx"] {
        assert_eq!(TokenId::parse(bad), Err(NotATokenId), "{bad}");
        assert_eq!(TokenId::of_key(&format!("token:{bad}")), Some(Err(NotATokenId)));
    }
}

#[test]
fn a_token_holds_before_its_end_and_not_at_it() {
    let token = token();
    let (created, until) = (token.terms.created, token.terms.until);
    assert!(token.holds(created, days(366)));
    assert!(token.holds(until - TimeDelta::nanoseconds(1), days(366)));
    assert_eq!(token.standing(until, days(366)), Standing::Ended);
    assert_eq!(token.standing(created - TimeDelta::seconds(3), days(366)), Standing::Ended);
}

#[test]
fn a_shorter_lifetime_in_the_policy_shortens_tokens_that_exist() {
    let token = token();
    let created = token.terms.created;
    assert_eq!(token.ends(days(7).unwrap()), created + TimeDelta::days(7));
    assert!(!token.holds(created + TimeDelta::days(7), days(7)));
    assert!(!token.holds(created, None), "without `[tokens]` none holds");
}

#[test]
fn a_clock_that_was_set_back_revives_no_token() {
    let mut token = token();
    let used = token.terms.created + TimeDelta::days(20);
    token.last_used = Some(used);
    assert!(token.holds(used - TimeDelta::seconds(2), days(366)));
    assert!(!token.holds(used - TimeDelta::seconds(3), days(366)));
}

#[test]
fn a_revoked_token_never_holds_again() {
    let mut token = token();
    token.revoked = Some((token.terms.until, "alice".into()));
    assert_eq!(token.standing(token.terms.created, days(366)), Standing::Revoked);
}

#[test]
fn repositories_narrow_and_none_is_all() {
    let mut token = token();
    assert!(token.terms.covers(b"any/thing").unwrap());
    token.terms.repositories = vec![Pattern::parse("payments/*").unwrap()];
    assert!(token.terms.covers(b"payments/api").unwrap());
    assert!(!token.terms.covers(b"payments/api/deep").unwrap());
    assert!(!token.terms.covers(b"other/api").unwrap());
}

#[test]
fn scopes_have_their_words() {
    for scope in Scope::ALL {
        assert_eq!(Scope::named(scope.word()), Some(scope));
        assert_eq!(serde_json::to_value(scope).unwrap(), scope.word());
    }
    assert_eq!(Scope::named("Read"), None);
}

proptest! {
    #[test]
    fn whatever_is_parsed_is_what_was_made(id in any::<[u8; 5]>(), random in any::<[u8; 16]>()) {
        let mut bytes = random.iter().cycle().map(|byte| byte & 127);
        let secret = Secret::of(&TokenId::of(id), &mut || bytes.next().unwrap());
        let read = Secret::parse(secret.reveal()).unwrap();
        prop_assert_eq!(read.hash(), secret.hash());
    }

    #[test]
    fn parsing_never_panics_and_takes_no_other_text(text in "\\PC{0,60}|rwt_[0-9a-z]{8}_[0-9A-Za-z]{38}") {
        if let Ok(secret) = Secret::parse(&text) {
            prop_assert_eq!(secret.reveal(), text.as_str());
        }
    }
}
