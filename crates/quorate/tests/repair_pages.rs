//! Types docs/operations/backup.md, disaster.md, full-disk.md and upgrade.md: every command in its order, in one shell, and compares what is printed with what
//! the page shows; `…` there stands for anything. The ports are others here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../../tests/chaos/tests/common/console.rs"]
mod console;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{QUORATE, free_ports, has, url};

#[test]
fn the_page_on_backups_can_be_typed() {
    type_page("docs/operations/backup.md");
}

#[test]
fn the_exercise_of_a_lost_majority_can_be_typed() {
    type_page("docs/operations/disaster.md");
}

#[test]
fn the_page_on_upgrades_can_be_typed() {
    type_page("docs/operations/upgrade.md");
}

#[test]
fn the_exercise_of_a_full_disk_can_be_typed() {
    let can_mount = "d=$(mktemp -d) && cd $d && truncate -s 20M i && mkfs.ext4 -q -F i && mkdir m && mount -o loop i m && umount m";
    if has(Some("docs/operations/full-disk.md"), "sh", &["-ec", can_mount]) {
        type_page("docs/operations/full-disk.md");
    }
}

fn type_page(page: &str) {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(4);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
    let mut steps = console::steps(&with_ports(&text, first));
    assert!(steps.len() > 10, "the page has commands");
    // What was killed does not end the shell.
    steps.iter_mut().filter(|step| step.command.starts_with("wait")).for_each(|step| step.command += " || :");
    let output = run(&(BEFORE.to_owned() + &console::script(&steps)), dir.path(), first);
    console::compare(&steps, &output);
}

/// `%1` is the first job that goes on, also where no terminal is.
const BEFORE: &str = "set -euo pipefail\nset -m\nexec 2>&1\ntrap 'kill -KILL $(jobs -p) 2>/dev/null || :; umount -lq disk 2>/dev/null || :' EXIT\n";

fn with_ports(text: &str, first: u16) -> String {
    (0..4).fold(text.to_owned(), |text, at| {
        let text = text.replace(&format!("127.0.0.1:{}", 8_080 + at), &format!("127.0.0.1:{}", first + at));
        text.replace(&format!("127.0.0.1:{}", 9_080 + at), &format!("127.0.0.1:{}", first + 1_000 + at))
    })
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
