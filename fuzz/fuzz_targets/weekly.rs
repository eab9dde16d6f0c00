//! Weekly windows: `holds` agrees with a list of the week's minutes, `next` with asking each minute.
#![no_main]

use chrono::{DateTime, Datelike, Duration, Timelike, Utc};
use libfuzzer_sys::fuzz_target;
use refwarden::policy::window::{Weekly, Window, Zone};
use refwarden_fuzz::{is_plain, parts};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/London",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Antarctica/Troll",
];
const WEEK: usize = 7 * 24 * 60;

fuzz_target!(|data: &[u8]| {
    let Some((head, text)) = data.split_first_chunk::<8>() else { return };
    let weekly: Vec<Weekly> =
        parts(text).filter_map(|text| one(std::str::from_utf8(text).ok()?)).collect();
    let [zone, a, b, c, flags, from, until, length] = *head;
    // 1980 to 2050, at a second of its own.
    let start = 315_532_800 + i64::from(u32::from_be_bytes([0, a, b, c])) * 131 + 7;
    let Some(at) = DateTime::from_timestamp(start, 0) else { return };
    let near = |byte: u8| at + Duration::seconds(i64::from(byte as i8) * 97);
    let window = Window {
        from: (flags & 1 != 0).then(|| near(from)),
        until: (flags & 2 != 0).then(|| near(until)),
        weekly,
        zone: Zone(ZONES[usize::from(zone) % ZONES.len()].parse().unwrap()),
    };
    check(&window, at, i64::from(length) * 60 + 17);
});

fn check(window: &Window, at: DateTime<Utc>, seconds: i64) {
    let minutes = minutes(&window.weekly);
    let open = |t: DateTime<Utc>| {
        let wall = t.with_timezone(&window.zone.0);
        let day = wall.weekday().num_days_from_monday();
        let minute = ((day * 24 + wall.hour()) * 60 + wall.minute()) as usize;
        window.from.is_none_or(|from| from <= t)
            && window.until.is_none_or(|until| t < until)
            && (window.weekly.is_empty() || minutes[minute])
    };
    assert_eq!(window.holds(at), open(at));
    // The next turn: nobody asks when a window that is open will be.
    let wanted = !open(at);
    let turn = |then: &DateTime<Utc>| {
        then.second() == 0 || [window.from, window.until].contains(&Some(*then))
    };
    let later = (1..=seconds).map(|second| at + Duration::seconds(second));
    let first = later.filter(turn).find(|then| open(*then) == wanted);
    assert_eq!(window.next(wanted, at, at + Duration::seconds(seconds)), first, "{window:?} {at}");
}

fn minutes(weekly: &[Weekly]) -> Vec<bool> {
    let mut all = vec![false; WEEK];
    for one in weekly {
        let (start, end) = (usize::from(one.start), usize::from(one.end));
        let length = if end > start { end - start } else { end + 1440 - start };
        for day in (0..7).filter(|day| one.days >> day & 1 == 1) {
            (0..length).for_each(|minute| all[(day * 1440 + start + minute) % WEEK] = true);
        }
    }
    all
}

/// What is accepted is what a naive reader takes, and means the same.
fn one(text: &str) -> Option<Weekly> {
    let found = Weekly::parse(text);
    match &found {
        Ok(weekly) => {
            assert_eq!(naive(text), Some((weekly.days, weekly.start, weekly.end)), "{text}");
            assert!(
                weekly.days > 0 && weekly.days < 128 && weekly.start < 1440 && weekly.end <= 1440
            );
        }
        Err(error) => {
            assert_eq!(naive(text), None, "{text}");
            assert!(is_plain(text, false) <= is_plain(&error.to_string(), false));
        }
    }
    found.ok()
}

fn naive(text: &str) -> Option<(u8, u16, u16)> {
    let text = text.trim().to_ascii_lowercase();
    let (days, hours) = text.split_at(text.find(' ')?);
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut set = [false; 7];
    for part in days.split(',') {
        let ends: Vec<&str> = part.trim().split('-').collect();
        let (first, last) = match ends[..] {
            [one] => (day(one)?, day(one)?),
            [first, last] => (day(first)?, day(last)?),
            _ => return None,
        };
        let mut now = first;
        set[now] = true;
        while now != last {
            now = (now + 1) % 7;
            set[now] = true;
        }
    }
    let bits = (0..7).filter(|day| set[*day]).fold(0, |bits, day| bits | 1 << day);
    let (start, end) = (clock(hours.trim().get(..5)?)?, clock(hours.trim().get(6..)?)?);
    let dash = hours.trim().as_bytes()[5] == b'-';
    (dash && start != end && start < 1440).then_some((bits, start, end))
}

fn clock(text: &str) -> Option<u16> {
    let digits: Vec<u16> = text.bytes().map(|b| u16::from(b.wrapping_sub(b'0'))).collect();
    let [a, b, _, c, d] = digits[..] else { return None };
    if text.as_bytes()[2] != b':' || [a, b, c, d].iter().any(|digit| *digit > 9) {
        return None;
    }
    let minutes = (a * 10 + b) * 60 + c * 10 + d;
    (c < 6 && minutes <= 1440).then_some(minutes)
}
