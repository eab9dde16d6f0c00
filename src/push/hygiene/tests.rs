use super::*;

fn name(text: impl AsRef<[u8]>) -> RefName {
    RefName::new(text.as_ref())
}

fn of(text: &str) -> Vec<NameFault> {
    faults(&name(text))
}

#[test]
fn ordinary_names_pass_also_those_that_are_not_utf8() {
    for good in [
        "refs/heads/main",
        "refs/heads/feature/a-b_c.d",
        "refs/heads/grün/ветка",
        "refs/heads/heads/HEAD",
        "refs/heads/HEAD2",
        "refs/notes/commits",
        "refs/for/main",
        "refs/heads/abcdef0",
        "refs/heads/bisect/x",
    ] {
        assert_eq!(of(good), [], "{good}");
    }
    assert_eq!(faults(&name(b"refs/heads/\xff\xfe")), []);
}

#[test]
fn what_git_refuses_is_refused() {
    for bad in [
        "refs/heads",
        "refs/x",
        "refs/heads/",
        "refs/heads//a",
        "refs/heads/.a",
        "refs/heads/a.lock",
        "refs/heads/a.lock/b",
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a~",
        "refs/heads/a^",
        "refs/heads/a:b",
        "refs/heads/a?",
        "refs/heads/a*",
        "refs/heads/[a",
        "refs/heads/a\\b",
        "refs/heads/a@{b",
        "refs/heads/a.",
        "refs/heads/../../config",
    ] {
        assert!(of(bad).contains(&NameFault::Format), "{bad}");
    }
}

#[test]
fn a_name_read_as_an_option_is_refused() {
    assert_eq!(of("refs/heads/--evil"), [NameFault::Dash]);
    assert_eq!(of("refs/heads/a/-b"), [NameFault::Dash]);
    assert_eq!(of("refs/-x/a"), [NameFault::Dash]);
}

#[test]
fn a_name_read_as_an_object_is_refused() {
    for id in ["0".repeat(40), "aB".repeat(20), "f".repeat(64)] {
        assert_eq!(of(&format!("refs/heads/{id}")), [NameFault::ObjectId]);
        assert_eq!(of(&format!("refs/heads/x/{id}/y")), [NameFault::ObjectId]);
    }
    assert_eq!(of(&format!("refs/heads/{}", "0".repeat(41))), []);
    assert_eq!(of(&format!("refs/heads/{}", "g".repeat(40))), []);
}

#[test]
fn characters_that_deceive_the_eye_are_refused() {
    for c in ["\u{202e}", "\u{2066}", "\u{200b}", "\u{200d}", "\u{feff}", "\u{85}", "\u{e0041}"] {
        assert_eq!(of(&format!("refs/heads/a{c}b")), [NameFault::Invisible], "{c:?}");
    }
    for c in ["\x1b", "\x7f", "\r", "\t"] {
        assert_eq!(of(&format!("refs/heads/a{c}")), [NameFault::Format, NameFault::Invisible]);
    }
}

#[test]
fn refs_of_other_places_are_refused_with_their_code() {
    assert_eq!(of("HEAD"), [NameFault::Outside]);
    assert_eq!(of("objects/x"), [NameFault::Outside]);
    assert_eq!(of("refs/heads/HEAD"), [NameFault::Head]);
    assert_eq!(of("refs/bisect/bad"), [NameFault::PerWorktree]);
    assert_eq!(of("refs/worktree/x"), [NameFault::PerWorktree]);
    assert_eq!(of("refs/rewritten/x"), [NameFault::PerWorktree]);
    assert_eq!(of("refs/namespaces/n/refs/heads/main"), [NameFault::Namespace]);
    assert_eq!(NameFault::Namespace.code(), Code::ProcReceive);
    assert_eq!(NameFault::Dash.code(), Code::BadRefName);
}

#[test]
fn every_fault_of_a_name_is_told() {
    assert_eq!(
        of("refs/worktree/-a..b"),
        [NameFault::Format, NameFault::Dash, NameFault::PerWorktree]
    );
}

#[test]
fn a_tag_cannot_pose_as_a_branch_nor_a_branch_as_a_tag() {
    let (branch, tag) = (name("refs/heads/v1"), name("refs/tags/v1"));
    let exists = |wanted: &'static str| move |asked: &RefName| Ok::<_, ()>(*asked == name(wanted));
    let found = twins(&[&tag], exists("refs/heads/v1")).unwrap();
    assert_eq!(found, [(tag.clone(), NameFault::Twin(branch.clone()))]);
    let found = twins(&[&branch], exists("refs/tags/v1")).unwrap();
    assert_eq!(found, [(branch.clone(), NameFault::Twin(tag.clone()))]);
    assert_eq!(twins(&[&branch], exists("refs/tags/v2")), Ok(vec![]));
    assert_eq!(twins(&[&branch, &tag], exists("")).unwrap().len(), 2);
    assert_eq!(twins(&[&branch], |_| Err("damaged")), Err("damaged"));
}

#[test]
fn names_that_differ_only_in_case_meet() {
    fn case_twins(created: &[&RefName], existing: &[&RefName]) -> Vec<(RefName, NameFault)> {
        let mut twins = CaseTwins::new(created);
        existing.iter().for_each(|name| twins.meet(name.as_bytes()));
        twins.faults()
    }
    let (lower, upper) = (name("refs/heads/main"), name("refs/heads/Main"));
    let found = case_twins(&[&upper], &[&lower]);
    assert_eq!(found, [(upper.clone(), NameFault::CaseTwin(lower.clone()))]);
    assert_eq!(case_twins(&[&upper, &lower], &[]).len(), 2);
    assert_eq!(case_twins(&[&lower], &[&lower, &name("refs/tags/MAIN")]), []);
    assert_eq!(case_twins(&[&name("refs/heads/Ä")], &[&name("refs/heads/ä")]).len(), 1);
    assert_eq!(case_twins(&[&name(b"refs/heads/A\xff")], &[&name(b"refs/heads/a\xff")]).len(), 1);
    // The Kelvin sign is longer than the letter that it folds to.
    assert_eq!(case_twins(&[&name("refs/heads/k")], &[&name("refs/heads/\u{212a}")]).len(), 1);
    assert_eq!(case_twins(&[&name("refs/heads/\u{212a}")], &[&name("refs/heads/k")]).len(), 1);
}
