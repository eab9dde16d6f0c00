use super::*;
use crate::check::content::Searcher;
use crate::pusher::token::{Secret, TokenId};

fn names(line: &str) -> Vec<String> {
    let searcher = Searcher::new(true, &[]).unwrap();
    let mut found = Vec::new();
    searcher.search(line.as_bytes(), &[], &mut |_, name| found.push(name.to_owned()));
    found
}

/// So many characters, none of which stands here in one piece with its prefix.
fn of(alphabet: &str, length: usize) -> String {
    alphabet.chars().cycle().take(length).collect()
}

const MIXED: &str = "aB3dE6gH9jK2";

/// Each kind with a text of it.
fn samples() -> Vec<(&'static str, String)> {
    let github = of(MIXED, 30);
    let github = format!("ghp_{github}{}", token::checksum(github.as_bytes()));
    let ours = Secret::of(&TokenId::of([1, 2, 3, 4, 5]), &mut || 7).reveal().to_owned();
    vec![
        ("private key", format!("-----BEGIN {} KEY-----", "OPENSSH PRIVATE")),
        ("private key", format!("\"-----BEGIN {} KEY-----\\nMII", "PRIVATE")),
        ("private key", format!("-----BEGIN PGP {} KEY BLOCK-----", "PRIVATE")),
        ("PuTTY private key", format!("PuTTY-User-Key-File-{}: x", 3)),
        (
            "age secret key",
            format!("AGE-SECRET-KEY-1{}", of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
        ),
        ("AWS access key id", format!("id = AKIA{}", of("ABCD2345", 16))),
        ("AWS secret access key", format!("aws_secret_access_key = {}", of(MIXED, 40))),
        ("AWS secret access key", format!("AWS_SECRET_KEY: '{}'", of(MIXED, 40))),
        ("Azure storage key", format!("AccountKey={}==", of(MIXED, 86))),
        ("Google API key", format!("AIza{}", of(MIXED, 35))),
        ("Google client secret", format!("GOCSPX-{}", of(MIXED, 28))),
        ("DigitalOcean token", format!("dop_v1_{}", of("0a1b", 64))),
        ("GitHub token", github),
        ("GitHub token", format!("github_pat_{}_{}", of(MIXED, 22), of(MIXED, 59))),
        ("GitLab token", format!("glpat-{}", of(MIXED, 20))),
        ("npm token", format!("npm_{}", of(MIXED, 36))),
        ("PyPI token", format!("pypi-AgEIcHlwaS5vcmc{}", of(MIXED, 55))),
        ("crates.io token", format!("cio{}", of(MIXED, 32))),
        ("Docker Hub token", format!("dckr_pat_{}", of(MIXED, 27))),
        ("Slack token", format!("xoxb-{}", of("123456-", 26))),
        (
            "Slack webhook",
            format!("https://hooks.slack.com/services/T{0}/B{0}/{1}", of("A1", 9), of(MIXED, 24)),
        ),
        ("Stripe key", format!("sk_live_{}", of(MIXED, 24))),
        ("SendGrid key", format!("SG.{}.{}", of(MIXED, 22), of(MIXED, 43))),
        ("Vault token", format!("hvs.{}", of(MIXED, 30))),
        ("Hugging Face token", format!("hf_{}", of("aBcD", 34))),
        ("OpenAI key", format!("sk-{}T3BlbkFJ{}", of(MIXED, 20), of(MIXED, 20))),
        ("Anthropic key", format!("sk-ant-api03-{}", of(MIXED, 85))),
        ("refwarden token", ours),
    ]
}

#[test]
fn every_kind_is_found_alone_and_in_the_middle_of_a_line() {
    let samples = samples();
    for (name, text) in &samples {
        assert_eq!(names(text), [*name], "{text}");
        assert_eq!(names(&format!("x = \"{text}\"; # y")), [*name], "{text}");
    }
    for kind in STARTER {
        assert!(samples.iter().any(|(name, _)| *name == kind.name), "{} has no sample", kind.name);
    }
}

#[test]
fn what_is_no_secret_is_not_met() {
    let short = |text: &str| text.get(..text.len() - 9).unwrap().to_owned();
    for (name, text) in samples() {
        assert!(names(&short(&text)).is_empty(), "{name}: {}", short(&text));
    }
    for text in [
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        "commit 2cf6c5b7a1d3e4f5061728394a5b6c7d8e9f0a1b",
        "akia1234567890abcdef",
        "MYAKIAABCDEFGHIJKLMNOPQ",
        "sk_test_aB3dE6gH9jK2aB3dE6gH9jK2",
        "npm_config_registry=https://registry.example.org",
        "aws_secret_access_key = ${AWS_SECRET}",
        "import hf_hub; glpat-short; xoxb-no",
    ] {
        assert!(names(text).is_empty(), "{text}: {:?}", names(text));
    }
}

#[test]
fn a_token_with_a_wrong_checksum_is_none() {
    for (_, text) in samples().iter().filter(|(name, _)| matches!(*name, "refwarden token")) {
        let last = if text.ends_with('a') { 'b' } else { 'a' };
        let wrong = format!("{}{last}", text.get(..text.len() - 1).unwrap());
        assert!(names(&wrong).is_empty(), "{wrong}");
    }
    assert!(names(&format!("ghp_{}", of(MIXED, 36))).is_empty());
    // A published sample of GitHub's form, its pieces apart.
    let known = ["ghp_zQWBuTSOoRi4A9sp", "HcVY5ncnsDkxkJ0mLq17"].concat();
    assert_eq!(names(&known), ["GitHub token"]);
}
