//! What is said of commands, in their help and on the pages, are commands.

use std::path::Path;

use clap::CommandFactory;
use clap::error::{ContextKind, ErrorKind};

use super::*;

/// The commands in the help of this one, and of those below it.
fn examples(of: &clap::Command) -> Vec<String> {
    let helps = [of.get_after_help(), of.get_after_long_help()];
    let texts = helps.into_iter().flatten().map(|help| help.to_string().replace("\\\n", ""));
    let mut all: Vec<String> = texts.flat_map(|text| commands(&text)).collect();
    all.extend(of.get_subcommands().flat_map(examples));
    all
}

fn commands(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_start);
    let lines = lines
        .map(|line| line.strip_prefix("sudo ").unwrap_or(line))
        .filter(|line| line.starts_with("quorate "));
    // What comes of it, or what is said of it, stands behind.
    let ends = ["   ", " $(", " >", " 2>", " |", " &", " #", ";"];
    lines
        .map(|line| ends.iter().fold(line, |line, end| line.split(end).next().unwrap_or(line)).to_owned())
        .collect()
}

/// As a shell has them.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

#[test]
fn every_example_in_a_help_is_a_command_line() {
    let all = examples(&Cli::command());
    assert!(all.len() > 8, "{all:?}");
    for example in all {
        let parsed = Cli::command().try_get_matches_from(words(&example));
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
    }
}

/// What pages say in passing, `quorate job list`, and the commands of blocks that nobody runs. Names in capitals stand for others.
#[test]
fn every_command_on_a_page_is_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md"), root.join("SECURITY.md")];
    for folder in ["docs", "docs/operations", "docs/decisions"] {
        let files = root.join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|file| file.extension().is_some_and(|kind| kind == "md")));
    }
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for said in text.split("```").enumerate().flat_map(|(at, part)| match at % 2 {
            0 => inline(part),
            _ => commands(&part.replace("\\\n", "").replace("\n$ ", "\n")),
        }) {
            for line in alternatives(&words(&said)) {
                count += 1;
                let refused = Cli::command().try_get_matches_from(&line).err();
                let refused = refused.filter(|error| !is_only_short(error));
                wrong.extend(refused.map(|error| format!("{}: `{said}`: {error}", page.display())));
            }
        }
    }
    assert!(count > 100 && wrong.is_empty(), "of {count}:\n{}", wrong.join("\n"));
}

fn inline(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| span.starts_with("quorate ")).flat_map(commands).collect()
}

/// Each of the commands that `new|list|remove` stands for; `…` for what is left out.
fn alternatives(words: &[String]) -> Vec<Vec<String>> {
    let words = words.iter().map(|word| word.trim_end_matches('…')).filter(|word| !word.is_empty());
    words.fold(vec![Vec::new()], |lines, word| {
        let with = |line: &Vec<String>| -> Vec<Vec<String>> {
            word.split('|').map(|word| [&line[..], &[word.to_owned()]].concat()).collect()
        };
        lines.iter().flat_map(with).collect()
    })
}

/// Something is left out, or has a name that stands for another one.
fn is_only_short(error: &clap::Error) -> bool {
    let stands_for = |kind| {
        let given = error.get(kind).map(ToString::to_string).unwrap_or_default();
        given.contains('$') || given.bytes().all(|byte| !byte.is_ascii_lowercase())
    };
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::MissingRequiredArgument => true,
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => stands_for(ContextKind::InvalidValue),
        ErrorKind::InvalidSubcommand => stands_for(ContextKind::InvalidSubcommand),
        _ => false,
    }
}
