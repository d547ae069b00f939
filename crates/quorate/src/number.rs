use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// So many of what one of is called `one`: `1 job`, `2 jobs`, `3 log entries`.
pub(crate) fn counted(count: impl Display, one: &str) -> String {
    let count = count.to_string();
    let many = one.strip_suffix("ry").map_or_else(|| format!("{one}s"), |stem| format!("{stem}ries"));
    format!("{count} {}", if count == "1" { one } else { &many })
}

/// The form of a word that fits so many.
pub(crate) fn form(count: impl Display, of_one: &'static str, of_many: &'static str) -> &'static str {
    if count.to_string() == "1" { of_one } else { of_many }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        let said = [0, 1, 2].map(|count| counted(count, "job"));
        assert_eq!(said, ["0 jobs", "1 job", "2 jobs"]);
        assert_eq!([counted(1, "log entry"), counted(2, "log entry")], ["1 log entry", "2 log entries"]);
        assert_eq!([0, 1, 2].map(|count| form(count, "is", "are")), ["are", "is", "are"]);
    }
}
