//! The command: its words and its exit codes.

#![allow(clippy::unwrap_used, reason = "a helper of a test may panic too")]

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let command =
        Command::new(env!("CARGO_BIN_EXE_quorate-check")).args(arguments).current_dir(root).output();
    let Output { status, stdout, stderr } = command.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const GOOD: &str = "good/one-job.jsonl";
const BAD: &str = "bad/fifo--later-one-first.jsonl";

#[test]
fn a_good_history_is_0() {
    let (code, out, _) = run(&[GOOD]);
    assert_eq!(code, Some(0));
    assert!(out.contains("Every rule holds."), "{out}");
    assert!(out.contains("6 requests (6 ok, 0 unknown)"), "{out}");
}

#[test]
fn a_bad_history_is_1_and_shows_the_events() {
    let (code, out, _) = run(&[BAD]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("job B was granted at 3.0 although job A was queued before it and waited until 4.0"),
        "{out}"
    );
    assert!(out.contains("line 4: "), "{out}");
}

#[test]
fn too_little_is_1() {
    let (code, out, _) = run(&[GOOD, "--min-ok", "7"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("Too little succeeded"), "{out}");
    assert_eq!(run(&[GOOD, "--min-ok", "6"]).0, Some(0));
}

#[test]
fn an_unreadable_history_is_2_with_its_line() {
    let (code, _, error) = run(&["Cargo.toml"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("cannot read Cargo.toml: line 1: "), "{error}");
    assert_eq!(run(&["nowhere.jsonl"]).0, Some(2));
}

#[test]
fn json_says_the_same() {
    let (code, out, _) = run(&[BAD, "--json"]);
    assert_eq!(code, Some(1));
    let verdict: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(verdict["holds"], false);
    let rules = verdict["report"]["rules"].as_array().unwrap();
    let broken: Vec<_> = rules.iter().filter(|rule| rule["broken"] != 0).map(|rule| &rule["name"]).collect();
    assert_eq!(broken, ["fifo"]);
}

#[test]
fn generate_writes_a_history() {
    let (code, out, _) = run(&["--generate", "500", "--seed", "3"]);
    assert_eq!(code, Some(0));
    assert!(out.lines().count() >= 500);
    assert!(out.ends_with("}}\n"), "{out}");
}
