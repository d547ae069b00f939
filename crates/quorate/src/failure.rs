use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::error::ContextValue;

use quorate_client::{Error, NotWell, RefusedKind};

use crate::environment::Environment;
use crate::hint::Hint;
use crate::job::Incomplete;
use crate::wrong_usage::{Lines, WrongUsage};
use crate::{clean, exit_code, logging, output};

/// Says on standard error what went wrong, with all its causes, and gives the exit code for it.
pub(crate) fn report(error: &anyhow::Error, environment: &Environment) -> ExitCode {
    let client = error.downcast_ref::<Error>();
    let mut message = environment.name_the_variable(causes(error));
    let hint = match (error.downcast_ref::<Hint>(), error.downcast_ref::<Incomplete>()) {
        (Some(Hint(hint)), _) => Some(clean::line(hint)),
        (None, Some(incomplete)) => Some(incomplete.hint()),
        (None, None) => client.and_then(hint).map(str::to_owned),
    };
    if let Some(hint) = hint {
        message.push('\n');
        message.push_str(&hint);
    }
    if !logging::end(&message) {
        // There is nowhere else to say that it could not be said.
        let _ = writeln!(io::stderr(), "error: {message}");
    }
    ExitCode::from(match client {
        Some(error) => code(error),
        None if error.is::<NotWell>() => exit_code::UNAVAILABLE,
        None if error.is::<WrongUsage>() => exit_code::USAGE,
        None => exit_code::FAILED,
    })
}

/// Prints the help that was asked for, or what was wrong with the command line.
pub(crate) fn usage(usage: &mut clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(exit_code::FAILED));
    if usage.use_stderr() {
        let values: Vec<_> = usage.context().map(|(kind, value)| (kind, value.clone())).collect();
        for (kind, value) in values {
            if let ContextValue::String(value) = value {
                usage.insert(kind, ContextValue::String(clean::line(&value)));
            }
        }
        let _ = io::stderr().write_all(clean::text(usage.render().to_string().as_bytes()).as_bytes());
        return code;
    }
    match usage.print() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            report(&output::unwritten(error, None), &Environment::default())
        }
        _ => code,
    }
}

/// All links of the chain, without those that are in the words of the link before.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(cause).fold(String::new(), |said, cause| match () {
        () if said.is_empty() => cause,
        () if said.contains(&cause) => said,
        () => format!("{said}: {cause}"),
    })
}

/// One link of the chain. What others had a say in stays on the line, as do values that are wrong.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let said = error.to_string();
    if error.is::<Lines>() { clean::text(said.as_bytes()) } else { clean::line(&said) }
}

fn code(error: &Error) -> u8 {
    match error {
        Error::Refused(refused) => match refused.kind {
            RefusedKind::NotFound => exit_code::NOT_FOUND,
            RefusedKind::Conflict => exit_code::REFUSED,
            RefusedKind::Invalid | RefusedKind::Unauthorized | RefusedKind::TooLarge => exit_code::FAILED,
        },
        Error::Unavailable(_) | Error::Unreachable(_) | Error::Tls(_) => exit_code::UNAVAILABLE,
        Error::Unknown(_) => exit_code::UNKNOWN,
        Error::Protocol(_) => exit_code::FAILED,
        Error::Config(_) => exit_code::USAGE,
    }
}

/// What to do next.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Unavailable(_) => Some(
            "Nothing was done. Where it lasts, `quorate cluster status` says how the cluster is: whether a majority is up, and has room on its disks.",
        ),
        Error::Unreachable(_) => Some(
            "Nothing was done. Name the nodes of a cluster that runs with --nodes HOST:PORT,… (QUORATE_NODES), or start one \
             on this machine: `quorate dev`.",
        ),
        // What to do is said of each node.
        Error::Tls(_) => Some("Nothing was done."),
        Error::Unknown(_) => Some("Look with `quorate job list` before you repeat it."),
        Error::Refused(_) | Error::Protocol(_) | Error::Config(_) => None,
    }
}
