//! Types docs/operations/backup.md and disaster.md: every command in its order, in one shell, and compares what is printed with what
//! the page shows; `…` there stands for anything. The ports are others here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{QUORATE, free_ports, url};

/// Before each command, the script prints this and the command's number.
const MARK: &str = "@@@ command ";

/// A command of a page.
struct Step {
    command: String,
    /// The lines that the page shows below it.
    shown: Vec<String>,
}

#[test]
fn the_page_on_backups_can_be_typed() {
    type_page("docs/operations/backup.md");
}

#[test]
fn the_exercise_of_a_lost_majority_can_be_typed() {
    type_page("docs/operations/disaster.md");
}

fn type_page(page: &str) {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
    let steps = steps(&with_ports(&text, first));
    assert!(steps.len() > 10, "the page has commands");
    let output = run(&script(&steps), dir.path(), first);
    let mut outputs = output.split(MARK).skip(1);
    for Step { command, shown } in &steps {
        let printed = outputs.next().unwrap_or_else(|| panic!("`{command}` was not come to:\n{output}"));
        for line in shown {
            assert!(
                printed.lines().any(|found| matches(line, found)),
                "`{command}` shows `{line}`, and it printed:\n{printed}"
            );
        }
    }
}

fn with_ports(text: &str, first: u16) -> String {
    (0..3).fold(text.to_owned(), |text, at| {
        let text = text.replace(&format!("127.0.0.1:{}", 8_080 + at), &format!("127.0.0.1:{}", first + at));
        text.replace(&format!("127.0.0.1:{}", 9_080 + at), &format!("127.0.0.1:{}", first + 1_000 + at))
    })
}

/// The commands of all console blocks. What a command prints follows it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (false, _) => {}
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("`{line}` stands before the first command"),
            },
        }
    }
    steps
}

/// As it is typed: `%1` is the first job that goes on, also where no terminal is; what was killed does not end the shell.
fn script(steps: &[Step]) -> String {
    let mut script =
        "set -euo pipefail\nset -m\nexec 2>&1\ntrap 'kill -KILL $(jobs -p) 2>/dev/null || :' EXIT\n"
            .to_owned();
    for (step, number) in steps.iter().zip(1..) {
        let command = if step.command == "wait" { "wait || :" } else { &step.command };
        script.push_str(&format!("echo; echo '{MARK}{number}'\n{command}\n"));
    }
    script
}

fn run(script: &str, dir: &Path, first: u16) -> String {
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(QUORATE, bin.join("quorate")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // For some minutes at most.
    let mut shell = Command::new("timeout");
    shell.args(["--kill-after=10", "240", "bash", "-c", script]).current_dir(dir).stdin(Stdio::null());
    shell.env("PATH", path).env("QUORATE_HEALTH_URL", url(first));
    shell.env("QUORATE_NODES", [first, first + 1, first + 2].map(url).join(","));
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}; typed:\n{script}\nsaid:\n{said}", output.status);
    said
}

/// Whether a line is as the page shows it.
fn matches(shown: &str, found: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, between @ .., last] = parts.as_slice() else { return shown == found };
    let rest = found.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let found_all = between
        .iter()
        .try_fold(rest.unwrap_or_default(), |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
    rest.is_some() && found_all.is_some()
}

#[test]
fn dots_stand_for_anything() {
    assert!(matches("hello", "hello") && !matches("hello", "hello world"));
    assert!(matches("a … c", "a b c") && matches("a …", "a b") && !matches("a … c", "a b d"));
}
