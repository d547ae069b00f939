use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// The settings of this run that came from variables, by their flags' names, and what holds for all such settings: an empty
/// variable counts as not given, and a switch is 1, true, yes or on, or else 0, false, no or off.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

/// Reads the command line of the program, and the environment.
///
/// # Errors
/// Help was asked for, or something is wrong; the message names the variable where it came from one.
pub(crate) fn parse<C: FromArgMatches>(
    program: &Command,
    args: &[OsString],
) -> Result<(C, Environment), clap::Error> {
    let mut command = with_settings(program.clone(), &|_| false);
    let matches = command
        .try_get_matches_from_mut(args)
        .map_err(|error| name_the_variable(error, &mut command, program, args))?;
    let cli = C::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let mut environment = Environment::default();
    environment.note(&command, &matches);
    Ok((cli, environment))
}

impl Environment {
    /// An error's words, which begin with the setting that they are about, with the variable in its place.
    pub(crate) fn name_the_variable(&self, said: String) -> String {
        let (setting, rest) = said.split_at(said.find(':').unwrap_or(said.len()));
        self.0.get(setting).map_or_else(|| said.clone(), |variable| format!("{variable}{rest}"))
    }

    fn note(&mut self, command: &Command, matches: &ArgMatches) {
        for arg in command.get_arguments() {
            if let (Some(flag), Some(variable)) = (arg.get_long(), arg.get_env())
                && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable)
            {
                self.0.insert(flag.to_owned(), variable.to_string_lossy().into_owned());
            }
        }
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            self.note(command, matches);
        }
    }
}

/// A command line, without some of the variables.
fn with_settings(command: Command, without: &dyn Fn(&OsStr) -> bool) -> Command {
    command
        .mut_args(|arg| setting(arg, without))
        .mut_subcommands(|subcommand| with_settings(subcommand, without))
}

fn setting(arg: Arg, without: &dyn Fn(&OsStr) -> bool) -> Arg {
    // A number below 0 is a wrong value, not another flag.
    let arg = if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg };
    let Some(variable) = arg.get_env().map(ToOwned::to_owned) else { return arg };
    let empty = std::env::var_os(&variable).is_some_and(|value| value.is_empty());
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(switch),
        _ => arg,
    };
    if empty || without(&variable) { arg.env(Resettable::Reset) } else { arg }
}

/// On or off, as people say it; for `value_parser`.
pub(crate) fn switch(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err("it must be 1, true, yes or on, or else 0, false, no or off".into()),
    }
}

/// clap names the flag. If something else is wrong without a variable, or nothing, that one was meant.
fn name_the_variable(
    mut error: clap::Error,
    command: &mut Command,
    program: &Command,
    args: &[OsString],
) -> clap::Error {
    let what = |error: &clap::Error| {
        let context = |kind| error.get(kind).map(ToString::to_string);
        (error.kind(), context(ContextKind::InvalidArg), context(ContextKind::InvalidValue))
    };
    let error_without = |without: &dyn Fn(&OsStr) -> bool| {
        with_settings(program.clone(), without).try_get_matches_from(args).err()
    };
    let is_same = |other: &clap::Error| what(other) == what(&error);
    let meant = variables(command)
        .into_iter()
        .find(|variable| !error_without(&|other| other == variable).is_some_and(|other| is_same(&other)));
    let Some(name) = meant.map(|variable| variable.to_string_lossy().into_owned()) else {
        // Its usage shows a flag whose variable is set as one that must be given.
        let without = error_without(&|_| true).filter(is_same);
        if let Some(usage) = without.as_ref().and_then(|other| other.get(ContextKind::Usage)) {
            error.insert(ContextKind::Usage, usage.clone());
        }
        return error;
    };
    if error.kind() == ErrorKind::InvalidUtf8 {
        return command.error(ErrorKind::InvalidUtf8, format!("{name} is not UTF-8"));
    }
    error.insert(ContextKind::InvalidArg, ContextValue::String(name));
    error
}

fn variables(command: &Command) -> BTreeSet<OsString> {
    let own = command.get_arguments().filter_map(Arg::get_env).map(ToOwned::to_owned);
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

/// What stands between two separators of a list; nothing behind the last one, as in `a,b,`.
#[derive(Clone, Debug)]
pub(crate) struct Item<T>(Option<T>);

impl<T: FromStr> FromStr for Item<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Item<T>, T::Err> {
        match text.trim() {
            "" => Ok(Item(None)),
            text => Ok(Item(Some(text.parse()?))),
        }
    }
}

/// The items that are there.
pub(crate) fn items<T: Clone>(list: &[Item<T>]) -> Vec<T> {
    list.iter().filter_map(|item| item.0.clone()).collect()
}
