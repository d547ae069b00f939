//! Which nodes a command speaks to, how it waits for them, and what it says of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use common::{QUORATE, Started, free_ports, log_of, quorate, serve, url, wait_until, wait_until_ready};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn node(dir: &std::path::Path, ports: &[u16], node: usize) -> Started {
    let mut command = Command::new(QUORATE);
    command.args(serve(dir, ports, node)).stderr(Stdio::null());
    Started(command.spawn().unwrap())
}

#[test]
fn the_state_of_the_cluster_is_said_first_and_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(3);
    let ports = [port, port + 1, port + 2];
    let at = format!("localhost:{port}");
    let status = || quorate(&["status", "--nodes", &at]);
    let says = |says: &str| stdout(&status()).starts_with(says);

    let mut nodes = vec![node(dir.path(), &ports, 0)];
    wait_until("the first node answers", || says("forming: n0 is not in a cluster yet"));
    assert_eq!(status().status.code(), Some(5));
    assert!(!stdout(&status()).contains("name"), "a table without rows: {}", stdout(&status()));

    nodes.extend([node(dir.path(), &ports, 1), node(dir.path(), &ports, 2)]);
    wait_until("all answer", || says("healthy: all 3 voters answer; 1 may fail\n"));
    let healthy = status();
    assert_eq!(healthy.status.code(), Some(0), "{}", stdout(&healthy));
    assert!(stdout(&healthy).contains(env!("CARGO_PKG_VERSION")), "{}", stdout(&healthy));
    let json = quorate(&["cluster", "status", "--json", "--nodes", &at]);
    let cluster: Value = serde_json::from_slice(&json.stdout).unwrap();
    for member in cluster["members"].as_array().unwrap() {
        assert_eq!(member["version"], env!("CARGO_PKG_VERSION"));
        assert!(member["uptime_seconds"].as_u64().is_some(), "{member}");
    }

    drop(nodes.pop());
    wait_until("one is dead", || says("degraded: 1 of 3 voters does not answer (n2); no other may fail\n"));
    drop(nodes.pop());
    wait_until("two are dead", || {
        says("NO MAJORITY: 2 of 3 voters do not answer (n1, n2), and 2 must agree")
    });
    let emergency = status();
    assert_eq!(emergency.status.code(), Some(5));
    let shown = stdout(&emergency);
    assert!(shown.contains("\nno leader; the last was n"), "{shown}");
    assert_eq!(shown.to_lowercase().matches("no majority").count(), 1, "{shown}");
    let json = quorate(&["cluster", "status", "--json", "--nodes", &at]);
    let cluster: Value = serde_json::from_slice(&json.stdout).unwrap();
    let seen = (&cluster["leader"], &cluster["warnings"][0]["kind"], &cluster["warnings"][1]);
    assert_eq!(seen, (&Value::Null, &Value::from("no_majority"), &Value::Null), "{cluster}");
    for member in cluster["members"].as_array().unwrap() {
        assert_eq!(member["clock_offset_ms"].is_null(), member["reachable"] == false, "{member}");
    }
    let nobody = "00000000-0000-7000-8000-000000000000";
    let unavailable = quorate(&["job", "get", nobody, "--deadline", "3s", "--nodes", &at]);
    let said = stderr(&unavailable);
    assert_eq!(unavailable.status.code(), Some(5), "{said}");
    assert_eq!(said.to_lowercase().matches("nothing was done").count(), 1, "{said}");
    for line in stdout(&emergency).lines().filter(|line| line.contains(" NO ")) {
        assert!(line.contains(" voter ") || line.contains(" was leader "), "{line}");
    }
}

#[test]
fn health_waits_for_a_node_that_is_not_ready_yet() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let at = format!("127.0.0.1:{port}");
    let late = quorate(&["health", "--ready", "--wait", "300ms", "--url", &at]);
    assert_eq!(late.status.code(), Some(5));
    let said = stderr(&late);
    assert!(
        said.starts_with("waiting until the node is ready\nerror: not ready after 300ms: http://"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 2, "{said}");

    // One that takes connections and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let cut = quorate(&["health", "--wait", "100ms", "--url", &silent]);
    assert_eq!(cut.status.code(), Some(5));
    assert!(stderr(&cut).starts_with("error: not alive after 100ms: http://127.0.0.1:"), "{}", stderr(&cut));

    let mut waits = Command::new(QUORATE);
    waits
        .args(["health", "--ready", "--wait", "1m", "--url", &at])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut waits = Started(waits.spawn().unwrap());
    let mut said = BufReader::new(waits.0.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "waiting until the node is ready");
    let _node = node(dir.path(), &[port], 0);
    assert_eq!(waits.ended("it is ready"), Some(0));
    assert!(said.next().is_none(), "it says it once");
}

#[test]
fn health_names_its_flag_where_nothing_listens_at_its_default() {
    if TcpListener::bind("127.0.0.1:8080").is_err() {
        println!("SKIPPED: something listens at 127.0.0.1:8080");
        return;
    }
    let health = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = Command::new(QUORATE);
        command.arg("health").args(args).env_remove("QUORATE_HEALTH_URL").env_remove("QUORATE_NODES");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(5));
        stderr(&output)
    };
    let said = health(&[], &[]);
    let hint = "\nIt asks one node, 127.0.0.1:8080 unless --url NODE (QUORATE_HEALTH_URL) names another one";
    assert!(said.starts_with("error: http://127.0.0.1:8080/healthz: "), "{said}");
    assert!(said.ends_with(&format!("{hint}.\n")), "{said}");
    let said = health(&[("QUORATE_NODES", "n1:80")], &["--wait", "300ms"]);
    assert!(said.ends_with(&format!("{hint}: those of QUORATE_NODES are not asked.\n")), "{said}");
    let nobody = format!("127.0.0.1:{}", free_ports(1));
    assert_eq!(health(&[], &["--url", &nobody]).lines().count(), 1);
    assert_eq!(health(&[("QUORATE_HEALTH_URL", &nobody)], &[]).lines().count(), 1);
}

#[test]
fn the_port_of_the_peers_is_told_from_the_one_for_http() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let _node = node(dir.path(), &[port], 0);
    wait_until_ready(port);
    let peers = format!("127.0.0.1:{}", port + 1_000);
    for args in [&["health", "--url", &peers][..], &["job", "list", "--deadline", "1s", "--nodes", &peers]] {
        let output = quorate(args);
        assert_eq!(output.status.code(), Some(5));
        let said = stderr(&output);
        assert!(
            said.contains("name the HTTP port where this is one at which nodes talk to each other"),
            "{said}"
        );
    }
}

#[test]
fn a_command_does_not_wait_where_nobody_listens() {
    let port = free_ports(2);
    let nodes = format!("127.0.0.1:{port},localhost:{}", port + 1);
    // An hour to wait: the test would not end.
    for args in [&["job", "list"][..], &["job", "enqueue", "--image", "a"], &["cluster", "status"]] {
        let output = quorate(&[args, &["--deadline", "1h", "--nodes", &nodes]].concat());
        assert_eq!(output.status.code(), Some(5));
        let said = stderr(&output);
        assert!(said.starts_with("error: no node can be reached: http://"), "{said}");
        assert!(said.contains("\nNothing was done. Name the nodes"), "{said}");
        assert_eq!(said.matches("refused").count(), 1, "{said}");
        assert!(!said.contains("client error"), "{said}");
    }
    // No resolver asks anybody for this one.
    let unknown = quorate(&["job", "list", "--nodes", "no..name:8080", "--deadline", "1h"]);
    let said = stderr(&unknown);
    assert!(said.starts_with("error: no node can be reached: http://no..name:8080: "), "{said}");
}

#[test]
fn a_runner_says_once_that_it_waits_for_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let nodes = format!("localhost:{port}");
    let mut runner = Command::new(QUORATE);
    runner.args(["run", "--program", "a=/bin/cat", "--nodes", &nodes]).stderr(Stdio::piped());
    let mut runner = Started(runner.spawn().unwrap());
    let mut log = log_of(&mut runner);
    let waits = |line: &String| line.contains("waiting for a node that can be reached: http://localhost:");
    assert!(log.any(|line| waits(&line)));
    let _node = node(dir.path(), &[port], 0);
    // Or, where it takes its time to start, that it is ready.
    let node = format!("http://localhost:{port}");
    let ends = [format!("{node} can be reached"), format!("the cluster is ready: {node}")];
    let mut before = log.by_ref().take_while(|line| !ends.iter().any(|end| line.contains(end)));
    assert_eq!(before.find(waits), None, "it says it once");
    wait_until_ready(port);
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ended"), Some(0));
}

#[test]
fn a_runner_says_once_that_no_node_answers_or_none_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(2);
    let ports = [port, port + 1];
    let mut nodes = vec![node(dir.path(), &ports, 0), node(dir.path(), &ports, 1)];
    ports.iter().for_each(|port| wait_until_ready(*port));
    let mut runner = Command::new(QUORATE);
    runner.args(["run", "--program", "a=/bin/cat", "--nodes", &format!("{},{}", url(port), url(port + 1))]);
    let mut runner = Started(runner.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = log_of(&mut runner);
    const READY: &str = "the cluster is ready: http://127.0.0.1:";
    const NOT_READY: &str = "nodes answer, and the cluster is not ready: http://127.0.0.1:";
    const SILENT: &str = "no node answers: http://127.0.0.1:";
    let mut last = "";
    // A slow machine has more changes to tell, but none is said twice.
    let mut says = |what: &'static str| {
        while last != what {
            let line = log.next().expect("the runner goes on");
            let told = ["taking jobs", READY, NOT_READY, SILENT].into_iter().find(|told| line.contains(told));
            let Some(told) = told else { continue };
            assert_ne!(told, last, "it says it once");
            last = told;
        }
    };

    says("taking jobs");
    drop(nodes.pop());
    says(NOT_READY);
    nodes.push(node(dir.path(), &ports, 1));
    says(READY);
    nodes.iter().for_each(|node| node.signal(Signal::SIGSTOP));
    says(SILENT);
    nodes.iter().for_each(|node| node.signal(Signal::SIGCONT));
    says(READY);
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ended"), Some(0));
}

#[test]
fn a_wait_says_once_that_no_majority_is_reached_and_once_that_one_is_again() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(2);
    let ports = [port, port + 1];
    let mut nodes = vec![node(dir.path(), &ports, 0), node(dir.path(), &ports, 1)];
    ports.iter().for_each(|port| wait_until_ready(*port));
    let enqueued = quorate(&["job", "enqueue", "--image", "a", "--nodes", &url(port)]);
    let id = String::from_utf8(enqueued.stdout).unwrap().trim().to_owned();
    drop(nodes.pop());
    let each = format!("{},{}", url(port), url(port + 1));
    let mut waits = Command::new(QUORATE);
    waits.args(["job", "wait", &id, "--nodes", &each]).stdout(Stdio::null());
    let mut waits = Started(waits.stderr(Stdio::piped()).spawn().unwrap());
    let mut said = log_of(&mut waits);
    let mut before = String::new();
    // A slow machine has more changes to tell, but none is said twice.
    let mut says = |what: &str| loop {
        let line = said.next().expect("it goes on");
        let told = line.split(": ").next().unwrap_or_default().to_owned();
        assert_ne!(told, before, "it says it once");
        before = told;
        if line.contains(what) {
            break;
        }
    };
    says("the cluster is not ready: http://127.0.0.1:");
    // Whether there is such a job, and such a log, nobody can say now.
    let missing = "00000000-0000-7000-8000-000000000000";
    let mut follows = Command::new(QUORATE);
    follows.args(["job", "log", "--follow", &id, "--deadline", "1s", "--nodes", &each]);
    let mut follows = Started(follows.stderr(Stdio::null()).spawn().unwrap());
    let over = quorate(&["job", "wait", &id, missing, "--deadline", "1s", "--wait", "5s", "--nodes", &each]);
    assert_eq!(over.status.code(), Some(8), "{}", String::from_utf8_lossy(&over.stderr));
    nodes.push(node(dir.path(), &ports, 1));
    says("the cluster is ready: http://127.0.0.1:");
    ports.iter().for_each(|port| wait_until_ready(*port));
    quorate(&["job", "cancel", &id, "--nodes", &each]);
    assert_eq!(waits.ended("the wait"), Some(7));
    assert_eq!(follows.ended("the log"), Some(0));
}

#[test]
fn a_node_that_waits_for_others_says_for_what_once() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(2);
    let ports = [port, port + 1];
    let log = |at: usize| dir.path().join(format!("{at}.log"));
    let start = |at: usize| {
        let mut command = Command::new(QUORATE);
        command.args(serve(dir.path(), &ports, at)).stderr(std::fs::File::create(log(at)).unwrap());
        Started(command.spawn().unwrap())
    };
    let _first = start(0);
    let waits = format!("waiting for an answer from 127.0.0.1:{}", port + 1_001);
    wait_until("it says so", || std::fs::read_to_string(log(0)).unwrap().contains(&waits));
    let _second = start(1);
    wait_until_ready(port);
    wait_until_ready(port + 1);
    for at in [0, 1] {
        let log = std::fs::read_to_string(log(at)).unwrap();
        let mut waits: Vec<&str> =
            log.lines().filter_map(|line| Some(line.split_once("waiting for ")?.1)).collect();
        let all = waits.len();
        waits.sort_unstable();
        waits.dedup();
        assert_eq!(waits.len(), all, "{log}");
        assert!(!log.contains("LogId") && !log.contains("Some("), "{log}");
    }
}

#[test]
fn a_node_listens_on_localhost() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let file = dir.path().join("quorate.toml");
    std::fs::write(
        &file,
        format!("http-addr = \"localhost:{port}\"\npeer-addr = \"localhost:{}\"\n", port + 1_000),
    )
    .unwrap();
    let mut node = Command::new(QUORATE);
    node.args(["serve", "--config"])
        .arg(&file)
        .arg("--data-dir")
        .arg(dir.path().join("n1"))
        .stderr(Stdio::null());
    let _node = Started(node.spawn().unwrap());
    wait_until_ready(port);
    assert!(quorate(&["job", "list", "--nodes", &url(port)]).status.success());
}

#[test]
fn the_short_help_is_short() {
    let said = stdout(&quorate(&["-h"]));
    assert!(said.contains("`quorate --help` says more") && !said.contains("Exit codes"), "{said}");
    let commands = said.split("Commands:\n").nth(1).unwrap();
    for line in commands.lines().take_while(|line| !line.is_empty()) {
        assert!(line.len() < 100, "more than a sentence: {line}");
    }
    assert!(stdout(&quorate(&["--help"])).contains("Exit codes"));
}
