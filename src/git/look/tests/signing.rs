//! `signed` and `annotated-tags`, with real keys.

use super::*;
use crate::pusher::lab::{Key, Lab};

fn crowd(keys: &[(&Key, &'static str)]) -> Crowd {
    let keys = keys.iter().map(|(key, user)| (key.fingerprint.clone(), *user)).collect();
    Crowd { keys, ..Crowd::new() }
}

fn judge(repo: &Repo, new: ObjectId, name: &str, rules: Vec<Rule>, crowd: &Crowd) -> Vec<String> {
    let check = check("c", rules);
    let update = repo.update(None, Some(new), name);
    let asked = [Asked { update: &update, runs: vec![Run { check: &check, knows: ALL }] }];
    lines(&repo.reader().look(&asked, None, crowd, &WIDE).unwrap()[0])
}

const COMMITS: Rule = Rule::Signed { commits: true, tags: false };
const TAGS: Rule = Rule::Signed { commits: false, tags: true };

/// A commit by `address`, signed as git signs: the signature is a header of continued lines.
fn signed(
    repo: &Repo,
    lab: &Lab,
    key: &Key,
    address: &str,
    purpose: &str,
    header: &str,
) -> ObjectId {
    let tree = repo.tree(&[]);
    let who = format!("author T <t@t> 1 +0000\ncommitter T <{address}> 1 +0000\n");
    let payload = format!("tree {tree}\n{who}\nmessage\n");
    let signature = String::from_utf8(lab.sign(key, purpose, payload.as_bytes())).unwrap();
    let folded = signature.trim_end().replace('\n', "\n ");
    raw(repo, tree, &[], format!("{who}{header} {folded}\n\nmessage\n").as_bytes())
}

#[test]
fn commits_are_signed_by_a_key_of_their_committer() {
    let (repo, lab) = (Repo::new(), Lab::new());
    let (bobs, alices, mallorys) =
        (lab.key("bob", &["ed25519"]), lab.key("alice", &["ecdsa"]), lab.key("m", &["ed25519"]));
    let crowd = crowd(&[(&bobs, "bob"), (&alices, "alice")]);
    let found = |id| judge(&repo, id, "refs/heads/main", vec![COMMITS], &crowd);
    let by = |key, address| signed(&repo, &lab, key, address, "git", "gpgsig");
    assert!(found(by(&bobs, "bob@x.org")).is_empty());
    assert!(found(by(&alices, "Alice@X.org")).is_empty());
    assert!(
        found(by(&alices, "bob@x.org"))[0].contains("by a key of alice, and the committer is bob")
    );
    assert!(found(by(&mallorys, "bob@x.org"))[0].contains("for nobody"));
    assert!(found(by(&bobs, "eve@x.org"))[0].contains("no active user of the policy"));
    let other = signed(&repo, &lab, &bobs, "bob@x.org", "file", "gpgsig");
    assert!(found(other)[0].contains("another purpose"));
    // The header of the other hash is no signature of this repository's.
    let other = signed(&repo, &lab, &bobs, "bob@x.org", "git", "gpgsig-sha256");
    assert!(found(other)[0].contains("not signed"));
    let plain = repo.commit(&[("a", "1")], &[]);
    assert!(found(plain)[0].starts_with("RW404") && found(plain)[0].contains("not signed"));
}

#[test]
fn a_signature_covers_the_whole_commit_and_there_is_one() {
    let (repo, lab) = (Repo::new(), Lab::new());
    let key = lab.key("bob", &["ed25519"]);
    let crowd = crowd(&[(&key, "bob")]);
    let found = |id| judge(&repo, id, "refs/heads/main", vec![COMMITS], &crowd);
    let good = signed(&repo, &lab, &key, "bob@x.org", "git", "gpgsig");
    let text = repo.git(&["cat-file", "commit", &good.to_string()]) + "\n";
    let made = |text: &str| {
        let args = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
        ObjectId::from_hex(repo.git_in(&args, text).as_bytes()).unwrap()
    };
    assert!(found(made(&text)).is_empty());
    let signature = &text[text.find("gpgsig ").unwrap()..text.find("\n\nmessage").unwrap() + 1];
    for (changed, words) in [
        (text.replace("message", "massage"), "does not match"),
        (text.replace("author T", "author U"), "does not match"),
        (text.replace("gpgsig ", "gpgsigs x\ngpgsig "), "no signature covers"),
        (text.replacen(signature, &format!("{signature}{signature}"), 1), "two signatures"),
        (text.replace("gpgsig ", "encoding utf-8\ngpgsig "), "does not match"),
        (
            text.replace("-----END SSH SIGNATURE-----", "-----END SSH SIGNATURE-----\n junk"),
            "malformed",
        ),
        (text.replace("SSH SIGNATURE", "PGP SIGNATURE"), "lists the signing key for nobody"),
        (text.replace("SSH SIGNATURE", "ANY SIGNATURE"), "unknown kind"),
    ] {
        let found = found(made(&changed));
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }
}

#[test]
fn a_signature_moved_among_the_parents_hides_none_of_them() {
    let (repo, lab) = (Repo::new(), Lab::new());
    let key = lab.key("bob", &["ed25519"]);
    let crowd = crowd(&[(&key, "bob")]);
    let path = format!("user.signingKey={}", key.path.to_str().unwrap());
    let tree = repo.tree(&[("100644", "a", "1")]).to_string();
    let sign = |parents: &[&str]| {
        let args = ["-c", "gpg.format=ssh", "-c", &path, "commit-tree", "-S", "-m", "x", &tree];
        let parents = parents.iter().flat_map(|parent| ["-p", parent]);
        repo.git(&args.into_iter().chain(parents).collect::<Vec<_>>())
    };
    let (one, two) = (sign(&[]), repo.commit(&[("b", "2")], &[]).to_string());
    let merge = repo.git(&["cat-file", "commit", &sign(&[&one, &two])]) + "\n";
    let at = merge.find("gpgsig ").unwrap();
    let (before, rest) = merge.split_at(at);
    let (signature, message) = rest.split_at(rest.find("\n\n").unwrap() + 1);
    for parent in [&one, &two] {
        let line = format!("parent {parent}\n");
        let forged = before.replacen(&line, &format!("{signature}{line}"), 1) + message;
        let args = ["hash-object", "-w", "-t", "commit", "--literally", "--stdin"];
        let forged = ObjectId::from_hex(repo.git_in(&args, forged).as_bytes()).unwrap();
        let found = judge(&repo, forged, "refs/heads/main", vec![COMMITS], &crowd);
        assert!(found.iter().any(|line| line.contains("git's order")), "{found:?}");
    }
}

#[test]
fn what_git_signs_is_taken_in_both_kinds_of_repository() {
    let lab = Lab::new();
    let key = lab.key("bob", &["ed25519"]);
    let crowd = crowd(&[(&key, "bob")]);
    for repo in [Repo::new(), Repo::sha256()] {
        let path = format!("user.signingKey={}", key.path.to_str().unwrap());
        let tree = repo.tree(&[("100644", "a", "1")]).to_string();
        let with = ["-c", "gpg.format=ssh", "-c", &path];
        let commit = repo.git(&[&with[..], &["commit-tree", "-S", "-m", "x\n\ny", &tree]].concat());
        let id = ObjectId::from_hex(commit.as_bytes()).unwrap();
        assert_eq!(judge(&repo, id, "refs/heads/main", vec![COMMITS], &crowd), [""; 0]);
        repo.git(&[&with[..], &["tag", "-s", "-m", "x", "v1", &commit]].concat());
        let rules = || vec![COMMITS, TAGS, Rule::AnnotatedTags];
        let tag = repo.rev("refs/tags/v1");
        assert_eq!(judge(&repo, tag, "refs/tags/v1", rules(), &crowd), [""; 0]);
        // The ref is not signed: the tag's own name is.
        let found = judge(&repo, tag, "refs/tags/v2", rules(), &crowd);
        assert!(found.len() == 1 && found[0].contains("calls itself `v1`, not `v2`"), "{found:?}");
    }
}

#[test]
fn each_tag_of_a_chain_is_signed_and_a_lightweight_one_is_none() {
    let (repo, lab) = (Repo::new(), Lab::new());
    let key = lab.key("bob", &["ed25519"]);
    let crowd = crowd(&[(&key, "bob")]);
    let path = format!("user.signingKey={}", key.path.to_str().unwrap());
    let with = ["-c", "gpg.format=ssh", "-c", &path];
    let commit = repo.commit(&[("a", "1")], &[]).to_string();
    repo.git(&["tag", "-a", "-m", "x", "inner", &commit]);
    repo.git(&[&with[..], &["tag", "-s", "-m", "x", "outer", "inner"]].concat());
    let found = judge(&repo, repo.rev("refs/tags/outer"), "refs/tags/outer", vec![TAGS], &crowd);
    let inner = repo.rev("refs/tags/inner").to_string();
    assert_eq!(found, [format!("RW404 {}: it is not signed", &inner[..7])]);
    let light = ObjectId::from_hex(commit.as_bytes()).unwrap();
    let found = judge(&repo, light, "refs/tags/x", vec![Rule::AnnotatedTags, TAGS], &crowd);
    let words = "ref: it is a lightweight tag: there is no tag object";
    assert_eq!(found, [format!("RW405 {words}"), format!("RW404 {words}")]);
    assert!(
        judge(&repo, light, "refs/heads/x", vec![Rule::AnnotatedTags, TAGS], &crowd).is_empty()
    );
    // A signed tag with another one's text in front of its signature.
    let text = repo.git(&["cat-file", "tag", "outer"]) + "\n";
    let forged = text.replace("tag outer", "tag other");
    let args = ["hash-object", "-w", "-t", "tag", "--stdin"];
    let forged = ObjectId::from_hex(repo.git_in(&args, forged).as_bytes()).unwrap();
    let found = judge(&repo, forged, "refs/tags/other", vec![TAGS], &crowd);
    assert!(found[0].contains("does not match"), "{found:?}");
}

#[test]
fn an_openpgp_signature_is_judged_by_whoever_knows_openpgp() {
    struct Expired;
    impl crate::pusher::openpgp::OpenPgp for Expired {
        fn verify(&self, _: &[u8], _: &[u8]) -> Result<String, String> {
            Err("the key or the signature has expired".into())
        }
    }
    let repo = Repo::new();
    // One empty signature packet.
    let armor = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iAA=\n -----END PGP SIGNATURE-----\n";
    let id = message(&repo, armor, b"x\n");
    let crowd = Crowd { openpgp: Some(Box::new(Expired)), ..Crowd::new() };
    let found = judge(&repo, id, "refs/heads/main", vec![COMMITS], &crowd);
    assert!(found[0].contains("has expired"), "{found:?}");
}
