//! Clocks that are wrong.

use super::*;
use chrono::TimeDelta;

#[test]
fn a_clock_set_back_refuses_a_yes_and_records_the_refusal() {
    let site = Site::with_lines(1);
    let back = noon() - TimeDelta::milliseconds(2001);
    let error = site.trail().append(&decided(Verdict::Allowed), back).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Clock);
    assert!(site.trail().append(&decided(Verdict::WouldRefuse), back).is_err());
    let refusal = site.trail().append(&decided(Verdict::Refused), back).unwrap();
    assert_eq!((refusal.seq, refusal.time), (2, noon()));
    assert_eq!(site.lines()[1].text("clock"), Some("2026-11-22T11:59:57.999Z"));
    let jitter = noon() - TimeDelta::seconds(2);
    assert_eq!(site.trail().append(&decided(Verdict::Allowed), jitter).unwrap().time, noon());
    site.sound(3);
}

#[test]
fn a_clock_far_in_the_future_holds_until_it_is_reset() {
    let site = Site::with_lines(1);
    let future = time("9999-12-31T23:59:59.999Z");
    site.trail().append(&decided(Verdict::Allowed), future).unwrap();
    assert!(site.trail().append(&decided(Verdict::Allowed), noon()).is_err());
    let beyond = future + TimeDelta::days(1);
    let error = site.trail().append(&decided(Verdict::Refused), beyond).unwrap_err();
    assert_eq!(error.code(), crate::code::Code::Clock);
    let reset = site.trail().reset_clock(Record::new(Event::CLOCK_RESET, "host"), noon()).unwrap();
    assert_eq!(reset.time, noon());
    site.yes();
    site.sound(4);
}

#[test]
fn the_year_2038_is_a_year_as_any_other() {
    let site = Site::new();
    for text in ["2038-01-19T03:14:07.999Z", "2038-01-19T03:14:08.000Z", "2106-02-07T06:28:16.000Z"]
    {
        assert_eq!(
            site.trail().append(&decided(Verdict::Allowed), time(text)).unwrap().time,
            time(text)
        );
    }
    site.sound(3);
}
