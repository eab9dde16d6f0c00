//! What people may ask of refwarden over ssh: the verbs of the command, as who they are.
//!
//! Parses with the same structures as the command on the server; what would read or write files
//! there is refused. Does not know what the verbs do.

use crate::cli::access::{self, Caller};
use crate::cli::exit::Exit;
use crate::cli::out::Out;
use crate::cli::site::Here;
use crate::cli::{Failure, audit, explain, said, token, who};
use crate::code::Code;
use crate::door::reading;
use crate::door::rest::Rest;
use crate::door::serve::Visitor;
use crate::door::ssh::git;
use crate::hook::Refusal;
use crate::hook::desk::{self, Desk};
use crate::hook::ledger;
use crate::os::syslog::{self, Severity};
use crate::policy::entry::Holder;
use crate::text::Safe;
use clap::{Command, FromArgMatches, Parser, Subcommand};

/// Longest line that is said, in bytes.
const MAX_LINE: usize = 4000;

/// What can be said after `ssh git@host`.
#[derive(Debug, Parser)]
#[command(name = "ssh", arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Without a command: who you are, and what you may do.\n\
    Your own shell takes one pair of quotes away, so put another around the whole:\n  \
    ssh git@HOST \"access deny 7f3k-92qd --note 'after the freeze'\"")]
struct Spoken {
    /// Print JSON, one value a line, for scripts.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Ask for access, answer, take back, review: rights that are lent and end by themselves.
    Access(access::Args),
    /// Everybody who can do something to a ref of a repository that you may read.
    Who(who::Args),
    /// A verdict without a push, and why: about yourself; for `[global]` audit and administer about
    /// anybody.
    Explain(explain::Args),
    /// Read and verify the audit trail: for `[global] audit`.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Tokens for the HTTP door, one's own and those of one's services; git's credential helper.
    Token(token::Args),
    /// Stop pushes at once: for `[global] administer`.
    Lock(access::lock::Args),
    /// Lift locks: for `[global] administer`.
    Unlock(access::lock::UnlockArgs),
}

/// Runs what was asked for.
pub fn run(desk: &Desk, visitor: &Visitor, words: &[String]) -> Exit {
    let door = desk::door(&desk.site, desk.policy.settings());
    match parse(&door, words) {
        Ok(spoken) => {
            let out = Out::new(spoken.json);
            guarded(desk, spoken.json, || perform(desk, visitor, spoken.verb, &out))
        }
        Err(error) => {
            let out = Out::new(false);
            let told = if error.use_stderr() { Out::note } else { Out::line };
            let text = at_door(&error.to_string(), &door);
            text.lines().for_each(|line| told(&out, Safe::new(line.as_bytes(), MAX_LINE)));
            if error.use_stderr() && words.len() > 2 {
                let words =
                    "your own shell took the quotes away? put another pair around all of it";
                out.note(format!("hint: {words}: {door} \"...\""));
            }
            if error.use_stderr() { Exit::Usage } else { Exit::Done }
        }
    }
}

fn parse(door: &str, words: &[String]) -> Result<Spoken, clap::Error> {
    let named = std::iter::once(door).chain(words.iter().map(String::as_str));
    Spoken::from_arg_matches(&command(door).try_get_matches_from(named)?)
}

/// The command as it is shown here: without what is for the server alone.
fn command(door: &str) -> Command {
    use clap::CommandFactory;
    let hide = |arg: clap::Arg| arg.hide(true);
    Spoken::command()
        .bin_name(door)
        .mut_subcommand("access", |verb| verb.mut_arg("acting_for", hide).after_help(""))
        .mut_subcommand("token", |verb| verb.mut_arg("acting_for", hide).after_help(""))
        .mut_subcommand("lock", |verb| verb.mut_arg("actor", hide))
        .mut_subcommand("unlock", |verb| verb.mut_arg("actor", hide))
        .mut_subcommand("explain", |verb| verb.mut_arg("policy", hide).mut_arg("stdin", hide))
        .mut_subcommand("audit", |verb| {
            verb.mut_subcommand("rotate", |verb| verb.hide(true))
                .mut_subcommand("verify", |verb| verb.mut_arg("checkpoint", hide))
        })
}

/// Examples are written for the server's own command.
fn at_door(text: &str, door: &str) -> String {
    let text = text.replace("refwarden access", &format!("{door} access"));
    let text = text.replace("refwarden token", &format!("{door} token"));
    let text = text.replace("refwarden lock", &format!("{door} lock"));
    let text = text.replace("refwarden unlock", &format!("{door} unlock"));
    let text =
        [" --as alice", " --as bob"].iter().fold(text, |text, option| text.replace(option, ""));
    let mut lines: Vec<String> = Vec::new();
    let mut example = false;
    for line in text.lines() {
        let begins = line.starts_with("Example: ");
        match lines.last_mut().filter(|_| example && !begins && !line.trim().is_empty()) {
            // Whoever copies it pastes one line.
            Some(last) => {
                let kept = last.trim_end_matches(['\\', ' ']).len();
                last.truncate(kept);
                last.push(' ');
                last.push_str(line.trim_start());
            }
            None => {
                lines.push(line.to_owned());
                example = begins;
            }
        }
    }
    lines.iter().map(|line| typed(line, door)).collect::<Vec<_>>().join("\n")
}

/// An example whose words have quotes, with another pair around what the own shell hands on.
fn typed(line: &str, door: &str) -> String {
    match line.split_once(door).map(|(before, said)| (before, said.trim_start())) {
        Some((before, said)) if said.contains('\'') && !said.contains('"') => {
            format!("{before}{door} \"{said}\"")
        }
        _ => line.to_owned(),
    }
}

/// Ends with words for people: what is the server's fault goes to its log, and they learn a code.
pub fn guarded(desk: &Desk, json: bool, verb: impl FnOnce() -> anyhow::Result<Exit>) -> Exit {
    let error = match verb() {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    let exit = error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit);
    let ours = match error.downcast_ref::<Failure>() {
        Some(failure) => failure.exit == Exit::Unavailable,
        None => true,
    };
    let words = if ours {
        let line = format!("ssh door of {}: {}", desk.site.account, said(&error));
        let _ = syslog::send(Severity::Error, Safe::new(line.as_bytes(), MAX_LINE).as_str());
        git::words(&Refusal::new(
            Code::Store,
            ["tell the server's admin: `refwarden doctor` shows what is wrong"],
        ))
    } else {
        Safe::new(said(&error).as_bytes(), MAX_LINE).to_string()
    };
    let out = Out::new(json);
    if json {
        out.value(&serde_json::json!({ "error": words }));
    }
    out.note(format!("error: {words}"));
    exit
}

fn perform(desk: &Desk, visitor: &Visitor, verb: Verb, out: &Out) -> anyhow::Result<Exit> {
    let here = Here::open()?;
    let caller = caller(visitor);
    match verb {
        Verb::Access(args) => {
            if let Some(repository) = args.asks_in()
                && !access::may_ask_in(&here, &visitor.user, repository)?
            {
                require_reading(desk, visitor, repository)?;
            }
            access::at_door(&here, caller, &args, out)
        }
        Verb::Token(args) => token::at_door(&here, caller, &args, visitor.until, out),
        Verb::Lock(args) => access::lock::at_door(&here, caller, &args, out),
        Verb::Unlock(args) => access::lock::unlock_at_door(&here, caller, &args, out),
        Verb::Who(args) => {
            require_reading(desk, visitor, args.repository())?;
            who::tell_all(&here, &args, out)
        }
        Verb::Explain(args) => explain_to(desk, &here, visitor, args, out),
        Verb::Audit(verb) => {
            let settings = here.settings();
            require(&here, visitor, &[&settings.auditors], "audit")?;
            audit::at_door(&here, ledger::actor(&caller.actor), &verb, out)
        }
    }
}

/// Whoever came in, as access, locks and the trail have them.
pub fn caller(visitor: &Visitor) -> Caller {
    let Visitor { user, key, address, .. } = visitor.clone();
    Caller::at_door(user, crate::pusher::Source::Ssh.to_string(), key, address)
}

fn explain_to(
    desk: &Desk,
    here: &Here,
    visitor: &Visitor,
    mut args: explain::Args,
    out: &Out,
) -> anyhow::Result<Exit> {
    if args.is_for_the_server() {
        let words = "`--policy` and `--stdin` are for the server's own command";
        return Err(Failure::new(Exit::Usage, words).into());
    }
    require_reading(desk, visitor, args.repository())?;
    match args.user() {
        None => args.ask_about(visitor.user.as_str()),
        Some(user) if user == visitor.user.as_str() => {}
        Some(_) => {
            let settings = here.settings();
            let lists = [settings.auditors.as_slice(), &settings.administer];
            require(here, visitor, &lists, "audit or administer")?;
        }
    }
    explain::answer(here, &args, out)
}

/// The repository is one that they may read: else it is as if it were not there.
fn require_reading(desk: &Desk, visitor: &Visitor, repository: &str) -> anyhow::Result<()> {
    let no = |refusal: &Refusal, exit| Failure::new(exit, git::words(refusal)).into();
    let name = repository.as_bytes();
    match reading::may_read(desk, &Rest::WHOLE, Some(&visitor.user), name) {
        Ok(reading) if reading.refused.is_none() => Ok(()),
        Ok(_) => Err(no(&git::hidden(name, &visitor.user), Exit::Refused)),
        Err(refusal) => Err(no(&refusal, Exit::Refused)),
    }
}

/// They stand in one of the lists of `[global]`.
fn require(here: &Here, visitor: &Visitor, lists: &[&[Holder]], what: &str) -> anyhow::Result<()> {
    for list in lists {
        if access::is_among(here, &visitor.user, list)? {
            return Ok(());
        }
    }
    let words = format!("{} is not among those who {what} ([global])", visitor.user);
    Err(Failure::new(Exit::Refused, words).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(line: &[&str]) -> Result<Spoken, String> {
        let words: Vec<String> = line.iter().map(ToString::to_string).collect();
        parse("ssh git@git.test", &words).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_is_sound_and_hides_what_is_for_the_server() {
        command("ssh git@git.test").debug_assert();
        let help = spoken(&["help", "access"]).unwrap_err();
        assert!(!help.contains("--as"), "{help}");
        assert!(help.contains("ssh git@git.test access"), "{help}");
        let help = spoken(&["help"]).unwrap_err();
        for verb in ["access", "who", "explain", "audit", "token", "lock", "unlock"] {
            assert!(help.contains(&format!("\n  {verb} ")), "{help}");
        }
    }

    #[test]
    fn there_is_no_verb_of_the_server_here() {
        let verbs = ["policy", "store", "repo", "doctor", "sweep", "man", "ssh", "sh", "git"];
        for verb in verbs.into_iter().chain(["ssh-keys", "git-shell", "scp", "rsync", "/bin/sh"]) {
            assert!(spoken(&[verb, "x"]).is_err(), "{verb}");
        }
    }

    #[test]
    fn examples_are_those_of_the_door() {
        let text = at_door("Example: refwarden access approve 1 --as alice --note x", "ssh a@b");
        assert_eq!(text, "Example: ssh a@b access approve 1 --note x");
    }

    #[test]
    fn examples_can_be_pasted() {
        let help = |verb: &str| {
            let help = spoken(&["access", verb, "--help"]).unwrap_err();
            at_door(&help, "ssh git@git.test")
        };
        assert!(
            help("request").ends_with(
                "Example: ssh git@git.test \"access request hotfix --repository payments/api \
                 --branches release/2.4 --update --for 1h --reason 'PAY-42 retry storm' --wait 10m\""
            ),
            "{}",
            help("request")
        );
        for verb in ["approve", "deny", "extend", "revoke", "break-glass", "attest"] {
            let help = help(verb);
            let shown = help.lines().filter(|line| line.contains('\''));
            for line in shown.filter(|line| line.contains("ssh git@")) {
                assert!(line.contains("\"access ") && line.ends_with('"'), "{line}");
            }
            assert!(!help.contains('\\'), "{help}");
        }
    }
}
