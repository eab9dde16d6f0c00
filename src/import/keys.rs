//! `authorized_keys` of others: whose each key is, and what its line says besides.
//!
//! Knows the form of sshd(8) and the names that gitolite and this program put into it; not whether a
//! user exists. A key that opens something else than a git server is told, and left out where what it
//! opens is limited by more than its user.

use super::names::Names;
use super::page::{comment, list};
use super::{Imported, Notes, Place};
use crate::policy::tidy::tidy;
use crate::pusher::keys::ssh_fingerprint;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Options that take nothing away from a key that opens the git server alone.
const PLAIN: [&str; 12] = [
    "restrict",
    "no-port-forwarding",
    "no-x11-forwarding",
    "no-agent-forwarding",
    "no-pty",
    "no-user-rc",
    "port-forwarding",
    "x11-forwarding",
    "agent-forwarding",
    "pty",
    "user-rc",
    "no-touch-required",
];

/// The user whom the name of a key's file means: `alice.pub`, `alice@home.pub`.
#[must_use]
pub fn user_of_file(name: &str) -> Option<String> {
    let bare = name.strip_suffix(".pub")?;
    // What follows an `@` is a place, unless there is a dot in it: then it is an address.
    let place = bare.match_indices('@').find_map(|(at, _)| {
        let (user, place) = bare.split_at_checked(at)?;
        (place.len() > 1 && !place.contains('.')).then_some(user)
    });
    let user = place.unwrap_or(bare);
    (!user.is_empty()).then(|| user.to_owned())
}

/// Users with their keys, of files given by name and text.
#[must_use]
pub fn import(files: &[(String, String)]) -> Imported {
    let mut notes = Notes::default();
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut owners: BTreeMap<String, (String, Place)> = BTreeMap::new();
    for (name, text) in files {
        let base = name.rsplit('/').next().unwrap_or_default();
        let owner = user_of_file(base);
        for (number, line) in (1..).zip(text.lines()) {
            let place = Place { file: name.as_str().into(), line: number };
            let Some((user, key)) = read(line.trim(), owner.as_deref(), &place, &mut notes) else {
                continue;
            };
            let Ok(fingerprint) = ssh_fingerprint(&key) else { continue };
            match owners.get(&fingerprint) {
                Some((first, at)) if *first != user => {
                    let words =
                        format!("the key is also that of `{first}` ({at}): it stays theirs");
                    notes.lost(&place, words);
                }
                Some(_) => {}
                None => {
                    owners.insert(fingerprint, (user.clone(), place));
                    users.entry(user).or_default().push(key);
                }
            }
        }
    }
    write(&users, notes)
}

fn write(users: &BTreeMap<String, Vec<String>>, mut notes: Notes) -> Imported {
    let mut names = Names::of_people();
    names.add(users.keys().map(String::as_str));
    let whole = Place { file: "authorized_keys".into(), line: 0 };
    for (from, to) in names.changed() {
        notes.decided(&whole, format!("the user `{from}` is called `{to}`"));
    }
    let mut out = String::new();
    comment(&mut out, "Made of authorized_keys by `refwarden import authorized-keys`.");
    out.push_str("\nversion = 1\n\n[identity]\nsources = [\"ssh\"]\n\n");
    for (user, keys) in users {
        let name = names.get(user).unwrap_or_default();
        let name = if name.contains('.') { format!("\"{name}\"") } else { name.to_owned() };
        let _ = writeln!(out, "[users.{name}]\nssh-keys = {}", list(keys));
    }
    out.push_str("\n[schemes.default]\ndescription = \"nothing yet\"\n");
    Imported { text: tidy(&out).unwrap_or(out), notes: notes.into_vec() }
}

/// A line's user, and its key without options.
fn read(
    line: &str,
    owner: Option<&str>,
    place: &Place,
    notes: &mut Notes,
) -> Option<(String, String)> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (options, key) = split(line);
    if let Err(error) = ssh_fingerprint(key) {
        notes.lost(place, error.to_string());
        return None;
    }
    let mut by_command = None;
    let mut kept = true;
    for option in words(options) {
        let (name, value) = option.split_once('=').unwrap_or((&option, ""));
        let name = name.to_ascii_lowercase();
        let value = value.trim_matches('"').replace("\\\"", "\"");
        match name.as_str() {
            "command" => match user_of_command(&value) {
                Some(user) => by_command = Some(user),
                None => {
                    notes.lost(place, format!("it runs `{value}`, not a git server: left out"));
                    kept = false;
                }
            },
            "cert-authority" => {
                let words = "it signs others' keys: list it in [identity] ssh-ca";
                notes.lost(place, words);
                kept = false;
            }
            "from" | "expiry-time" => {
                notes.lost(
                    place,
                    format!("`{option}` limits the key, which no policy can: left out"),
                );
                kept = false;
            }
            name if PLAIN.contains(&name) => {}
            _ => notes.lost(place, format!("the option `{option}` has no counterpart")),
        }
    }
    if !kept {
        return None;
    }
    let comment =
        key.split_ascii_whitespace().nth(2).map(|text| text.split('@').next().unwrap_or(text));
    let user =
        by_command.or_else(|| owner.map(str::to_owned)).or_else(|| comment.map(str::to_owned));
    match user.filter(|user| !user.is_empty()) {
        Some(user) => Some((user, key.to_owned())),
        None => {
            notes.lost(place, "nothing says whose key it is");
            None
        }
    }
}

/// Options, and the key behind them.
fn split(line: &str) -> (&str, &str) {
    let is_kind = |text: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| text.starts_with(kind));
    if is_kind(line) {
        return ("", line);
    }
    let mut quoted = false;
    let mut before = '\0';
    for (at, c) in line.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (options, key) = line.split_at_checked(at).unwrap_or((line, ""));
                return (options, key.trim_start());
            }
            _ => {}
        }
        before = c;
    }
    ("", line)
}

/// Options, commas between them and none in quotes.
fn words(options: &str) -> Vec<String> {
    let (mut all, mut quoted, mut before) = (vec![String::new()], false, '\0');
    for c in options.chars() {
        match c {
            ',' if !quoted => all.push(String::new()),
            c => {
                quoted ^= c == '"' && before != '\\';
                if let Some(last) = all.last_mut() {
                    last.push(c);
                }
            }
        }
        before = c;
    }
    all.retain(|word| !word.is_empty());
    all
}

/// Whom a forced command names: gitolite's, or this program's.
fn user_of_command(command: &str) -> Option<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match (c, words.last_mut()) {
            ('\'', _) => quoted = !quoted,
            (' ', _) if !quoted => words.push(String::new()),
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    let program = words.first()?.rsplit('/').next()?;
    let user = match program {
        "gitolite-shell" => words.get(1)?,
        "door" | "refwarden" if words.get(1).is_some_and(|verb| verb == "ssh") => words.get(2)?,
        _ => return None,
    };
    (!user.starts_with('-')).then(|| user.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4_";

    fn made(name: &str, text: &str) -> Imported {
        import(&[(name.to_owned(), text.to_owned())])
    }

    #[test]
    fn the_user_is_taken_from_the_command_then_the_file_then_the_comment() {
        let line =
            format!("command=\"/usr/share/gitolite3/gitolite-shell ann\",no-pty {ONE} x@y\n");
        assert!(made("authorized_keys", &line).text.contains("[users.ann]"));
        let ours =
            format!("restrict,command=\"'/opt/a b/refwarden' ssh ben --key SHA256:x\" {ONE}\n");
        assert!(made("authorized_keys", &ours).text.contains("[users.ben]"));
        assert!(made("keydir/cat@home.pub", ONE).text.contains("[users.cat]"));
        assert!(made("authorized_keys", &format!("{ONE} dan@laptop")).text.contains("[users.dan]"));
        let nobody = made("authorized_keys", ONE);
        assert_eq!(nobody.notes.len(), 1);
        assert!(nobody.notes[0].lost && nobody.notes[0].words.contains("nothing says whose"));
    }

    #[test]
    fn files_are_named_as_gitolite_reads_them() {
        for (name, user) in [
            ("ann.pub", Some("ann")),
            ("ann@home.pub", Some("ann")),
            ("ann@x.org.pub", Some("ann@x.org")),
            ("ann@x.org@home.pub", Some("ann@x.org")),
            ("ann", None),
            (".pub", None),
        ] {
            assert_eq!(user_of_file(name).as_deref(), user, "{name}");
        }
    }

    #[test]
    fn what_limits_a_key_is_told_and_such_a_key_is_left_out() {
        for (options, words) in [
            ("from=\"10.0.0.*,a b\"", "`from=\"10.0.0.*,a b\"` limits the key"),
            ("expiry-time=\"20260101\"", "limits the key"),
            ("cert-authority", "ssh-ca"),
            ("command=\"/bin/sh\"", "it runs `/bin/sh`"),
        ] {
            let made = made("authorized_keys", &format!("{options} {ONE} ann"));
            assert!(!made.text.contains("[users."), "{options}: {}", made.text);
            assert!(
                made.notes.iter().any(|note| note.lost && note.words.contains(words)),
                "{:?}",
                made.notes
            );
        }
        let made = made("authorized_keys", &format!("environment=\"A=b\" {ONE} ann"));
        assert!(made.text.contains("[users.ann]") && made.notes[0].words.contains("environment"));
    }

    #[test]
    fn one_key_is_never_two_peoples() {
        let made = made("authorized_keys", &format!("{ONE} ann\n{ONE} ben\n{ONE} ann\n"));
        assert!(made.text.contains("[users.ann]") && !made.text.contains("[users.ben]"));
        assert_eq!(made.text.matches("ssh-ed25519").count(), 1);
        assert_eq!(made.notes.len(), 1);
        let garbled = made_two();
        assert!(garbled.notes[0].lost && !garbled.text.contains("ssh-keys"));
    }

    fn made_two() -> Imported {
        made("authorized_keys", &format!("{TWO} ann\n"))
    }
}
