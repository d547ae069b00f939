//! Where a list of jobs goes on, as clients have it: sixteen digits, so that nobody takes it for a count, and the order if it is not
//! the usual one.

use quorate_core::Order;

const OLDEST_FIRST: char = 'o';

/// The cursor behind the job with this number.
pub(crate) fn text(order: Order, number: u64) -> String {
    match order {
        Order::NewestFirst => format!("{number:016x}"),
        Order::OldestFirst => format!("{OLDEST_FIRST}{number:016x}"),
    }
}

/// What stands in a cursor that [`text`] made.
pub(crate) fn parse(text: &str) -> Option<(Order, u64)> {
    let (order, digits) = match text.strip_prefix(OLDEST_FIRST) {
        Some(digits) => (Order::OldestFirst, digits),
        None => (Order::NewestFirst, text),
    };
    let is_one = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one { Some((order, u64::from_str_radix(digits, 16).ok()?)) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_is_none_or_stands_for_one_place(text in prop_oneof![any::<String>(), "o?[0-9a-fA-F]{15,17}"]) {
            if let Some((order, number)) = parse(&text) {
                prop_assert!(super::text(order, number).eq_ignore_ascii_case(&text));
            }
        }
    }

    #[test]
    fn only_what_was_given_is_taken() {
        for number in [0, 1, 0xfedc_ba98_7654_3210, u64::MAX] {
            for order in [Order::NewestFirst, Order::OldestFirst] {
                assert_eq!(parse(&text(order, number)), Some((order, number)));
            }
        }
        for none in [
            "",
            "5",
            "o",
            "o5",
            "oo000000000000005",
            "+000000000000005",
            "000000000000000g",
            "00000000000000005",
            "0198c0de-0000-7000-8000-000000000001",
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
