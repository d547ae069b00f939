use quorate_core::limits::{TAG_BYTES, TAGS};
use quorate_core::{are_tags, is_tag};

use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;

/// The tags of a job, or those that are asked for.
///
/// # Errors
/// What is wrong with them: one is none, one stands twice, or they are too many.
pub(crate) fn tags(given: Vec<String>) -> Result<Box<[Box<str>]>, String> {
    if given.len() > TAGS {
        return Err(format!("has {} tags, and {TAGS} are the most", given.len()));
    }
    if let Some(none) = given.iter().find(|tag| !is_tag(tag)) {
        let given = shortened(none, GIVEN_CHARS);
        return Err(format!(
            "must be tags of 1 to {TAG_BYTES} visible ASCII characters without a comma, not \"{given}\""
        ));
    }
    let tags: Box<[Box<str>]> = given.into_iter().map(Box::from).collect();
    if are_tags(&tags) { Ok(tags) } else { Err("names a tag twice".into()) }
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
            (vec!["a", "b", "a"], "names a tag twice"),
            (vec!["x"; 9], "has 9 tags, and 8 are the most"),
        ] {
            let message = tags(given.iter().map(|tag| (*tag).into()).collect()).unwrap_err();
            assert!(message.contains(says), "{given:?}: {message}");
        }
        assert_eq!(tags(vec!["a".into(), "b:1".into()]).unwrap().len(), 2);
    }
}
