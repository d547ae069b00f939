use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A whole number in this range; for `value_parser`.
pub(crate) fn number<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Clone,
{
    within(range, "whole number")
}

/// A number in this range, which may have a fraction; for `value_parser`.
pub(crate) fn decimal(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone {
    within(range, "number")
}

fn within<N>(range: RangeInclusive<N>, what: &'static str) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| is_plain(text) && range.contains(number));
        number.ok_or_else(|| format!("it must be a {what} from {} to {}", range.start(), range.end()))
    }
}

/// Digits, with a point at most: not what a parser takes for a number besides, as `1e3` and `+1`.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
