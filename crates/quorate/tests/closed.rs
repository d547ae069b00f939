//! A node lets nobody in by accident.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{
    QUORATE, Started, ends, enqueue, free_ports, quorate, serve, url, wait_until, wait_until_ready,
};
use nix::sys::signal::Signal;
use quorate_tls::testing::{ca, issue, trust};
use serde_json::Value;

/// A node alone that listens on all addresses of the machine, where it is told to.
fn args(dir: &Path, port: u16, http: &str, peers: &str) -> Vec<String> {
    let mut args = serve(dir, &[port], 0);
    let mut set = |flag: &str, value: String| {
        let at = args.iter().position(|arg| arg == flag).unwrap();
        args[at + 1] = value;
    };
    set("--http-addr", format!("{http}:{port}"));
    set("--peer-addr", format!("{peers}:{}", port + 1_000));
    args
}

#[test]
fn what_others_reach_is_refused_without_tokens_and_certificates() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_ports(1));
    let tokens = dir.path().join("tokens");
    let tokens = tokens.to_str().unwrap();
    assert!(
        quorate(&["token", "new", "--name", "root", "--role", "admin", "--tokens", tokens]).status.success()
    );
    let tokens = ["--tokens", tokens].map(str::to_owned);
    let [generous, watched] = [["--anonymous", "read,admin"], ["--metrics-addr", "0.0.0.0:9180"]]
        .map(|besides| [&tokens[..], &besides.map(str::to_owned)].concat());
    for (http, peers, besides, says) in [
        ("0.0.0.0", "127.0.0.1", &[][..], "error: http-addr: 0.0.0.0:"),
        ("[::]", "127.0.0.1", &[], "error: http-addr: [::]:"),
        ("127.0.0.1", "0.0.0.0", &[], "error: peer-addr: 0.0.0.0:"),
        ("0.0.0.0", "0.0.0.0", &tokens, "error: peer-addr: 0.0.0.0:"),
        ("0.0.0.0", "127.0.0.1", &generous, "error: http-addr: 0.0.0.0:"),
        ("0.0.0.0", "127.0.0.1", &watched, "error: metrics-addr: 0.0.0.0:"),
    ] {
        let (code, said) = ends(&[args(dir.path(), port, http, peers), besides.to_vec()].concat());
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with(says) && said.contains("--insecure (QUORATE_INSECURE=1)"), "{says}: {said}");
    }
    assert!(!dir.path().join("n0").exists(), "nothing was done");
}

#[test]
fn a_node_that_is_told_to_be_open_says_so_loudly() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_ports(1));
    let log = dir.path().join("log");
    let mut command = Command::new(QUORATE);
    command.args(args(dir.path(), port, "0.0.0.0", "127.0.0.1")).env("QUORATE_INSECURE", "1");
    command.args(["--log-level", "off"]);
    let _node = Started(command.stderr(File::create(&log).unwrap()).spawn().unwrap());
    wait_until_ready(port);
    let log = fs::read_to_string(&log).unwrap();
    let warned = |line: &str| {
        line.contains("WARN") && line.contains("INSECURE") && line.contains("whoever reaches 0.0.0.0:")
    };
    assert!(log.lines().any(warned), "{log}");

    let status = quorate(&["cluster", "status", "--json", "--nodes", &url(port)]);
    let cluster: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&cluster["members"][0]["insecure"], &cluster["warnings"][0]["kind"]),
        (&true.into(), &"insecure".into())
    );
    let status = quorate(&["cluster", "status", "--nodes", &url(port)]);
    let words = String::from_utf8(status.stdout).unwrap();
    assert!(words.contains("warning: n0 is open (--insecure): whoever reaches its ports"), "{words}");
    let ready = quorate(&["health", "--ready", "--url", &url(port)]);
    assert_eq!(ready.stdout, b"ready\n");
    assert!(String::from_utf8(ready.stderr).unwrap().contains("warning: the node is open (--insecure)"));
}

#[test]
fn on_this_machine_a_node_needs_no_leave_and_with_tokens_others_may_call() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_ports(1));
    let tokens = dir.path().join("tokens");
    let tokens = tokens.to_str().unwrap();
    assert!(
        quorate(&["token", "new", "--name", "root", "--role", "admin", "--tokens", tokens]).status.success()
    );
    let mut command = Command::new(QUORATE);
    command.args(args(dir.path(), port, "0.0.0.0", "127.0.0.1")).args(["--tokens", tokens]);
    // It is closed all the same: nothing is said of it.
    let _node = Started(command.arg("--insecure").stderr(std::process::Stdio::null()).spawn().unwrap());
    wait_until_ready(port);
    let ready = quorate(&["health", "--ready", "--url", &url(port)]);
    assert!(ready.stderr.is_empty(), "{}", String::from_utf8_lossy(&ready.stderr));
}

#[test]
fn what_strangers_may_counts_and_not_how_it_is_said() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_ports(1));
    let mut command = Command::new(QUORATE);
    command.args(args(dir.path(), port, "0.0.0.0", "127.0.0.1")).args(["--anonymous", "read"]);
    let _node = Started(command.stderr(std::process::Stdio::null()).spawn().unwrap());
    wait_until_ready(port);
    let status = quorate(&["cluster", "status", "--nodes", &url(port)]);
    assert!(status.status.success() && !String::from_utf8_lossy(&status.stdout).contains("insecure"));
    let paused = quorate(&["queue", "pause", "--nodes", &url(port)]);
    assert!(!paused.status.success(), "{}", String::from_utf8_lossy(&paused.stdout));
}

#[test]
fn who_asks_for_certificates_and_no_tokens_is_told_whom_that_lets_in() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    issue(dir.path(), &ca, "n0", None);
    trust(dir.path(), &[&ca]);
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let log = dir.path().join("log");
    let said_with = |besides: &[&str]| {
        let port = free_ports(1);
        let mut command = Command::new(QUORATE);
        command.args(args(dir.path(), port, "0.0.0.0", "127.0.0.1")).args(besides);
        let mut node = Started(command.stderr(File::create(&log).unwrap()).spawn().unwrap());
        let said = || fs::read_to_string(&log).unwrap();
        wait_until("it serves", || said().contains("serving"));
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended("it ends"), Some(0));
        said()
    };
    let (cert, key, clients) = (at("n0.pem"), at("n0.key"), at("ca.pem"));
    let asks = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &clients];
    let told = "whoever has a certificate of --tls-client-ca may do everything";
    let log = said_with(&asks);
    assert!(log.contains("WARN") && log.contains(told) && !log.contains("INSECURE"), "{log}");
    let log = said_with(&[&asks[..], &["--anonymous", "admin"]].concat());
    assert!(!log.contains("may do everything") && !log.contains("without a token"), "{log}");
    let log = said_with(&["--anonymous", "submit,read"]);
    assert!(log.contains("may submit,read without a token (--anonymous)"), "{log}");
}

/// A command as in a shell that lets others read and write what is made in it.
fn openhanded(args: &[String]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000 && exec \"$0\" \"$@\"", QUORATE]).args(args);
    command
}

/// All that is in a directory, and below.
fn all_in(dir: &Path) -> Vec<PathBuf> {
    let found = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    found
        .flat_map(
            |path| if path.is_dir() { [vec![path.clone()], all_in(&path)].concat() } else { vec![path] },
        )
        .collect()
}

#[test]
fn what_is_written_is_its_users_alone_whatever_the_umask() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_ports(1));
    // This one was made by somebody who lets others look into it.
    let open = dir.path().join("n0");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let mut node = Started(openhanded(&serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn().unwrap());
    wait_until_ready(port);
    enqueue(port);
    let backup = dir.path().join("jobs.backup");
    let file = backup.to_str().unwrap().to_owned();
    let back_up = ["backup", &file, "--nodes", &url(port)].map(str::to_owned);
    assert!(openhanded(&back_up).stdout(Stdio::null()).status().unwrap().success());
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("it ends"), Some(0));

    // And these are made.
    let made = dir.path().join("made");
    let mut restore = serve(&made, &[port], 0);
    restore[0] = "restore".to_owned();
    restore.push(file);
    assert!(openhanded(&restore).stdout(Stdio::null()).status().unwrap().success());
    let all = [all_in(&open), all_in(&made), vec![backup, made]].concat();
    assert!(all.len() > 20, "{all:?}");
    for path in all {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn what_tests_plant_into_a_node_is_in_no_usual_build() {
    if cfg!(feature = "planted-bugs") {
        println!("SKIPPED: this build is one for planted bugs");
        return;
    }
    let binary = fs::read(QUORATE).unwrap();
    let has = |word: &str| binary.windows(word.len()).any(|bytes| bytes == word.as_bytes());
    assert!(has("QUORATE_INSECURE"), "variables are found in it");
    for word in ["QUORATE_PLANTED_BUG", "PLANTED BUGS", "ack-before-fsync"] {
        assert!(!has(word), "{word}");
    }
}
