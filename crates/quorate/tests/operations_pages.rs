//! Runs every command of members.md, maintenance.md and sizing.md of docs/operations/ in its order, and compares what they print with what the page
//! shows. The cluster has other ports and directories here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../../tests/chaos/tests/common/console.rs"]
mod console;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{QUORATE, free_ports, has, url};

#[test]
fn the_page_of_members_does_what_it_says() {
    does_what_it_says("docs/operations/members.md");
}

#[test]
fn the_page_of_maintenance_does_what_it_says() {
    does_what_it_says("docs/operations/maintenance.md");
}

#[test]
fn the_page_on_sizing_does_what_it_says() {
    does_what_it_says("docs/operations/sizing.md");
}

fn does_what_it_says(page: &str) {
    if !has(None, "curl", &["--version"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join(page)).unwrap();
    let (dir, first) = (tempfile::tempdir().unwrap(), free_ports(5));
    let mut text = text.replace("/tmp/quorate", dir.path().join("quorate").to_str().unwrap());
    for at in 0..5 {
        for known in [8_080, 9_080] {
            let here = format!("127.0.0.1:{}", first + known - 8_080 + at);
            text = text.replace(&format!("127.0.0.1:{}", known + at), &here);
        }
    }
    let steps = console::steps(&text);
    assert!(steps.len() > 5, "{page} has commands");

    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let dev = format!("case ${{1-}} in dev) exec {QUORATE} \"$@\" --http-port {first};; esac");
    fs::write(bin.join("quorate"), format!("#!/bin/sh\n{dev}\nexec {QUORATE} \"$@\"\n")).unwrap();
    fs::set_permissions(bin.join("quorate"), fs::Permissions::from_mode(0o755)).unwrap();
    let end = "trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT";
    let script = format!("set -euo pipefail\nexec 2>&1\n{end}\n{}", console::script(&steps));
    let said = dir.path().join("said");
    // For some minutes at most.
    let mut shell = Command::new("timeout");
    shell.args(["120", "bash", "-c", &script]).stdin(Stdio::null());
    shell.stdout(fs::File::create(&said).unwrap());
    shell.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    shell.env("QUORATE_NODES", [first, first + 1, first + 2].map(url).join(","));
    let well = shell.status().unwrap().success();
    let output = fs::read_to_string(&said).unwrap();
    assert!(well, "a command of {page} failed; all of them printed:\n{output}");
    console::compare(&steps, &output);
}
