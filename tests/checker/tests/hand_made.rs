//! Small histories written by hand. The name of a bad one says which rules it breaks, all of them, before `--`.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use quorate_check::{History, Report, check};

fn histories(folder: &str) -> Vec<(String, Report)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let judge = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read(path).unwrap();
        let history = History::read(&text[..]).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, check(&history))
    };
    paths.iter().map(judge).collect()
}

#[test]
fn every_bad_history_is_refused_for_the_right_reason() {
    let bad = histories("bad");
    assert!(bad.len() >= 90, "there are only {}", bad.len());
    for (name, report) in &bad {
        let (breaks, _) = name.split_once("--").expect("RULE+RULE--what.jsonl");
        let expected: BTreeSet<&str> = breaks.split('+').collect();
        let broken: BTreeSet<&str> = report.broken().map(|rule| rule.name).collect();
        assert_eq!(broken, expected, "{name}\n{report}");
        for rule in report.broken() {
            assert!(!rule.violations.is_empty(), "{name}: {} shows nothing", rule.name);
            for (line, event) in rule.violations.iter().flat_map(|violation| &violation.events) {
                assert!(!event.is_empty(), "{name}: line {line} has nothing to show");
            }
        }
    }
}

#[test]
fn every_rule_is_broken_by_a_history() {
    let bad = histories("bad");
    let broken: BTreeSet<&str> =
        bad.iter().flat_map(|(_, report)| report.broken()).map(|rule| rule.name).collect();
    let all: BTreeSet<&str> = bad[0].1.rules.iter().map(|rule| rule.name).collect();
    assert_eq!(broken, all);
}

#[test]
fn every_good_history_is_accepted() {
    let good = histories("good");
    assert!(good.len() >= 30, "there are only {}", good.len());
    for (name, report) in &good {
        assert!(report.holds(), "{name}\n{report}");
    }
}
