use std::error::Error;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, Command, FromArgMatches};
use toml::Value;

use super::settings::Settings;

/// Settings from a TOML file: each line says what the flag of its name takes.
///
/// # Errors
/// It cannot be read, or is not made of settings; the message names the file, and the line or the setting.
pub(super) fn read(path: &Path) -> anyhow::Result<Settings> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("config: cannot read {}", path.display()))?;
    settings(&text).with_context(|| format!("config: {}", path.display()))
}

fn settings(text: &str) -> anyhow::Result<Settings> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or(text);
        anyhow!("line {}: {}", 1 + before.matches('\n').count(), error.message())
    })?;
    let flags = Settings::augment_args(Command::new("file").no_binary_name(true));
    // What variables say comes later.
    let flags = flags.mut_args(|flag| flag.env(Resettable::Reset));
    let mut given = Vec::new();
    for (name, value) in &table {
        ensure!(flags.get_arguments().any(|flag| is_setting(flag, name)), "{name}: there is no such setting");
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(switch) => switch.to_string(),
            Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
                bail!("{name}: it must be text in quotes, a number, true or false")
            }
        };
        let flag = format!("--{name}={value}");
        let taken = flags.clone().try_get_matches_from([&flag]);
        taken.map_err(|error| anyhow!("{name}: `{value}`: {}", why(&error)))?;
        given.push(flag);
    }
    Ok(Settings::from_arg_matches(&flags.try_get_matches_from(given)?)?)
}

fn is_setting(flag: &Arg, name: &str) -> bool {
    flag.get_long() == Some(name) && !flag.is_hide_set() && name != "config"
}

/// What is wrong with a value.
fn why(error: &clap::Error) -> String {
    match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(why), _) => why.to_string(),
        (None, Some(ContextValue::Strings(values))) if !values.is_empty() => {
            format!("it must be {}", values.join(" or "))
        }
        (None, _) => "it is empty".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::HumanDuration;
    use crate::logging::LogFormat;

    #[test]
    fn a_line_says_what_the_flag_takes() {
        let read =
            settings("log-format = \"json\"\nmax-payload = 10\naccess-log = true\notlp-ratio = 0.5").unwrap();
        assert_eq!((read.log_format, read.max_payload), (Some(LogFormat::Json), Some(10)));
        assert_eq!((read.access_log, read.otlp_ratio, read.name), (Some(true), Some(0.5), None));
        for (written, ms) in [("2", 2_000), ("0.5", 500), ("\"30s\"", 30_000)] {
            let HumanDuration(read) =
                settings(&format!("write-timeout = {written}")).unwrap().write_timeout.unwrap();
            assert_eq!(read.as_millis(), ms, "{written}");
        }
        assert!(settings("").unwrap().name.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        for (text, says) in [
            ("nmae = \"x\"", "nmae: there is no such setting"),
            ("config = \"x\"", "config: there is no such setting"),
            ("snapshot-every = 5", "snapshot-every: there is no such setting"),
            ("[serve]\nname = \"x\"", "serve: there is no such setting"),
            ("peers = [\"n1=h:1\"]", "peers: it must be text in quotes, a number, true or false"),
            ("max-payload = \"x\"", "max-payload: `x`: it must be a whole number from 0 to 1048576"),
            ("max-payload = -1", "max-payload: `-1`: it must be a whole number from 0 to 1048576"),
            ("max-payload = true", "max-payload: `true`: it must be a whole number from 0 to 1048576"),
            ("caller-rate = 1.5", "caller-rate: `1.5`: it must be a whole number from 1 to 1000000"),
            ("otlp-ratio = 2", "otlp-ratio: `2`: it must be a number from 0 to 1"),
            (
                "write-timeout = \"soon\"",
                "write-timeout: `soon`: a duration is a number and its unit, such as",
            ),
            ("write-timeout = 0", "write-timeout: `0`: it must be a duration from 100ms to 1m"),
            ("log-format = 5", "log-format: `5`: it must be human or json"),
            ("log-level = 5", "log-level: `5`: it is no filter"),
            ("insecure = \"maybe\"", "insecure: `maybe`: it must be 1, true, yes or on, or else"),
            ("anonymous = \"all\"", "anonymous: `all`: "),
            ("tokens = \"\"", "tokens: ``: it is empty"),
            ("name = \"a\"\nname = \"b\"", "line 2: duplicate key"),
            ("name = \"a\"\n\npeers = n1", "line 3: "),
            ("name", "line 1: "),
        ] {
            let said = format!("{:#}", settings(text).map(|_| ()).unwrap_err());
            assert!(said.starts_with(says), "{text}: {said}");
            let words = ["invalid type", "u32", "usize", "i64", "map", "sequence", "'--"];
            assert!(!words.iter().any(|word| said.contains(word)) && !said.contains('\n'), "{text}: {said}");
        }
    }
}
