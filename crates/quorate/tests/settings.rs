//! Settings from flags, variables and files, and the errors that name them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Output};

use common::{QUORATE, quorate, serve};

/// Variables, arguments, and how the error begins.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

/// Runs it with no other variables of ours than these.
fn with(variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(QUORATE);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("QUORATE_") {
            command.env_remove(name);
        }
    }
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    command.args(args).envs(variables.iter().copied()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_switch_is_on_or_off_in_the_words_that_people_use() {
    let says = |value: &str| stderr(&with(&[("QUORATE_DOCKER", value)], &["run"]));
    for on in ["1", "true", "TRUE", "yes", "on", "y"] {
        assert!(
            says(on).starts_with("error: QUORATE_DOCKER: no container engine answers"),
            "{on}: {}",
            says(on)
        );
    }
    for off in ["0", "false", "no", "off", ""] {
        assert!(says(off).starts_with("error: nothing to run"), "{off}: {}", says(off));
    }
    assert!(
        says("maybe").starts_with("error: invalid value 'maybe' for 'QUORATE_DOCKER'"),
        "{}",
        says("maybe")
    );
    for switch in ["QUORATE_IN_ORDER", "QUORATE_EXTEND_TIMEOUT"] {
        let output = with(&[(switch, "yes")], &["run"]);
        assert!(stderr(&output).starts_with("error: nothing to run"), "{}", stderr(&output));
    }
}

#[test]
fn an_empty_variable_counts_as_not_given() {
    let run = [
        "QUORATE_NODES",
        "QUORATE_IN_ORDER",
        "QUORATE_CONCURRENCY",
        "QUORATE_PROGRAMS",
        "QUORATE_DOCKER",
        "QUORATE_DOCKER_MEMORY",
        "QUORATE_DOCKER_CPUS",
        "QUORATE_DOCKER_NETWORK",
        "QUORATE_GRACE",
        "QUORATE_EXTEND_TIMEOUT",
        "QUORATE_LOG_FORMAT",
        "QUORATE_LOG_LEVEL",
    ];
    let output = with(&run.map(|name| (name, "")), &["run"]);
    assert!(stderr(&output).starts_with("error: nothing to run"), "{}", stderr(&output));

    let serve = [
        "QUORATE_NAME",
        "QUORATE_DATA_DIR",
        "QUORATE_HTTP_ADDR",
        "QUORATE_HTTP_ADVERTISE",
        "QUORATE_PEER_ADDR",
        "QUORATE_WRITE_TIMEOUT",
        "QUORATE_MAX_PAYLOAD",
        "QUORATE_LOG_FORMAT",
        "QUORATE_LOG_LEVEL",
        "QUORATE_CONFIG",
    ];
    // Everything else is in order.
    let output = with(&serve.map(|name| (name, "")), &["serve", "--peers", "other=127.0.0.1:1"]);
    assert!(
        stderr(&output).starts_with("error: peers: this node's name `n1` is not among them"),
        "{}",
        stderr(&output)
    );

    let empty = [("QUORATE_NODES", ""), ("QUORATE_DEADLINE", ""), ("QUORATE_HEALTH_URL", "")];
    let output = with(&empty, &["job", "list", "--deadline", "0"]);
    assert!(stderr(&output).starts_with("error: deadline: 0s is not between"), "{}", stderr(&output));
    // A default is asked: the port of the third node may be anybody's.
    assert!(!stderr(&with(&empty, &["health"])).contains("configuration"));
}

#[test]
fn a_trailing_separator_is_no_error() {
    let nobody = "http://127.0.0.1:1";
    let table: [Case<'_>; 4] = [
        (
            &[("QUORATE_NODES", "http://127.0.0.1:1,")],
            &["job", "list", "--deadline", "0.2"],
            "error: no node can be reached: http://127.0.0.1:1: ",
        ),
        (
            &[],
            &["job", "list", "--deadline", "0.2", "--nodes", &format!("{nobody}, ,")],
            "error: no node can be reached: http://127.0.0.1:1: ",
        ),
        (
            &[("QUORATE_PROGRAMS", "a=/bin/true;b=/bin/true;"), ("QUORATE_CONCURRENCY", "0")],
            &["run"],
            "error: invalid value '0' for 'QUORATE_CONCURRENCY': it must be a whole number from 1 to 1000",
        ),
        (&[("QUORATE_PEERS", "n2=127.0.0.1:1,")], &["serve"], "error: QUORATE_PEERS: this node's name `n1`"),
    ];
    for (variables, args, says) in table {
        let output = with(variables, args);
        assert!(stderr(&output).starts_with(says), "{variables:?} {args:?}: {}", stderr(&output));
    }
    let none = with(&[("QUORATE_NODES", ",")], &["job", "list"]);
    assert!(stderr(&none).starts_with("error: QUORATE_NODES: "), "{}", stderr(&none));
}

#[test]
fn an_error_names_the_variable_that_was_used_and_the_flag_that_was() {
    let program = ["run", "--program", "a=/bin/true"];
    let table: [Case<'_>; 16] = [
        (&[("QUORATE_DEADLINE", "soon")], &["job", "list"], "invalid value 'soon' for 'QUORATE_DEADLINE'"),
        (
            &[("QUORATE_DEADLINE", "soon")],
            &["job", "list", "--deadline", "x"],
            "invalid value 'x' for '--deadline",
        ),
        (&[("QUORATE_DEADLINE", "0")], &["cluster", "status"], "QUORATE_DEADLINE: 0s is not between"),
        (&[("QUORATE_NODES", "ftp://x")], &["job", "get", "00000000"], "QUORATE_NODES: "),
        (&[("QUORATE_HEALTH_URL", "x")], &["health"], "QUORATE_HEALTH_URL: "),
        (&[("QUORATE_PROGRAMS", "x")], &["run"], "invalid value 'x' for 'QUORATE_PROGRAMS'"),
        (&[("QUORATE_PROGRAMS", "a=b;a=c")], &["run"], "QUORATE_PROGRAMS: the image \"a\" is given twice"),
        (&[("QUORATE_LOG_LEVEL", "a=b")], &program, "QUORATE_LOG_LEVEL: `a=b` is no filter"),
        (
            &[("QUORATE_LOG_LEVEL", "blah")],
            &program,
            "QUORATE_LOG_LEVEL: `blah` is no filter: use error, warn",
        ),
        (
            &[("QUORATE_LOG_LEVEL", "blah")],
            &["serve"],
            "QUORATE_LOG_LEVEL: `blah` is no filter: use error, warn",
        ),
        (&[], &["dev", "--log-level", "blah"], "log-level: `blah` is no filter: use error, warn"),
        (&[("QUORATE_LOG_FORMAT", "xml")], &program, "invalid value 'xml' for 'QUORATE_LOG_FORMAT'"),
        (&[("QUORATE_HTTP_ADDR", "x")], &["serve"], "QUORATE_HTTP_ADDR: `x` is not IP:PORT or HOST:PORT"),
        (
            &[("QUORATE_HTTP_ADDR", "x")],
            &["serve", "--http-addr", "y"],
            "http-addr: `y` is not IP:PORT or HOST:PORT",
        ),
        (&[("QUORATE_CONFIG", "/nowhere")], &["serve"], "QUORATE_CONFIG: cannot read /nowhere"),
        (&[("QUORATE_DATA_DIR", "/proc/x")], &["serve", "--http-addr", "127.0.0.1:0"], "QUORATE_DATA_DIR: "),
    ];
    for (variables, args, says) in table {
        let output = with(variables, args);
        assert!(
            stderr(&output).starts_with(&format!("error: {says}")),
            "{variables:?} {args:?}: {}",
            stderr(&output)
        );
    }
    let mut not_text = Command::new(QUORATE);
    let value = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
    let output = not_text.args(["job", "list"]).env("QUORATE_NODES", value).output().unwrap();
    assert!(stderr(&output).starts_with("error: QUORATE_NODES is not UTF-8"), "{}", stderr(&output));
}

#[test]
fn a_wrong_value_stays_on_its_line() {
    let wrong = "a\nerror: b\x1b[31m\r";
    let table: [&[&str]; 8] = [
        &["serve", "--name", wrong],
        &["serve", "--peers", wrong],
        &["serve", "--http-addr", wrong],
        &["serve", "--log-level", wrong],
        &["job", "list", "--nodes", wrong],
        &["job", "list", "--deadline", wrong],
        &["health", "--url", wrong],
        &[wrong],
    ];
    for args in table {
        let said = stderr(&quorate(args));
        assert!(said.contains("a\\nerror: b"), "{args:?}: {said:?}");
        assert!(!said.contains(['\x1b', '\r']), "{args:?}: {said:?}");
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn no_error_says_its_cause_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = serve(dir.path(), &[29_000], 0);
    // The first is nobody's address here, the second everybody's.
    node[6] = "127.0.0.1:0".to_owned();
    node[8] = "198.51.100.1:1".to_owned();
    node[10] = "n0=198.51.100.1:1".to_owned();
    let node: Vec<&str> = node.iter().map(String::as_str).collect();
    let file = dir.path().join("file.toml");
    std::fs::write(&file, "name = 5\n").unwrap();
    let nobody = ["--nodes", "http://127.0.0.1:1", "--deadline", "0.2"];
    let table: [(&[&str], &str); 6] = [
        (&node, "os error"),
        (&["serve", "--config", file.to_str().unwrap()], "invalid type"),
        (&["serve", "--config", "/nowhere"], "os error"),
        (&[&["job", "list"], &nobody[..]].concat(), "onnection refused"),
        (&[&["job", "list"], &nobody[..]].concat(), "http://127.0.0.1:1"),
        (&["health", "--url", "http://127.0.0.1:1"], "onnection refused"),
    ];
    for (args, cause) in table {
        let said = stderr(&quorate(args));
        assert_eq!(said.matches(cause).count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn a_wrong_number_is_said_in_plain_words_and_is_wrong_usage() {
    let whole = |range: &str| format!("it must be a whole number from {range}");
    let table: [(&[&str], String); 13] = [
        (&["run", "-c", "x"], whole("1 to 1000")),
        (&["run", "-c", "0"], whole("1 to 1000")),
        (&["run", "--docker-memory", "x"], whole("6 to 16777216")),
        (&["run", "--docker-cpus", "x"], "it must be a number from 0.01 to 4096".into()),
        (&["dev", "--nodes", "x"], whole("1 to 9")),
        (&["dev", "--http-port", "99999"], whole("1 to 65535")),
        (&["bench", "--clients", "x"], whole("1 to 4096")),
        (&["demo", "--jobs", "x"], whole("10 to 100000")),
        (&["serve", "--max-payload", "x"], whole("0 to 1048576")),
        (&["job", "add", "--image", "a", "--max-retries", "-1"], whole("0 to 25")),
        (&["job", "add", "--image", "a", "--delay", "-1"], "a duration is a number and its unit".into()),
        (&["job", "list", "--nodes", "18080"], "is no node, but a number".into()),
        (&["job", "list", "--nodes", "http://127.0.0.1:1/v1"], "has more than an address".into()),
    ];
    for (args, says) in table {
        let output = with(&[], args);
        assert!(stderr(&output).contains(&says), "{args:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
}
