//! A log is one line a change.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use common::{QUORATE, Started, enqueue, free_ports, quorate, serve, url, wait_until, wait_until_ready};

fn log_of(dir: &Path, node: usize) -> PathBuf {
    dir.join(format!("n{node}.log"))
}

fn start(dir: &Path, ports: &[u16], node: usize) -> Started {
    let log = File::options().create(true).append(true).open(log_of(dir, node)).unwrap();
    Started(Command::new(QUORATE).args(serve(dir, ports, node)).stderr(log).spawn().unwrap())
}

fn lines(dir: &Path, node: usize) -> Vec<String> {
    std::fs::read_to_string(log_of(dir, node)).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_dead_node_costs_the_others_a_line_and_its_return_another() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    let mut nodes: Vec<Started> = (0..3).map(|node| start(dir.path(), &ports, node)).collect();
    ports.iter().for_each(|port| wait_until_ready(*port));
    let before = [lines(dir.path(), 0).len(), lines(dir.path(), 1).len()];
    nodes[2].signal(Signal::SIGKILL);
    nodes[2].ended("the node is dead");
    // It is dead for as long as the others take to say so, and to serve.
    let says = |node: usize, what: &str| lines(dir.path(), node).iter().any(|line| line.contains(what));
    wait_until("the others miss it", || {
        (0..2).all(|node| says(node, "a member does not answer name=\"n2\""))
    });
    ports[..2].iter().for_each(|port| {
        enqueue(*port);
    });
    for (node, before) in before.into_iter().enumerate() {
        let said = lines(dir.path(), node).split_off(before);
        assert!(said.len() <= 6, "n{node}: {}", said.join("\n"));
    }
    nodes[2] = start(dir.path(), &ports, 2);
    wait_until("the others see it again", || {
        (0..2).all(|node| says(node, "a member answers again name=\"n2\""))
    });
}

#[test]
fn an_end_with_nobody_to_hand_over_to_says_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(2);
    let ports = [first, first + 1];
    let mut nodes: Vec<Started> = (0..2).map(|node| start(dir.path(), &ports, node)).collect();
    ports.iter().for_each(|port| wait_until_ready(*port));
    let output = quorate(&["cluster", "status", "--json", "--nodes", &url(first)]);
    let cluster: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let leader = usize::from(cluster["leader"] == "n1");
    nodes[1 - leader].signal(Signal::SIGKILL);
    nodes[1 - leader].ended("the follower is dead");
    nodes[leader].signal(Signal::SIGTERM);
    assert_eq!(nodes[leader].ended("the leader has ended"), Some(0));
    let said = lines(dir.path(), leader);
    let nobody = said.iter().filter(|line| line.contains("there is nobody to hand the leadership over to"));
    // None, where it took so long that the leader did not lead any more.
    assert!(nobody.count() <= 1, "{}", said.join("\n"));
}

/// Sends a request head as it is; says what comes back.
fn exchange(port: u16, head: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&[&head.concat()[..], b"\r\nHost: q\r\nConnection: close\r\n\r\n"].concat()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn what_clients_send_steers_no_terminal_and_forges_no_line() {
    for format in ["human", "json"] {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_ports(1));
        let log = log_of(dir.path(), 0);
        let mut command = Command::new(QUORATE);
        command.args(serve(dir.path(), &[port], 0)).args(["--access-log", "--log-format", format]);
        command.args(["--log-level", "debug"]);
        let mut node = Started(command.stderr(File::create(&log).unwrap()).spawn().unwrap());
        wait_until_ready(port);
        // CSI as one character, marks that turn the text, the ends of lines that are no ASCII; spelled by percent, and as they are.
        let evil = "\u{9b}2J\u{202e}\u{2028}\u{85}".as_bytes();
        for head in [
            &[b"GET /v1/job/", evil, b"?x=", evil, b" HTTP/1.1"][..],
            &[b"GET /v1/job/%1b%5b2J%0aERROR%20forged%0d HTTP/1.1"],
            &[b"GET /nowhere HTTP/1.1\r\nX-Request-Id: ", evil, b"\r\nAuthorization: Bearer ", evil],
            &[b"GET /v1/queue/", evil, b" HTTP/1.1\r\ntraceparent: ", evil],
            &[b"GET /v1/jobs?tag=a%0a%1b[2J HTTP/1.1"],
            &[b"GE", evil, b" / HTTP/1.1"],
            &[b"GET /\x1b[2J HTTP/1.1"],
        ] {
            let answer = exchange(port, head);
            assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
        }
        let done = "GET /v1/jobs?last HTTP/1.1";
        assert!(exchange(port, &[done.as_bytes()]).starts_with(b"HTTP/1.1 "));
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended("the node ends"), Some(0));
        let text = std::fs::read_to_string(&log).expect("it is UTF-8");
        assert!(text.lines().filter(|line| line.contains("quorate::access")).count() >= 5, "{text}");
        let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(text.contains("u009b2J"), "it is spelled out: {text}");
        for line in text.lines() {
            assert!(!line.chars().any(|c| c.is_control() || turns(c)), "{line:?}");
            assert!(!line.trim_start().starts_with("ERROR"), "{line:?}");
            assert!(format != "json" || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line:?}");
        }
    }
}
