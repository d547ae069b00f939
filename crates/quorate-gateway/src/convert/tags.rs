use quorate_core::limits::{TAG_BYTES, TAGS};
use quorate_core::{are_tags, is_tag};

use crate::error::ApiError;
use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;

/// The tags of a job, or those that a list asks for.
///
/// # Errors
/// 400: one is none, one stands twice, or they are too many.
pub(crate) fn tags(given: Vec<String>) -> Result<Box<[Box<str>]>, ApiError> {
    if given.len() > TAGS {
        return Err(ApiError::invalid("tags", format!("are {}, and {TAGS} are the most", given.len())));
    }
    if let Some(none) = given.iter().find(|tag| !is_tag(tag)) {
        let given = shortened(none, GIVEN_CHARS);
        let must = format!(
            "must be 1 to {TAG_BYTES} visible ASCII characters without a comma each, not \"{given}\""
        );
        return Err(ApiError::invalid("tags", must));
    }
    let tags: Box<[Box<str>]> = given.into_iter().map(Box::from).collect();
    if are_tags(&tags) { Ok(tags) } else { Err(ApiError::invalid("tags", "name one twice")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_tag_is_explained() {
        for (given, says) in [
            (vec!["a b"], "visible ASCII"),
            (vec!["a", "b,c"], "not \"b,c\""),
            (vec![""], "1 to 64"),
            (vec!["a", "b", "a"], "name one twice"),
            (vec!["x"; 9], "are 9, and 8 are the most"),
        ] {
            let Err(ApiError::Invalid { fields, message }) =
                tags(given.iter().map(|tag| (*tag).into()).collect())
            else {
                panic!("{given:?}")
            };
            assert_eq!(fields, "tags");
            assert!(message.contains(says), "{given:?}: {message}");
        }
        assert_eq!(tags(vec!["a".into(), "b:1".into()]).unwrap().len(), 2);
    }
}
