use crate::limits::QUOTED_CHARS;

/// What a client sent, as an answer may show it: [`QUOTED_CHARS`] at most, of which the middle is left out first, since both
/// ends tell what it is, and with control characters spelled out.
pub(crate) fn quoted(text: &str) -> String {
    shortened(text, QUOTED_CHARS)
}

/// The same with a bound of its own.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let whole = fitting(text.chars(), most);
    if text.chars().nth(whole.len()).is_none() {
        return whole.concat();
    }
    let head = fitting(text.chars(), most / 2);
    let mut tail = fitting(text.chars().rev(), most.div_ceil(2).saturating_sub(1));
    tail.reverse();
    format!("{}…{}", head.concat(), tail.concat())
}

/// The first characters that have room for so many, spelled.
fn fitting(text: impl Iterator<Item = char>, room: usize) -> Vec<String> {
    let mut left = room;
    let fits = |spelled: &String| {
        let length = spelled.chars().count();
        let fits = length <= left;
        left = left.saturating_sub(length);
        fits
    };
    text.map(spelled).take_while(fits).collect()
}

/// As JSON spells what would steer a terminal or turn the text around.
fn spelled(c: char) -> String {
    match c {
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_loses_its_middle() {
        let short = "ä".repeat(QUOTED_CHARS);
        assert_eq!(quoted(&short), short);
        let long = quoted(&format!("<{}>", "ä".repeat(1 << 20)));
        assert_eq!(long.chars().count(), QUOTED_CHARS);
        assert!(long.starts_with("<ä") && long.contains("ä…ä") && long.ends_with("ä>"), "{long}");
    }

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(quoted("a\u{1b}]0;b\nc\u{9b}\u{202e}"), "a\\u001b]0;b\\u000ac\\u009b\\u202e");
        let long = quoted(&"\u{1}".repeat(1 << 20));
        assert!(
            long.chars().count() <= QUOTED_CHARS && long.starts_with("\\u0001") && !long.contains('\u{1}')
        );
    }
}
