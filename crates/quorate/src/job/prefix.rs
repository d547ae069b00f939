use anyhow::bail;
use quorate_client::{Client, Error, Refused, RefusedKind};

/// Characters of a whole id.
const ID: usize = 36;
/// Ids that are named where more than one begins so.
const NAMED: u32 = 5;

/// A job's id from its first digits. What is as long as an id is taken for one.
///
/// # Errors
/// No id begins so, or more than one, or no node answered.
pub(super) async fn resolve(client: &Client, given: &str) -> anyhow::Result<String> {
    if given.len() >= ID {
        return Ok(given.to_owned());
    }
    let ids = client.ids(given, NAMED + 1).await?;
    match ids.as_slice() {
        [id] => Ok(id.clone()),
        [] => {
            let message = format!("no job's id begins with {given}");
            Err(Error::Refused(Refused { kind: RefusedKind::NotFound, status: 404, message, fields: None })
                .into())
        }
        several => {
            let named =
                several.iter().take(NAMED as usize).map(String::as_str).collect::<Vec<_>>().join(", ");
            let others = if several.len() > NAMED as usize { " and others" } else { "" };
            bail!("{given} is the beginning of {named}{others}: give more of it")
        }
    }
}
