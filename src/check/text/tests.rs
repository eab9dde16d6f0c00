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

#[test]
fn a_commit_is_parted_from_its_signature_as_git_does() {
    let text = b"tree 1\nauthor A\ngpgsig one\n two\n\n gpgsig not\n\nbody\n gpgsig x\n";
    let signed = signed_commit(text, gix::hash::Kind::Sha1).unwrap();
    // The empty line ends the headers.
    assert_eq!(signed.signature.unwrap(), b"one\ntwo\n");
    assert_eq!(signed.payload, b"tree 1\nauthor A\n\n gpgsig not\n\nbody\n gpgsig x\n");
    let other = b"tree 1\ngpgsig-sha256 one\n two\nauthor A\n\nbody\n";
    let signed = signed_commit(other, gix::hash::Kind::Sha1).unwrap();
    assert_eq!(
        (signed.payload.as_slice(), signed.signature),
        (&b"tree 1\nauthor A\n\nbody\n"[..], None)
    );
    let ours = signed_commit(other, gix::hash::Kind::Sha256).unwrap();
    assert_eq!(ours.signature.unwrap(), b"one\ntwo\n");
    assert!(signed_commit(b"gpgsig a\ngpgsig b\n\n", gix::hash::Kind::Sha1).is_err());
    assert!(signed_commit(b"gpgsig2 a\n\n", gix::hash::Kind::Sha1).is_err());
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
