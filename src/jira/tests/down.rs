//! A Jira that is slow, busy, wrong or gone.

use super::*;

#[test]
fn whatever_goes_wrong_is_an_error_and_never_a_no() {
    let bed = bed(true);
    for (mood, words) in [
        (Mood::Status(401), "login"),
        (Mood::Status(403), "lacks the right"),
        (Mood::Status(400), "does not take the question"),
        (Mood::Status(410), "does not take the question"),
        (Mood::Status(500), "status 500"),
        (Mood::Status(503), "status 503"),
        (Mood::Busy(60), "status 429"),
        (Mood::Hang, "in time"),
        (Mood::Drip, "in time"),
        (Mood::LoginPage, "a page for people"),
        (Mood::Redirect, "a redirect"),
        (Mood::OtherJson, "not as it should be"),
        (Mood::BrokenJson, "not as it should be"),
        (Mood::Huge, "too long"),
    ] {
        bed.fake.mood(mood);
        let start = Instant::now();
        let error = bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err();
        assert!(error.contains(words), "{mood:?}: {error}");
        assert!(!error.contains("secret") && !error.contains("127.0.0.1"), "{error}");
        assert!(start.elapsed().as_millis() < 1500, "{mood:?}");
        bed.forget_breaker();
    }
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut bed = bed;
    bed.settings.url = format!("http://{}", gone.local_addr().unwrap()).into();
    drop(gone);
    let error = bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err();
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn a_jira_that_is_busy_is_asked_once_more_where_the_time_allows() {
    let bed = bed(true);
    bed.fake.state().mood = Mood::Busy(0);
    bed.fake.state().times = Some(1);
    assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-1"), Ok(true));
    assert_eq!(bed.fake.asked().len(), 2);
    bed.age(60);
    bed.fake.mood(Mood::Busy(0));
    assert!(bed.named("ann", &Holder::Assignee, "PAY-1").is_err());
    assert_eq!(bed.fake.asked().len(), 2, "at most once");
}

#[test]
fn a_dead_jira_costs_one_push_its_timeout_and_the_next_ones_nothing() {
    let bed = bed(true);
    bed.fake.mood(Mood::Hang);
    let jira = bed.jira();
    let start = Instant::now();
    assert!(named(&jira, "ann", &Holder::Assignee, "PAY-1").is_err());
    assert!(start.elapsed().as_millis() >= 600);
    let start = Instant::now();
    // Another issue of the same push, and other pushes.
    assert!(named(&jira, "ann", &Holder::Assignee, "PAY-2").is_err());
    for _ in 0..5 {
        let error = bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err();
        assert!(error.contains("half a minute"), "{error}");
    }
    assert!(start.elapsed().as_millis() < 200);
    assert_eq!(bed.fake.asked().len(), 1);
}

#[test]
fn three_quick_failures_leave_it_alone_too_and_a_success_forgets_them() {
    let bed = bed(true);
    bed.fake.mood(Mood::Status(503));
    for _ in 0..3 {
        assert!(bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err().contains("503"));
    }
    assert!(bed.named("ann", &Holder::Assignee, "PAY-1").unwrap_err().contains("half a minute"));
    bed.forget_breaker();
    assert!(bed.named("ann", &Holder::Assignee, "PAY-1").is_err());
    bed.fake.mood(Mood::Well);
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    bed.fake.mood(Mood::Status(503));
    for _ in 0..3 {
        assert!(bed.named("ann", &Holder::Assignee, "PAY-2").unwrap_err().contains("503"));
    }
}

#[test]
fn a_push_has_five_seconds_in_all_whatever_it_names() {
    let mut bed = bed(true);
    (bed.settings.timeout_ms, bed.settings.push_timeout_ms) = (400, 500);
    bed.fake.mood(Mood::Hang);
    let jira = bed.jira();
    let start = Instant::now();
    for number in 1..30 {
        bed.forget_breaker();
        let _ = named(&jira, "ann", &Holder::Assignee, &format!("PAY-{number}"));
    }
    assert!(start.elapsed().as_millis() < 1200, "{:?}", start.elapsed());
}

#[test]
fn a_push_that_names_very_many_issues_is_told_to_come_in_parts() {
    let bed = bed(true);
    let jira = bed.jira();
    let last = (1..=MAX_ISSUES + 1)
        .map(|number| named(&jira, "ann", &Holder::Assignee, &format!("PAY-{number}")))
        .fold(None, |_, answer| Some(answer));
    assert!(last.unwrap().unwrap_err().contains("more than 20 issues"));
}

#[test]
fn while_jira_is_down_the_policy_says_what_holds() {
    let mut bed = bed(true);
    bed.settings.when_down = WhenDown::Cache(Span::of_seconds(900).unwrap());
    assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-1"), Ok(true));
    bed.fake.mood(Mood::Status(500));
    bed.age(300);
    let jira = bed.jira();
    assert_eq!(named(&jira, "ann", &Holder::Assignee, "PAY-1"), Ok(true));
    assert!(jira.told()[0].contains("PAY-1 30"), "{:?}", jira.told());
    let never = named(&jira, "ann", &Holder::Assignee, "PAY-2");
    assert!(never.is_err(), "never asked before");
    bed.age(700);
    assert!(bed.named("ann", &Holder::Assignee, "PAY-1").is_err(), "too old");
    bed.settings.when_down = WhenDown::WithoutIssueRoles;
    let jira = bed.jira();
    assert_eq!(named(&jira, "ann", &Holder::Assignee, "PAY-1"), Ok(false));
    assert!(jira.told().join(" ").contains("nobody counts"), "{:?}", jira.told());
}

#[test]
fn a_refused_login_is_not_a_jira_that_is_down() {
    let mut bed = bed(true);
    bed.settings.when_down = WhenDown::Cache(Span::of_seconds(900).unwrap());
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    bed.age(60);
    bed.fake.mood(Mood::Status(401));
    assert!(bed.named("ann", &Holder::Assignee, "PAY-1").is_err());
    bed.settings.when_down = WhenDown::WithoutIssueRoles;
    assert!(bed.named("ann", &Holder::Assignee, "PAY-1").is_err());
}
