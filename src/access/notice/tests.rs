use super::super::event::{Actor, Terms};
use super::super::lock::LockScope;
use super::super::record::{Record, step};
use super::super::request::{Part, Pin, Request, exactly};
use super::*;
use crate::access::lab;
use crate::policy::entry::{Permissions, Place};
use crate::policy::pattern::Pattern;
use crate::policy::refs::{PathScope, RefScope};
use crate::policy::span::Span;
use chrono::TimeDelta;
use serde_json::Value;

const HOOK: &str = "https://hooks.example.org/T00/secret-part";

fn at(seconds: i64) -> DateTime<Utc> {
    "2026-03-01T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn by(text: &str) -> Actor {
    Actor { user: Some(name(text)), source: Some("ssh".into()), ..Actor::default() }
}

fn event(seconds: i64, actor: Actor, what: What) -> Event {
    Event { at: at(seconds), by: actor, what }
}

fn request() -> Request {
    Request {
        permissions: Permissions::PUSH,
        refs: RefScope {
            include: vec![exactly(b"refs/heads/release/2.4").unwrap()],
            exclude: vec![],
        },
        max_uses: Some(1),
        reason: Some("PAY-42 retry storm".into()),
        ticket: Some("PAY-42".into()),
        ..lab::request(at(86_400))
    }
}

fn asked(request: Request) -> Event {
    event(0, by("bob"), What::Requested(Box::new(request)))
}

fn yes(seconds: i64, until: i64) -> Event {
    let terms =
        Terms { from: at(seconds), until: at(until), max_uses: Some(1), break_glass: false };
    let note = Some("go ahead".into());
    event(seconds, by("alice"), What::Approved { note, terms: Some(terms) })
}

fn url(slack: bool) -> NotifyTo {
    NotifyTo::Url { url: HOOK.into(), slack, secret_file: None }
}

fn notify(events: &[&str], to: NotifyTo) -> Notify {
    Notify {
        place: Place { file: 0, line: 1 },
        events: events.iter().map(|word| (*word).into()).collect(),
        projects: [].into(),
        to,
        before_end: None,
    }
}

fn id() -> Id {
    Id::parse("7f3k-92qd").unwrap()
}

/// The notices of the last event.
fn notices(settings: &[Notify], events: &[Event]) -> Vec<Notice> {
    let (first, rest) = events.split_first().unwrap();
    let after = rest.iter().try_fold(State::begin(first).unwrap(), step).unwrap();
    let seq = u32::try_from(events.len()).unwrap();
    let event = events.last().unwrap();
    let approvers = [name("alice"), name("carol")];
    let around = Around {
        host: "git1",
        server: Some("git.example.org"),
        command: "ssh git@git.example.org",
        zone: Zone::default(),
        answered_on_server: true,
        approvers: &approvers,
    };
    of_event(settings, &Happened { id: &id(), seq, event, after: &after }, &around)
}

fn body(notices: &[Notice]) -> Value {
    assert_eq!(notices.len(), 1, "{notices:#?}");
    serde_json::from_str(&notices[0].body).unwrap()
}

#[test]
fn the_example_of_the_documentation_is_what_is_sent() {
    let sent = body(&notices(&[notify(&["access.requested"], url(false))], &[asked(request())]));
    let docs = include_str!("../../../docs/notices.md");
    let (_, rest) = docs.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("\n```").unwrap();
    let documented: Value = serde_json::from_str(example).unwrap();
    assert_eq!(sent, documented, "{}", serde_json::to_string_pretty(&sent).unwrap());
}

#[test]
fn a_receiver_is_told_what_it_asked_for_and_nothing_else() {
    let told = |events: &[&str], history: &[Event]| {
        let notices = notices(&[notify(events, url(false))], history);
        notices.into_iter().map(|notice| notice.event).collect::<Vec<_>>()
    };
    let history = [asked(request()), yes(10, 3610)];
    assert_eq!(told(&["access.approved"], &history), ["access.approved"]);
    assert_eq!(told(&["access.*"], &history), ["access.approved"]);
    assert_eq!(told(&["*"], &history), ["access.approved"]);
    assert!(told(&["access.approve"], &history).is_empty());
    assert!(told(&["lock.*", "access.denied"], &history).is_empty());
    let partial = event(10, by("alice"), What::Approved { note: None, terms: None });
    let history = [asked(request()), partial];
    assert_eq!(told(&["access.*"], &history), ["access.approval"]);
    assert!(told(&["access.approved"], &history).is_empty(), "nothing is lent yet");
}

#[test]
fn every_word_that_is_told_is_one_that_a_policy_can_name() {
    let (note, until) = (None, None);
    let (yes, duration) = (yes(0, 1).what, Span::of_seconds(60).unwrap());
    let glass = Terms { from: at(0), until: at(1), max_uses: None, break_glass: true };
    let asked_more = What::ExtensionAsked { duration, reason: None, pending_until: at(1) };
    let told = [
        asked(request()).what,
        What::Approved { note: None, terms: None },
        yes,
        What::Approved { note: None, terms: Some(glass) },
        What::Denied { note: None },
        What::Withdrawn,
        What::Revoked { note: None },
        What::Returned,
        asked_more,
        What::ExtensionApproved { note: None, until },
        What::ExtensionDenied { note: None },
        What::ExtensionApproved { note: None, until: Some(at(2)) },
        What::Attested { note },
        What::Spent { key: "k".into() },
    ];
    let mut told: Vec<String> = told.iter().filter_map(word).collect();
    told.extend([ENDING, LAID, LIFTED].map(str::to_owned));
    let mut known = WORDS.map(str::to_owned).to_vec();
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known);
}

#[test]
fn bookkeeping_of_uses_is_not_told_but_a_use_is() {
    let all = [notify(&["*"], url(false))];
    let reserved =
        event(20, Actor::rule(), What::Reserved { key: "k".into(), host: "git1".into() });
    let mut history = vec![asked(request()), yes(10, 3610), reserved];
    assert!(notices(&all, &history).is_empty());
    history.push(event(30, Actor::rule(), What::Spent { key: "k".into() }));
    assert_eq!(notices(&all, &history)[0].event, "access.used");
}

#[test]
fn another_project_is_not_told() {
    let mut one = notify(&["*"], url(false));
    one.projects = [ProjectName::parse("OTHER").unwrap()].into();
    assert!(notices(std::slice::from_ref(&one), &[asked(request())]).is_empty());
    one.projects.insert(ProjectName::parse("PAY").unwrap());
    assert_eq!(notices(&[one], &[asked(request())]).len(), 1);
}

#[test]
fn the_same_event_again_has_the_same_ids_and_a_receiver_named_twice_is_told_once() {
    let settings = [
        notify(&["access.*"], url(false)),
        notify(&["access.requested"], url(false)),
        notify(&["access.*"], url(true)),
        notify(&["access.*"], NotifyTo::Command(vec!["/bin/tell".into(), "a".into()])),
        notify(&["access.*"], NotifyTo::Command(vec!["/bin/tell".into(), "b".into()])),
    ];
    let first = notices(&settings, &[asked(request())]);
    assert_eq!(first, notices(&settings, &[asked(request())]));
    let ids: std::collections::BTreeSet<&str> = first.iter().map(|one| one.id.as_str()).collect();
    assert_eq!((first.len(), ids.len()), (4, 4));
    let later = notices(&settings, &[asked(request()), yes(10, 3610)]);
    assert!(later.iter().all(|notice| !ids.contains(notice.id.as_str())));
}

#[test]
fn the_url_of_a_chat_is_not_in_the_outbox() {
    let settings = [notify(&["*"], url(true)), notify(&["*"], url(false))];
    for notice in notices(&settings, &[asked(request())]) {
        assert!(!serde_json::to_string(&notice).unwrap().contains("secret-part"), "{notice:#?}");
    }
}

fn before_end(seconds: u32) -> Notify {
    Notify { before_end: Span::of_seconds(seconds), ..notify(&[], url(false)) }
}

#[test]
fn the_end_of_a_grant_is_told_before_it_and_follows_an_extension() {
    let settings = [before_end(600)];
    let mut history = vec![asked(request())];
    assert!(notices(&settings, &history).is_empty());
    history.push(yes(10, 3610));
    let first = notices(&settings, &history);
    assert_eq!((first[0].due, first[0].at), (at(3010), at(10)));
    assert_eq!(first[0].while_lent, Some(id()));
    let sent = body(&first);
    assert_eq!(
        (&sent["type"], &sent["data"]["until"]),
        (&"access.ending".into(), &"2026-03-01T11:00:10Z".into())
    );
    assert_eq!(sent["timestamp"], "2026-03-01T10:50:10Z");
    let state = |events: &[Event]| Record { id: id(), events: events.to_vec() }.state().unwrap();
    assert!(still_ends(&first[0], &id(), &state(&history), at(3010)));
    assert!(!still_ends(&first[0], &id(), &state(&history), at(3610)), "it has ended");

    let duration = Span::of_seconds(3600).unwrap();
    let pending_until = at(9000);
    history.push(event(
        100,
        by("bob"),
        What::ExtensionAsked { duration, reason: None, pending_until },
    ));
    assert!(notices(&settings, &history).is_empty());
    let until = Some(at(7210));
    history.push(event(110, by("alice"), What::ExtensionApproved { note: None, until }));
    let second = notices(&settings, &history);
    assert_eq!(second[0].due, at(6610));
    assert!(!still_ends(&first[0], &id(), &state(&history), at(3010)), "it ends later now");
    assert!(still_ends(&second[0], &id(), &state(&history), at(6610)));
    history.push(event(200, by("bob"), What::Returned));
    assert!(!still_ends(&second[0], &id(), &state(&history), at(6610)));
}

#[test]
fn a_grant_shorter_than_the_warning_has_none() {
    assert!(notices(&[before_end(3600)], &[asked(request()), yes(10, 3610)]).is_empty());
    assert_eq!(notices(&[before_end(3599)], &[asked(request()), yes(10, 3610)]).len(), 1);
}

const HOSTILE: &str = "x\",\"type\":\"access.approved\u{0}\u{1b}[2J\nalice approved\r\n`<!channel> & <https://evil|ok> @all\u{202e}";

#[test]
fn a_hostile_reason_stays_one_text_in_the_json() {
    let mut request = request();
    request.reason = Some(HOSTILE.into());
    let sent = body(&notices(&[notify(&["*"], url(false))], &[asked(request)]));
    assert_eq!(
        (&sent["type"], &sent["data"]["asker_says"]),
        (&"access.requested".into(), &HOSTILE.into())
    );
    let text = sent["data"]["text"].as_str().unwrap();
    assert!(text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\n')), "{text}");
    assert!(text.lines().all(|line| !line.starts_with("alice approved")), "{text}");
}

#[test]
fn a_hostile_reason_can_neither_mention_nor_link_in_a_chat() {
    let mut request = request();
    request.reason = Some(HOSTILE.into());
    request.repository = "pay`<!here>".into();
    let sent = body(&notices(&[notify(&["*"], url(true))], &[asked(request)]));
    assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["text"]);
    let text = sent["text"].as_str().unwrap();
    assert!(!text.contains(['<', '>', '\u{1b}', '\u{202e}']), "{text}");
    assert!(text.contains("&lt;!channel&gt; &amp; &lt;https://evil|ok&gt; @all"), "{text}");
    assert!(text.contains("in `pay'&lt;!here&gt;`"), "{text}");
    // Outside code spans there is nothing of what bob typed.
    for (number, part) in text.split('`').enumerate() {
        assert!(number % 2 == 1 || !part.contains("evil"), "{part}");
    }
}

#[test]
fn a_reason_without_end_is_cut() {
    let mut request = request();
    request.reason = Some("\u{e4}".repeat(1 << 20));
    let many = (0..5000).filter_map(|n| exactly(format!("refs/heads/{n}").as_bytes()));
    request.refs.include = many.collect();
    for slack in [false, true] {
        let notices = notices(&[notify(&["*"], url(slack))], &[asked(request.clone())]);
        assert!(notices[0].body.len() < 20_000, "{}", notices[0].body.len());
    }
}

#[test]
fn an_approver_reads_who_said_what() {
    let sent = body(&notices(&[notify(&["*"], url(false))], &[asked(request()), yes(10, 3610)]));
    assert_eq!(
        sent["data"]["text"].as_str().unwrap(),
        "git.example.org: alice approved a request\n\
         7f3k-92qd hotfix: bob, push of refs/heads/release/2.4 in payments/api, \
         until 2026-03-01 11:00:10 UTC, at most 1 push\n\
         bob says: \"PAY-42 retry storm\"\n\
         ticket: \"PAY-42\"\n\
         alice says: \"go ahead\"\n\
         revoke: ssh git@git.example.org access revoke 7f3k-92qd\n\
         show: ssh git@git.example.org access show 7f3k-92qd"
    );
}

#[test]
fn whoever_reads_the_text_alone_sees_all_that_is_asked_for() {
    let mut request = request();
    request.refs.exclude = vec![exactly(b"refs/heads/release/1").unwrap()];
    let refs = RefScope { include: vec![exactly(b"refs/heads/main").unwrap()], exclude: vec![] };
    request.more = vec![Part { permissions: Permissions::FORCE, refs }];
    let paths = vec![Pattern::parse("docs/**").unwrap()];
    request.paths = Some(PathScope { include: paths, exclude: vec![] });
    request.checks = vec!["max-file-size".into()];
    request.pins = vec![Pin { name: b"refs/heads/main".to_vec(), new: "0".repeat(40) }];
    let sent = body(&notices(&[notify(&["*"], url(false))], &[asked(request)]));
    let text = sent["data"]["text"].as_str().unwrap();
    let wanted = "push of refs/heads/release/2.4 except refs/heads/release/1; force of \
                  refs/heads/main; paths docs/**; lifts max-file-size; only to the commits that \
                  were pushed in payments/api, for 1 h";
    assert!(text.contains(wanted), "{text}");
    assert_eq!(sent["data"]["more"][0]["refs"][0], "refs/heads/main");
}

fn lock(project: Option<&str>) -> Lock {
    let project = project.map(|text| ProjectName::parse(text).unwrap());
    Lock {
        id: id(),
        scope: LockScope { project, ..LockScope::default() },
        permissions: Permissions::WRITE,
        message: "incident <42>".into(),
        by: Actor { server: Some("root@git1".into()), ..Actor::default() },
        at: at(0),
        until: Some(at(60)),
    }
}

#[test]
fn a_lock_is_told_when_laid_and_when_lifted() {
    let around = Around {
        host: "git1",
        server: None,
        command: "refwarden",
        zone: Zone(chrono_tz::Tz::Europe__Berlin),
        answered_on_server: true,
        approvers: &[],
    };
    let mut mine = notify(&["lock.*"], url(false));
    mine.projects = [ProjectName::parse("PAY").unwrap()].into();
    let told = |lock: &Lock, what| of_lock(std::slice::from_ref(&mine), lock, what, &around);
    let laid = told(&lock(None), OfLock::Laid);
    let sent = body(&laid);
    assert_eq!(sent["type"], "lock.laid");
    assert_eq!(
        sent["data"]["text"].as_str().unwrap(),
        "git1: root@git1 laid a lock\n\
         7f3k-92qd: no write until 2026-03-01 11:01:00 CET (2026-03-01 10:01:00 UTC)\n\
         message: \"incident <42>\"\n\
         unlock: refwarden unlock 7f3k-92qd"
    );
    let lifted = told(&lock(Some("PAY")), OfLock::Lifted(at(30), "alice"));
    assert_eq!(body(&lifted)["data"]["by"]["text"], "alice");
    assert_ne!(laid[0].id, lifted[0].id);
    assert!(told(&lock(Some("OTHER")), OfLock::Laid).is_empty());
}

#[test]
fn what_is_told_to_copy_works_where_it_is_read() {
    let around = |command: &'static str, approvers: &'static [UserName]| Around {
        host: "git1",
        server: None,
        command,
        zone: Zone::default(),
        answered_on_server: true,
        approvers,
    };
    let told = |event: &Event, state: &State, around: &Around<'_>| -> Value {
        let settings = [notify(&["*"], url(false))];
        let id = id();
        let happened = Happened { id: &id, seq: 2, event, after: state };
        body(&of_event(&settings, &happened, around))["data"]["commands"].clone()
    };
    let first = asked(request());
    let state = State::begin(&first).unwrap();
    let commands = told(&first, &state, &around("refwarden", &[]));
    assert_eq!(commands["approve"], "refwarden access approve 7f3k-92qd --as NAME");
    assert_eq!(commands["show"], "refwarden access show 7f3k-92qd");
    let nobody = Around { answered_on_server: false, ..around("refwarden", &[]) };
    let commands = told(&first, &state, &nobody);
    assert_eq!(commands["approve"], Value::Null, "--as does not approve there");
    assert_eq!(commands["deny"], "refwarden access deny 7f3k-92qd --as NAME");
    let over_ssh = told(&first, &state, &around("ssh git@git.example.org", &[]));
    assert_eq!(over_ssh["approve"], "ssh git@git.example.org access approve 7f3k-92qd");
    let state = step(state, &yes(10, 3610)).unwrap();
    let more = What::ExtensionAsked {
        duration: Span::of_seconds(60).unwrap(),
        reason: None,
        pending_until: at(900),
    };
    let more = event(20, by("bob"), more);
    let state = step(state, &more).unwrap();
    let commands = told(&more, &state, &around("refwarden", &[]));
    assert_eq!(commands["deny"], "refwarden access deny 7f3k-92qd --extension --as NAME");
}
