//! Nodes that ask for tokens, from the command that makes one to the line that the log has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{QUORATE, Started, free_ports, quorate, serve, url, wait_until, wait_until_ready};
use nix::sys::signal::Signal;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Makes a token of this name and role; says it.
fn new(file: &str, name: &str, role: &str) -> String {
    let made = quorate(&["token", "new", "--name", name, "--role", role, "--tokens", file]);
    assert!(made.status.success(), "{}", said(&made));
    String::from_utf8(made.stdout).unwrap().trim_end().to_owned()
}

/// A command with this token.
fn with(token: &str, port: u16, args: &[&str]) -> Output {
    Command::new(QUORATE)
        .args(args)
        .args(["--nodes", &url(port)])
        .env("QUORATE_TOKEN", token)
        .output()
        .unwrap()
}

fn start(dir: &Path, port: u16, besides: &[&str]) -> Started {
    let log = File::create(dir.join("log")).unwrap();
    let mut command = Command::new(QUORATE);
    let node = command.args(serve(dir, &[port], 0)).args(besides).stderr(log).spawn().unwrap();
    wait_until_ready(port);
    Started(node)
}

#[test]
fn a_token_opens_what_its_role_may_until_it_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let (admin, fleet) = (new(file, "root", "admin"), new(file, "fleet-a", "run"));
    let shop = new(file, "shop", "submit");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(![&admin, &fleet, &shop].iter().any(|token| text.contains(*token)), "only hashes: {text}");

    let port = free_ports(1);
    let mut node = start(dir.path(), port, &["--tokens", file, "--access-log"]);
    let enqueue = ["job", "enqueue", "--image", "a", "--payload", "x"];
    let refused = with("", port, &enqueue);
    assert!(said(&refused).contains("this needs a token"), "{}", said(&refused));
    let refused = with(&fleet, port, &enqueue);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("the token `fleet-a` lacks the role that this needs: `submit` or `admin`")
    );
    assert!(with(&shop, port, &enqueue).status.success());
    let set = with(&admin, port, &["queue", "set", "mails", "--max-running", "2"]);
    assert!(set.status.success(), "{}", said(&set));
    // A runner takes the job, and ends well.
    let program = ["run", "--program", "a=/usr/bin/cat", "--nodes", &url(port)];
    let mut runner =
        Started(Command::new(QUORATE).args(program).env("QUORATE_TOKEN", &fleet).spawn().unwrap());
    wait_until("the job is done", || {
        let list = with(&admin, port, &["job", "list", "--status", "success", "--quiet"]);
        !String::from_utf8(list.stdout).unwrap().trim().is_empty()
    });
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ends"), Some(0));

    let removed = quorate(&["token", "remove", "shop", "--tokens", file]);
    assert!(removed.status.success(), "{}", said(&removed));
    wait_until("it is refused", || {
        said(&with(&shop, port, &enqueue)).contains("this token is not known here")
    });
    assert!(with(&admin, port, &["job", "list"]).status.success());
    // A mistake takes nothing from anybody.
    std::fs::write(&path, "root admin qt_oops\n").unwrap();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_until("the node says so", || log().contains("the tokens as they were go on"));
    assert!(with(&admin, port, &["job", "list"]).status.success());

    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ends"), Some(0));
    let log = log();
    let audit: Vec<&str> = log.lines().filter(|line| line.contains("quorate::audit: request")).collect();
    assert_eq!(audit.len(), 1, "{audit:?}");
    for part in ["token=\"root\"", "method=PUT", "path=/v1/queue/mails", "status=200", "index="] {
        assert!(audit[0].contains(part), "{part}: {}", audit[0]);
    }
    assert!(log.contains("gone=\"shop (submit)\""), "who lost his token is told: {log}");
    assert!(log.lines().any(|line| line.contains("quorate::access") && line.contains("token=\"shop\"")));
    assert!(![&admin, &fleet, &shop, "oops"].iter().any(|token| log.contains(*token)), "no token is logged");
}

#[test]
fn who_sends_none_may_what_the_operator_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let admin = new(file, "root", "admin");
    let token = dir.path().join("root");
    std::fs::write(&token, format!("{admin}\n")).unwrap();
    let port = free_ports(1);
    let _node = start(dir.path(), port, &["--tokens", file, "--anonymous", "submit,read"]);
    let enqueue = ["job", "enqueue", "--image", "a", "--payload", "x", "--nodes", &url(port)];
    assert!(quorate(&enqueue).status.success());
    let pause = ["queue", "pause", "default", "--nodes", &url(port)];
    assert!(said(&quorate(&pause)).contains("this needs a token"));
    let paused = quorate(&[&pause[..], &["--token-file", token.to_str().unwrap()]].concat());
    assert!(paused.status.success(), "{}", said(&paused));
}

#[test]
fn what_is_wrong_with_a_file_or_a_name_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    new(file, "a", "run,read");
    for (args, code, says) in [
        (&["token", "new", "--name", "a", "--role", "run", "--tokens", file][..], 1, "has a token of `a`"),
        (&["token", "new", "--name", "b", "--role", "root", "--tokens", file], 2, "`root` is no role"),
        (&["token", "new", "--name", "b c", "--role", "run", "--tokens", file], 2, "letters, digits"),
        (&["token", "remove", "b", "--tokens", file], 1, "has no token of `b`"),
        (&["token", "list", "--tokens", "/nowhere/tokens"], 1, "cannot read /nowhere/tokens"),
        (&["serve", "--tokens", "/nowhere/tokens"], 1, "cannot read /nowhere/tokens"),
    ] {
        let output = quorate(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{args:?}: {}", said(&output));
    }
    let list = quorate(&["token", "list", "--tokens", file]);
    assert!(said(&list).contains("a") && said(&list).contains("run,read"), "{}", said(&list));
    let again = said(&quorate(&["token", "new", "--name", "a", "--role", "run", "--tokens", file]));
    assert!(again.contains("make one under another name"), "{again}");
    assert!(quorate(&["token", "remove", "a", "--tokens", file]).status.success());
    assert_eq!(said(&quorate(&["token", "list", "--tokens", file, "--json"])).trim(), "[]");
}

#[test]
fn an_empty_file_takes_no_token_away_but_one_that_says_so_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let admin = new(file, "root", "admin");
    let port = free_ports(1);
    let _node = start(dir.path(), port, &["--tokens", file]);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_until("the node says so", || log().contains("it is empty, as a copy is that was cut off"));
    assert!(with(&admin, port, &["job", "list"]).status.success());
    std::fs::write(&path, whole).unwrap();
    assert!(quorate(&["token", "remove", "root", "--tokens", file]).status.success());
    wait_until("nobody has one", || {
        said(&with(&admin, port, &["job", "list"]))
            .contains("this token is not known here: this node knows none")
    });
    let without = said(&quorate(&["job", "list", "--nodes", &url(port)]));
    assert!(without.contains("this needs a token"), "{without}");
    new(file, "next", "admin");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    let port = free_ports(1);
    let next = tempfile::tempdir().unwrap();
    let _other = start(next.path(), port, &["--tokens", file]);
    let log = std::fs::read_to_string(next.path().join("log")).unwrap();
    assert!(log.contains("everybody on this machine can write this file"), "{log}");
}
