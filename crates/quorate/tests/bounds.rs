//! What a node does at its bounds: files, clients that are slow, memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use serde_json::Value;

use common::{PATIENCE, QUORATE, Started, enqueue, free_ports, serve, start, wait_until, wait_until_ready};

/// Ports are looked for first and bound later.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A node with a limit on open files.
fn with_files(args: &[String], files: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), QUORATE]).args(args);
    command
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The same from 127.0.0.N: another caller.
fn connect_from(n: u8, port: u16) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, n], 0).into()).unwrap();
        socket.connect(([127, 0, 0, 1], port).into()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request and reads until the connection ends.
fn exchange(port: u16, request: &str) -> String {
    exchange_on(connect(port), request)
}

fn exchange_on(mut stream: TcpStream, request: &str) -> String {
    // What is refused may be refused before it is sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n")
}

fn leader(port: u16) -> Option<String> {
    let answer = exchange(port, &get("/v1/cluster"));
    let cluster: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1)?).ok()?;
    Some(cluster["leader"].as_str()?.to_owned())
}

#[test]
fn a_node_that_may_open_too_few_files_refuses_to_start() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_ports(1)];
    for files in [64, 255] {
        let output = with_files(&serve(dir.path(), &ports, 0), files).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{files}: {stderr}");
        assert!(stderr.contains("open files") && stderr.contains("ulimit -n"), "{stderr}");
    }
}

#[test]
fn a_node_that_may_open_few_files_outlives_more_clients_than_it_has_room_for() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_ports(1)];
    let mut node =
        Started(with_files(&serve(dir.path(), &ports, 0), 256).stderr(Stdio::null()).spawn().unwrap());
    wait_until_ready(ports[0]);
    // They ask for something, so that they stay: who is idle loses its place to who comes.
    let waiting = |_| {
        let mut client = connect(ports[0]);
        let _ = client.write_all(b"GET /v1/jobs/consume?wait=60 HTTP/1.1\r\nHost: q\r\n\r\n");
        client
    };
    let mut clients: Vec<TcpStream> = (0..300).map(waiting).collect();
    for path in ["/healthz", "/readyz", "/metrics"] {
        wait_until("health is told", || exchange(ports[0], &get(path)).starts_with("HTTP/1.1 200"));
    }
    wait_until("there is no room", || {
        // For one that had not asked yet when somebody wanted its place.
        clients.push(waiting(0));
        exchange(ports[0], &get("/v1/jobs")).starts_with("HTTP/1.1 503")
    });
    assert!(node.runs());
    drop(clients);
    wait_until("there is room again", || exchange(ports[0], &get("/v1/jobs")).starts_with("HTTP/1.1 200"));
    enqueue(ports[0]);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("it ends"), Some(0));
}

/// Keys, tokens and payloads are in there.
#[test]
fn a_node_that_dies_leaves_no_memory_on_the_disk() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_ports(1)];
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
    let node = start(dir.path(), &ports, 0);
    wait_until_ready(ports[0]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.0.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().next(), Some("0"), "{limits}");
}

/// As many as the usual limit of open files, and some: they are not let take those of the stores, nor those of the members.
#[test]
fn a_thousand_connections_to_the_peer_port_do_not_stop_the_cluster() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    let start = |node| {
        Started(with_files(&serve(dir.path(), &ports, node), 1_024).stderr(Stdio::null()).spawn().unwrap())
    };
    let mut nodes: Vec<Started> = (0..3).map(start).collect();
    ports.into_iter().for_each(wait_until_ready);
    let mut idle = Vec::new();
    for (port, node) in ports.into_iter().zip(&nodes) {
        for at in 0..1_100 {
            idle.push(connect(port + 1_000));
            // Whoever comes last is let in, in the place of another one: it hears what a server of HTTP/2 says at first.
            if at % 100 == 99 {
                let mut last = without_window(connect(port + 1_000), 0);
                last.read_exact(&mut [0]).unwrap();
                let files = open_files(node);
                assert!(files < 768, "{files} of 1,024 files are open");
            }
        }
    }
    for _ in 0..20 {
        ports.into_iter().for_each(|port| drop(enqueue(port)));
    }
    ports.into_iter().for_each(wait_until_ready);
    assert!(nodes.iter_mut().all(Started::runs));
    drop(idle);
    for node in &mut nodes {
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended("it ends"), Some(0));
    }
}

#[test]
fn the_leadership_is_handed_over_before_clients_are_waited_for() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    let log = |node: usize| dir.path().join(format!("n{node}.log"));
    let start = |node| {
        let log = File::create(log(node)).unwrap();
        Started(Command::new(QUORATE).args(serve(dir.path(), &ports, node)).stderr(log).spawn().unwrap())
    };
    let mut nodes: Vec<Started> = (0..3).map(start).collect();
    for port in ports {
        wait_until_ready(port);
    }
    let old = leader(ports[0]).unwrap();
    let at = old.trim_start_matches('n').parse::<usize>().unwrap();
    let witness = ports[(at + 1) % 3];

    let mut stalled = connect(ports[at]);
    stalled.write_all(b"POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 100\r\n\r\n[").unwrap();
    nodes[at].signal(Signal::SIGTERM);
    wait_until("another node leads", || leader(witness).is_some_and(|leader| leader != old));
    assert_eq!(nodes[at].ended("it ends"), Some(0));
    let log = std::fs::read_to_string(log(at)).unwrap();
    let said = |what: &str| log.find(what).unwrap_or_else(|| panic!("{what}: {log}"));
    assert!(said("handing the leadership over") < said("no new connections"), "{log}");
}

fn open_files(node: &Started) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", node.0.id())).unwrap().count()
}

/// Its memory, in bytes: `VmRSS` as it is, `VmHWM` the highest since it started.
fn memory(node: &Started, which: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// What bodies and answers may hold together (`BODY_MEMORY_BYTES`, `ANSWER_MEMORY_BYTES`).
const BODIES_AND_ANSWERS: usize = (180 + 128) << 20;

/// An HTTP/2 connection whose window is 0, with so many requests for the list.
fn without_window(mut stream: TcpStream, requests: u32) -> TcpStream {
    let path = b"/v1/jobs?n=1000&status=delayed";
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    for request in 0..requests {
        let fields = [&[0x82, 0x86, 0x04, path.len() as u8], &path[..], &[0x01, 1, b'q']].concat();
        bytes.extend_from_slice(&[0, 0, fields.len() as u8, 1, 0x05]);
        bytes.extend_from_slice(&(2 * request + 1).to_be_bytes());
        bytes.extend_from_slice(&fields);
    }
    stream.write_all(&bytes).unwrap();
    stream
}

#[test]
fn memory_stays_within_the_sum_of_its_bounds() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_ports(1)];
    let log = dir.path().join("log");
    let node = Started(
        Command::new(QUORATE)
            .args(serve(dir.path(), &ports, 0))
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap(),
    );
    wait_until_ready(ports[0]);
    let log = std::fs::read_to_string(&log).unwrap();
    let bound = log.split("memory_mib=").nth(1).unwrap();
    let bound = bound.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<usize>().unwrap() << 20;

    let post = |body: String| {
        let length = body.len();
        format!(
            "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let job =
        post(format!("[{{\"image\":\"a\",\"delay\":3600,\"payload\":\"{}\"}}]", "\\u0001".repeat(1 << 20)));
    for _ in 0..12 {
        assert!(exchange(ports[0], &job).starts_with("HTTP/1.1 201"));
    }
    let before = memory(&node, "VmRSS");
    let mut clients = Vec::new();
    // Each caller has a quarter at most: more of them have all.
    for number in 0..80 {
        let mut client = connect_from(2 + number % 8, ports[0]);
        client.write_all(b"GET /v1/jobs?n=1000&status=delayed HTTP/1.1\r\nHost: q\r\n\r\n").unwrap();
        clients.push(client);
    }
    for number in 0..4 {
        clients.push(without_window(connect_from(2 + number, ports[0]), 200));
    }
    let name = post(format!("[{{\"{}\":1}}]", "\\u0001".repeat(1_390_000)));
    let refused = std::thread::scope(|scope| {
        let ask = |number: u8| exchange_on(connect_from(2 + number % 8, ports[0]), &name);
        let clients: Vec<_> = (0..80).map(|number| scope.spawn(move || ask(number))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<String>>()
    });
    assert!(refused.iter().all(|answer| answer.starts_with("HTTP/1.1 4") && answer.len() < 1_000));
    assert!(exchange(ports[0], &get("/healthz")).starts_with("HTTP/1.1 200"));
    let high_water = memory(&node, "VmHWM");
    assert!(high_water <= bound, "{} of {} MiB", high_water >> 20, bound >> 20);
    // What was asked for comes to twice as much. Connections and their requests have some, too.
    let more = high_water.saturating_sub(before);
    assert!(more < BODIES_AND_ANSWERS + (64 << 20), "{} MiB more than before", more >> 20);
}
