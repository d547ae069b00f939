//! The workers of examples/, which docs/clients.md shows, against a cluster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use common::{QUORATE, Started, cluster, free_ports, has, quorate, serve, url, wait_until, wait_until_ready};

#[test]
fn the_python_worker_does_what_its_page_says() {
    if has(None, "python3", &["-c", "import requests"]) {
        drill("worker.py");
        goes_by_its_token("worker.py");
        ends_where_no_node_answers("worker.py");
    }
}

#[test]
fn the_shell_worker_does_what_its_page_says() {
    if has(None, "curl", &["--version"]) && has(None, "jq", &["--version"]) {
        drill("worker.sh");
        goes_by_its_token("worker.sh");
        ends_where_no_node_answers("worker.sh");
    }
}

/// Payloads are shell scripts here.
fn drill(worker: &str) {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let mut nodes = cluster(dir.path(), first);
    let urls = [first, first + 1, first + 2].map(url);
    let mut worker = start(worker, &urls.join(","), None, Stdio::inherit());
    // Through a node that stays.
    let cluster = Cluster { url: urls[2].clone(), token: String::new() };

    let ids = [1, 2].map(|n| cluster.enqueue(&format!("echo \"job $JOB_ID: {n}\""), 60));
    for (id, n) in ids.iter().zip(1..) {
        cluster.wait_for(id, "success");
        assert_eq!(cluster.log(id), format!("job {id}: {n}\n"));
    }

    // No other one has its name, be it the first process of a container as this one is.
    let name = cluster.job(&ids[0])["worker"].as_str().unwrap().to_owned();
    let random = name.rsplit('-').next().unwrap();
    assert!(random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");

    let bad = cluster.enqueue("echo 'no luck' >&2; exit 3", 60);
    cluster.wait_for(&bad, "error");
    let job = cluster.job(&bad);
    assert_eq!((job["reason"].as_str(), job["details"].as_str()), (Some("bad_exit"), Some("exit status 3")));
    assert_eq!(cluster.log(&bad), "no luck\n");

    let long = cluster.enqueue("sleep 8; echo done", 5);
    cluster.wait_for(&long, "success");

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
    cluster.wait_for(&after, "success");
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
    let mut worker = start(worker, &format!("http://{}", node.local_addr().unwrap()), None, Stdio::inherit());
    node.accept().unwrap();
    drop(node);
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended("the worker ended"), Some(0));
}

/// The first of two nodes knows the administrator alone.
fn goes_by_its_token(worker: &str) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let [few, all, own] = ["few", "all", "own"].map(at);
    let root = new_token("root", "admin", &few);
    fs::copy(&few, &all).unwrap();
    let first = free_ports(2);
    let _nodes = [&few, &all].map(|tokens| {
        let number = usize::from(*tokens == all);
        let args = serve(dir.path(), &[first, first + 1], number);
        let mut node = Command::new(QUORATE);
        Started(node.args(args).arg("--tokens").arg(tokens).stderr(Stdio::null()).spawn().unwrap())
    });
    [first, first + 1].into_iter().for_each(wait_until_ready);
    let cluster = Cluster { url: url(first + 1), token: root };
    let known = |token: &str, is_known: bool| {
        wait_until("the node has looked", || {
            let image = ["job", "list", "--image", "x", "--nodes", &cluster.url];
            let output = Command::new(QUORATE).args(image).env("QUORATE_TOKEN", token).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            said.contains(if is_known { "lacks the role" } else { "not known here" })
        });
    };
    // Another one in the place of the one that was there.
    let give = |token: &str| {
        fs::write(at("next"), token).unwrap();
        fs::rename(at("next"), &own).unwrap();
    };
    let remove = |name: &str| {
        let removed = Command::new(QUORATE).args(["token", "remove", name, "--tokens"]).arg(&all).output();
        assert!(removed.unwrap().status.success());
    };

    let one = new_token("one", "run", &all);
    give(&one);
    known(&one, true);
    let urls = format!("{},{}", url(first), cluster.url);
    let mut working = start(worker, &urls, Some(&own), Stdio::inherit());
    let job = cluster.enqueue("echo through the other node", 60);
    cluster.wait_for(&job, "success");

    let two = new_token("two", "run", &all);
    known(&two, true);
    give(&two);
    remove("one");
    known(&one, false);
    let job = cluster.enqueue("echo with the new one", 60);
    cluster.wait_for(&job, "success");

    // What it has done is not lost where the new one comes late.
    let (go, begun) = (at("go"), at("begun"));
    let script = format!("echo >{}; until [ -e {} ]; do :; done", begun.display(), go.display());
    let job = cluster.enqueue(&script, 60);
    wait_until("it has been taken", || begun.exists());
    remove("two");
    known(&two, false);
    fs::write(&go, "").unwrap();
    let three = new_token("three", "run", &all);
    known(&three, true);
    assert!(working.runs());
    give(&three);
    cluster.wait_for(&job, "success");

    // Nobody knows it.
    fs::write(at("strange"), &two).unwrap();
    let said = fs::File::create(at("said")).unwrap();
    let mut stranger = start(worker, &urls, Some(&at("strange")), said.into());
    assert_eq!(stranger.ended("it gave up"), Some(1));
    let said = fs::read_to_string(at("said")).unwrap();
    let says = |part| said.contains(part);
    assert!(says(" says 401: ") && says("this token is not known here"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    working.signal(Signal::SIGTERM);
    assert_eq!(working.ended("the worker ended"), Some(0));
}

/// Says the token.
fn new_token(name: &str, role: &str, tokens: &Path) -> String {
    let new = ["token", "new", "--name", name, "--role", role, "--tokens", tokens.to_str().unwrap()];
    String::from_utf8(quorate(&new).stdout).unwrap().trim().to_owned()
}

fn start(worker: &str, nodes: &str, token: Option<&Path>, said: Stdio) -> Started {
    let worker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(worker);
    let mut command = Command::new(worker);
    command.args([nodes, "/bin/sh"]).stdout(Stdio::null()).stderr(said);
    Started(command.envs(token.map(|file| ("QUORATE_TOKEN_FILE", file))).spawn().unwrap())
}

struct Cluster {
    url: String,
    token: String,
}

impl Cluster {
    fn run(&self, args: &[&str]) -> Vec<u8> {
        let mut command = Command::new(QUORATE);
        command.args(args).args(["--nodes", &self.url]).env("QUORATE_TOKEN", &self.token);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn wait_for(&self, id: &str, status: &str) {
        wait_until(status, || self.job(id)["status"] == status);
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
