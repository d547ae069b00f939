use quorate_core::is_tag;
use quorate_core::limits::{TAG_BYTES, TAGS};

use crate::wrong_usage::wrong_usage;

/// A tag of a job; for `value_parser`.
///
/// # Errors
/// It can be none.
pub(super) fn tag(given: &str) -> Result<String, String> {
    match is_tag(given) {
        true => Ok(given.to_owned()),
        false => Err(format!("it must have 1 to {TAG_BYTES} visible ASCII characters, and no comma")),
    }
}

/// # Errors
/// No job can have all of them.
pub(super) fn check_tags(tags: &[String]) -> anyhow::Result<()> {
    if tags.len() > TAGS {
        return Err(wrong_usage(format!("--tag: there are {} of them, and {TAGS} are the most", tags.len())));
    }
    let twice = tags.iter().enumerate().find(|(place, tag)| tags[..*place].contains(tag));
    match twice {
        Some((_, tag)) => Err(wrong_usage(format!("--tag: {tag} stands there twice"))),
        None => Ok(()),
    }
}
