//! Where a list of jobs goes on, as clients have it: sixteen digits, so that nobody takes it for a count.

/// The cursor behind the job with this number.
pub(crate) fn text(number: u64) -> String {
    format!("{number:016x}")
}

/// The number in a cursor that [`text`] made.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let is_one = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one { u64::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_taken() {
        for number in [0, 1, 0xfedc_ba98_7654_3210, u64::MAX] {
            assert_eq!(parse(&text(number)), Some(number));
        }
        for none in [
            "",
            "5",
            "+000000000000005",
            "000000000000000g",
            "00000000000000005",
            "0198c0de-0000-7000-8000-000000000001",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
