use std::io::{self, Write};
use std::process::ExitCode;

use quorate_client::{Error, RefusedKind};

use crate::logging;

/// Says on standard error what went wrong, with all its causes, and gives the exit code for it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let client = error.downcast_ref::<Error>();
    let mut message = format!("{error:#}");
    if let Some(hint) = client.and_then(hint) {
        message.push('\n');
        message.push_str(hint);
    }
    if !logging::end(&message) {
        // There is nowhere else to say that it could not be said.
        let _ = writeln!(io::stderr(), "error: {message}");
    }
    ExitCode::from(client.map_or(1, code))
}

/// The exit codes that `quorate --help` lists.
fn code(error: &Error) -> u8 {
    match error {
        Error::Refused(refused) => match refused.kind {
            RefusedKind::NotFound => 3,
            RefusedKind::Conflict => 4,
            RefusedKind::Invalid | RefusedKind::Unauthorized | RefusedKind::TooLarge => 1,
        },
        Error::Unavailable(_) => 5,
        Error::Unknown(_) => 6,
        Error::Protocol(_) | Error::Config(_) => 1,
    }
}

/// What to do next.
fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Unavailable(_) => Some(
            "Nothing was done. Is a majority of the nodes up, and are --nodes (QUORATE_NODES) their URLs? \
             `quorate cluster status` shows what one node sees.",
        ),
        Error::Unknown(_) => Some("Look with `quorate job list` before you repeat it."),
        Error::Refused(_) | Error::Protocol(_) | Error::Config(_) => None,
    }
}
