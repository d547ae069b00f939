//! A process whose log or terminal is lost loses nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::any::Any;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use common::{
    QUORATE, Started, enqueue, free_ports, in_a_terminal, serve, url, wait_for_status, wait_until,
    wait_until_ready,
};

/// Ports are looked for first and bound later.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The ways to lose a log.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// `| head -1`.
    ReaderLeaves,
    /// `| true`.
    ReaderGone,
    /// A reader that is stopped, and a pipe that is full.
    ReaderStopped,
    /// A disk that is full.
    NoSpace,
    /// `2>&-`.
    Closed,
    /// A terminal that hung up, under `nohup`.
    HungUp,
}

const LOSSES: [Loss; 6] =
    [Loss::ReaderLeaves, Loss::ReaderGone, Loss::ReaderStopped, Loss::NoSpace, Loss::Closed, Loss::HungUp];

/// Starts the program with standard output and standard error that are lost; the other value keeps the loss up.
fn start(args: &[String], loss: Loss) -> (Started, Box<dyn Any>) {
    let mut command = Command::new(QUORATE);
    let (to, held): (OwnedFd, Box<dyn Any>) = match loss {
        Loss::ReaderLeaves => {
            let (reader, writer) = io::pipe().unwrap();
            let reading = std::thread::spawn(|| BufReader::new(reader).lines().next());
            (writer.into(), Box::new(reading))
        }
        Loss::ReaderGone => (io::pipe().unwrap().1.into(), Box::new(())),
        Loss::ReaderStopped => {
            let (reader, writer) = io::pipe().unwrap();
            fill(&writer);
            (writer.into(), Box::new(reader))
        }
        Loss::NoSpace => (File::options().write(true).open("/dev/full").unwrap().into(), Box::new(())),
        Loss::Closed => {
            command = Command::new("/bin/sh");
            command.args(["-c", r#"exec "$0" "$@" >&- 2>&-"#, QUORATE]);
            (File::options().write(true).open("/dev/null").unwrap().into(), Box::new(()))
        }
        Loss::HungUp => (hung_up_terminal().into(), Box::new(())),
    };
    command.args(args).stdout(to.try_clone().unwrap()).stderr(to).stdin(Stdio::null());
    (Started(command.spawn().unwrap()), held)
}

fn fill(mut pipe: &io::PipeWriter) {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    loop {
        match pipe.write(&[b'x'; 512]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}

fn hung_up_terminal() -> File {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    File::options().write(true).open(ptsname_r(&master).unwrap()).unwrap()
}

#[test]
fn a_node_serves_and_ends_in_order_whatever_becomes_of_its_log() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for loss in LOSSES {
        let dir = tempfile::tempdir().unwrap();
        let port = free_ports(1);
        let (mut node, _held) = start(&serve(dir.path(), &[port], 0), loss);
        wait_until_ready(port);
        enqueue(port);
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended("the node ended"), Some(0), "{loss:?}");
    }
}

#[test]
fn three_nodes_without_a_log_form_a_cluster_that_outlives_its_leader() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    let losses = [Loss::ReaderLeaves, Loss::NoSpace, Loss::ReaderStopped];
    let mut nodes: Vec<_> =
        losses.iter().enumerate().map(|(n, loss)| start(&serve(dir.path(), &ports, n), *loss)).collect();
    ports.iter().for_each(|port| wait_until_ready(*port));
    enqueue(first);
    let output = common::quorate(&["cluster", "status", "--json", "--nodes", &url(first)]);
    let cluster: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let leader: usize = cluster["leader"].as_str().unwrap()[1..].parse().unwrap();
    let (mut dead, _held) = nodes.remove(leader);
    dead.signal(Signal::SIGKILL);
    dead.ended("the leader is dead");
    for (n, port) in ports.iter().enumerate() {
        if n != leader {
            enqueue(*port);
        }
    }
    for (node, _held) in &mut nodes {
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended("the node ended"), Some(0));
    }
}

#[test]
fn a_runner_runs_jobs_and_drains_whatever_becomes_of_its_log() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node =
        Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn().unwrap();
    let _node = Started(node);
    wait_until_ready(port);
    let script = dir.path().join("script");
    for loss in LOSSES {
        let (started, go) = (dir.path().join("started"), dir.path().join("go"));
        let wait =
            format!(": > '{}'; until [ -e '{}' ]; do sleep 0.02; done", started.display(), go.display());
        std::fs::write(&script, wait).unwrap();
        let program = format!("a=/bin/sh {}", script.display());
        let args = ["run", "--nodes", &url(port), "--program", &program].map(str::to_owned);
        let (mut runner, _held) = start(&args, loss);
        let id = enqueue(port);
        wait_until("the job runs", || started.exists());
        runner.signal(Signal::SIGTERM);
        std::fs::write(&go, "").unwrap();
        assert_eq!(runner.ended("the runner ended"), Some(0), "{loss:?}");
        wait_for_status(port, &id, "success");
        std::fs::remove_file(&go).unwrap();
        std::fs::remove_file(&started).unwrap();
    }
}

/// The child of a process that has this argument.
fn child_with(parent: u32, argument: &str) -> Pid {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let has = |pid: &&str| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        line.split('\0').any(|word| word == argument)
    };
    Pid::from_raw(children.split_whitespace().find(has).unwrap().parse().unwrap())
}

#[test]
fn dev_and_its_nodes_go_on_when_nobody_reads_what_it_says() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for loss in LOSSES {
        let dir = tempfile::tempdir().unwrap();
        let first = free_ports(3);
        let args = ["dev", "--http-port", &first.to_string(), "--data-dir", dir.path().to_str().unwrap()]
            .map(str::to_owned);
        let (mut dev, _held) = start(&args, loss);
        (first..first + 3).for_each(wait_until_ready);
        kill(child_with(dev.0.id(), "n1"), Signal::SIGKILL).unwrap();
        enqueue(first + 1);
        enqueue(first + 2);
        assert!(dev.runs(), "{loss:?}");
        dev.signal(Signal::SIGTERM);
        assert_eq!(dev.ended("dev ended"), Some(0), "{loss:?}");
    }
}

#[test]
fn a_terminal_that_goes_away_ends_a_node_in_order_and_not_at_all_under_nohup() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let mut node = Command::new("/bin/sh");
    node.args(["-c", r#"trap "" HUP; exec "$0" "$@""#, QUORATE]);
    let mut node = Started(node.args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn().unwrap());
    wait_until_ready(port);
    node.signal(Signal::SIGHUP);
    enqueue(port);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ended"), Some(0));

    let node = in_a_terminal().args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let mut node = Started(node.unwrap());
    wait_until_ready(port);
    node.signal(Signal::SIGHUP);
    assert_eq!(node.ended("the node ended"), Some(0));
}
