//! Reads and runs the tables of `tests/tables/`.

mod parse;
mod stage;

use std::path::{Path, PathBuf};

use parse::{Line, Verb, tidy};
use stage::Stage;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables")
}

/// The names of all tables, sorted.
pub(crate) fn files() -> Vec<String> {
    let entries = std::fs::read_dir(directory()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut tables: Vec<String> = names.filter(|name| name.ends_with(".txt")).collect();
    tables.sort();
    tables
}

/// Runs one table and panics at the first line that does not hold.
pub(crate) fn run(file: &str) {
    let text = std::fs::read_to_string(directory().join(file)).unwrap();
    let lines: Vec<Line> =
        text.lines().zip(1..).filter_map(|(text, number)| Line::parse(text, number)).collect();
    assert!(!lines.is_empty(), "{file} is empty");

    let mut stage = Stage::default();
    let mut rest = lines.as_slice();
    while let [first, ..] = rest {
        // The lines of one log entry: the first, and all that follow with `and` for their time.
        let length = 1 + rest[1..].iter().take_while(|line| line.continues()).count();
        let (entry, after) = rest.split_at(length);
        rest = after;
        match &first.verb {
            Verb::Scene => stage = Stage::default(),
            Verb::Show(name) => {
                let shown = stage.show(name);
                for wanted in first.answer.split_whitespace() {
                    assert!(
                        shown.iter().any(|one| one == wanted),
                        "{file}:{}: {wanted} is not in {shown:?}",
                        first.number
                    );
                }
            }
            Verb::Images => compare(file, first.number, "images", &first.answer, &stage.images()),
            Verb::Keys => compare(file, first.number, "keys", &first.answer, &stage.keys()),
            Verb::Tick | Verb::Command(_) | Verb::EveryStatus => {
                let answers = stage.entry(entry);
                for (line, answer) in entry.iter().zip(answers) {
                    compare(file, line.number, "answer", &line.answer, &answer);
                }
                let last = entry.last().unwrap();
                compare(
                    file,
                    last.number,
                    "jobs",
                    last.jobs.as_ref().unwrap_or(&String::new()),
                    &stage.jobs(),
                );
            }
        }
    }
}

fn compare(file: &str, line: usize, what: &str, expected: &str, actual: &str) {
    let (expected, actual) = (tidy(expected), tidy(actual));
    assert!(
        expected == actual,
        "{file}:{line}: {what}\n  in the table: {expected}\n  in fact:      {actual}"
    );
}
