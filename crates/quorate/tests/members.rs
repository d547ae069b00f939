//! Members that come and go while work goes on, by the program's commands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use quorate_client::api::NewJob;
use quorate_client::{Client, ClientConfig, Consume};
use serde_json::Value;

use common::{QUORATE, Started, cluster, free_ports, quorate, serve, url, wait_until, wait_until_ready};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command about the cluster, against one node.
fn at(port: u16, args: &[&str]) -> Output {
    quorate(&[&["cluster"], args, &["--nodes", &url(port)]].concat())
}

/// The same; it must succeed. Says what it printed.
fn done(port: u16, args: &[&str]) -> String {
    let output = at(port, args);
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn status(port: u16) -> Value {
    serde_json::from_slice(&at(port, &["status", "--json"]).stdout).unwrap_or_default()
}

fn voters(port: u16) -> Vec<String> {
    let members = status(port)["members"].as_array().cloned().unwrap_or_default();
    let voters = members.into_iter().filter(|member| member["role"] != "learner");
    voters.map(|member| member["name"].as_str().unwrap().to_owned()).collect()
}

fn leader(port: u16) -> usize {
    let mut leader = None;
    wait_until("there is a leader", || {
        let name = status(port)["leader"].as_str().map(ToOwned::to_owned);
        leader = name.and_then(|name| name.strip_prefix('n')?.parse().ok());
        leader.is_some()
    });
    leader.unwrap()
}

/// Starts a node of a cluster that knows the first `known` ports.
fn start(dir: &Path, ports: &[u16], node: usize, known: usize) -> Started {
    let mut command = Command::new(QUORATE);
    command.args(serve(dir, ports.get(..known).unwrap(), node)).stderr(Stdio::null());
    Started(command.spawn().unwrap())
}

/// Clients that know all nodes: they enqueue jobs, and do them.
struct Load {
    ends: Arc<AtomicBool>,
    /// The ids of jobs that were acknowledged, and the longest time between two of them.
    enqueued: JoinHandle<(Vec<String>, Duration)>,
    worker: JoinHandle<()>,
}

impl Load {
    fn start(ports: &[u16]) -> Load {
        let ends = Arc::new(AtomicBool::new(false));
        let client = Client::new(ClientConfig::new(ports.iter().map(|port| url(*port)))).unwrap();
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (over, producer, worker) = (Arc::clone(&ends), client.clone(), client);
        let enqueued = std::thread::spawn(move || {
            runtime().block_on(async {
                let (mut ids, mut longest, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
                while !over.load(Ordering::Relaxed) {
                    let job = NewJob { image: "a".into(), ..NewJob::default() };
                    let added = producer.enqueue(&[job], None).await.expect("no request fails");
                    ids.extend(added.answer.into_iter().map(|job| job.id));
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                (ids, longest)
            })
        });
        let over = Arc::clone(&ends);
        let worker = std::thread::spawn(move || {
            runtime().block_on(async {
                loop {
                    let ends = over.load(Ordering::Relaxed);
                    let take = Consume { n: 20, wait: 1, ..Consume::default() };
                    let jobs = worker.consume(&take).await.expect("no request fails").answer;
                    // What was queued before it was told to end is done.
                    if jobs.is_empty() && ends {
                        break;
                    }
                    for job in jobs {
                        worker.success(&job.id, "done".into()).await.expect("no request fails");
                    }
                }
            });
        });
        Load { ends, enqueued, worker }
    }

    /// Says which jobs were acknowledged, once all are done.
    fn end(self) -> Vec<String> {
        self.ends.store(true, Ordering::Relaxed);
        let (ids, longest) = self.enqueued.join().unwrap();
        self.worker.join().unwrap();
        println!("{} jobs, the longest write took {longest:?}", ids.len());
        ids
    }
}

#[test]
fn a_cluster_grows_and_shrinks_under_load_and_loses_no_job() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(5);
    let ports: Vec<u16> = (first..first + 5).collect();
    let mut nodes = vec![start(dir.path(), &ports, 0, 1)];
    wait_until_ready(first);
    let load = Load::start(&ports);
    for node in 1..5 {
        nodes.push(start(dir.path(), &ports, node, 5));
    }

    for node in 1..5 {
        let name = format!("n{node}");
        wait_until("it applies", || {
            status(first)["outsiders"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["name"] == *name))
        });
        // The change before this one may go on.
        wait_until("it says what to do", || {
            let unready = quorate(&["health", "--ready", "--url", &url(first + node as u16)]);
            text(&unready.stderr).contains(&format!("quorate cluster member add {name}"))
        });
        let said = done(first, &["member", "add", &name]);
        assert!(
            said.starts_with(&format!("{name} votes: {} of {} voters", node / 2 + 1 + node % 2, node + 1)),
            "{said}"
        );
        wait_until_ready(first + node as u16);
    }
    assert_eq!(voters(first), ["n0", "n1", "n2", "n3", "n4"]);

    // The leader, and the one that leads then.
    for left in [4, 3] {
        let any = voters(ports.iter().copied().find(|port| status(*port)["standing"] == "member").unwrap());
        let asked: usize = any.last().unwrap().strip_prefix('n').unwrap().parse().unwrap();
        let gone = leader(ports[asked]);
        let said = done(ports[asked], &["member", "remove", &format!("n{gone}")]);
        assert_eq!(said, format!("n{gone} is removed: {left} voters are left\n"));
        wait_until("it knows it", || status(ports[gone])["standing"] == "removed");
        let unready = quorate(&["health", "--ready", "--url", &url(ports[gone])]);
        assert!(text(&unready.stderr).contains("removed from the cluster"), "{}", text(&unready.stderr));
    }
    let member = ports.iter().copied().find(|port| status(*port)["standing"] == "member").unwrap();
    assert_eq!(voters(member).len(), 3);

    let ids = load.end();
    for id in ids {
        let job = quorate(&["job", "get", &id, "--json", "--nodes", &url(member)]);
        let job: Value = serde_json::from_slice(&job.stdout).unwrap_or_else(|_| panic!("{id} is lost"));
        assert_eq!(job["status"], "success", "{job}");
    }
}

/// Enqueues a job through one node, once; says the status of the answer.
fn post(port: u16) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let body = r#"{"jobs":[{"image":"a"}]}"#;
    let head = format!(
        "Host: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}",
        body.len()
    );
    stream.write_all(format!("POST /v1/jobs HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0))
}

#[test]
fn a_rolling_restart_of_all_nodes_fails_no_request_through_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let mut nodes = cluster(dir.path(), first);
    let ends = AtomicBool::new(false);
    // Held while a request through that node is under way, and while it is away.
    let doors: Vec<Mutex<()>> = (0..3).map(|_| Mutex::new(())).collect();
    let durations = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (port, door) in (first..).zip(&doors) {
            let (ends, durations) = (&ends, &durations);
            scope.spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    let open = door.lock().unwrap();
                    let begun = Instant::now();
                    let status = post(port);
                    let lasted = begun.elapsed();
                    drop(open);
                    assert_eq!(status.ok(), Some(201), "through {port}, after {lasted:?}");
                    durations.lock().unwrap().push(lasted);
                    // A lock is not fair.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for node in 0..3_u16 {
            let other = first + (node + 1) % 3;
            let said = done(other, &["drain", &format!("n{node}")]);
            assert!(said.contains("it does not lead"), "{said}");
            assert_ne!(leader(other), usize::from(node));
            let door = doors[usize::from(node)].lock().unwrap();
            nodes[usize::from(node)].signal(Signal::SIGTERM);
            assert_eq!(nodes[usize::from(node)].ended("it has ended"), Some(0));
            let ports = [first, first + 1, first + 2];
            nodes[usize::from(node)] = start(dir.path(), &ports, node.into(), 3);
            wait_until_ready(first + node);
            drop(door);
        }
        ends.store(true, Ordering::Relaxed);
    });
    let mut durations = durations.into_inner().unwrap();
    durations.sort();
    let part = |of: usize| durations[(durations.len() - 1) * of / 1_000];
    println!(
        "{} writes: p50 {:?}, p99 {:?}, longest {:?}",
        durations.len(),
        part(500),
        part(990),
        part(1_000)
    );
}

#[test]
fn commands_say_what_they_did_and_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(4);
    let nodes = cluster(dir.path(), port);
    let refused = |args: &[&str], code: i32, says: &str| {
        let output = at(port, args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    };
    refused(&["member", "add", "n7"], 3, "no node called n7 has asked to join");
    refused(&["member", "replace", "n7", "n8"], 3, "n7 is no member");
    refused(&["member", "add", "a b"], 1, "must be the name of a node");
    refused(&["drain", "n7"], 3, "n7 is no member");
    refused(&["transfer-leader", "n7"], 3, "n7 is no member");
    refused(&["member", "remove", "n1", "--members-index", "1"], 4, "look at them again");
    assert_eq!(
        done(port, &["member", "add", "n1"]),
        "nothing to do: n1 votes: 2 of 3 voters must agree, 1 may fail\n"
    );
    assert_eq!(
        done(port, &["member", "remove", "n7"]),
        "nothing to do: n7 is no member: the members are n0, n1, n2\n"
    );
    refused(&["member", "remove", ""], 2, "a value is required");
    refused(&["member", "add", "n7", "--peer", "foo"], 2, "HOST:PORT");
    refused(&["member", "remove", "n2"], 4, "no failure is survived any more");
    assert_eq!(done(port, &["undrain", "n1"]), "nothing to do: n1 is not being drained\n");

    // What is seen meanwhile is shown anew.
    let mut watch = Command::new(QUORATE);
    watch.args(["cluster", "status", "--watch=200ms", "--nodes", &url(port)]);
    let mut watch = Started(watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("leader n")).expect("it is shown");
    let to = (leader(port) + 1) % 3;
    assert_eq!(done(port, &["transfer-leader", &format!("n{to}")]), format!("n{to} leads\n"));
    lines.find(|line| line.starts_with(&format!("leader n{to},"))).expect("it is shown again");
    drop((lines, watch));

    let json = done(port, &["drain", "n1", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["changed"], json["members_index"].is_u64()), (&Value::Bool(true), true));
    let shown = done(port, &["status"]);
    assert!(shown.contains("warning: n1 is being drained"), "{shown}");
    let kinds = |port| {
        let warnings = status(port)["warnings"].as_array().cloned().unwrap_or_default();
        warnings.into_iter().map(|warning| warning["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(port + 2), ["draining"]);
    let unready = quorate(&["health", "--ready", "--url", &url(port + 1)]);
    assert!(text(&unready.stderr).contains("this node is being drained"), "{}", text(&unready.stderr));
    done(port, &["undrain", "n1"]);
    let output = at(port, &["member", "remove", "n2", "--force"]);
    assert_eq!(text(&output.stdout), "n2 is removed: 2 voters are left\n", "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("warning: no more failure is survived"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(kinds(port)[..2], ["no_failure_survived", "even_voters"]);

    // By a node that learns of nothing any more once it is done.
    let newcomer = start(dir.path(), &[port, port + 1, port + 2, port + 3], 3, 4);
    wait_until("it applies", || kinds(port).iter().any(|kind| kind == "applicant"));
    let said = done(port + 1, &["member", "replace", "n1", "n3", "--wait", "1m"]);
    assert_eq!(said, "n3 votes: 2 of 2 voters must agree, 0 may fail\n");
    assert_eq!(voters(port), ["n0", "n3"]);
    drop((nodes, newcomer));
}

/// The nodes of `--nodes`, of which any is asked first.
fn nodes(ports: &[u16]) -> String {
    ports.iter().map(|port| url(*port)).collect::<Vec<_>>().join(",")
}

/// Whichever node is asked first: it is drawn each time.
fn status_says(ports: &[u16], code: i32, begins: &str, contains: &str) {
    for _ in 0..8 {
        let output = quorate(&["cluster", "status", "--nodes", &nodes(ports)]);
        let said = text(&output.stdout);
        assert!(said.starts_with(begins) && said.contains(contains), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    }
}

#[test]
fn who_is_no_member_does_not_speak_for_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(4);
    let ports: Vec<u16> = (first..first + 4).collect();
    let mut members = cluster(dir.path(), first);
    let knows = (leader(first) + 1) % 3;
    let mut args = serve(dir.path(), &ports, 3);
    *args.last_mut().unwrap() =
        format!("n{knows}=127.0.0.1:{},n3=127.0.0.1:{}", ports[knows] + 1_000, ports[3] + 1_000);
    let _applicant = Started(Command::new(QUORATE).args(args).stderr(Stdio::null()).spawn().unwrap());
    wait_until("it applies", || {
        status(first)["outsiders"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "n3"))
    });
    let healthy = "healthy: all 3 voters answer; 1 may fail";
    status_says(&[ports[3], first], 0, healthy, "warning: n3 at");

    done(first, &["member", "add", "n3"]);
    done(first, &["member", "remove", "n3"]);
    wait_until("it knows it", || status(ports[3])["standing"] == "removed");
    status_says(&[ports[3], first], 0, healthy, "n3");

    members.truncate(1);
    let both = nodes(&[ports[3], first]);
    wait_until("the majority is lost", || {
        text(&quorate(&["cluster", "status", "--nodes", &both]).stdout).starts_with("NO MAJORITY")
    });
    status_says(&[ports[3], first], 5, "NO MAJORITY: 2 of 3 voters do not answer (n1, n2)", "was removed");
}

#[test]
fn a_node_that_starts_takes_no_connection_before_it_can_answer() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let mut node = start(dir.path(), &[port], 0, 1);
    wait_until_ready(port);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("it has ended"), Some(0));

    // Its start takes as long as the test wants: it reads a file that somebody has to write.
    let file = dir.path().join("n0").join("identity");
    let identity = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let mut command = Command::new(QUORATE);
    command.args(serve(dir.path(), &[port], 0)).stderr(Stdio::piped());
    let mut node = Started(command.spawn().unwrap());
    let mut lines = BufReader::new(node.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("opening the data directory")), "it says what it does");
    let connected = TcpStream::connect(("127.0.0.1", port));
    assert_eq!(connected.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    std::fs::write(&file, identity).unwrap();
    wait_until_ready(port);
}
