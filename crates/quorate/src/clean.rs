//! What came from somewhere else, as a person may see it: nothing in it steers a terminal, ends a line or turns the order
//! of what stands around it.

use std::fmt::Write;

/// As a part of one line.
pub(crate) fn line(text: &str) -> String {
    clean(text.as_bytes(), |_| false)
}

/// As lines of its own; they keep their ends and tabs.
pub(crate) fn text(text: &[u8]) -> String {
    clean(text, |c| matches!(c, '\n' | '\t'))
}

/// The same JSON document, with what [`line()`] would show otherwise spelled by number.
pub(crate) fn json(document: &str) -> String {
    let mut same = String::with_capacity(document.len());
    for c in document.chars() {
        // The others can only stand between the values of a document.
        if is_unseen(c) && !c.is_ascii_whitespace() {
            // None of them needs a pair.
            let _ = write!(same, "\\u{:04x}", u32::from(c));
        } else {
            same.push(c);
        }
    }
    same
}

fn clean(bytes: &[u8], stays: impl Fn(char) -> bool) -> String {
    let mut seen = String::with_capacity(bytes.len());
    // To write into a string does not fail.
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let _ = match c {
                c if stays(c) || !is_unseen(c) => seen.write_char(c),
                '\n' => seen.write_str("\\n"),
                '\r' => seen.write_str("\\r"),
                '\t' => seen.write_str("\\t"),
                c if c.is_ascii() => write!(seen, "\\x{:02x}", u32::from(c)),
                c => write!(seen, "{}", c.escape_unicode()),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(seen, "\\x{byte:02x}");
        }
    }
    seen
}

/// Controls (C0, DEL, C1), ends of lines, marks that turn the direction of the text, and what has no width.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal_or_forges_a_line() {
        let table = [
            ("plain ä ✓ 日本 👩‍👧", "plain ä ✓ 日本 👩‍👧"),
            ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
            ("a\nstatus  success\r\n", "a\\nstatus  success\\r\\n"),
            ("\t\0\x7f\u{9b}31m", "\\t\\x00\\x7f\\u{9b}31m"),
            ("\u{202e}evil\u{2066}\u{2028}", "\\u{202e}evil\\u{2066}\\u{2028}"),
        ];
        for (given, seen) in table {
            assert_eq!(line(given), seen);
        }
    }

    #[test]
    fn lines_of_their_own_keep_ends_and_tabs_and_show_what_is_no_text() {
        assert_eq!(text(b"a\tb\nc\x1b[31m\xff\r\n"), "a\tb\nc\\x1b[31m\\xff\\r\n");
    }

    #[test]
    fn a_document_stays_the_same() {
        let value = serde_json::json!({ "a\u{9b}": ["\x1b[31m\u{202e}\u{7f}\n ü", 1] });
        let seen = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!seen.chars().any(|c| is_unseen(c) && c != '\n'), "{seen}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&seen).unwrap(), value);
    }
}
