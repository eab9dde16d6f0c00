use super::*;

fn one(name: &str, action: Action, fate: Fate, details: &[&str]) -> RefReport {
    let details = details.iter().map(|d| d.as_bytes().to_vec()).collect();
    RefReport { name: RefName::new(name), action: Some(action), fate, details }
}

#[test]
fn the_report_of_the_design() {
    let report = PushReport {
        id: Some("20261121-4417".into()),
        help: Some("https://wiki.example.org/git-access".into()),
        who: Some(b"you are bob (env:GIT_USER), role:developer in PAY".to_vec()),
        refs: vec![
            one("refs/heads/feature/retry", Action::Create, Fate::Ok, &[]),
            one(
                "refs/heads/release/2.4",
                Action::Update,
                Fate::Refused(Code::NoPermit),
                &["release/* takes `push` from role:maintainer (alice), policy.toml:84"],
            ),
        ],
        ..PushReport::default()
    };
    let expected = "\
error: push refused by refwarden: 1 of 2 refs is not allowed (nothing was changed)

  refs/heads/feature/retry  create  ok
  refs/heads/release/2.4    update  RW201 no permit
    you are bob (env:GIT_USER), role:developer in PAY
    release/* takes `push` from role:maintainer (alice), policy.toml:84

push 20261121-4417, https://wiki.example.org/git-access
";
    assert_eq!(report.render(), expected);
}

#[test]
fn an_ordinary_push_says_nothing() {
    let refs = vec![one("refs/heads/x", Action::Create, Fate::Ok, &[])];
    let report =
        PushReport { id: Some("1".into()), help: Some("h".into()), refs, ..PushReport::default() };
    assert_eq!(report.render(), "");
}

#[test]
fn hostile_names_and_reasons_stay_on_their_line_and_in_ascii() {
    let evil = "refs/heads/\u{202e}\x1b[2J\nerror: ok";
    let report = PushReport {
        refs: vec![one(
            evil,
            Action::Create,
            Fate::Refused(Code::BadRefName),
            &["\x1b]0;x\x07\u{200b}\r\nremote: ok"],
        )],
        ..PushReport::default()
    };
    let text = report.render();
    assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)), "{text}");
    assert!(
        !text.lines().any(|line| line.starts_with("error: ok") || line.starts_with("remote: ok")),
        "{text}"
    );
}

#[test]
fn ten_thousand_refused_refs_stay_within_bounds() {
    let refs = (0..10_000)
        .map(|n| {
            one(
                &format!("refs/heads/{n}/{}", "x".repeat(n % 300)),
                Action::Create,
                Fate::Refused(Code::NoPermit),
                &["because"],
            )
        })
        .collect();
    for gitlab in [false, true] {
        let report = PushReport {
            id: Some("20261121-4417".into()),
            refs: Vec::clone(&refs),
            gitlab,
            ..PushReport::default()
        };
        let text = report.render();
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        assert!(text.lines().all(|line| line.len() <= MAX_COLUMNS));
        assert!(text.contains(" more refs") && text.contains("push 20261121-4417"));
        assert!(!gitlab || text.lines().all(|line| line.starts_with("GL-HOOK-ERR:")));
    }
}

#[test]
fn a_warning_does_not_say_that_anything_was_refused() {
    let refs =
        vec![one("refs/heads/x", Action::Create, Fate::Warned(Code::Forbidden), &["freeze"])];
    let text = PushReport { refs, ..PushReport::default() }.render();
    assert!(
        text.starts_with("warning: refwarden would refuse the ref (warn-only: the push goes on)\n"),
        "{text}"
    );
    assert!(!text.contains("error:"));
}
