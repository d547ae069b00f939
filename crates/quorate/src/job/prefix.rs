use anyhow::bail;
use quorate_client::{Client, Error, Refused, RefusedKind};
use quorate_core::limits::{ID_CHARS, ID_PREFIX_CHARS};

use crate::limits::IDS_NAMED;

/// What stands for an id on the command line; for `value_parser`.
///
/// # Errors
/// It is too short: a variable that is empty must not mean the only job that there is. Or it is no beginning of an id.
pub(crate) fn id(given: &str) -> Result<String, String> {
    match given.chars().count() {
        ..ID_PREFIX_CHARS => Err(format!("give at least {ID_PREFIX_CHARS} characters of it")),
        ..ID_CHARS if !given.chars().all(|char| char.is_ascii_hexdigit() || char == '-') => {
            Err("an id has hexadecimal digits and dashes alone".to_owned())
        }
        ID_PREFIX_CHARS.. => Ok(given.to_owned()),
    }
}

/// A job's id from its first characters. What is as long as an id is taken for one.
///
/// # Errors
/// No id begins so, or more than one, or no node answered.
pub(crate) async fn resolve(client: &Client, given: &str) -> anyhow::Result<String> {
    if given.len() >= ID_CHARS {
        return Ok(given.to_owned());
    }
    only("job", given, client.ids(given, IDS_NAMED + 1).await?)
}

/// The id that begins so.
///
/// # Errors
/// There is none, or more than one.
pub(crate) fn only(of: &str, given: &str, ids: Vec<String>) -> anyhow::Result<String> {
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let message = format!("no {of}'s id begins with {given}");
            Err(Error::Refused(Refused { kind: RefusedKind::NotFound, status: 404, message, fields: None })
                .into())
        }
        several => {
            let named =
                several.iter().take(IDS_NAMED as usize).map(String::as_str).collect::<Vec<_>>().join(", ");
            let others = if several.len() > IDS_NAMED as usize { " and others" } else { "" };
            bail!("{given} is the beginning of {named}{others}: give more of it")
        }
    }
}
