//! The commands of `quorate job`, as a person or a script uses them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use jiff::{Timestamp, ToSpan};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use quorate_client::api::Reason;
use quorate_client::{Client, ClientConfig, Consume, JobFailure};
use serde_json::Value;

use common::{QUORATE, Started, free_ports, serve, url, wait_until_ready};

/// One node, and the commands that speak to it.
struct Node {
    dir: tempfile::TempDir,
    node: Started,
    port: u16,
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Node {
    fn start() -> Node {
        let dir = tempfile::tempdir().unwrap();
        let port = free_ports(1);
        let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
        let node = Started(node.unwrap());
        wait_until_ready(port);
        let client = Client::new(ClientConfig::new([url(port)])).unwrap();
        Node { dir, node, port, runtime: tokio::runtime::Runtime::new().unwrap(), client }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(QUORATE);
        command.args(args).env("QUORATE_NODES", url(self.port));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command that goes well prints.
    fn says(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn enqueue(&self, more: &[&str]) -> String {
        self.says(&[&["job", "enqueue", "--image", "a"], more].concat()).trim().to_owned()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[args, &["--json"]].concat())).unwrap()
    }

    fn payload(&self, id: &str) -> Value {
        self.json(&["job", "get", id])["payload"].clone()
    }

    fn take(&self, n: u32) -> Vec<String> {
        let consume = Consume { n, ..Consume::default() };
        let taken = self.runtime.block_on(self.client.consume(&consume)).unwrap().answer;
        taken.into_iter().map(|job| job.id).collect()
    }

    fn succeed(&self, id: &str) {
        self.runtime.block_on(self.client.success(id, Default::default())).unwrap();
    }

    fn fail(&self, id: &str) {
        self.fail_for(id, Reason::BadExit, "");
    }

    fn fail_for(&self, id: &str, reason: Reason, details: &str) {
        let failure =
            JobFailure { reason, details: details.to_owned(), log: Default::default(), retry: true };
        self.runtime.block_on(self.client.fail(id, failure)).unwrap();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command with this on its standard input, a pipe.
fn piped(mut command: Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let input = input.to_vec();
    // It may not be read.
    std::thread::spawn(move || stdin.write_all(&input));
    process.wait_with_output().unwrap()
}

/// What a command writes to a terminal of so many columns.
fn on_a_terminal(command: &mut Command, columns: u16) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let mut process = Started(command.stdout(File::from(pty.slave)).spawn().unwrap());
    // The last one that can write to it.
    command.stdout(Stdio::null());
    let mut seen = Vec::new();
    // A terminal that nobody writes to any more ends with an error.
    let _ = File::from(pty.master).read_to_end(&mut seen);
    assert_eq!(process.ended("the command"), Some(0));
    String::from_utf8(seen).unwrap().replace("\r\n", "\n")
}

#[test]
fn the_input_comes_from_where_it_is_said_to_or_from_a_pipe() {
    let node = Node::start();
    let enqueue = ["job", "enqueue", "--image", "a"];
    let file = node.dir.path().join("input");
    let file = file.to_str().unwrap();
    std::fs::write(file, "of a file\n").unwrap();
    let table: [(&[&str], &str); 6] = [
        (&["--payload", "-"], "piped\n"),
        (&["--payload-file", "-"], "piped\n"),
        (&[], "piped\n"),
        (&["--payload", "given"], "given"),
        (&["--payload", ""], ""),
        (&["--payload-file", file], "of a file\n"),
    ];
    for (args, payload) in table {
        let output = piped(node.command(&[&enqueue[..], args].concat()), b"piped\n");
        let id = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(node.payload(id.trim()), payload, "{args:?}: {}", stderr(&output));
    }
    // What runs it may give it a socket, as sshd and inetd do.
    let (ours, theirs) = UnixStream::pair().unwrap();
    (&ours).write_all(b"of a socket\n").unwrap();
    drop(ours);
    let given = node.command(&enqueue).stdin(OwnedFd::from(theirs)).output().unwrap();
    assert_eq!(node.payload(String::from_utf8(given.stdout).unwrap().trim()), "of a socket\n");
    let redirected = node.command(&enqueue).stdin(File::open(file).unwrap()).output().unwrap();
    assert_eq!(node.payload(String::from_utf8(redirected.stdout).unwrap().trim()), "of a file\n");
    // /dev/null is no input.
    assert_eq!(node.payload(&node.enqueue(&[])), "");
}

#[test]
fn what_is_no_text_travels_in_base64_and_what_is_too_long_not_at_all() {
    let node = Node::start();
    let file = node.dir.path().join("input");
    let file = file.to_str().unwrap();
    std::fs::write(file, [0, 0xff, 0xfe]).unwrap();
    let refused = node.run(&["job", "enqueue", "--image", "a", "--payload-file", file]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("not UTF-8 text") && stderr(&refused).contains("--base64"));
    assert_eq!(node.payload(&node.enqueue(&["--payload-file", file, "--base64"])), "AP/+");

    std::fs::write(file, vec![0xff; 768 << 10]).unwrap();
    node.enqueue(&["--payload-file", file, "--base64"]);
    std::fs::write(file, vec![0xff; (768 << 10) + 1]).unwrap();
    let refused = node.run(&["job", "enqueue", "--image", "a", "--payload-file", file, "--base64"]);
    let says = "error: payload: 786433 bytes are more than the 768 KiB that --base64 can send; nothing is enqueued\n";
    assert_eq!((refused.status.code(), stderr(&refused).as_str()), (Some(1), says));

    let lines = piped(node.command(&["job", "enqueue", "--image", "a", "--lines", "-"]), b"one\ntwo\n\xff\n");
    assert_eq!(stderr(&lines), "error: lines: line 3 is not UTF-8 text; nothing is enqueued\n");
}

#[test]
fn ids_that_cannot_be_printed_are_said_where_somebody_may_look() {
    let node = Node::start();
    let closed = |script: &str| {
        let mut command = Command::new("sh");
        let script = format!("exec {QUORATE} job enqueue --image a --nodes {} {script}", url(node.port));
        command.args(["-c", &script]).stdin(Stdio::null()).output().unwrap()
    };
    let output = closed(">&-");
    let id = node.says(&["job", "list", "-q", "-n", "1"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), format!("standard output is closed: the job is enqueued as {id}"));
    // Who throws them away knows.
    assert_eq!(stderr(&closed("> /dev/null")), "");
}

#[test]
fn durations_have_units_and_numbers_bounds() {
    let node = Node::start();
    let id = node.enqueue(&["--timeout", "5m", "--delay", "1h30m", "--retries-delay", "7d"]);
    let job = node.json(&["job", "get", &id]);
    assert_eq!(
        (&job["timeout"], &job["delay"], &job["retries_delay"]),
        (&300.into(), &5_400.into(), &604_800.into())
    );
    let shown = node.says(&["job", "get", &id]);
    assert!(
        shown.contains("timeout     5m\n") && shown.contains("retries     3 left, each after "),
        "{shown}"
    );
    let table = [
        ("--max-retries", "26", "it must be a whole number from 0 to 25"),
        ("--priority", "high", "it must be a whole number from 0 to 2"),
        ("--timeout", "soon", "a duration is a number and its unit"),
    ];
    for (flag, value, says) in table {
        let refused = node.run(&["job", "enqueue", "--image", "a", flag, value]);
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(says) && said.contains(flag), "{said}");
        assert!(!said.contains("invalid digit") && !said.contains("u32"), "{said}");
    }
}

#[test]
fn a_list_is_ids_or_columns_or_a_table_that_fits() {
    let node = Node::start();
    let mut ids: Vec<String> = (0..3).map(|_| node.enqueue(&["--payload", "two words and so on"])).collect();
    ids.reverse();
    let listed = node.says(&["job", "ls", "-q"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ids);

    let columns = node.says(&["job", "list"]);
    let rows: Vec<Vec<&str>> = columns.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["id", "image", "status", "priority", "created", "queue", "progress"]);
    assert_eq!((rows[1][0], rows[1][1], rows[1][2]), (ids[0].as_str(), "a", "queued"));
    assert!(columns.is_ascii() && !columns.contains("two words"), "no frame, and no payload:\n{columns}");

    for width in [50, 80, 120] {
        let table = on_a_terminal(&mut node.command(&["job", "list"]), width);
        assert!(table.lines().all(|line| line.chars().count() <= width.into()), "{width}:\n{table}");
        for id in &ids {
            assert_eq!(table.lines().filter(|line| line.contains(id)).count(), 1, "{width}:\n{table}");
        }
    }

    // Where it goes on is no row of it.
    let first = node.run(&["job", "list", "-n", "2"]);
    assert_eq!(String::from_utf8_lossy(&first.stdout).lines().count(), 3);
    assert!(stderr(&first).starts_with("more: --cursor "), "{}", stderr(&first));
    let oldest = stderr(&node.run(&["job", "list", "-n", "2", "--oldest"]));
    let more: Vec<&str> = oldest.trim_end().strip_prefix("more: ").unwrap().split(' ').collect();
    assert_eq!(node.says(&[&["job", "list", "-q"], &more[..]].concat()).trim_end(), ids[0]);
    let refused = node.run(&["job", "list", more[1], more[2]]);
    assert!(stderr(&refused).contains("in the other order"), "{}", stderr(&refused));
}

#[test]
fn failures_are_listed_with_why_and_when_and_those_apart_that_nobody_goes_on_from() {
    let node = Node::start();
    let retried = node.enqueue(&["--tag", "batch:7"]);
    let dead = node.enqueue(&["--tag", "batch:7", "--tag", "red", "--key", "anna", "--max-retries", "0"]);
    let killed = node.enqueue(&["--max-retries", "0"]);
    let waits = node.enqueue(&["--delay", "1h", "--tag", "batch:7"]);
    assert_eq!(node.take(9).len(), 3);
    let words = format!("exit code 3: {}", "it was no good ".repeat(20));
    node.fail_for(&retried, Reason::BadExit, "exit code 1");
    node.fail_for(&dead, Reason::BadExit, &words);
    node.fail_for(&killed, Reason::Killed, "out of memory");

    let list = |more: &str| {
        let args: Vec<&str> = ["job", "list", "-q"].into_iter().chain(more.split_whitespace()).collect();
        node.says(&args).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for (flags, expected) in [
        ("--status error", vec![&killed, &dead, &retried]),
        ("--status dead", vec![&killed, &dead]),
        ("--status dead --oldest", vec![&dead, &killed]),
        ("--final=false", vec![&retried]),
        ("--status dead --reason killed --image a --queue default", vec![&killed]),
        ("--reason bad_exit --key anna", vec![&dead]),
        ("--tag batch:7 --status error,delayed --oldest -n 3", vec![&retried, &dead, &waits]),
        ("--tag batch:7 --tag red --status dead", vec![&dead]),
        ("--since 1h", vec![&killed, &dead, &retried]),
        ("--since 1h --until 2026-01-01T00:00:00Z", vec![]),
        ("--status dead --created-since 1h --created-until 1h", vec![]),
    ] {
        assert_eq!(list(flags).iter().collect::<Vec<_>>(), expected, "{flags}");
    }
    let seen = node.json(&["job", "list", "--status", "dead", "--tag", "red"])["jobs"][0].clone();
    assert_eq!((&seen["final"], &seen["tags"]), (&true.into(), &serde_json::json!(["batch:7", "red"])));
    assert!(node.says(&["job", "get", &dead]).contains("tags        batch:7, red\n"));
    assert!(node.says(&["job", "get", &dead]).contains("status      dead (bad_exit)\n"));

    let columns = node.says(&["job", "list", "--status", "error"]);
    let lines: Vec<&str> = columns.lines().collect();
    let header: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(header, ["id", "image", "status", "attempt", "completed", "ran", "queue", "details"]);
    let none = node.says(&["job", "list", "--status", "error", "--image", "none"]);
    assert_eq!(none.split_whitespace().collect::<Vec<_>>(), header, "whatever is found");
    assert!(lines[1].contains("dead (killed)") && lines[1].ends_with("out of memory"), "{columns}");
    assert!(
        lines[2].contains("1 of 1") && lines[2].ends_with(words.trim_end()),
        "nothing is cut:\n{columns}"
    );
    assert!(lines[3].contains("error (bad_exit)") && lines[3].contains("1 of 4"), "{columns}");
    let mixed = node.says(&["job", "list", "--status", "error,delayed"]);
    assert!(mixed.lines().next().unwrap().contains("priority"), "{mixed}");

    for width in [60, 100, 160] {
        let table = on_a_terminal(&mut node.command(&["job", "list", "--status", "dead"]), width);
        assert!(table.lines().all(|line| line.chars().count() <= width.into()), "{width}:\n{table}");
        assert_eq!(table.lines().count(), 6, "one line a job, at {width}:\n{table}");
        assert_eq!(table.contains("exit code"), width > 60, "{width}:\n{table}");
    }
    let alone = node.run(&["job", "list", "--status", "dead,cancelled"]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(stderr(&alone).contains("dead stands alone"), "{}", stderr(&alone));
}

#[test]
fn a_list_of_jobs_that_have_ended_says_when_and_how_long_each_ran_and_nothing_that_none_of_them_has() {
    let node = Node::start();
    let (done, called_off) = (node.enqueue(&[]), node.enqueue(&["--priority", "0"]));
    assert_eq!(node.take(1), std::slice::from_ref(&done));
    node.succeed(&done);
    node.says(&["job", "cancel", &called_off]);
    let rows = |status: &str| -> Vec<Vec<String>> {
        let columns = node.says(&["job", "list", "--status", status]);
        columns.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let succeeded = rows("succeeded");
    assert_eq!(succeeded[0], ["id", "image", "status", "completed", "ran", "queue"]);
    let ended = node.json(&["job", "get", &done])["completed_at"].as_str().unwrap().to_owned();
    assert_eq!(succeeded[1][..4], [&done, "a", "success", &ended]);
    assert!(succeeded[1].len() == 6 && succeeded[1][4].ends_with('s'), "{succeeded:?}");
    assert_eq!(rows("success,queued")[0].len(), 9, "columns of both kinds");

    let on_a_terminal = |status: &str| {
        let table = on_a_terminal(&mut node.command(&["job", "list", "--status", status]), 120);
        table.lines().nth(1).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert!(
        on_a_terminal("succeeded").contains("id image status ended ran"),
        "{}",
        on_a_terminal("succeeded")
    );
    let never_ran = on_a_terminal("cancelled");
    assert!(never_ran.contains("id image status ended") && !never_ran.contains("ran"), "{never_ran}");
}

#[test]
fn a_watched_list_is_printed_again_when_it_has_changed() {
    let node = Node::start();
    let first = node.enqueue(&[]);
    let mut watch = node.command(&["job", "list", "-q", "--watch=200ms"]);
    let mut watch = Started(watch.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next(), Some(first.clone()));
    let second = node.enqueue(&[]);
    assert_eq!([lines.next(), lines.next()], [Some(second), Some(first)]);
    // Nobody reads it any more.
    drop(lines);
    node.enqueue(&[]);
    assert_eq!(watch.ended("the watch"), Some(0));
}

#[test]
fn the_first_digits_of_an_id_stand_for_it() {
    let node = Node::start();
    let id = node.enqueue(&["--payload", "x"]);
    assert_eq!(node.payload(&id[..13]), "x");
    assert_eq!(node.json(&["job", "show", &id[..8]])["id"], id.as_str());

    // Ids of the same 65 s begin alike.
    let (id, other) = match node.enqueue(&[]) {
        second if second.starts_with(&id[..8]) => (id, second),
        second => (second, node.enqueue(&[])),
    };
    let both = &id[..id.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()];
    let many = node.run(&["job", "rm", both]);
    assert_eq!(many.status.code(), Some(1));
    assert_eq!(stderr(&many), format!("error: {both} is the beginning of {id}, {other}: give more of it\n"));
    let none = node.run(&["job", "cancel", "ffffffff"]);
    assert_eq!(
        (none.status.code(), stderr(&none).as_str()),
        (Some(3), "error: no job's id begins with ffffffff\n")
    );
    let wrong = node.run(&["job", "log", "the latest"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("an id has hexadecimal digits and dashes alone"), "{}", stderr(&wrong));

    // Where both differ.
    let unique = &id[..=both.len()];
    assert_eq!(node.json(&["job", "cancel", unique])["id"], id.as_str());
    let waited = node.run(&["job", "wait", unique]);
    assert_eq!(String::from_utf8_lossy(&waited.stdout), format!("{id}  cancelled (client_request)\n"));
    assert_eq!(node.says(&["job", "rm", unique]), format!("deleted {id}\n"));
}

#[test]
fn what_is_too_short_for_an_id_means_no_job_even_where_there_is_only_one() {
    let node = Node::start();
    let id = node.enqueue(&[]);
    for given in ["", "0", &id[..7]] {
        for command in ["cancel", "rm", "get", "log", "retry", "wait"] {
            let refused = node.run(&["job", command, given]);
            let said = stderr(&refused);
            assert_eq!(refused.status.code(), Some(2), "{command} '{given}': {said}");
            assert!(said.contains("give at least 8 characters of it"), "{command} '{given}': {said}");
        }
    }
    assert_eq!(node.json(&["job", "get", &id])["status"], "queued");
    assert_eq!(node.json(&["job", "cancel", &id[..8]])["status"], "cancelled");
}

#[test]
fn wait_waits_for_the_last_attempt_and_its_code_says_how_it_went() {
    let node = Node::start();
    let retried = node.enqueue(&["--max-retries", "1", "--retries-delay", "0"]);
    let mut wait = node.command(&["job", "wait", &retried]);
    let wait = wait.stdout(Stdio::piped()).spawn().unwrap();
    node.fail(&node.take(1)[0]);
    let second = node.take(1).remove(0);
    node.succeed(&second);
    let waited = wait.wait_with_output().unwrap();
    assert_eq!(waited.status.code(), Some(0));
    assert_eq!(String::from_utf8(waited.stdout).unwrap(), format!("{retried}  success  as {second}\n"));

    let waited = node.json(&["job", "wait", &retried, &second]);
    let ids: Vec<&Value> = waited.as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(ids, [second.as_str(), second.as_str()]);

    let failed = node.run(&["job", "wait", &retried, "--no-retries"]);
    assert_eq!(failed.status.code(), Some(7));
    assert_eq!(String::from_utf8(failed.stdout).unwrap(), format!("{retried}  error (bad_exit)\n"));
    let unknown = "00000000-0000-4000-8000-000000000000";
    for id in [&retried, &second] {
        let none = node.run(&["job", "wait", unknown, id, "ffffffff", "--no-retries"]);
        let said = format!(
            "error: no job's id begins with ffffffff\nerror: the job {unknown}: there is no such job\n"
        );
        assert_eq!((none.status.code(), stderr(&none)), (Some(3), said));
        let printed = String::from_utf8(none.stdout).unwrap();
        assert!(printed.starts_with(id.as_str()) && printed.lines().count() == 1, "{printed}");
    }
    let none = node.run(&["job", "wait", &second, unknown, "--json"]);
    let printed: Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!((none.status.code(), &printed[0]["id"]), (Some(3), &second.as_str().into()));
    let queued = node.enqueue(&[]);
    let over = node.run(&["job", "wait", &second, &queued, "--wait", "300ms"]);
    let said = format!("1 of 2 jobs has not ended: {queued}\n");
    assert_eq!((over.status.code(), stderr(&over)), (Some(8), said));
    let mut many: Vec<String> = (0..12).map(|_| node.enqueue(&[])).collect();
    many.sort_unstable();
    let args = ["job", "wait", "--wait", "0s", unknown];
    let over = node.run(&args.into_iter().chain(many.iter().map(String::as_str)).collect::<Vec<_>>());
    let said = format!(
        "error: the job {unknown}: there is no such job\n12 of 13 jobs have not ended: {} and 2 more\n",
        many[..10].join(", ")
    );
    assert_eq!((over.status.code(), stderr(&over)), (Some(3), said));
    node.says(&["job", "cancel", &queued]);
    assert_eq!(node.run(&["job", "wait", &second, &queued]).status.code(), Some(7));
    assert_eq!(node.run(&["job", "wait", "00000000-0000-7000-8000-000000000000"]).status.code(), Some(3));
}

#[test]
fn a_job_that_timed_out_says_when_and_after_how_long_and_what_follows() {
    let node = Node::start();
    let first = node.enqueue(&["--timeout", "1s", "--max-retries", "1", "--retries-delay", "1h"]);
    assert_eq!(node.take(1), std::slice::from_ref(&first));
    common::wait_for_status(node.port, &first, "error");
    let job = node.json(&["job", "get", &first]);
    let (ended, retry) = (job["completed_at"].as_str().unwrap(), job["retry_id"].as_str().unwrap());
    let delayed = node.json(&["job", "get", retry]);
    assert_eq!(delayed["status"], "delayed");

    let shown = node.says(&["job", "get", &first]);
    let line = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}:\n{shown}")).to_owned()
    };
    assert_eq!(line("status "), "status      error (timeout)");
    assert!(line("timed out").starts_with(&format!("timed out   {ended}, 1s after")), "{shown}");
    assert!(
        line("timed out").ends_with(" after it was started; it had 1s from its start or last touch"),
        "{shown}"
    );
    let created: Timestamp = delayed["created_at"].as_str().unwrap().parse().unwrap();
    let due = format!("{:.3}", created + 1.hour());
    assert_eq!(line("retried by"), format!("retried by  {retry}  delayed until {due}"));
    assert!(
        line("attempts").starts_with(&format!("attempts    1. {first}  error (timeout) after 1s")),
        "{shown}"
    );
    assert!(line("attempts").ends_with(" <- this one"), "{shown}");
    assert!(shown.contains(&format!("            2. {retry}  delayed until {due}")), "{shown}");
    // The same from the other end.
    let shown = node.says(&["job", "get", retry]);
    assert!(shown.contains(&format!("attempts    1. {first}  error (timeout)")), "{shown}");
    assert!(shown.contains(&format!("queued at   {due}\n")), "{shown}");
}

#[test]
fn wait_outlives_a_node_that_does_not_answer_and_ends_when_its_time_is_up() {
    let node = Node::start();
    let (ended, queued) = (node.enqueue(&[]), node.enqueue(&[]));
    assert_eq!(node.take(1), std::slice::from_ref(&ended));
    node.succeed(&ended);

    let mut wait = node.command(&["job", "wait", &ended, &queued, "--deadline", "2s"]);
    let mut wait = Started(wait.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(wait.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next(), Some(format!("{ended}  success")));
    node.node.signal(Signal::SIGSTOP);
    let mut remarks = BufReader::new(wait.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let remark = remarks.next().unwrap();
    assert!(remark.starts_with("no node answers: http://127.0.0.1:"), "{remark}");

    // The client's own deadline is longer.
    let over = node.run(&["job", "wait", &queued, "--wait", "1s"]);
    let said = format!("1 of 1 job is not known to have ended: {queued}\n");
    assert_eq!((over.status.code(), stderr(&over)), (Some(8), said));

    node.node.signal(Signal::SIGCONT);
    assert_eq!(node.take(1), std::slice::from_ref(&queued));
    node.succeed(&queued);
    assert_eq!(lines.next(), Some(format!("{queued}  success")));
    assert_eq!(wait.ended("the wait"), Some(0));
    // Looked at once.
    assert_eq!(node.run(&["job", "wait", &ended, "--wait", "0s"]).status.code(), Some(0));
}

#[test]
fn a_replay_says_which_jobs_are_no_longer_there() {
    let node = Node::start();
    let args = ["job", "enqueue", "--image", "a", "--idempotency-key", "k"];
    let id = node.says(&args);
    node.says(&["job", "cancel", id.trim()]);
    node.says(&["job", "rm", id.trim()]);
    let again = node.run(&args);
    let says = "error: the job was enqueued before under this key, and is no longer there; nothing is enqueued now\n";
    assert_eq!((again.status.code(), stderr(&again).as_str()), (Some(3), says));

    let args = ["job", "enqueue", "--image", "a", "--idempotency-key", "l", "--lines", "-"];
    let lines = || piped(node.command(&args), b"1\n2\n3\n");
    let ids = |output: Output| String::from_utf8(output.stdout).unwrap();
    let first = ids(lines());
    let second = first.lines().nth(1).unwrap();
    node.says(&["job", "cancel", second]);
    node.says(&["job", "rm", second]);
    let again = lines();
    let says = "error: 1 of 3 jobs was enqueued before under this key, and is no longer there: the ids are those of the \
                others, fewer than lines\n";
    assert_eq!((again.status.code(), stderr(&again).as_str()), (Some(3), says));
    assert_eq!(ids(again), first.replace(&format!("{second}\n"), ""));
}
