//! What the tests of the program share.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) const QUORATE: &str = env!("CARGO_BIN_EXE_quorate");

/// `count` ports behind each other that are free, as are those 1000 above, and that no other of these suites gets while this one runs.
pub(crate) fn free_ports(count: u16) -> u16 {
    // The next caller looks behind what this one gets.
    static NEXT: Mutex<(usize, Vec<File>)> = Mutex::new((0, Vec::new()));
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut taken = NEXT.lock().unwrap();
    // Another run of these tests on this machine begins somewhere else.
    let first = usize::try_from(std::process::id()).unwrap() % 500 + taken.0;
    // Every other thousand: those above are nobody's.
    let bases =
        (20_000..30_000).step_by(2_000).flat_map(|thousands| (thousands..thousands + 1_000).step_by(10));
    for base in bases.cycle().skip(first).take(500) {
        taken.0 += 1;
        // It may be another user's, who made it: to read it is enough for a lock.
        let path = std::env::temp_dir().join(format!("quorate-tests-{base}.lock"));
        let Ok(lock) = File::open(&path).or_else(|_| File::create(&path)) else { continue };
        if lock.try_lock().is_ok() && (base..base + count).all(|port| is_free(port) && is_free(port + 1_000))
        {
            taken.1.push(lock);
            return base;
        }
    }
    panic!("no ports are free");
}

/// Runs the program to its end.
pub(crate) fn quorate(args: &[&str]) -> Output {
    Command::new(QUORATE).args(args).output().unwrap()
}

/// The program as a terminal starts it: these tests may run under nohup, and what is ignored there is inherited.
pub(crate) fn in_a_terminal() -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", QUORATE]);
    command
}

/// How long something may take that takes a moment: long, for machines that have other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not so after {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process of the program, killed with the test.
pub(crate) struct Started(pub(crate) Child);

impl Started {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits for its end; says its exit code.
    pub(crate) fn ended(&mut self, what: &str) -> Option<i32> {
        wait_until(what, || !self.runs());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The arguments of a node; all of `ports` form the cluster.
pub(crate) fn serve(dir: &Path, ports: &[u16], node: usize) -> Vec<String> {
    let peers: Vec<String> =
        ports.iter().enumerate().map(|(n, port)| format!("n{n}=127.0.0.1:{}", port + 1_000)).collect();
    let (name, port) = (format!("n{node}"), ports[node]);
    let data_dir = dir.join(&name);
    let args = [
        "serve",
        "--name",
        &name,
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--http-addr",
        &format!("127.0.0.1:{port}"),
        "--peer-addr",
        &format!("127.0.0.1:{}", port + 1_000),
        "--peers",
        &peers.join(","),
    ];
    args.map(str::to_owned).to_vec()
}

/// Starts one of these nodes.
pub(crate) fn start(dir: &Path, ports: &[u16], node: usize) -> Started {
    let process = Command::new(QUORATE).args(serve(dir, ports, node)).stderr(Stdio::null()).spawn();
    Started(process.unwrap())
}

/// Runs a node that ends by itself; says its exit code, and what it wrote to standard error.
pub(crate) fn ends(args: &[String]) -> (Option<i32>, String) {
    let mut said = tempfile::tempfile().unwrap();
    let node = Command::new(QUORATE).args(args).stderr(said.try_clone().unwrap()).spawn().unwrap();
    let code = Started(node).ended("the node has ended");
    said.rewind().unwrap();
    (code, std::io::read_to_string(said).unwrap())
}

/// Starts one of these nodes on an empty directory, asks for it, and waits until it is a voter of the cluster that the first of them has.
pub(crate) fn join(dir: &Path, ports: &[u16], node: usize) -> Started {
    let name = format!("n{node}");
    let joining = start(dir, ports, node);
    let add = ["cluster", "member", "add", &name, "--nodes", &url(ports[0])];
    wait_until("it is asked for", || quorate(&add).status.success());
    wait_until("it has joined", || {
        let output = quorate(&["cluster", "status", "--json", "--nodes", &url(ports[0])]);
        let Ok(cluster) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else { return false };
        let members = cluster["members"].as_array().cloned().unwrap_or_default();
        members.iter().any(|member| member["name"] == *name && member["role"] != "learner")
    });
    wait_until_ready(ports[node]);
    joining
}

/// Three nodes on the three ports from `first` on, ready.
pub(crate) fn cluster(dir: &Path, first: u16) -> Vec<Started> {
    let ports = [first, first + 1, first + 2];
    let nodes = (0..ports.len()).map(|node| start(dir, &ports, node)).collect();
    ports.into_iter().for_each(wait_until_ready);
    nodes
}

/// Whether a program is there that a test needs besides, or a part of one; else says that it is skipped.
pub(crate) fn has(part: Option<&str>, program: &str, args: &[&str]) -> bool {
    let well = Command::new(program).args(args).stdin(Stdio::null()).output();
    let has = well.is_ok_and(|output| output.status.success());
    if !has {
        let part = part.map_or_else(String::new, |part| format!(" {part}"));
        println!("SKIPPED{part}: `{program} {}` does not work here", args.join(" "));
    }
    has
}

pub(crate) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

pub(crate) fn wait_until_ready(port: u16) {
    wait_until("ready", || quorate(&["health", "--ready", "--url", &url(port)]).status.success());
}

/// Enqueues a job of the image `a`; says its id.
pub(crate) fn enqueue(port: u16) -> String {
    let output = quorate(&["job", "enqueue", "--image", "a", "--payload", "x", "--nodes", &url(port)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn wait_for_status(port: u16, id: &str, status: &str) {
    wait_until(status, || {
        let output = quorate(&["job", "get", id, "--json", "--nodes", &url(port)]);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok_and(|job| job["status"] == status)
    });
}

/// What a process logs, line by line. Fails where it says nothing for long.
pub(crate) fn log_of(process: &mut Started) -> impl Iterator<Item = String> + use<> {
    let log = BufReader::new(process.0.stderr.take().unwrap());
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
    std::iter::from_fn(move || match said.recv_timeout(PATIENCE) {
        Ok(line) => Some(line),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it said nothing for {PATIENCE:?}"),
    })
}
