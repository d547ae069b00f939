//! What commands write: into pipes that close, onto disks that are full, and for the eyes of a person.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use serde_json::Value;

use common::{QUORATE, Started, enqueue, free_ports, quorate, serve, url, wait_until, wait_until_ready};

/// One node, and the commands that speak to it.
struct Node {
    _dir: tempfile::TempDir,
    _node: Started,
    port: u16,
}

impl Node {
    fn start() -> Node {
        let dir = tempfile::tempdir().unwrap();
        let port = free_ports(1);
        let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
        let node = Started(node.unwrap());
        wait_until_ready(port);
        Node { _dir: dir, _node: node, port }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(QUORATE);
        command.args(args).env("QUORATE_NODES", url(self.port)).env("QUORATE_HEALTH_URL", url(self.port));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A job that has ended.
    fn cancelled(&self) -> String {
        let id = enqueue(self.port);
        self.json(&["job", "cancel", &id]);
        id
    }
}

/// A pipe that nobody reads.
fn closed() -> io::PipeWriter {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_reader_that_leaves_ends_a_command_quietly_with_its_own_result() {
    let node = Node::start();
    let queued = enqueue(node.port);
    let missing = "00000000-0000-7000-8000-000000000000";
    let table: [(&[&str], i32); 11] = [
        (&["job", "list", "-n", "1000"], 0),
        (&["job", "list", "--json"], 0),
        (&["job", "get", &queued], 0),
        (&["job", "get", missing], 3),
        (&["job", "enqueue", "--image", "b"], 0),
        (&["job", "cancel", &queued], 0),
        (&["cluster", "status"], 0),
        (&["health"], 0),
        (&["--help"], 0),
        (&["job", "enqueue", "--help"], 0),
        (&["job", "fetch"], 2),
    ];
    for (args, code) in table {
        let output = node.command(args).stdout(closed()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert_eq!(stderr(&output).is_empty(), code == 0, "{args:?}: {}", stderr(&output));
    }
    // Also when nobody hears what went wrong.
    let status = node.command(&["job", "get", missing]).stdout(closed()).stderr(closed()).status().unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(node.json(&["job", "list", "--image", "b"])["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn a_full_disk_is_an_error_that_says_what_was_done() {
    let node = Node::start();
    let (queued, finished, deleted) = (enqueue(node.port), node.cancelled(), node.cancelled());
    let table: [(&[&str], &str); 10] = [
        (&["job", "list"], "error: standard output (/dev/full) cannot be written: No space"),
        (
            &["job", "get", &queued, "--json"],
            "error: standard output (/dev/full) cannot be written: No space",
        ),
        (&["job", "enqueue", "--image", "b"], "error: the job is enqueued as "),
        (&["job", "cancel", &queued], "error: the job is cancelled, but standard output"),
        (&["job", "retry", &finished], "error: the job is retried as "),
        (&["job", "delete", &deleted], "error: the job is deleted, but standard output"),
        (
            &["cluster", "settings", "--retention", "1000"],
            "error: the settings are changed, but standard output",
        ),
        (&["health"], "error: standard output (/dev/full)"),
        (&["--help"], "error: standard output (/dev/full)"),
        (&["job", "--version"], "error: standard output (/dev/full)"),
    ];
    for (args, says) in table {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = node.command(args).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with(says), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(node.json(&["job", "list", "--image", "b"])["jobs"].as_array().unwrap().len(), 1);
}

/// Sets a title, forges a line, and turns what follows around.
const EVIL: &str = "x\x1b]0;owned\x07\nstatus      success\r\u{202e}\u{9b}31m";

fn assert_clean(what: &str, said: &[u8]) {
    let said = String::from_utf8(said.to_vec()).unwrap();
    let evil = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!said.contains(evil), "{what}: {said:?}");
    assert!(said.contains("\\x1b"), "{what} shows what is there: {said}");
    let forged = said.lines().filter(|line| line.starts_with("status ") && line.contains("success"));
    assert_eq!(forged.count(), 0, "{what}: {said}");
}

#[test]
fn what_a_person_sees_steers_no_terminal_and_forges_no_line() {
    let node = Node::start();
    let id = node.json(&["job", "enqueue", "--image", EVIL, "--payload", EVIL])[0]["id"].clone();
    let id = id.as_str().unwrap();
    assert_clean("the list", &node.run(&["job", "list"]).stdout);
    assert_clean("the end of a job", &node.run(&["job", "cancel", id, "--details", EVIL]).stdout);
    assert_clean("a job", &node.run(&["job", "get", id]).stdout);
    let unknown = format!("job get {EVIL}");
    assert_clean("an error", &node.run(&["job", "get", &unknown, "--nodes", &server_says(EVIL)]).stderr);
    let usage = stderr(&node.run(&["job", "list", "-n", EVIL]));
    assert!(!usage.contains(['\x1b', '\x07', '\r', '\u{202e}']), "{usage:?}");
    let job = node.json(&["job", "get", id]);
    assert_eq!((&job["image"], &job["payload"], &job["details"]), (&EVIL.into(), &EVIL.into(), &EVIL.into()));
}

/// A server that refuses everything with these words; says its URL.
fn server_says(words: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = serde_json::json!({ "error": { "message": words } }).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let length = body.len();
            let head = format!(
                "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            // It may have left.
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    url
}

#[test]
fn the_log_of_a_runner_is_one_line_an_event_and_json_where_it_is_to_be() {
    for format in ["human", "json"] {
        let nodes = server_says(EVIL);
        let args = ["run", "--nodes", &nodes, "--program", "a=/bin/true", "--log-format", format];
        let mut runner = Started(Command::new(QUORATE).args(args).stderr(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(runner.0.stderr.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("owned"))).unwrap();
        match format {
            "human" => {
                assert_clean("the log", line.as_bytes());
                assert!(line.contains("status      success"), "all of it stands on the line: {line}");
            }
            _ => {
                let event: Value = serde_json::from_str(&line).unwrap();
                assert!(event["fields"]["message"].as_str().unwrap().contains(EVIL), "{line}");
            }
        }
    }
}

#[test]
fn the_log_of_a_job_is_data_and_on_a_terminal_text() {
    let node = Node::start();
    let log = format!("first\tline\n\x1b[31m{EVIL}\n\u{ff}\n");
    let id = node.json(&["job", "enqueue", "--image", "printer"])[0]["id"].clone();
    let id = id.as_str().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("log"), &log).unwrap();
    let program = format!("printer=/bin/cat {}", dir.path().join("log").display());
    let runner = node.command(&["run", "--program", &program]).stderr(Stdio::null()).spawn().unwrap();
    let _runner = Started(runner);
    wait_until("the job succeeded", || node.json(&["job", "get", id])["status"] == "success");
    assert_eq!(node.run(&["job", "log", id]).stdout, log.as_bytes());

    let (mut master, terminal) = terminal();
    assert!(node.command(&["job", "log", id]).stdout(terminal).status().unwrap().success());
    let mut seen = vec![0; 4_096];
    let read = master.read(&mut seen).unwrap();
    // A terminal adds the returns.
    let seen = String::from_utf8(seen[..read].to_vec()).unwrap().replace("\r\n", "\n");
    assert!(seen.starts_with("first\tline\n") || seen.starts_with("first   line\n"), "{seen:?}");
    assert_eq!(seen.lines().count(), 4, "{seen:?}");
    assert!(!seen.contains(['\x1b', '\u{202e}', '\u{9b}']) && seen.contains("\\x1b[31m"), "{seen:?}");
    let missing = quorate(&["job", "log", id, "--nodes", &server_says(EVIL)]);
    assert_clean("an error", &missing.stderr);
}

/// A terminal: what a person has, and what a command has.
fn terminal() -> (File, File) {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let terminal = File::options().read(true).write(true).open(ptsname_r(&master).unwrap()).unwrap();
    (File::from(std::os::fd::OwnedFd::from(master)), terminal)
}

#[test]
fn a_person_is_asked_before_all_that_fit_are_removed() {
    let node = Node::start();
    let ids = [node.cancelled(), node.cancelled()];
    let all = ["job", "delete", "--status", "cancelled"];
    let left = || ids.iter().filter(|id| node.run(&["job", "get", id]).status.success()).count();
    let says = |answer: &[u8], args: &[&str]| {
        let (mut master, terminal) = terminal();
        let mut command = node.command(args);
        command.stdin(terminal.try_clone().unwrap()).stdout(Stdio::piped()).stderr(terminal);
        let child = command.spawn().unwrap();
        drop(command);
        master.write_all(answer).unwrap();
        let output = child.wait_with_output().unwrap();
        let mut seen = vec![0; 4_096];
        let read = master.read(&mut seen).unwrap();
        (output.status.code(), String::from_utf8_lossy(&seen[..read]).into_owned())
    };
    let (code, seen) = says(b"\n", &all);
    assert!(seen.contains("delete 2 jobs for good? [y/N]") && seen.contains("nothing was done"), "{seen}");
    assert_eq!((code, left()), (Some(1), 2));
    let (code, seen) = says(b"y\n", &all);
    assert!(seen.contains("for good?"), "{seen}");
    assert_eq!((code, left()), (Some(0), 0));

    let _third = node.cancelled();
    let yes = [&all[..], &["--yes"]].concat();
    let (code, seen) = says(b"x", &yes);
    assert!(!seen.contains("for good?"), "{seen}");
    assert_eq!(code, Some(0));
    let fourth = node.cancelled();
    assert!(node.run(&all).status.success(), "nobody is there to be asked");
    assert!(!node.run(&["job", "get", &fourth]).status.success());
}
