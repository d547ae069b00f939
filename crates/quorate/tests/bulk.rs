//! Many jobs at once: from a file, or of a worker that is gone; and what a node says while the command waits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{QUORATE, Started, free_ports, log_of, quorate, serve, url, wait_until_ready};

/// What stands in the way of the requests after the first ones.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// There is no leader.
    NoLeader,
    /// No answer comes.
    NoAnswer,
    /// They are carried out, and their answers are lost.
    LostAnswer,
    /// The first of them is carried out, and its answer is lost.
    FirstAnswerLost,
    /// The first of them is carried out, and its answer is lost; a proxy lets the next ones not pass.
    ThenRefused,
    /// They are carried out, and something in between answers in its own words.
    Reworded,
}

/// A node behind a server that passes so many requests on; says its URL.
fn node_that_takes(requests: usize, port: u16, trouble: Trouble) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut client = stream.unwrap();
            let request = request(&client);
            let pass_on = || {
                let mut node = TcpStream::connect(("127.0.0.1", port)).unwrap();
                node.write_all(&request).unwrap();
                let mut answer = Vec::new();
                node.read_to_end(&mut answer).unwrap();
                answer
            };
            let answer = if number < requests {
                pass_on()
            } else {
                match trouble {
                    Trouble::NoLeader => {
                        let body = r#"{"error":{"message":"no leader"},"outcome":"not_applied"}"#;
                        let length = body.len();
                        format!(
                            "HTTP/1.1 503 -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                        )
                        .into()
                    }
                    Trouble::NoAnswer => Vec::new(),
                    Trouble::ThenRefused if number == 0 => {
                        pass_on();
                        Vec::new()
                    }
                    Trouble::ThenRefused => {
                        let body = r#"{"error":{"message":"who are you?"}}"#;
                        let length = body.len();
                        format!(
                            "HTTP/1.1 401 -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                        )
                        .into()
                    }
                    Trouble::Reworded => {
                        pass_on();
                        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine".into()
                    }
                    Trouble::LostAnswer | Trouble::FirstAnswerLost => {
                        let answer = pass_on();
                        let is_lost = number == 0 || matches!(trouble, Trouble::LostAnswer);
                        if is_lost { Vec::new() } else { answer }
                    }
                }
            };
            // It may have given up.
            let _ = client.write_all(&answer);
        }
    });
    url
}

/// One request, as the last of its connection.
fn request(client: &TcpStream) -> Vec<u8> {
    let mut from = BufReader::new(client);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        // A connection that is made in advance ends without a request.
        if from.read_line(&mut line).unwrap_or(0) == 0 {
            return Vec::new();
        }
        if line == "\r\n" {
            break;
        }
        if let Some(bytes) = line.to_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
        request.push_str(&line);
    }
    request.push_str("Connection: close\r\n\r\n");
    let mut request = request.into_bytes();
    let head = request.len();
    request.resize(head + length, 0);
    from.read_exact(&mut request[head..]).unwrap();
    request
}

fn enqueue(lines: &str, nodes: &str, more: &[&str]) -> Output {
    let mut command = Command::new(QUORATE);
    command.args(["job", "enqueue", "--image", "a", "--lines", "-", "--nodes", nodes]);
    if !more.contains(&"--deadline") {
        command.args(["--deadline", "3"]);
    }
    let command = command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let lines = lines.to_owned();
    std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    process.wait_with_output().unwrap()
}

fn ids(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn what_a_failure_left_over_is_completed_under_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let _node = Started(node.unwrap());
    wait_until_ready(port);
    let lines: String = (0..2_500).map(|line| format!("{line}\n")).collect();
    let table = [
        (Trouble::NoLeader, 5, "error: 2000 of 2500 jobs are enqueued, then: "),
        (Trouble::NoAnswer, 6, "error: 2000 of 2500 jobs are enqueued, and perhaps 500 more, then: "),
    ];
    for (trouble, code, says) in table {
        // However they are printed.
        let json = enqueue(&lines, &node_that_takes(2, port, trouble), &["--json"]);
        let jobs: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        let quiet = enqueue(&lines, &node_that_takes(2, port, trouble), &["-q"]);
        assert_eq!((jobs.as_array().unwrap().len(), ids(&quiet).len()), (2_000, 2_000));
        for failed in [json, quiet] {
            let said = String::from_utf8(failed.stderr).unwrap();
            assert!(said.lines().any(|line| line.starts_with(says)), "{said}");
        }

        let failed = enqueue(&lines, &node_that_takes(2, port, trouble), &[]);
        let said = String::from_utf8(failed.stderr.clone()).unwrap();
        assert_eq!(failed.status.code(), Some(code), "{said}");
        assert!(said.lines().any(|line| line.starts_with(says)), "{said}");
        assert!(!said.to_lowercase().contains("nothing was done"), "{said}");
        assert_eq!(ids(&failed).len(), 2_000, "they are printed as they come");

        let (_, key) = said.split_once("--idempotency-key ").unwrap();
        let again = ["--idempotency-key", key.split_whitespace().next().unwrap()];
        let completed = enqueue(&lines, &url(port), &again);
        assert!(completed.status.success(), "{}", String::from_utf8_lossy(&completed.stderr));
        assert_eq!(ids(&completed).len(), 2_500);
        assert_eq!(ids(&completed)[..2_000], ids(&failed)[..]);
        assert_eq!(ids(&enqueue(&lines, &url(port), &again)), ids(&completed));
        // Nor is something else enqueued under it: it says how far the input is the same.
        for (others, same) in [(lines.replace("7\n", "x\n"), 0), (lines.replace("1234\n", "x\n"), 1_000)] {
            let other = enqueue(&others, &url(port), &again);
            let said = String::from_utf8(other.stderr.clone()).unwrap();
            assert_eq!((other.status.code(), ids(&other).len()), (Some(4), same), "{said}");
            let before = if same > 0 { format!(" ({same} of them before)") } else { String::new() };
            let says = format!(
                "error: {same} of 2500 jobs are enqueued{before}, lines {} to {} are others than before: ",
                same + 1,
                same + 1_000
            );
            assert!(said.contains(&says) && said.contains("Nothing more was enqueued"), "{said}");
        }
        // Few lines are not other requests than the first ones of many.
        assert_eq!(enqueue("1\n2\n", &url(port), &again).status.code(), Some(4));
    }
}

#[test]
fn a_job_whose_answer_is_lost_is_enqueued_once_and_its_id_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let _node = Started(node.unwrap());
    wait_until_ready(port);
    let enqueue = |nodes: &str, more: &[&str]| {
        let args = ["job", "enqueue", "--image", "a", "--deadline", "3s", "--nodes", nodes];
        quorate(&[&args[..], more].concat())
    };
    let listed = || ids(&quorate(&["job", "list", "-q", "--nodes", &url(port)]));

    // Nobody has given a key, and it is repeated under one all the same.
    let enqueued = enqueue(&node_that_takes(0, port, Trouble::FirstAnswerLost), &[]);
    assert_eq!(enqueued.status.code(), Some(0), "{}", String::from_utf8_lossy(&enqueued.stderr));
    assert_eq!(ids(&enqueued), listed());

    // Where no answer says what became of it, the key that it used finds the job.
    for (jobs, trouble) in [(2, Trouble::LostAnswer), (3, Trouble::ThenRefused), (4, Trouble::Reworded)] {
        let unknown = enqueue(&node_that_takes(0, port, trouble), &[]);
        let said = String::from_utf8(unknown.stderr.clone()).unwrap();
        assert_eq!(unknown.status.code(), Some(6), "{trouble:?}: {said}");
        assert_eq!(said.matches("the outcome is not known").count(), 1, "{said}");
        let (_, key) = said.split_once("--idempotency-key ").unwrap();
        let found = enqueue(&url(port), &["--idempotency-key", key.split_whitespace().next().unwrap()]);
        assert_eq!(ids(&found), listed()[..1]);
        assert_eq!(listed().len(), jobs);
    }

    let refused = enqueue(&node_that_takes(0, port, Trouble::NoLeader), &[]);
    let said = String::from_utf8(refused.stderr.clone()).unwrap();
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(said.contains("Nothing was done"), "{said}");
    assert_eq!(listed().len(), 4);
}

#[test]
fn nothing_is_enqueued_where_one_line_is_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = Command::new(QUORATE).args(serve(dir.path(), &[port], 0)).stderr(Stdio::null()).spawn();
    let _node = Started(node.unwrap());
    wait_until_ready(port);
    let lines = format!("{}{}\n", "short\n".repeat(1_500), "x".repeat((1 << 20) + 1));
    let refused = enqueue(&lines, &url(port), &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("error: line 1501: 1048577 bytes are more than 1048576; nothing is enqueued"),
        "{said}"
    );
    let list = quorate(&["job", "list", "--json", "--nodes", &url(port)]);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&list.stdout).unwrap()["jobs"],
        serde_json::json!([])
    );
    // Six times as long in JSON.
    let spelled = "\u{1}".repeat(1 << 20);
    let patient = ["--deadline", "5m"]; // twelve megabytes, on a machine that has other things to do
    let enqueued = enqueue(&format!("{spelled}\n{spelled}\n"), &url(port), &patient);
    assert_eq!(ids(&enqueued).len(), 2, "{}", String::from_utf8_lossy(&enqueued.stderr));
}

/// A node that gives such answers, one after the other, and is ready whenever it is asked that; and how many of them it has not given.
fn node_that_says(answers: Vec<(u16, String)>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let left = Arc::new(AtomicUsize::new(answers.len()));
    let left_of_node = left.clone();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let request = request(&client);
            if request.is_empty() {
                continue;
            }
            let next = match request.starts_with(b"GET /readyz ") {
                true => Some((200, r#"{"status":"ok"}"#.to_owned())),
                false => answers.next(),
            };
            let Some((status, body)) = next else { return };
            left_of_node.store(answers.len(), Ordering::Relaxed);
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            client.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (url, left)
}

#[test]
fn all_that_a_worker_held_is_given_back() {
    let given_back = |numbers: std::ops::Range<u64>, left: u64| {
        let job = |n: u64| {
            serde_json::json!({
                "id": format!("{n}"), "image": "i", "image_id": "x", "timeout": 60, "status": "queued",
                "created_at": "2026-01-01T00:00:00Z",
            })
        };
        (200, serde_json::json!({ "left": left, "jobs": numbers.map(job).collect::<Vec<_>>() }).to_string())
    };
    let ids = |numbers: std::ops::Range<u64>| numbers.map(|n| format!("{n}\n")).collect::<String>();
    let refused = || (403, r#"{"error":{"message":"not you"}}"#.to_owned());
    for (answers, given, code, says) in [
        (vec![given_back(10..20, 1), given_back(20..21, 0)], ids(10..21), 0, ""),
        // They were given back too often, and have ended.
        (vec![given_back(0..0, 1), given_back(20..21, 0)], ids(20..21), 0, ""),
        (vec![given_back(10..20, 1), given_back(0..0, 0)], ids(10..20), 0, ""),
        (vec![given_back(10..20, 1), refused()], ids(10..20), 1, "not you"),
        (vec![given_back(0..0, 1), refused()], String::new(), 1, "not you"),
        (vec![given_back(10..11, 1), given_back(11..12, 1)], ids(10..12), 1, "the worker w is still there"),
        (vec![given_back(0..0, 0)], String::new(), 0, "nothing was given back of the name w"),
    ] {
        let (url, left) = node_that_says(answers);
        let gone = quorate(&["worker", "gone", "w", "--nodes", &url]);
        let said = String::from_utf8(gone.stderr).unwrap();
        assert_eq!(
            (gone.status.code(), &*String::from_utf8(gone.stdout).unwrap()),
            (Some(code), &*given),
            "{said}"
        );
        assert!(said.contains(says), "{said}");
        assert_eq!(left.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn wait_goes_back_to_the_job_where_its_retry_is_deleted() {
    let job = |id: &str, status: &str, retry: Option<&str>| {
        let job = serde_json::json!({
            "id": id, "image": "i", "image_id": "x", "timeout": 60, "status": status, "retry_id": retry,
            "created_at": "2026-01-01T00:00:00Z",
        });
        (200, serde_json::json!({ "job": job }).to_string())
    };
    let none = || (404, r#"{"error":{"message":"there is no such job"}}"#.to_owned());
    let [first, retry] = ["00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"];
    let failed = || job(first, "error", Some(retry));
    // Its outcome is waited for, and then both are asked for again.
    let answers = vec![failed(), job(retry, "queued", None), none(), none(), failed(), none()];
    let (url, left) = node_that_says(answers);
    let waited = quorate(&["job", "wait", first, "--nodes", &url]);
    let said = String::from_utf8(waited.stderr).unwrap();
    assert_eq!(
        (waited.status.code(), &*String::from_utf8(waited.stdout).unwrap()),
        (Some(7), &*format!("{first}  error\n")),
        "{said}"
    );
    assert_eq!(left.load(Ordering::Relaxed), 0);
    let refused = (403, r#"{"error":{"message":"not you"}}"#.to_owned());
    let (url, _) = node_that_says(vec![refused]);
    let waited = quorate(&["job", "wait", first, "--nodes", &url]);
    let said = String::from_utf8(waited.stderr).unwrap();
    assert!(said.contains("not you") && !said.contains(first), "{said}");
}

#[test]
fn what_waits_says_once_why_its_calls_fail_where_the_node_says_that_it_is_ready() {
    let job = serde_json::json!({
        "id": "00000000-0000-7000-8000-000000000001", "image": "i", "image_id": "x", "timeout": 60, "status": "queued",
        "created_at": "2026-01-01T00:00:00Z",
    });
    let busy = (429, r#"{"error":{"message":"too much at once"}}"#.to_owned());
    let mut answers = vec![(200, serde_json::json!({ "job": job }).to_string())];
    answers.resize(10_000, busy);
    let (url, _) = node_that_says(answers);
    let mut wait = Command::new(QUORATE);
    wait.args(["job", "wait", "00000000-0000-7000-8000-000000000001", "--deadline", "1s", "--nodes", &url]);
    let mut wait = Started(wait.stderr(Stdio::piped()).spawn().unwrap());
    let said = log_of(&mut wait).next().unwrap();
    assert!(said.contains("too much at once") && said.ends_with("; it is asked again"), "{said}");
}
