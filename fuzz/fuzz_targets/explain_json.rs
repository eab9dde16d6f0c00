//! `policy explain --stdin`: every line gets one line of JSON, plain, the same again, and a yes only
//! where the policy has one to give.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refwarden::cli::explain::answer_lines;
use refwarden::policy::model::Policy;
use refwarden::policy::source::{NoIncludes, SourceFile};
use refwarden_fuzz::{is_plain, parts};
use serde_json::Value;
use std::sync::LazyLock;

const EXAMPLE: &str = include_str!("../../policy.example.toml");

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let main = SourceFile { name: "policy.toml".into(), text: EXAMPLE.into() };
    refwarden::policy::load_file(main, "/etc", &NoIncludes).1.unwrap().0
});

fuzz_target!(|data: &[u8]| {
    let mut out = Vec::new();
    answer_lines(&POLICY, 0, data, &mut out).unwrap();
    let asked: Vec<(usize, &[u8])> =
        (1..).zip(parts(data)).filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let text = std::str::from_utf8(&out).unwrap();
    assert_eq!(text.lines().count(), asked.len());
    assert!(is_plain(text, true), "{text:?}");
    for ((number, question), answer) in asked.iter().zip(text.lines()) {
        check(*number, question, &serde_json::from_str(answer).unwrap());
    }
    let mut again = Vec::new();
    answer_lines(&POLICY, 0, data, &mut again).unwrap();
    // Without a time the answer is of the moment.
    let timed = asked.iter().all(|(_, line)| line.windows(6).any(|part| part == b"\"time\""));
    assert!(!timed || again == out);
});

fn check(number: usize, question: &[u8], answer: &Value) {
    let object = answer.as_object().unwrap();
    if let Some(error) = object.get("error") {
        assert!(object.len() == 2 && error.is_string() && object["line"] == number, "{answer}");
        return;
    }
    let asked: Value = serde_json::from_slice(question).unwrap();
    let word = |name: &str| asked[name].as_str().unwrap_or_default();
    match answer["verdict"].as_str() {
        Some("refused") => assert!(answer["code"].as_str().unwrap().starts_with("RW")),
        Some("allowed") => {
            assert!(answer["code"].is_null());
            let known = ["alice", "bob", "carol", "erin", "frank", "deploybot"];
            assert!(known.contains(&word("user")), "{asked}");
            if word("action") != "read" {
                // A name that is not a full one is a branch's.
                let name = word("ref");
                let open = ["refs/heads/", "refs/tags/"].iter().any(|p| name.starts_with(p));
                assert!(open || !name.is_empty() && !name.starts_with("refs/"), "{asked}");
                assert!(word("repository").starts_with("payments/"), "{asked}");
            }
        }
        _ => panic!("{answer}"),
    }
}
