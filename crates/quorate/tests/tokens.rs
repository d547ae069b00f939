//! Nodes that ask for tokens, from the command that makes one to the line that the log has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{QUORATE, Started, free_ports, quorate, serve, url, wait_until, wait_until_ready};
use nix::sys::signal::Signal;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Makes a token of this name and role; says it.
fn new(file: &str, name: &str, role: &str) -> String {
    let made = quorate(&["token", "new", "--name", name, "--role", role, "--tokens", file]);
    assert!(made.status.success(), "{}", said(&made));
    String::from_utf8(made.stdout).unwrap().trim_end().to_owned()
}

/// A command with this token.
fn with(token: &str, port: u16, args: &[&str]) -> Output {
    Command::new(QUORATE)
        .args(args)
        .args(["--nodes", &url(port)])
        .env("QUORATE_TOKEN", token)
        .output()
        .unwrap()
}

fn start(dir: &Path, port: u16, besides: &[&str]) -> Started {
    let log = File::create(dir.join("log")).unwrap();
    let mut command = Command::new(QUORATE);
    let node = command.args(serve(dir, &[port], 0)).args(besides).stderr(log).spawn().unwrap();
    wait_until_ready(port);
    Started(node)
}

#[test]
fn a_token_opens_what_its_role_may_until_it_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let (admin, fleet) = (new(file, "root", "admin"), new(file, "fleet-a", "run"));
    let shop = new(file, "shop", "submit");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(![&admin, &fleet, &shop].iter().any(|token| text.contains(*token)), "only hashes: {text}");

    let port = free_ports(1);
    let mut node = start(dir.path(), port, &["--tokens", file, "--access-log"]);
    let enqueue = ["job", "enqueue", "--image", "a", "--payload", "x"];
    let refused = with("", port, &enqueue);
    assert!(said(&refused).contains("this needs a token"), "{}", said(&refused));
    let refused = with(&fleet, port, &enqueue);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("the token `fleet-a` lacks the role that this needs: `submit` or `admin`")
    );
    assert!(with(&shop, port, &enqueue).status.success());
    let set = with(&admin, port, &["queue", "set", "mails", "--max-running", "2"]);
    assert!(set.status.success(), "{}", said(&set));
    // A runner takes the job, and ends well.
    let program = ["run", "--program", "a=/usr/bin/cat", "--nodes", &url(port)];
    let mut runner =
        Started(Command::new(QUORATE).args(program).env("QUORATE_TOKEN", &fleet).spawn().unwrap());
    wait_until("the job is done", || {
        let list = with(&admin, port, &["job", "list", "--status", "success", "--quiet"]);
        !String::from_utf8(list.stdout).unwrap().trim().is_empty()
    });
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ends"), Some(0));

    let removed = quorate(&["token", "remove", "shop", "--tokens", file]);
    assert!(removed.status.success(), "{}", said(&removed));
    wait_until("it is refused", || {
        said(&with(&shop, port, &enqueue)).contains("this token is not known here")
    });
    assert!(with(&admin, port, &["job", "list"]).status.success());
    // Another token of the same name and roles.
    let elsewhere = dir.path().join("elsewhere");
    let fleet_again = new(elsewhere.to_str().unwrap(), "fleet-a", "run");
    let line = |path: &Path, name: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    };
    std::fs::write(&path, format!("{}\n{}\n", line(&path, "root"), line(&elsewhere, "fleet-a"))).unwrap();
    wait_until("the new one is known", || {
        let refused = said(&with(&fleet_again, port, &enqueue));
        refused.contains("the token `fleet-a` lacks the role")
    });
    // A mistake takes nothing from anybody.
    std::fs::write(&path, "root admin qt_oops\n").unwrap();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_until("the node says so", || log().contains("the tokens as they were go on"));
    assert!(with(&admin, port, &["job", "list"]).status.success());

    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ends"), Some(0));
    let log = log();
    let audit: Vec<&str> = log.lines().filter(|line| line.contains("quorate::audit: request")).collect();
    assert_eq!(audit.len(), 1, "{audit:?}");
    for part in ["token=\"root\"", "method=PUT", "path=/v1/queue/mails", "status=200", "index="] {
        assert!(audit[0].contains(part), "{part}: {}", audit[0]);
    }
    assert!(log.contains("gone=\"shop (submit)\""), "who lost his token is told: {log}");
    let replaced =
        |line: &str| line.contains("new=\"fleet-a (run)\"") && line.contains("gone=\"fleet-a (run)\"");
    assert!(log.lines().any(replaced), "whose token was replaced is told: {log}");
    assert!(log.lines().any(|line| line.contains("quorate::access") && line.contains("token=\"shop\"")));
    assert!(
        ![&admin, &fleet, &fleet_again, &shop, "oops"].iter().any(|token| log.contains(*token)),
        "no token is logged"
    );
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn metrics(port: u16, token: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: q\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    metrics
}

#[test]
fn no_token_is_in_metrics_in_what_a_node_stores_or_in_a_backup() {
    /// As little a word as a token is: what finds it in what is compressed finds a token, too.
    const PAYLOAD: &str = "qt_Zq9x7Kp2Vw5Rt8Bn4Lm1Hc6Jd3Gf0Ty";
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    let file = tokens.to_str().unwrap();
    let (admin, shop) = (new(file, "root", "admin"), new(file, "shop", "submit"));
    let port = free_ports(1);
    let mut node = start(dir.path(), port, &["--tokens", file, "--access-log", "--log-level", "debug"]);
    let enqueue = ["job", "enqueue", "--image", "a", "--payload", PAYLOAD];
    assert!(with(&shop, port, &enqueue).status.success());
    assert_eq!(with("qt_unknown", port, &enqueue).status.code(), Some(1));
    assert!(with(&admin, port, &["queue", "pause", "default"]).status.success());
    let metrics = metrics(port, &admin);
    assert!(metrics.contains("quorate_http_token_requests_total{token=\"shop\"}"), "{metrics}");
    let backup = dir.path().join("backup");
    let made = with(&admin, port, &["backup", backup.to_str().unwrap()]);
    assert!(made.status.success(), "{}", said(&made));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ends"), Some(0));

    let has = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    let read = |path: &PathBuf| std::fs::read(path).unwrap();
    let (backup, stored) =
        (read(&backup), files(&dir.path().join("n0")).iter().map(read).collect::<Vec<_>>());
    assert!(has(&backup, PAYLOAD) && stored.iter().any(|file| has(file, PAYLOAD)), "what is there is found");
    let log = std::fs::read(dir.path().join("log")).unwrap();
    for (at, bytes) in
        stored.iter().chain([&backup, &log]).map(Vec::as_slice).chain([metrics.as_bytes()]).enumerate()
    {
        for token in [&*admin, &*shop, "qt_unknown"] {
            assert!(!has(bytes, token), "{at}");
        }
    }
}

/// Puts another token in the place of the one that is there.
fn replace(file: &Path, token: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, token).unwrap();
    std::fs::rename(next, file).unwrap();
}

#[test]
fn a_runner_and_whoever_watches_go_on_with_another_token() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let tokens = at("tokens");
    let file = tokens.to_str().unwrap();
    let (admin, first) = (new(file, "root", "admin"), new(file, "first", "run,read"));
    let port = free_ports(1);
    let _node = start(dir.path(), port, &["--tokens", file]);
    let own = at("own");
    replace(&own, &first);
    // The job is done as soon as somebody has written there.
    nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let program = format!("a=/usr/bin/cat {}", at("pipe").display());
    let by_file = |args: &[&str], name: &str| {
        let mut command = Command::new(QUORATE);
        command.args(args).args(["--nodes", &url(port), "--token-file", own.to_str().unwrap()]);
        command.stdout(File::create(at(&format!("{name}.out"))).unwrap());
        Started(command.stderr(File::create(at(&format!("{name}.err"))).unwrap()).spawn().unwrap())
    };
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    let mut runner = by_file(&["run", "--program", &program], "runner");
    let mut watcher = by_file(&["job", "list", "--status", "success", "--watch"], "watcher");
    let enqueue = || {
        let made = with(&admin, port, &["job", "enqueue", "--image", "a", "--payload", "x"]);
        assert!(made.status.success(), "{}", said(&made));
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let is = |id: &str, status: &str| {
        said(&with(&admin, port, &["job", "get", id, "--json"]))
            .contains(&format!("\"status\": \"{status}\""))
    };
    let forget = |name: &str, token: &str| {
        assert!(quorate(&["token", "remove", name, "--tokens", file]).status.success());
        wait_until("it is forgotten", || {
            said(&with(token, port, &["job", "list"])).contains("not known here")
        });
    };

    // In its order: the new one is known before anybody sends it, and the old one until nobody does.
    let running = enqueue();
    wait_until("it runs", || is(&running, "running"));
    let second = new(file, "second", "run,read");
    wait_until("the second one is known", || with(&second, port, &["job", "list"]).status.success());
    replace(&own, &second);
    forget("first", &first);
    std::fs::write(at("pipe"), "done").unwrap();
    wait_until("it is reported", || is(&running, "success"));
    wait_until("it is seen", || read("watcher.out").contains("success"));

    // And too early: what ends meanwhile is reported once there is another one.
    let running = enqueue();
    wait_until("it runs", || is(&running, "running"));
    forget("second", &second);
    std::fs::write(at("pipe"), "done").unwrap();
    wait_until("it is refused", || read("runner.err").contains("the outcome could not be reported yet"));
    assert_eq!(watcher.ended("who watches ends"), Some(1));
    assert!(read("watcher.err").contains("this token is not known here"), "{}", read("watcher.err"));
    replace(&own, &new(file, "third", "run"));
    wait_until("it is reported", || is(&running, "success"));
    assert!(runner.runs(), "{}", read("runner.err"));
    assert_eq!(read("runner.err").matches("a new token is in use").count(), 2, "{}", read("runner.err"));
    let errors = with(&admin, port, &["job", "list", "--status", "error", "--quiet"]);
    assert_eq!(said(&errors), "", "no job was run twice");
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ends"), Some(0));
}

#[test]
fn who_sends_none_may_what_the_operator_says() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let admin = new(file, "root", "admin");
    let token = dir.path().join("root");
    std::fs::write(&token, format!("{admin}\n")).unwrap();
    let port = free_ports(1);
    let _node = start(dir.path(), port, &["--tokens", file, "--anonymous", "submit,read"]);
    let enqueue = ["job", "enqueue", "--image", "a", "--payload", "x", "--nodes", &url(port)];
    assert!(quorate(&enqueue).status.success());
    let pause = ["queue", "pause", "default", "--nodes", &url(port)];
    assert!(said(&quorate(&pause)).contains("this needs a token"));
    let paused = quorate(&[&pause[..], &["--token-file", token.to_str().unwrap()]].concat());
    assert!(paused.status.success(), "{}", said(&paused));
}

#[test]
fn a_token_may_have_a_rate_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let lab = new(file, "lab", "submit,read");
    let made =
        quorate(&["token", "new", "--name", "shop", "--role", "submit", "--rate", "2", "--tokens", file]);
    let shop = String::from_utf8(made.stdout).unwrap().trim_end().to_owned();
    let list = said(&quorate(&["token", "list", "--tokens", file]));
    assert!(list.lines().any(|line| line.contains("shop") && line.trim_end().ends_with('2')), "{list}");
    let list: serde_json::Value =
        serde_json::from_slice(&quorate(&["token", "list", "--json", "--tokens", file]).stdout).unwrap();
    assert_eq!((list[0].get("rate"), list[1]["rate"].as_u64()), (None, Some(2)), "{list}");

    let port = free_ports(1);
    let _node = start(dir.path(), port, &["--tokens", file, "--caller-rate", "1000"]);
    let lines = dir.path().join("lines");
    std::fs::write(&lines, "x\n".repeat(8)).unwrap();
    let batch = ["job", "enqueue", "--image", "a", "--lines", lines.to_str().unwrap()];
    let one = ["job", "enqueue", "--image", "a", "--payload", "x"];
    assert!(with(&shop, port, &batch).status.success());
    // A command that has no time to wait says so; one that has waits.
    let hurried = with(&shop, port, &[&one[..], &["--deadline", "1s"]].concat());
    assert_eq!(hurried.status.code(), Some(5), "{}", said(&hurried));
    assert!(said(&hurried).contains("you may enqueue 2 jobs a second"), "{}", said(&hurried));
    assert!(with(&lab, port, &one).status.success());
    let waited = with(&shop, port, &one);
    assert!(waited.status.success(), "{}", said(&waited));

    let metrics = metrics(port, &lab);
    let refused = r#"quorate_http_refusals_total{code="429",kind="caller_rate"} "#;
    let refused = metrics.lines().find_map(|line| line.strip_prefix(refused)).unwrap();
    assert!(refused.parse::<u32>().unwrap() >= 2, "{refused}");
}

#[test]
fn what_is_wrong_with_a_file_or_a_name_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    new(file, "a", "run,read");
    for (args, code, says) in [
        (&["token", "new", "--name", "a", "--role", "run", "--tokens", file][..], 1, "has a token of `a`"),
        (&["token", "new", "--name", "b", "--role", "root", "--tokens", file], 2, "`root` is no role"),
        (
            &["token", "new", "--name", "b", "--role", "run", "--rate", "0", "--tokens", file],
            2,
            "1 to 1000000",
        ),
        (&["token", "new", "--name", "b c", "--role", "run", "--tokens", file], 2, "letters, digits"),
        (&["token", "remove", "b", "--tokens", file], 1, "has no token of `b`"),
        (&["token", "list", "--tokens", "/nowhere/tokens"], 1, "cannot read /nowhere/tokens"),
        (&["serve", "--tokens", "/nowhere/tokens"], 1, "cannot read /nowhere/tokens"),
    ] {
        let output = quorate(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{args:?}: {}", said(&output));
    }
    let list = quorate(&["token", "list", "--tokens", file]);
    assert!(said(&list).contains("a") && said(&list).contains("run,read"), "{}", said(&list));
    let again = said(&quorate(&["token", "new", "--name", "a", "--role", "run", "--tokens", file]));
    assert!(again.contains("make one under another name"), "{again}");
    assert!(quorate(&["token", "remove", "a", "--tokens", file]).status.success());
    assert_eq!(said(&quorate(&["token", "list", "--tokens", file, "--json"])).trim(), "[]");
}

#[test]
fn an_empty_file_takes_no_token_away_but_one_that_says_so_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tokens");
    let file = path.to_str().unwrap();
    let admin = new(file, "root", "admin");
    let port = free_ports(1);
    let _node = start(dir.path(), port, &["--tokens", file]);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();
    wait_until("the node says so", || log().contains("it is empty, as a copy is that was cut off"));
    assert!(with(&admin, port, &["job", "list"]).status.success());
    std::fs::write(&path, whole).unwrap();
    assert!(quorate(&["token", "remove", "root", "--tokens", file]).status.success());
    wait_until("nobody has one", || {
        said(&with(&admin, port, &["job", "list"]))
            .contains("this token is not known here: this node knows none")
    });
    let without = said(&quorate(&["job", "list", "--nodes", &url(port)]));
    assert!(without.contains("this needs a token"), "{without}");
    new(file, "next", "admin");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    let port = free_ports(1);
    let next = tempfile::tempdir().unwrap();
    let _other = start(next.path(), port, &["--tokens", file]);
    let log = std::fs::read_to_string(next.path().join("log")).unwrap();
    assert!(log.contains("everybody on this machine can write this file"), "{log}");
}
