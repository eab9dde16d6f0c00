use super::*;

#[test]
fn an_address_is_taken_where_nobody_could_read_another_one() {
    assert_eq!(address(b"A U Thor <a@x.org> 1700000000 +0130"), Some("a@x.org"));
    assert_eq!(address("Ünï <ü@x.org> 0 -0000".as_bytes()), Some("ü@x.org"));
    assert_eq!(address(b" <a@x.org> 1 +0000"), Some("a@x.org"));
    for odd in [
        "a@x.org",
        "A <a@x.org>",
        "A <a@x.org> 1",
        "A <a@x.org> 1 0000",
        "A <a@x.org>1 +0000",
        "A <a@x.org> 1 +00000",
        "A <a@x.org> -1 +0000",
        "A <a@x.org> <b@x.org> 1 +0000",
        "A <a@x.org>> 1 +0000",
        "A <a b> 1 +0000",
        "A <> 1 +0000",
        "A> <a@x.org> 1 +0000",
    ] {
        assert_eq!(address(odd.as_bytes()), None, "{odd}");
    }
    assert_eq!(address(b"A <\xff@x.org> 1 +0000"), None);
}

/// A commit's first headers, of ids in SHA-1.
fn heads(parents: &[u8]) -> Vec<String> {
    let id = |with: u8| char::from(with).to_string().repeat(40);
    let mut lines = vec![format!("tree {}", id(b'7'))];
    lines.extend(parents.iter().map(|with| format!("parent {}", id(*with))));
    lines.extend(["author A <a@x> 1 +0000".into(), "committer A <a@x> 1 +0000".into()]);
    lines
}

const SHA1: gix::hash::Kind = gix::hash::Kind::Sha1;

fn parted(lines: &[String], rest: &str) -> Result<Signed, &'static str> {
    signed_commit(format!("{}\n{rest}", lines.join("\n")).as_bytes(), SHA1)
}

#[test]
fn a_commit_is_parted_from_its_signature_as_git_does() {
    let signed =
        parted(&heads(b"12"), "gpgsig one\n two\n\n gpgsig not\n\nbody\n gpgsig x\n").unwrap();
    // The empty line ends the headers.
    assert_eq!(signed.signature.unwrap(), b"one\ntwo\n");
    let payload = heads(b"12").join("\n") + "\n\n gpgsig not\n\nbody\n gpgsig x\n";
    assert_eq!(signed.payload.as_bstr(), payload.as_bytes());
    let other = "gpgsig-sha256 one\n two\nencoding x\n\nbody\n";
    let signed = parted(&heads(b""), other).unwrap();
    let payload = heads(b"").join("\n") + "\nencoding x\n\nbody\n";
    assert_eq!((signed.payload, signed.signature), (payload.clone().into_bytes(), None));
    // In the other hash it is the other way round.
    let wide = (heads(b"").join("\n") + "\n" + other)
        .replacen(&"7".repeat(40), &"7".repeat(64), 1)
        .into_bytes();
    let ours = signed_commit(&wide, gix::hash::Kind::Sha256).unwrap();
    assert_eq!(ours.signature.unwrap(), b"one\ntwo\n");
    assert_eq!(signed_commit(&wide, SHA1).unwrap_err().split(' ').nth(1), Some("headers"));
    assert!(parted(&heads(b""), "gpgsig a\ngpgsig b\n\n").unwrap_err().contains("two signatures"));
    assert!(parted(&heads(b""), "gpgsig a\nx y\ngpgsig b\n\n").is_err());
    assert!(parted(&heads(b""), "gpgsig2 a\n\n").unwrap_err().contains("no signature covers"));
}

#[test]
fn no_header_stands_where_git_would_not_see_it() {
    let good = heads(b"12");
    assert!(parted(&good, "gpgsig s\nmergetag object 1\n parent 2\n\n").is_ok());
    // A signature anywhere before its place hides the parents after it from git.
    for at in 0..good.len() {
        for signature in ["gpgsig s", "gpgsig-sha256 s", "gpgsig s\n t"] {
            let mut lines = good.clone();
            lines.insert(at, signature.into());
            assert!(parted(&lines, "\n").unwrap_err().contains("git's order"), "{at}");
        }
    }
    for (at, line) in good.iter().enumerate() {
        // Twice at the end, another order, and gone (a parent may be).
        assert!(parted(&good, &format!("gpgsig s\n{line}\n\n")).is_err(), "{line}");
        let mut lines = good.clone();
        lines.rotate_left(at);
        assert_eq!(parted(&lines, "\n").is_err(), at != 0, "{line}");
        let mut lines = good.clone();
        lines.remove(at);
        assert_eq!(parted(&lines, "\n").is_err(), !line.starts_with("parent"), "{line}");
        // Another case, a tab, two blanks, no blank, a line that goes on, a return, a NUL.
        for odd in [
            line.replacen(' ', "\t", 1),
            line.to_uppercase(),
            format!(" {line}"),
            line.replacen(' ', "", 1),
            format!("{line}\n and on"),
            format!("{line}\0"),
        ] {
            let mut lines = good.clone();
            lines[at] = odd;
            assert!(parted(&lines, "\n").is_err(), "{lines:?}");
        }
    }
    for (line, odd) in [(0, "  7"), (0, "\r"), (1, "\r"), (2, "1"), (1, " x")] {
        let mut lines = good.clone();
        lines[line].push_str(odd);
        assert!(parted(&lines, "\n").is_err(), "{lines:?}");
    }
    assert!(parted(&good, "gpgsig s\n\nparent x\n").is_ok());
    assert!(parted(&good, "x \0\n\n").unwrap_err().contains("NUL"));
    assert!(signed_commit(b"\ntree 1\n", SHA1).is_err());
    assert!(signed_commit(b"", SHA1).is_err());
}

#[test]
fn nobody_is_read_from_headers_with_a_nul() {
    let text = "tree 1\nauthor A <a@x> 1 +0000\ncommitter A <a@x> 1 +0000\n";
    assert!(CommitText::parse(format!("{text}\nx").as_bytes()).committer.is_some());
    let odd = format!("{text}x \0\n\nx");
    assert!(CommitText::parse(odd.as_bytes()).committer.is_none());
    assert!(CommitText::parse(odd.as_bytes()).author.is_none());
}

#[test]
fn a_tag_is_what_git_writes_and_nothing_more() {
    let text = b"object 1\ntype commit\ntag v1\ntagger T <t@t> 1 +0000\n\nwords\n-----BEGIN SSH SIGNATURE-----\nx\n";
    let tag = TagText::parse(text).unwrap();
    assert_eq!((tag.name, tag.tagger), (&b"v1"[..], Some(&b"T <t@t> 1 +0000"[..])));
    assert!(tag.signed.payload.ends_with(b"words\n"));
    assert!(tag.signed.signature.unwrap().starts_with(b"-----BEGIN SSH"));
    for odd in [
        &b"object 1\ntype commit\ntag v1\ntag v2\ntagger T\n\n"[..],
        b"object 1\ntype commit\ntag v1\ntagger T\ntagger U\n\n",
        b"type commit\nobject 1\ntag v1\n\n",
        b"object 1\ntype commit\n\ntag v1\n",
        b"",
    ] {
        assert!(TagText::parse(odd).is_err());
    }
}
