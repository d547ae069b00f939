//! A runner as a process: how it starts, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;

use common::{
    QUORATE, Started, enqueue, free_ports, in_a_terminal, log_of, serve, url, wait_for_status, wait_until,
    wait_until_ready,
};

#[test]
fn a_program_that_can_not_be_executed_is_an_error_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    let script = script.display();
    for (program, why) in [
        ("/no/such/program -x", "/no/such/program can't be executed: No such file or directory (os error 2)"),
        ("no-such-program", "no-such-program can't be executed: it is not found in PATH"),
        ("/tmp", "/tmp can't be executed: it is a directory"),
        (&format!("{script}"), &format!("{script} can't be executed: Permission denied (os error 13)")),
    ] {
        let said = dir.path().join("said");
        let bad = format!("bad={program}");
        let mut runner = Command::new(QUORATE);
        runner.args(["run", "--program", "good=/bin/cat", "--program", &bad]);
        let mut runner = Started(runner.stderr(fs::File::create(&said).unwrap()).spawn().unwrap());
        assert_eq!(runner.ended("the runner ended"), Some(1), "{program}");
        let said = fs::read_to_string(said).unwrap();
        assert!(said.contains(&format!("program: the image \"bad\": {why}")), "{said}");
    }
}

#[test]
fn an_idle_runner_ends_when_no_cluster_answers() {
    // One node that refuses connections, and one that takes them and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = "http://127.0.0.1:1: Connection refused";
    let both = format!("{refused}; http://{}: no answer in time", silent.local_addr().unwrap());
    let both_nodes = format!("http://127.0.0.1:1,http://{}", silent.local_addr().unwrap());
    for (signal, nodes, each) in [
        (Signal::SIGTERM, both_nodes.as_str(), both.as_str()),
        (Signal::SIGINT, "127.0.0.1:1", refused),
        (Signal::SIGHUP, "127.0.0.1:1", refused),
    ] {
        let mut runner = in_a_terminal()
            .args(["run", "--program", "a=/bin/cat", "--nodes", nodes])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(runner.stderr.take().unwrap());
        let mut runner = Started(runner);
        let mut lines = log.lines().map(Result::unwrap);
        let said = lines.next().unwrap();
        assert!(said.ends_with(each), "it takes no jobs yet: {said}");
        runner.signal(signal);
        // Its own waits add up to less than 2 s, which a test of src/run.rs says. The client would go on for half a minute.
        let deadline = Instant::now() + Duration::from_secs(15);
        wait_until("the runner ended", || {
            assert!(Instant::now() < deadline, "{signal} does not end it");
            !runner.runs()
        });
        assert_eq!(runner.0.wait().unwrap().code(), Some(0));
        let last = lines.last().unwrap();
        assert!(last.ends_with(&format!("ending before a node has answered: {each}")), "{last}");
    }
}

#[test]
fn a_runner_whose_nodes_are_gone_says_at_its_end_why_each_did_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let node = Started(node.unwrap());
    wait_until_ready(port);
    let mut runner = Command::new(QUORATE);
    runner.args(["run", "--program", "a=/bin/cat", "--nodes", &url(port)]).stderr(Stdio::piped());
    let mut runner = Started(runner.spawn().unwrap());
    let mut lines = log_of(&mut runner);
    assert!(lines.any(|line| line.contains("taking jobs")));
    drop(node);
    assert!(lines.any(|line| line.contains("waiting for a node that can be reached")));
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ended"), Some(0));
    let last = lines.last().unwrap();
    let why = format!("whether jobs were taken last: {}: Connection refused", url(port));
    assert!(last.ends_with(&why), "{last}");
}

#[test]
fn an_orphan_does_not_stay_as_a_zombie() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let _node = Started(node.unwrap());
    wait_until_ready(port);
    let (script, left, go) = (dir.path().join("script"), dir.path().join("left"), dir.path().join("go"));
    nix::unistd::mkfifo(&go, Mode::S_IRWXU).unwrap();
    // It leaves the job's group, and its parent ends.
    let orphan = "setsid sh -c 'exec >$0 2>&1; echo; read line <$1' $1 $2 & until [ -s $1 ]; do :; done";
    fs::write(&script, orphan).unwrap();
    let program = format!("a=/bin/sh {} {} {}", script.display(), left.display(), go.display());
    let mut runner = Command::new(QUORATE);
    runner.args(["run", "--nodes", &url(port), "--program", &program]).stderr(Stdio::null());
    let mut runner = Started(runner.spawn().unwrap());

    let id = enqueue(port);
    wait_for_status(port, &id, "success");
    let orphans = children(runner.0.id());
    assert_eq!(orphans.len(), 1, "the runner is not the orphan's parent");
    fs::write(&go, "go\n").unwrap();
    wait_until("the orphan is gone", || children(runner.0.id()).is_empty());
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ended"), Some(0));
}

/// The children of all threads of a process, zombies too.
fn children(parent: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let lists = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
