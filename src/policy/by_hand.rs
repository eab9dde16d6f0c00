//! What a pushed policy may not change: it is changed on the server, by `refwarden policy apply`.
//!
//! Who may push a policy decides over all rights to refs, and over nothing else: not over which
//! programs the hosting account runs, which files it reads or writes, and to whom it sends secrets.
//! Such things may leave a policy by a push, and come into it by hand alone. Pure: two policies in.

use super::model::{Group, Lookup, NotifyTo, Policy};
use std::collections::BTreeSet;

/// Everything in `new` that a push may not bring, in words; `old` is what counts now.
#[must_use]
pub fn by_hand(old: &Policy, new: &Policy) -> Vec<String> {
    let mut found = Vec::new();
    let (was, is) = (&old.settings, &new.settings);
    if was.home != is.home {
        found.push("`[server] policy-repository` or `policy-branch` is another one".to_owned());
    }
    if was.store != is.store || was.shared_store != is.shared_store {
        found.push("`[store]` is another one".to_owned());
    }
    if was.audit != is.audit {
        found.push(format!("`[audit] file` is `{}`, was `{}`", is.audit, was.audit));
    }
    if let Some(jira) = &is.jira {
        let place = |policy: &Policy| {
            let jira = policy.settings.jira.as_ref()?;
            Some((jira.url.clone(), jira.flavor, jira.email.clone(), jira.token_file.clone()))
        };
        if place(old) != place(new) {
            found.push(format!("`[jira]` asks `{}`, or with another token", jira.url));
        }
    }
    let url =
        |policy: &Policy| policy.settings.tokens.as_ref().and_then(|tokens| tokens.url.clone());
    if let Some(new) = url(new).filter(|new| url(old).as_ref() != Some(new)) {
        // People's git hands their tokens to it.
        found.push(format!("`[tokens] url` is `{new}`"));
    }
    let known: BTreeSet<&[Box<str>]> = commands(old).map(|(_, command)| command).collect();
    for (group, command) in commands(new).filter(|(_, command)| !known.contains(command)) {
        found.push(format!("`[groups] {group}` runs `{}`", command.join(" ")));
    }
    for one in &is.notify {
        if was.notify.iter().any(|known| known.to == one.to) {
            continue;
        }
        found.push(match &one.to {
            NotifyTo::Command(command) => format!("`[[notify]]` runs `{}`", command.join(" ")),
            NotifyTo::Url { url, .. } => {
                format!("`[[notify]]` calls `{url}`, or with another secret or form")
            }
        });
    }
    found
}

/// Every program that groups ask, with the group's name.
fn commands(policy: &Policy) -> impl Iterator<Item = (&str, &[Box<str>])> {
    policy.groups.iter().filter_map(|(name, group)| match group {
        Group::Lookup(Lookup::Command(command)) => Some((name.as_str(), command.as_slice())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_file;
    use crate::policy::source::{NoIncludes, SourceFile};

    fn policy(text: &str) -> Policy {
        let text =
            format!("version = 1\n[identity]\nsources = [\"gitea\"]\n[schemes.default]\n{text}");
        let main = SourceFile { name: "policy.toml".into(), text };
        load_file(main, "/etc/refwarden", &NoIncludes).1.unwrap().0
    }

    fn told(old: &str, new: &str) -> String {
        by_hand(&policy(old), &policy(new)).join("; ")
    }

    const ONCALL: &str = "[groups]\noncall = { command = [\"/bin/oncall\", \"${user}\"] }\n";
    const MAIL: &str = "[[notify]]\nevents = [\"access.*\"]\ncommand = [\"/bin/mail\", \"ops\"]\n";
    const HOOK: &str = "[[notify]]\nevents = [\"access.*\"]\nurl = \"https://x.example.org/\"\n";
    const JIRA: &str = "[jira]\nurl = \"https://j.example.org\"\nflavor = \"data-center\"\ntoken-file = \"/etc/t\"\n";

    #[test]
    fn a_program_a_url_or_a_file_that_was_not_there_is_for_the_server_alone() {
        for (new, words) in [
            (ONCALL, "`[groups] oncall` runs `/bin/oncall ${user}`"),
            (MAIL, "`[[notify]]` runs `/bin/mail ops`"),
            (HOOK, "`[[notify]]` calls `https://x.example.org/`"),
            (JIRA, "`[jira]` asks `https://j.example.org`"),
            ("[store]\npath = \"/tmp/x\"\n", "`[store]` is another one"),
            ("[store]\nendpoints = [\"https://e:2379\"]\n", "`[store]` is another one"),
            ("[audit]\nfile = \"/tmp/x\"\n", "`[audit] file` is `/tmp/x`"),
            (
                "[tokens]\nmax-lifetime = \"90d\"\nurl = \"https://x.example.org/\"\n",
                "`[tokens] url` is `https://x.example.org`",
            ),
        ] {
            assert!(told("", new).starts_with(words), "{new}: {}", told("", new));
            assert_eq!(told(new, new), "", "{new}");
        }
    }

    #[test]
    fn what_is_there_may_be_used_otherwise_and_may_go() {
        let other = ONCALL.replace("oncall =", "standby =");
        assert_eq!(told(ONCALL, &other), "");
        assert_eq!(told(ONCALL, ""), "");
        assert_eq!(told(MAIL, &MAIL.replace("access.*", "lock.*")), "");
        assert_eq!(told(JIRA, ""), "");
        assert_ne!(told(ONCALL, &ONCALL.replace("${user}", "-c")), "");
        assert_ne!(told(JIRA, &JIRA.replace("j.example", "k.example")), "");
        assert_ne!(told(JIRA, &JIRA.replace("/etc/t", "/etc/shadow")), "");
        let secret = format!("{HOOK}secret-file = \"/etc/shadow\"\n");
        assert_ne!(told(HOOK, &secret), "");
    }

    #[test]
    fn a_program_that_notices_run_is_none_that_groups_may_ask() {
        let group = "[groups]\nx = { command = [\"/bin/mail\", \"ops\"] }\n";
        assert!(told(MAIL, group).contains("[groups] x"));
    }

    #[test]
    fn the_repository_that_it_comes_from_stays() {
        let home = "[server]\npolicy-repository = \"p\"\n[projects.P]\nrepositories = [\"p\"]\n";
        let branch = home.replace("\"p\"\n[pro", "\"p\"\npolicy-branch = \"b\"\n[pro");
        assert_eq!(told(home, home), "");
        assert!(told(home, "").contains("policy-repository"));
        assert!(told(home, &branch).contains("policy-branch"));
    }
}
