use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

use crate::number::is_plain;

/// A length of time as a person writes it: `500ms`, `60s`, `5m`, `2h`, `7d`, `1h30m`; a number alone is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HumanDuration(pub(crate) Duration);

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<HumanDuration, String> {
        let seconds = text
            .parse()
            .ok()
            .filter(|_| is_plain(text))
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
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
        let (days, rest) = (self.0.as_secs() / DAY, self.0.as_secs() % DAY);
        if days > 0 && rest == 0 && self.0.subsec_nanos() == 0 {
            return write!(f, "{days}d");
        }
        let duration = SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX);
        write!(f, "{}", format!("{duration:#}").replace(' ', ""))
    }
}

const DAY: u64 = 24 * 3_600;

/// A duration in this range; for `value_parser`.
pub(crate) fn within(
    range: RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<HumanDuration, String> + Clone {
    move |text| {
        let duration: HumanDuration = text.parse()?;
        let (least, most) = (HumanDuration(*range.start()), HumanDuration(*range.end()));
        match (least..=most).contains(&duration) {
            true => Ok(duration),
            false => Err(format!("it must be a duration from {least} to {most}")),
        }
    }
}

/// The same in whole seconds, which is what the API counts in; for `value_parser`.
pub(crate) fn seconds<N: TryFrom<u64> + Into<u64> + Copy>(
    range: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone {
    let from_seconds = |seconds: N| Duration::from_secs(seconds.into());
    let within = within(from_seconds(*range.start())..=from_seconds(*range.end()));
    move |text| {
        let HumanDuration(duration) = within(text)?;
        if duration.subsec_nanos() > 0 {
            return Err("only whole seconds count here".into());
        }
        N::try_from(duration.as_secs()).map_err(|_| "that is too long".into())
    }
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
        for wrong in ["", "soon", "5x", "-1", "-5m", "5m ago", "1mo", "inf", "NaN", "1e300", "1e3", "+1"] {
            assert!(wrong.parse::<HumanDuration>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn is_said_as_it_is_written() {
        for text in ["0s", "200ms", "10s", "5m", "1h30m", "7d", "365d", "36h"] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_api_counts_in_seconds() {
        let (delay, retention) = (seconds(1_u32..=604_800), seconds(60_u64..=315_360_000));
        assert_eq!((delay("5m"), retention("3650d")), (Ok(300), Ok(315_360_000)));
        assert!(delay("1500ms").unwrap_err().contains("whole seconds"));
        for wrong in ["0", "8d", "9999999999"] {
            assert_eq!(delay(wrong).unwrap_err(), "it must be a duration from 1s to 7d", "{wrong}");
        }
    }
}
