//! What an ssh client asks for: words are those that a second, naive reader finds, and git never
//! sees an option.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refwarden::door::serve::Service;
use refwarden::door::ssh::git::{error_packet, words};
use refwarden::door::ssh::line::{Line, LineError, MAX_LINE, parse};
use refwarden::hook::Refusal;
use refwarden::policy::name::UserName;
use refwarden_fuzz::is_plain;

fuzz_target!(|data: &[u8]| {
    let bob = UserName::parse("bob").unwrap();
    let control = data.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    match (parse(data), naive(data)) {
        (Err(LineError::TooLong), _) => assert!(data.len() > MAX_LINE),
        (Err(LineError::Control), _) => assert!(control),
        (Err(LineError::Open), expected) => assert!(expected.is_none()),
        (Err(LineError::Bytes), expected) => {
            assert!(expected.unwrap().iter().any(|word| std::str::from_utf8(word).is_err()));
        }
        (Err(LineError::Arguments(service)), expected) => {
            let (found, rest) = service_of(&expected.unwrap()).unwrap();
            assert_eq!(found, service);
            assert!(rest.len() != 1 || rest[0].is_empty() || rest[0][0] == b'-');
        }
        (Ok(Line::Nothing), expected) => assert!(expected.unwrap().is_empty()),
        (Ok(Line::Verb(found)), expected) => {
            let expected = expected.unwrap();
            assert!(service_of(&expected).is_none() && !found.is_empty());
            assert!(found.iter().map(String::as_bytes).eq(expected.iter().map(Vec::as_slice)));
        }
        (Ok(Line::Git(service, repository)), expected) => {
            assert!(!control && !repository.is_empty() && repository[0] != b'-');
            assert_eq!(service_of(&expected.unwrap()), Some((service, vec![repository.clone()])));
            let told = told(&refwarden::door::ssh::git::hidden(&repository, &bob));
            assert!(told.contains("that bob may read"), "{told}");
        }
    }
});

/// The refusal as one packet, whose length is its own.
fn told(refusal: &Refusal) -> String {
    let text = words(refusal);
    assert!(is_plain(&text, false), "{text:?}");
    let packet = error_packet(&text);
    let length = usize::from_str_radix(std::str::from_utf8(&packet[..4]).unwrap(), 16).unwrap();
    assert_eq!(length, packet.len());
    text
}

fn service_of(words: &[Vec<u8>]) -> Option<(Service, Vec<Vec<u8>>)> {
    let joined = match words {
        [git, second, ..] if git == b"git" => [b"git-", second.as_slice()].concat(),
        [first, ..] => first.clone(),
        [] => return None,
    };
    let service = [Service::UploadPack, Service::ReceivePack, Service::UploadArchive]
        .into_iter()
        .find(|service| joined == format!("git-{}", service.command()).as_bytes())?;
    let skipped = if words[0] == b"git" { 2 } else { 1 };
    Some((service, words[skipped..].to_vec()))
}

/// Words by a table of states, one byte at a time; `None` where a quote stays open.
fn naive(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    #[derive(Clone, Copy, PartialEq)]
    enum At {
        Blank,
        Word,
        Single,
        Double,
        Escape,
        DoubleEscape,
    }
    let (mut at, mut words): (At, Vec<Vec<u8>>) = (At::Blank, Vec::new());
    for &byte in line {
        let blank = byte == b' ' || byte == b'\t';
        if at == At::Blank && !blank {
            words.push(Vec::new());
            at = At::Word;
        }
        let word = words.last_mut();
        at = match (at, byte) {
            (At::Blank | At::Word, _) if blank => At::Blank,
            (At::Word, b'\'') => At::Single,
            (At::Word, b'"') => At::Double,
            (At::Word, b'\\') => At::Escape,
            (At::Single, b'\'') | (At::Double, b'"') => At::Word,
            (At::Double, b'\\') => At::DoubleEscape,
            (At::Escape, _) => {
                word?.push(byte);
                At::Word
            }
            (At::DoubleEscape, _) => {
                if !b"\"\\$`".contains(&byte) {
                    words.last_mut()?.push(b'\\');
                }
                words.last_mut()?.push(byte);
                At::Double
            }
            (same, _) => {
                word?.push(byte);
                same
            }
        };
    }
    matches!(at, At::Blank | At::Word).then_some(words)
}
