use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, builder::StyledStr};

/// What people type that is no command, and the one that does it.
const TIPS: [(&str, &str); 22] = [
    ("ps", "job list"),
    ("push", "job enqueue"),
    ("submit", "job enqueue"),
    ("consume", "run"),
    ("start", "serve"),
    ("members", "cluster status"),
    ("nodes", "cluster status"),
    ("version", "--version"),
    ("job create", "job enqueue"),
    ("job submit", "job enqueue"),
    ("job run", "job enqueue"),
    ("job stop", "job cancel"),
    ("job kill", "job cancel"),
    ("job ps", "job list"),
    ("job info", "job get"),
    ("job describe", "job get"),
    ("job tail", "job log"),
    ("queue create", "queue set"),
    ("cluster members", "cluster status"),
    ("cluster nodes", "cluster status"),
    ("cluster info", "cluster status"),
    ("cluster health", "cluster status"),
];

/// Of a `-q` where there is none.
const QUIET: &str = "`-q` is of what prints several ids or names; elsewhere `--json` is for machines, and `2>/dev/null` leaves remarks out";

/// Says in an error of the command line what was meant, where that is known.
pub(crate) fn add(error: &mut clap::Error, program: &Command, args: &[OsString]) {
    let given = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => meant(&given(ContextKind::InvalidSubcommand), program, args),
        ErrorKind::UnknownArgument if ["-q", "--quiet"].contains(&&*given(ContextKind::InvalidArg)) => {
            Some(QUIET.to_owned())
        }
        _ => None,
    };
    if let Some(tip) = tip {
        // These go by letters.
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    }
}

/// What to type for a word that is no command where it stands: by the table, or what is called so one level below.
fn meant(word: &str, program: &Command, args: &[OsString]) -> Option<String> {
    let (mut at, mut path, mut args) = (program, String::new(), args.iter().skip(1));
    while let Some(next) = args.next().and_then(|arg| at.find_subcommand(arg)) {
        at = next;
        path = format!("{path}{} ", next.get_name());
    }
    let typed = format!("{path}{word}");
    let of_table = TIPS.iter().filter(|(said, _)| *said == typed).map(|(_, meant)| (*meant).to_owned());
    let below = at.get_subcommands().filter_map(|group| {
        let found = group.find_subcommand(word)?;
        Some(format!("{path}{} {}", group.get_name(), found.get_name()))
    });
    let all: Vec<String> = of_table.chain(below).map(|meant| format!("`quorate {meant}`")).collect();
    if all.is_empty() { None } else { Some(format!("there is {}", all.join(", "))) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// What is said of a command line that is wrong.
    fn said(line: &str) -> String {
        let (program, args) = (Cli::command(), line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let mut error = program.clone().try_get_matches_from(&args).expect_err(line);
        add(&mut error, &program, &args);
        error.render().to_string()
    }

    #[test]
    fn what_was_meant_is_said() {
        let table = [
            ("enqueue --image a", "tip: there is `quorate job enqueue`"),
            ("logs x", "tip: there is `quorate job log`"),
            ("ps", "tip: there is `quorate job list`"),
            ("drain n1", "tip: there is `quorate cluster drain`"),
            ("cluster nodes", "tip: there is `quorate cluster status`"),
            ("cluster remove n1", "tip: there is `quorate cluster member remove`"),
            ("version", "tip: there is `quorate --version`"),
            ("list", "tip: there is `quorate job list`, `quorate operation list`, `quorate queue list`"),
            // By letters, as before.
            ("stauts", "tip: a similar subcommand exists: 'status'"),
            ("job get -q x", "tip: `-q` is of what prints"),
            ("cluster status --quiet", "tip: `-q` is of what prints"),
        ];
        for (line, says) in table {
            let said = said(&format!("quorate {line}"));
            assert!(said.contains(says), "{line}: {said}");
            assert_eq!(said.matches("tip:").count(), 1, "{line}: {said}");
        }
        assert!(!said("quorate nothing-like-it").contains("tip:"));
    }

    #[test]
    fn what_is_said_is_there() {
        let parses = |line: &str| Cli::command().try_get_matches_from(format!("quorate {line}").split(' '));
        for (typed, meant) in TIPS {
            let kind = |line| parses(line).map_or_else(|error| error.kind(), |_| ErrorKind::DisplayVersion);
            assert_eq!(kind(typed), ErrorKind::InvalidSubcommand, "{typed}");
            assert_ne!(kind(meant), ErrorKind::InvalidSubcommand, "{meant}");
        }
        for plural in ["jobs list", "queues list", "workers list", "operations list", "job status 00000000"] {
            assert!(parses(plural).is_ok(), "{plural}");
        }
    }
}
