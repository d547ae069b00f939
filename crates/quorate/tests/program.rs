//! The program as a user starts it: real processes, real disks, real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate_client::api::Reason;
use quorate_client::{Client, ClientConfig, Consume, JobFailure};
use serde_json::Value;

use common::{QUORATE, free_ports, quorate, start, wait_until_ready};

/// Clusters are started one after the other: ports are looked for first and bound later.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A `quorate dev`, ended with the test.
struct Dev {
    process: Child,
    lines: BufReader<ChildStdout>,
    /// Name, URL and process id of every node.
    nodes: Vec<(String, String, i32)>,
}

impl Dev {
    fn start(dir: &Path, port: u16) -> Dev {
        let mut process = Command::new(QUORATE)
            .args(["dev", "--nodes", "3", "--http-port", &port.to_string(), "--data-dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut nodes = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "dev ended before it was ready");
            if line == "ready\n" {
                break;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[2], "pid", "{line}");
            nodes.push((words[0].to_owned(), words[1].to_owned(), words[3].parse().unwrap()));
        }
        assert_eq!(nodes.len(), 3);
        Dev { process, lines, nodes }
    }

    fn urls(&self) -> String {
        self.nodes.iter().map(|(_, url, _)| url.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Runs a command on the nodes whose names are given, and wants it to succeed.
    fn json(&self, nodes: &[&str], args: &[&str]) -> Value {
        let urls: Vec<&str> = self
            .nodes
            .iter()
            .filter(|(name, _, _)| nodes.contains(&name.as_str()))
            .map(|(_, url, _)| url.as_str())
            .collect();
        let output = quorate(&[args, &["--json", "--nodes", &urls.join(",")]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Ends it as Ctrl-C would, and reads what it says until then.
    fn stop(mut self) -> String {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.lines, &mut rest).unwrap();
        assert!(self.process.wait().unwrap().success());
        rest
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Its nodes end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_cluster_survives_its_leader_and_a_restart_and_loses_nothing() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(3);
    let dev = Dev::start(dir.path(), port);

    let enqueue = ["job", "enqueue", "--image", "a", "--payload"];
    let first = dev.json(&["n1"], &[&enqueue[..], &["one"]].concat());
    let id = first[0]["id"].as_str().unwrap();
    // No false 404: another node may not have it yet, and makes sure.
    assert_eq!(dev.json(&["n3"], &["job", "get", id])["payload"], "one");

    let cluster = dev.json(&["n2"], &["cluster", "status"]);
    let leader = cluster["leader"].as_str().unwrap().to_owned();
    assert_eq!((cluster["quorum"].as_u64(), cluster["tolerates"].as_u64()), (Some(2), Some(1)));
    assert!(cluster["log_time_offset_ms"].as_i64().is_some_and(|offset| offset.abs() < 1_000), "{cluster}");
    let (_, _, pid) = dev.nodes.iter().find(|(name, _, _)| *name == leader).unwrap();
    kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();

    // One surviving node at a time: it waits for a new leader, and the client sees no error.
    let survivors: Vec<&str> =
        dev.nodes.iter().map(|(name, _, _)| name.as_str()).filter(|name| *name != leader).collect();
    for survivor in &survivors {
        dev.json(&[survivor], &[&enqueue[..], &["two"]].concat());
    }
    let said = dev.stop();
    assert!(said.contains(&format!("{leader} ended: signal: 9")), "{said}");

    let dev = Dev::start(dir.path(), port);
    let jobs = dev.json(&[&leader], &["job", "list"]);
    let payloads: Vec<&str> =
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["payload"].as_str().unwrap()).collect();
    assert_eq!(payloads, ["two", "two", "one"]);
    dev.stop();
}

#[test]
fn few_jobs_of_a_status_are_listed_behind_many_others() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), free_ports(3));
    let client = Client::new(ClientConfig::new(dev.nodes.iter().map(|(_, url, _)| url.clone()))).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Each through another node: in which order they came, only the log knows.
    let mut ids: Vec<String> = Vec::new();
    for name in ["n1", "n2", "n3", "n2", "n1"] {
        let enqueued = dev.json(&[name], &["job", "enqueue", "--image", "few", "--max-retries", "0"]);
        ids.insert(0, enqueued[0]["id"].as_str().unwrap().to_owned());
    }
    let taken = runtime.block_on(client.consume(&Consume { n: 5, ..Consume::default() })).unwrap().answer;
    assert_eq!(taken.len(), 5);
    for id in &ids[..2] {
        let failure = JobFailure {
            reason: Reason::BadExit,
            details: String::new(),
            log: Default::default(),
            retry: true,
        };
        runtime.block_on(client.fail(id, failure)).unwrap();
    }
    let lines = dir.path().join("lines");
    std::fs::write(&lines, "x\n".repeat(12_000)).unwrap();
    dev.json(&["n1"], &["job", "enqueue", "--image", "many", "--lines", lines.to_str().unwrap()]);

    for (status, expected) in [("running", &ids[2..]), ("error", &ids[..2])] {
        for more in [&[][..], &["--image", "few"]] {
            let listed = dev.json(&["n1"], &[&["job", "list", "--status", status][..], more].concat());
            let listed_ids = listed["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap());
            assert_eq!(listed_ids.collect::<Vec<_>>(), expected, "{status} {more:?}");
            assert!(listed.get("cursor").is_none(), "that is all");
        }
    }
    let few = dev.json(&["n1"], &["job", "list", "--image", "few", "-n", "2"]);
    assert_eq!(few["jobs"][0]["id"], ids[2].as_str(), "behind all that wait");
    dev.stop();
}

/// A consume whose answer was lost, and whose job has ended when it is repeated.
#[test]
fn a_spent_consume_key_is_answered_and_leaves_the_log_alone() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), free_ports(3));
    let enqueue = || dev.json(&["n1"], &["job", "enqueue", "--image", "a"]);
    let applied = || {
        let cluster = dev.json(&["n1"], &["cluster", "status"]);
        cluster["members"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|m| m["applied_index"].as_u64())
            .max()
            .unwrap()
    };
    let client = Client::new(ClientConfig::new(dev.nodes.iter().map(|(_, url, _)| url.clone()))).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let consume = |key: &str, wait| {
        let consume = Consume { n: 1, wait, key: Some(key.to_owned()), ..Consume::default() };
        runtime.block_on(client.consume(&consume)).unwrap()
    };
    enqueue();
    let taken = consume("k", 0);
    assert!(!taken.replayed);
    runtime.block_on(client.success(&taken.answer[0].id, Default::default())).unwrap();
    enqueue();

    let before = applied();
    let spent = consume("k", 5);
    assert!(spent.answer.is_empty() && spent.replayed, "{spent:?}");
    assert!(applied() - before < 20, "from {before} to {}", applied());
    assert_eq!(consume("another", 5).answer.len(), 1);
    dev.stop();
}

/// The same data behind other ports: every address that the members know of each other is an old one.
#[test]
fn a_cluster_moves_to_other_ports() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let dev = Dev::start(dir.path(), first);
    dev.json(&["n1"], &["job", "enqueue", "--image", "a"]);
    dev.stop();

    // The old ports are somebody else's by now.
    let _taken: Vec<TcpListener> = (first..first + 3)
        .flat_map(|port| [port, port + 1_000])
        .map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap())
        .collect();
    let port = free_ports(3);
    let dev = Dev::start(dir.path(), port);
    for node in ["n1", "n2", "n3"] {
        assert_eq!(dev.json(&[node], &["job", "list"])["jobs"].as_array().unwrap().len(), 1);
        let shown = || {
            let cluster = dev.json(&[node], &["cluster", "status"]);
            let members = cluster["members"].as_array().unwrap().clone();
            members.into_iter().zip(0_u16..).all(|(member, at)| {
                member["http_addr"] == format!("127.0.0.1:{}", port + at)
                    && member["peer_addr"] == format!("127.0.0.1:{}", port + 1_000 + at)
                    && member["reachable"] == true
            })
        };
        common::wait_until("the new addresses are shown", shown);
    }
    dev.stop();
}

#[test]
fn the_nodes_end_with_dev_even_when_it_is_killed() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(3);
    let mut dev = Dev::start(dir.path(), port);
    dev.process.kill().unwrap();
    dev.process.wait().unwrap();
    for node in 0..3 {
        // A node that has ended has left its port.
        while TcpListener::bind(("127.0.0.1", port + node)).is_err() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn dev_says_what_is_left_and_ends_when_no_node_is() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(dir.path(), free_ports(3));
    let left = ["the others go on", "the others are no majority, and take no writes", "none is left"];
    for ((name, _, pid), left) in dev.nodes.iter().zip(left) {
        kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();
        let mut line = String::new();
        dev.lines.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{name} ended: signal: 9 (SIGKILL); {left}")), "{line}");
    }
    let mut more = String::new();
    std::io::Read::read_to_string(&mut dev.lines, &mut more).unwrap();
    assert_eq!((more.as_str(), dev.process.wait().unwrap().code()), ("", Some(1)));
}

#[test]
fn errors_have_exit_codes_and_say_what_to_do() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), free_ports(3));
    let urls = dev.urls();
    let queued = dev.json(&["n1"], &["job", "enqueue", "--image", "a"]);
    let queued = queued[0]["id"].as_str().unwrap();
    let nobody = "http://127.0.0.1:1";
    let table: [(&[&str], i32, &str); 7] = [
        (&["job", "get", "00000000-0000-7000-8000-000000000000", "--nodes", &urls], 3, "no such job"),
        (&["job", "delete", queued, "--nodes", &urls], 4, "queued"),
        (&["job", "list", "--cursor", "x", "--nodes", &urls], 1, "cursor"),
        (&["job", "list", "--nodes", nobody, "--deadline", "0.3"], 5, "Nothing was done"),
        (&["cluster", "status", "--nodes", "ftp://x"], 2, "`ftp://x` is no node: write HOST:PORT"),
        (&["cluster", "status", "--nodes", nobody], 5, "start one on this machine: `quorate dev`"),
        (&["job", "fetch"], 2, "unrecognized subcommand"),
    ];
    for (args, code, says) in table {
        let output = quorate(args);
        let stderr = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(&says.to_lowercase()), "{args:?} said: {stderr}");
    }
    dev.stop();
}

#[test]
fn a_taken_port_is_named() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(3);
    let _taken = TcpListener::bind(("127.0.0.1", port + 1)).unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let output = quorate(&["dev", "--http-port", &port.to_string(), "--data-dir", data_dir]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(&format!("127.0.0.1:{} is taken", port + 1)), "{stderr}");
    assert!(stderr.ends_with("\nChoose other ports, with --http-port and --peer-port.\n"), "{stderr}");
}

#[test]
fn a_cluster_where_another_one_was_to_start_is_named() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let _node = start(dir.path(), &[port], 0);
    wait_until_ready(port);
    let other = dir.path().join("other");
    let output = quorate(&["dev", "--http-port", &port.to_string(), "--data-dir", other.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with(&format!("error: http-port: 127.0.0.1:{port} is taken")), "{stderr}");
    let says =
        format!("A Quorate node, n0, answers there: `quorate cluster status --nodes 127.0.0.1:{port}`");
    assert!(stderr.contains(&says) && stderr.contains("--http-port and --peer-port"), "{stderr}");
}

#[test]
fn a_bench_measures_each_profile() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (profile, operations) in [("consume", 3), ("batch", 1), ("take", 3), ("bulk", 3)] {
        let port = free_ports(3).to_string();
        let args =
            ["bench", "--json", "--clients", "4", "--rounds", "1", "--seconds", "1", "--http-port", &port];
        let output =
            quorate(&[&args[..], &["--depth", "5000", "--rate", "100", "--profile", profile]].concat());
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert!(report["jobs_per_second"].as_f64() > Some(0.0), "{report}");
        assert!(report["nodes_cpu_us"].as_f64() > report["load_cpu_us"].as_f64(), "{report}");
        assert_eq!(report["operations"].as_array().map(Vec::len), Some(operations), "{report}");
    }
}

#[test]
fn the_demo_ends_well() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let output = Command::new(QUORATE)
        .args(["demo", "--jobs", "30", "--http-port", &free_ports(3).to_string(), "--data-dir"])
        .arg(&data)
        .arg("--input")
        .arg(&input)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("30 of 30"), "{said}");
    // What is no demo's is not removed.
    let foreign = quorate(&["demo", "--data-dir", input.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&foreign.stderr).contains("left alone"));
    assert!(input.join("main.rs").exists());
}

#[test]
fn the_demo_names_the_folder_that_it_cannot_use() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let earlier = dir.path().join("earlier");
    std::fs::create_dir(&earlier).unwrap();
    std::fs::write(earlier.join("quorate-demo"), "").unwrap();
    let table = [
        (file.clone(), "read: Not a directory"),
        (file.join("x"), "made: Not a directory"),
        (earlier.join("."), "removed: Invalid argument"),
    ];
    for (path, why) in table {
        let output = quorate(&["demo", "--data-dir", path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        let says = format!("error: data-dir: give another, {} cannot be {why}", path.display());
        assert!(said.starts_with(&says), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
    let data = dir.path().join("data");
    let output = quorate(&["demo", "--data-dir", data.to_str().unwrap(), "--input", file.to_str().unwrap()]);
    // What it leaves is said, however it ends.
    let says = format!("the nodes' data is in {0}; to remove it: rm -r {0}\n", data.display());
    assert_eq!((String::from_utf8_lossy(&output.stdout), data.exists()), (says.into(), true));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with(&format!("error: input: give another, {} cannot be read", file.display())),
        "{said}"
    );
}
