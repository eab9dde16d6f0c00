use super::*;

/// A packet with a new-format header.
fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[0xc0 | tag, 255], length.as_slice(), body].concat()
}

fn armored(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}

fn block(packets: &[Vec<u8>]) -> String {
    armored("PGP PUBLIC KEY BLOCK", &packets.concat())
}

/// A version 4 key of `algorithm` whose first number has `bits` bits.
fn key(algorithm: u8, bits: u16) -> Vec<u8> {
    [&[4, 0, 0, 0, 0, algorithm], bits.to_be_bytes().as_slice(), &[0xff; 8]].concat()
}

#[test]
fn weak_and_odd_openpgp_keys_are_refused() {
    for (bits, good) in [(0, false), (1024, false), (2047, false), (2048, true), (4096, true)] {
        for algorithm in [RSA, RSA_SIGN_ONLY] {
            let read = primary_fingerprint(&block(&[packet(PUBLIC_KEY, &key(algorithm, bits))]));
            assert_eq!(read.is_ok(), good, "{algorithm} {bits}");
        }
    }
    let sound = packet(PUBLIC_KEY, &key(EDDSA, 9));
    assert!(primary_fingerprint(&block(std::slice::from_ref(&sound))).is_ok());
    let weak_subkey = packet(PUBLIC_SUBKEY, &key(RSA, 1024));
    let read = primary_fingerprint(&block(&[sound, weak_subkey]));
    assert_eq!(read, Err(KeyError::RsaBits(1024)));
    for algorithm in [2, 16, 17, 99] {
        let read = primary_fingerprint(&block(&[packet(PUBLIC_KEY, &key(algorithm, 3072))]));
        assert!(matches!(read, Err(KeyError::Type(_))), "{algorithm}");
    }
    for version in [2, 3, 5, 6] {
        let mut body = key(EDDSA, 9);
        body[0] = version;
        let read = primary_fingerprint(&block(&[packet(PUBLIC_KEY, &body)]));
        assert!(matches!(read, Err(KeyError::Type(_))), "{version}");
    }
}

#[test]
fn a_second_key_hidden_in_a_block_is_refused() {
    let one = packet(PUBLIC_KEY, &key(EDDSA, 9));
    let two = primary_fingerprint(&block(&[one.clone(), one.clone()]));
    assert_eq!(two, Err(KeyError::SeveralKeys(2)));
    let appended = format!("{}{}", block(std::slice::from_ref(&one)), block(&[one]));
    assert!(matches!(primary_fingerprint(&appended), Err(KeyError::Syntax(_))));
}

#[test]
fn a_private_key_in_a_policy_is_refused_under_any_label() {
    for tag in [SECRET_KEY, SECRET_SUBKEY] {
        let packets = [packet(PUBLIC_KEY, &key(EDDSA, 9)), packet(tag, &key(EDDSA, 9))];
        assert_eq!(primary_fingerprint(&block(&packets)), Err(KeyError::Private));
        let labelled = armored("PGP PRIVATE KEY BLOCK", &packets.concat());
        assert_eq!(primary_fingerprint(&labelled), Err(KeyError::Private));
    }
}

#[test]
fn only_one_detached_signature_is_handed_on() {
    let signature = packet(SIGNATURE, b"x");
    let lone = |bytes: &[u8]| lone_signature(armored("PGP SIGNATURE", bytes).as_bytes());
    assert_eq!(lone(&signature), Ok(signature.clone()));
    let two = [signature.clone(), signature.clone()].concat();
    assert_eq!(lone(&two), Err("there is more than one signature"));
    // A signed message: one-pass signature, literal data, signature; and the older order.
    let message = [packet(4, b"x"), packet(11, b"evil"), signature.clone()].concat();
    assert_eq!(lone(&message), Err("this is not a detached signature"));
    let older = [signature.clone(), packet(11, b"evil")].concat();
    assert_eq!(lone(&older), Err("this is not a detached signature"));
    assert_eq!(lone(&packet(8, b"compressed")), Err("this is not a detached signature"));
    assert_eq!(lone(b""), Err("this is not a detached signature"));
    let message = armored("PGP MESSAGE", &signature);
    assert_eq!(lone_signature(message.as_bytes()), Err("the armor's first line is missing"));
    let more = format!("{}x\n", armored("PGP SIGNATURE", &signature));
    assert_eq!(lone_signature(more.as_bytes()), Err("something follows the armor"));
}

#[test]
fn packet_headers_of_every_form_are_read() {
    let body = vec![7u8; 200];
    let forms: [&[u8]; 5] = [
        &[0x88, 200],
        &[0x89, 0, 200],
        &[0x8a, 0, 0, 0, 200],
        &[0xc2, 192, 8],
        &[0xc2, 255, 0, 0, 0, 200],
    ];
    for header in forms {
        let bytes = [header, &body].concat();
        assert_eq!(packets(&bytes), Ok(vec![(SIGNATURE, body.as_slice())]), "{header:?}");
        for length in 1..bytes.len() {
            assert!(packets(&bytes[..length]).is_err(), "{header:?} {length}");
        }
    }
    assert_eq!(
        packets(&[0xc2, 5, 1, 2, 3, 4, 5]),
        Ok(vec![(SIGNATURE, [1, 2, 3, 4, 5].as_slice())])
    );
    assert_eq!(packets(&[0x8b, 1]), Err("a packet has no length"));
    assert_eq!(packets(&[0xc2, 224, 1]), Err("a packet comes in parts"));
    assert_eq!(packets(&[0x02, 1]), Err("a packet's header is malformed"));
}

proptest::proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes: Vec<u8>, text: String) {
        packets(&bytes).ok();
        lone_signature(&bytes).ok();
        primary_fingerprint(&text).ok();
        primary_fingerprint(&armored("PGP PUBLIC KEY BLOCK", &bytes)).ok();
    }
}
