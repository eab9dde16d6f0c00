//! What was learnt, and how long it is believed.

use super::*;

#[test]
fn one_push_asks_about_an_issue_once_and_the_next_one_believes_it_for_a_while() {
    let bed = bed(true);
    let jira = bed.jira();
    for person in ["ann", "rob", "eve"] {
        let _ = named(&jira, person, &Holder::Assignee, "PAY-1");
    }
    let asked = bed.fake.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].starts_with("GET /rest/api/3/issue/PAY-1?fields=status,"), "{asked:?}");
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    assert!(bed.fake.asked().is_empty(), "still new");
    bed.age(31);
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    assert_eq!(bed.fake.asked().len(), 1, "no longer new");
}

#[test]
fn what_is_kept_is_for_the_account_alone_and_holds_no_names() {
    let bed = bed(true);
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    let file = bed.folder.path().join("jira/issue/PAY-1.json");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("displayName") && !text.contains("secret"), "{text}");
}

#[test]
fn facts_of_another_jira_or_of_the_future_are_not_believed() {
    let mut bed = bed(true);
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    bed.fake.asked();
    bed.age(-3600);
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    assert_eq!(bed.fake.asked().len(), 1);
    let other = Fake::start(true);
    bed.settings.url = other.url.as_str().into();
    assert_eq!(bed.named("ann", &Holder::Assignee, "PAY-1"), Ok(false));
    assert!(!other.asked().is_empty());
}

#[test]
fn old_facts_about_people_are_swept() {
    let bed = bed(true);
    bed.named("ann", &Holder::Assignee, "PAY-1").unwrap();
    let file = bed.folder.path().join("jira/issue/PAY-1.json");
    sweep(bed.folder.path());
    assert!(file.exists());
    let old = std::time::SystemTime::now() - Duration::from_secs(3 * 86_400);
    std::fs::File::options().append(true).open(&file).unwrap().set_modified(old).unwrap();
    sweep(bed.folder.path());
    assert!(!file.exists());
}
