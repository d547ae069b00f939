use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// A length of time as a person writes it: `500ms`, `60s`, `5m`, `2h`, `7d`, `1h30m`; a number alone is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HumanDuration(pub(crate) Duration);

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<HumanDuration, String> {
        let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let with_units = || {
            let span: Span = text.parse().ok()?;
            Duration::try_from(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()
        };
        seconds.or_else(with_units).map(HumanDuration).ok_or_else(|| {
            "a duration is a number and its unit, such as 500ms, 60s, 5m, 2h or 7d; a number alone is seconds".into()
        })
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX);
        write!(f, "{}", format!("{duration:#}").replace(' ', ""))
    }
}

/// The same in whole seconds, which is what the API counts in; for `value_parser`.
///
/// # Errors
/// It is no duration, not a whole number of seconds, or too long for `N`.
pub(crate) fn seconds<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let duration = text.parse::<HumanDuration>()?.0;
    if duration.subsec_nanos() > 0 {
        return Err("only whole seconds count here".into());
    }
    N::try_from(duration.as_secs()).map_err(|_| "that is too long".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_unit_or_is_seconds() {
        let table = [
            ("500ms", 500),
            ("60", 60_000),
            ("0.2", 200),
            ("60s", 60_000),
            ("1.5 s", 1_500),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
        ];
        for (text, ms) in table {
            assert_eq!(text.parse(), Ok(HumanDuration(Duration::from_millis(ms))), "{text}");
        }
        for wrong in ["", "soon", "5x", "-1", "-5m", "5m ago", "1mo", "inf", "NaN", "1e300"] {
            assert!(wrong.parse::<HumanDuration>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn is_said_as_it_is_written() {
        for text in ["0s", "200ms", "10s", "5m", "1h30m"] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_api_counts_in_seconds() {
        assert_eq!((seconds("5m"), seconds("7d")), (Ok(300_u32), Ok(604_800_u64)));
        assert!(seconds::<u32>("500ms").unwrap_err().contains("whole seconds"));
        assert!(seconds::<u32>("9999999999").unwrap_err().contains("too long"));
    }
}
