use quorate_api::UniqueUntil;
use quorate_core::{Unique, Until, limits};

use crate::error::ApiError;
use crate::ranges;

/// What a job is the only one of, as `unique_key` and one of `unique_until` and `unique_for` say.
///
/// # Errors
/// 400, naming the one that is wrong.
pub(super) fn unique(
    key: Option<String>,
    until: Option<UniqueUntil>,
    seconds: Option<u32>,
) -> Result<Option<Unique>, ApiError> {
    let Some(key) = key else {
        let alone = until.map(|_| "unique_until").or(seconds.map(|_| "unique_for"));
        return alone.map_or(Ok(None), |field| {
            Err(ApiError::invalid(field, "says for how long, and not what is unique: add unique_key"))
        });
    };
    if !(1..=limits::UNIQUE_KEY_BYTES).contains(&key.len()) {
        let message = format!("must have 1 to {} bytes, not {}", limits::UNIQUE_KEY_BYTES, key.len());
        return Err(ApiError::invalid("unique_key", message));
    }
    let until = match (until, seconds) {
        (None | Some(UniqueUntil::Finished), None) => Until::Finished,
        (Some(UniqueUntil::Started), None) => Until::Started,
        (None, Some(seconds)) => {
            ranges::check("unique_for", "unique_for", seconds)?;
            Until::Elapsed(seconds)
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("unique_for", "stands beside unique_until: give one of them"));
        }
    };
    Ok(Some(Unique { key: key.into(), until }))
}

/// The fields that an answer has of it.
pub(super) fn shown(unique: Option<Unique>) -> (Option<String>, Option<UniqueUntil>, Option<u32>) {
    let Some(Unique { key, until }) = unique else { return (None, None, None) };
    let (until, seconds) = match until {
        Until::Started => (Some(UniqueUntil::Started), None),
        Until::Finished => (Some(UniqueUntil::Finished), None),
        Until::Elapsed(seconds) => (None, Some(seconds)),
    };
    (Some(key.into()), until, seconds)
}
