use std::borrow::Cow;

use crate::limits::QUOTED_CHARS;

/// What a client sent, as an answer may show it: [`QUOTED_CHARS`] at most, of which the middle is left out first, since both
/// ends tell what it is, and without control characters.
pub(crate) fn quoted(text: String) -> String {
    let is_short = text.len() <= QUOTED_CHARS || text.chars().nth(QUOTED_CHARS).is_none();
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    if is_short {
        return if text.contains(char::is_control) { text.chars().map(clean).collect() } else { text };
    }
    let head = text.chars().take(QUOTED_CHARS / 2);
    let tail: Vec<char> = text.chars().rev().take(QUOTED_CHARS / 2 - 1).collect();
    head.chain(['…']).chain(tail.into_iter().rev()).map(clean).collect()
}

/// The same for text that may be our own: that needs nothing.
pub(crate) fn quoted_if_owned(text: Cow<'static, str>) -> Cow<'static, str> {
    match text {
        Cow::Borrowed(own) => Cow::Borrowed(own),
        Cow::Owned(text) => Cow::Owned(quoted(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_loses_its_middle() {
        let short = "ä".repeat(QUOTED_CHARS);
        assert_eq!(quoted(short.clone()), short);
        let long = quoted(format!("<{}>", "ä".repeat(1 << 20)));
        assert_eq!(long.chars().count(), QUOTED_CHARS);
        assert!(long.starts_with("<ä") && long.contains("ä…ä") && long.ends_with("ä>"), "{long}");
    }

    #[test]
    fn control_characters_do_not_pass() {
        assert_eq!(quoted("a\u{1b}]0;b\nc\u{9b}".into()), "a\u{fffd}]0;b\u{fffd}c\u{fffd}");
        assert!(!quoted("\u{1}".repeat(1 << 20)).contains('\u{1}'));
    }
}
