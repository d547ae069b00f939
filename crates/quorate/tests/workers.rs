//! The workers of examples/, which docs/clients.md shows, against a cluster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use common::{Started, cluster, free_ports, has, quorate, url, wait_for_status, wait_until};

#[test]
fn the_python_worker_does_what_its_page_says() {
    if has(None, "python3", &["-c", "import requests"]) {
        drill("worker.py");
        ends_where_no_node_answers("worker.py");
    }
}

#[test]
fn the_shell_worker_does_what_its_page_says() {
    if has(None, "curl", &["--version"]) && has(None, "jq", &["--version"]) {
        drill("worker.sh");
        ends_where_no_node_answers("worker.sh");
    }
}

/// Payloads are shell scripts here.
fn drill(worker: &str) {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let mut nodes = cluster(dir.path(), first);
    let urls = [first, first + 1, first + 2].map(url);
    let mut worker = start(worker, &urls.join(","));
    // Through a node that stays.
    let cluster = Cluster { port: first + 2, url: urls[2].clone() };

    let ids = [1, 2].map(|n| cluster.enqueue(&format!("echo \"job $JOB_ID: {n}\""), 60));
    for (id, n) in ids.iter().zip(1..) {
        wait_for_status(cluster.port, id, "success");
        assert_eq!(cluster.log(id), format!("job {id}: {n}\n"));
    }

    let bad = cluster.enqueue("echo 'no luck' >&2; exit 3", 60);
    wait_for_status(cluster.port, &bad, "error");
    let job = cluster.job(&bad);
    assert_eq!((job["reason"].as_str(), job["details"].as_str()), (Some("bad_exit"), Some("exit status 3")));
    assert_eq!(cluster.log(&bad), "no luck\n");

    let long = cluster.enqueue("sleep 8; echo done", 5);
    wait_for_status(cluster.port, &long, "success");

    let pid_file = dir.path().join("pid");
    let endless = cluster.enqueue(&format!("echo $$ >{}; exec sleep 1000", pid_file.display()), 6);
    let pid = || fs::read_to_string(&pid_file).unwrap_or_default().trim().to_owned();
    wait_until("the work runs", || !pid().is_empty());
    cluster.run(&["job", "cancel", &endless]);
    let work = format!("/proc/{}", pid());
    wait_until("the work of a cancelled job is stopped", || !Path::new(&work).exists());

    // The node that it speaks to dies while it polls.
    nodes.remove(0);
    let after = cluster.enqueue("echo after", 60);
    wait_for_status(cluster.port, &after, "success");
    assert_eq!(cluster.log(&after), "after\n");
    assert_eq!(cluster.job(&endless)["status"], "cancelled");

    // The signal comes while it works: it finishes that, and takes nothing more.
    let (go, last) = (dir.path().join("go"), "echo begun >$0; until [ -e $1 ]; do :; done; echo finished");
    let begun = dir.path().join("begun");
    let script = last.replace("$0", begun.to_str().unwrap()).replace("$1", go.to_str().unwrap());
    let last = cluster.enqueue(&script, 60);
    wait_until("the last work runs", || begun.exists());
    worker.signal(Signal::SIGTERM);
    let left = cluster.enqueue("echo left", 60);
    fs::write(&go, "").unwrap();
    assert_eq!(worker.ended("the worker ended"), Some(0));
    assert_eq!(cluster.log(&last), "finished\n");
    assert_eq!(cluster.job(&left)["status"], "queued");
}

/// The last node goes away, and then comes the signal.
fn ends_where_no_node_answers(worker: &str) {
    let node = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut worker = start(worker, &format!("http://{}", node.local_addr().unwrap()));
    node.accept().unwrap();
    drop(node);
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended("the worker ended"), Some(0));
}

fn start(worker: &str, nodes: &str) -> Started {
    let worker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(worker);
    Started(Command::new(worker).args([nodes, "/bin/sh"]).stdout(Stdio::null()).spawn().unwrap())
}

struct Cluster {
    port: u16,
    url: String,
}

impl Cluster {
    fn run(&self, args: &[&str]) -> Vec<u8> {
        let output = quorate(&[args, &["--nodes", &self.url]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn enqueue(&self, payload: &str, timeout: u32) -> String {
        let enqueue = ["job", "enqueue", "--image", "sh", "--max-retries", "0", "--payload", payload];
        let enqueued = self.run(&[&enqueue[..], &["--timeout", &timeout.to_string(), "--json"]].concat());
        serde_json::from_slice::<Value>(&enqueued).unwrap()[0]["id"].as_str().unwrap().to_owned()
    }

    fn job(&self, id: &str) -> Value {
        serde_json::from_slice(&self.run(&["job", "get", id, "--json"])).unwrap()
    }

    fn log(&self, id: &str) -> String {
        String::from_utf8(self.run(&["job", "log", id])).unwrap()
    }
}
