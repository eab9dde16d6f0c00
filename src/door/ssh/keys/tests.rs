//! Keys and certificates made by ssh-keygen for these tests; their private halves are gone.

use super::*;

const CA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIAQJdKZDN9Wf4+hD862YgoFdBMyXmyUEkQxnEzUqdIE";
const USER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIDINqrQumiJ5pzoXGUmHhztEHQslDF4yZ72w0Oueug3V";
/// For the principals `alice` and `bob@corp`, until 2027-01-01.
const ENDING: &str = "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIKdYzkVDKyOS0cwtx+K+ih43fDJgovRQxfaayH/R/0qmAAAAIDINqrQumiJ5pzoXGUmHhztEHQslDF4yZ72w0Oueug3VAAAAAAAAAAAAAAABAAAAA2tpZAAAABUAAAAFYWxpY2UAAAAIYm9iQGNvcnAAAAAAaVW5AAAAAABrNuyAAAAAAAAAAIIAAAAVcGVybWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAAAAAWcGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybWl0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAggBAl0pkM31Z/j6EPzrZiCgV0EzJebJQSRDGcTNSp0gQAAABTAAAAC3NzaC1lZDI1NTE5AAAAQCX1zD/f/PXaqKbHaUphQIw34EkIifDoMHJVgKsYgbessE3FgcNPtNzsDSB6EYiPMeCmAPQyn4hH4McVQeiGDAo=";
/// For `alice`, without an end.
const FOREVER: &str = "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIFeeOQG0Ho2k3ohn04ncMXHYA+kh0uI0JMxi4oaEZaGYAAAAIDINqrQumiJ5pzoXGUmHhztEHQslDF4yZ72w0Oueug3VAAAAAAAAAAAAAAABAAAAB2ZvcmV2ZXIAAAAJAAAABWFsaWNlAAAAAAAAAAD//////////wAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvcndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAAAAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIIAQJdKZDN9Wf4+hD862YgoFdBMyXmyUEkQxnEzUqdIEAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEDRSflW0ulrN4S76xytbJabjadZzA+yABk8xrnQe2vWE1L63OjnOoV6RIuhGPgi6jvvoqROtJ1MMT/TX18LxW4H";
const OF_HOST: &str = "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIHuYnkzuTocvuovp3ZlpIJ1Qrv3/Pp49nTPpDgoq2AynAAAAIDINqrQumiJ5pzoXGUmHhztEHQslDF4yZ72w0Oueug3VAAAAAAAAAAAAAAACAAAAAWgAAAAJAAAABWFsaWNlAAAAAGlVuQAAAAAAazbsgAAAAAAAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAggBAl0pkM31Z/j6EPzrZiCgV0EzJebJQSRDGcTNSp0gQAAABTAAAAC3NzaC1lZDI1NTE5AAAAQFqXCWxcG4pnIq5fnVpNEpgRAOayVQyFNm2IkXhr95ITdWkGYD3lu4D4L/PulG7cJWacF7efdfRsEPGl46rnFwI=";
const RSA_1024: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDYizu5aA9Vfzud9G6qU0l9xip/SXQiKqtPrm4SG2JUJ8LI2TAdkgQDco+AMcmF/uQwdnECTc2LqQj/Zp+QUVlacW12UFxp8REGUut4+KpmqsFtGg+I2cIy8QSw9vK1B5XCGlOvoOp9dIn0SpjLo6ryBaIX+He5uPkpZg/syeI2vQ==";
const DSA: &str = "AAAAB3NzaC1kc3MAAACBAKcScBEBUHqyvp8QY+BOgIDlgU4UAHWTJrSeT9+VvUiUKOloPMcuDM14iv3QSJOt2ymQYoOl3OvPpYDW7EfU8SiZm06uFNPShA8Z8m3AmoHcxCrG2pt6WOOLWt6t/+0GQMNfULyhXB/9O6/PH36UeIj37a3r66W+hEOgtREM/q5hAAAAFQC1K5g98m3YaNdUJ0Mpylql8IujkQAAAIBGAZAepTn6LD8Oh0FgB0El+AazT1ILh6zDhgGRf09Kc2U15wG8QOYWmb64z5tqbYFYTsyLvZ9ieSVl/5GOLUqtKhTffTZjuzNNqpBnhR8FkI74XzsZrdEYVZcfLTvup+iwVJP3Ek4joHSBPnacQqGc4LJkPAu3eplTdBHa9ive3wAAAIAptS9L6561nx2CMlJOXiU+rgRjvAar/+h2VK6xw0MCW/MyAOkDCMBn4PTePr/vK6FQMnmhDnz6ABUXvt6Gv2aB4CL9jDBdXgBaIEqXnNNjdpEnAKJ2AuKHyDwpvEnxx5c3I7oGS9vLBhbvlC2S1QsE8O3cFdgQ7t07mAxNSnfHXg==";
const CERTIFICATE: &str = "ssh-ed25519-cert-v01@openssh.com";
const USER_PRINT: &str = "SHA256:FmHtclbp8DQTX+5/9jGMqd/GnGlJuGUJn1ewDX3W1hc";
const CA_PRINT: &str = "SHA256:UaKdYM3O+Bo0Kd982I0FeZ21GrDHP5OC+yUxa9Ic/GU";

fn alice() -> UserName {
    UserName::parse("alice").unwrap()
}

fn certified(base64: &str) -> Certified {
    match read(CERTIFICATE, base64) {
        Ok(Offered::Certificate(certified)) => certified,
        other => panic!("{other:?}"),
    }
}

fn ca() -> SshCa {
    SshCa { line: CA.into(), fingerprint: CA_PRINT.into() }
}

#[test]
fn a_key_opens_the_door_to_refwarden_alone() {
    let Ok(Offered::Key { line, fingerprint }) = read("ssh-ed25519", USER) else { panic!() };
    assert_eq!(fingerprint, USER_PRINT);
    let program = Path::new("/usr/local/lib/refwarden/door");
    let text = key_line(program, &alice(), &line, &fingerprint).unwrap();
    assert_eq!(
        text,
        format!(
            "restrict,command=\"/usr/local/lib/refwarden/door ssh alice --key {USER_PRINT}\" \
             ssh-ed25519 {USER}"
        )
    );
}

#[test]
fn a_key_of_an_authenticator_opens_it_with_no_option_that_spares_the_touch() {
    let kind = "sk-ssh-ed25519@openssh.com";
    let base64 = "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHAAAABHNzaDo=";
    let Ok(Offered::Key { line, fingerprint }) = read(kind, base64) else { panic!() };
    assert_eq!(fingerprint, "SHA256:BpyDHJ8Qm3F/3at6p0jNaRLMB2tszGHwTQIOkdqk9J4");
    let text = key_line(Path::new("/r"), &alice(), &line, &fingerprint).unwrap();
    assert_eq!(
        text,
        format!("restrict,command=\"/r ssh alice --key {fingerprint}\" {kind} {base64}")
    );
}

#[test]
fn a_certificate_opens_it_for_its_principal_until_its_end() {
    let ending = certified(ENDING);
    assert_eq!(ending.principals, ["alice", "bob@corp"]);
    let text = certificate_line(Path::new("/r"), (&alice(), "alice"), &ending, &ca()).unwrap();
    assert_eq!(
        text,
        format!(
            "restrict,cert-authority,principals=\"alice\",command=\"/r ssh alice --key {USER_PRINT} \
             --ca {CA_PRINT} --principal='alice' --until 2027-01-01T00:00:00Z\" {CA}"
        )
    );
}

#[test]
fn certificates_of_hosts_or_without_end_weak_keys_and_garbage_open_nothing() {
    assert!(matches!(read(CERTIFICATE, FOREVER), Err(OfferError::NoEnd)));
    assert!(matches!(read(CERTIFICATE, OF_HOST), Err(OfferError::NotForUsers)));
    assert!(matches!(read("ssh-rsa", RSA_1024), Err(OfferError::Key(KeyError::RsaBits(1024)))));
    assert!(matches!(read("ssh-dss", DSA), Err(OfferError::Key(KeyError::Type(_)))));
    for (kind, base64) in [
        ("", ""),
        ("ssh-ed25519", ""),
        ("ssh-ed25519", "AAAA"),
        ("ssh-rsa", USER),
        (CERTIFICATE, USER),
        ("ssh-ed25519", ENDING),
        (CERTIFICATE, "AAAA"),
        ("ssh-ed25519 AAAA\ncommand=\"id\" ssh-ed25519", USER),
    ] {
        assert!(read(kind, base64).is_err(), "{kind} {base64:.10}");
    }
    let cut = ENDING.get(..ENDING.len() - 8).unwrap();
    assert!(read(CERTIFICATE, cut).is_err());
}

#[test]
fn nothing_can_break_out_of_a_line() {
    let ending = certified(ENDING);
    let principals =
        ["", "a b", "a\"", "a,b", "a\\", "a\n", "*", "al?ce", "!alice", "\u{e4}", "a'", "\u{7f}"];
    for principal in principals {
        assert!(!is_plain_principal(principal), "{principal:?}");
        let line = certificate_line(Path::new("/r"), (&alice(), principal), &ending, &ca());
        assert!(line.is_err(), "{principal:?}");
    }
    for principal in ["alice", "alice@corp.example", "corp/alice", "alice+git"] {
        assert!(is_plain_principal(principal), "{principal:?}");
    }
    let line = |path: &str| key_line(Path::new(path), &alice(), "k", "f");
    for path in ["/a'b", "/a\"b", "/a\\b", "/a\nb", "/\u{e4}"] {
        assert!(matches!(line(path), Err(OfferError::Path)), "{path:?}");
    }
    assert_eq!(line("/a b$(id)").unwrap(), "restrict,command=\"'/a b$(id)' ssh alice --key f\" k");
}

#[test]
fn foreign_lines_stay_and_the_block_is_replaced_whole() {
    let one = block(&["line one".into()]);
    let file = replaced(b"# mine\nssh-ed25519 AAAA me", &one).unwrap();
    let text = String::from_utf8(file.clone()).unwrap();
    assert!(text.starts_with("# mine\nssh-ed25519 AAAA me\n# refwarden: begin"), "{text}");
    assert!(text.ends_with("line one\n# refwarden: end\n"), "{text}");
    let more = [file.as_slice(), b"ssh-ed25519 BBBB after\n"].concat();
    let two = replaced(&more, &block(&["line two".into(), "line three".into()])).unwrap();
    let text = String::from_utf8(two.clone()).unwrap();
    assert!(!text.contains("line one") && text.contains("line two\nline three\n"), "{text}");
    assert!(text.starts_with("# mine\n") && text.ends_with("ssh-ed25519 BBBB after\n"), "{text}");
    assert_eq!(replaced(&two, &one).unwrap(), replaced(&more, &one).unwrap());
    assert_eq!(replaced(b"", &one).unwrap(), one);
}

#[test]
fn marks_that_are_not_one_pair_change_nothing() {
    let block = block(&[]);
    let (begin, end) = ([BEGIN, b"\n"].concat(), [END, b"\n"].concat());
    for file in [
        begin.clone(),
        end.clone(),
        [end.as_slice(), &begin].concat(),
        [block.as_slice(), &block].concat(),
        [begin.as_slice(), &block].concat(),
    ] {
        let result = replaced(&file, &block);
        assert!(matches!(result, Err(OfferError::Marks)), "{}", String::from_utf8_lossy(&file));
    }
}
