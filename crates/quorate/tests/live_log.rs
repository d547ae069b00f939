//! The log of a job while it runs, as its owner sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::Read;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;

use common::{QUORATE, Started, free_ports, serve, url, wait_until_ready};
use tempfile::TempDir;

fn node(dir: &TempDir) -> (Started, u16) {
    let port = free_ports(1);
    let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let node = Started(node.unwrap());
    wait_until_ready(port);
    (node, port)
}

fn quorate(port: u16, args: &str) -> Command {
    let mut command = Command::new(QUORATE);
    command.args(args.split(' ')).env("QUORATE_NODES", url(port));
    command
}

fn says(port: u16, args: &str) -> String {
    let Output { status, stdout, stderr } = quorate(port, args).output().unwrap();
    assert!(status.success(), "{args}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap().trim_end().to_owned()
}

#[test]
fn a_job_that_is_cancelled_keeps_what_its_runner_saw_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_node, port) = node(&dir);
    let script = dir.path().join("script");
    fs::write(&script, "echo begun; exec sleep 3600").unwrap();
    let mut run = quorate(port, "run --program");
    run.arg(format!("a=/bin/sh {}", script.display())).stderr(Stdio::null());
    let mut run = Started(run.spawn().unwrap());
    let id = says(port, "job enqueue --image a --payload p");
    let follow = quorate(port, &format!("job log {id} --follow")).stdout(Stdio::piped()).spawn().unwrap();
    let mut follow = Started(follow);
    let mut seen = [0; 6];
    follow.0.stdout.as_mut().unwrap().read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"begun\n", "while it runs");
    says(port, &format!("job cancel {id}"));
    assert_eq!(follow.ended("it ends with the job"), Some(0));
    assert_eq!(says(port, &format!("job log {id}")), "begun");
    // With its program, which would outlive a runner that is killed.
    run.signal(Signal::SIGTERM);
    assert_eq!(run.ended("the runner ended"), Some(0));
}

#[test]
fn who_follows_hears_that_a_job_has_ended_with_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let (_node, port) = node(&dir);
    let id = says(port, "job enqueue --image a --payload p");
    let post = |path: &str, body: &str| {
        let url = format!("{}{path}", url(port));
        let posted = Command::new("curl").args(["-fsS", "--data-binary", body, &url]).output().unwrap();
        assert!(posted.status.success(), "{path}: {}", String::from_utf8_lossy(&posted.stderr));
    };
    post("/v1/jobs/consume", "");
    post(&format!("/v1/job/{id}/log"), "one\n");
    let follow = quorate(port, &format!("job log {id} --follow"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut follow = Started(follow);
    let mut seen = [0; 4];
    follow.0.stdout.as_mut().unwrap().read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"one\n");
    post(&format!("/v1/job/{id}/success"), "log=two%0A");
    assert_eq!(follow.ended("it ends with the job"), Some(0));
    let (mut more, mut said) = (String::new(), String::new());
    follow.0.stdout.as_mut().unwrap().read_to_string(&mut more).unwrap();
    follow.0.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(more, "two\n");
    assert!(said.contains("the job has ended with another log, which follows"), "{said}");
}
