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
    let plain =
        "error: invalid value 'maybe' for 'QUORATE_DOCKER': it must be 1, true, yes or on, or else 0,";
    assert!(says("maybe").starts_with(plain), "{}", says("maybe"));
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
        "QUORATE_METRICS_ADDR",
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
    let says = "error: invalid value '0' for '--deadline <DURATION>': it must be a duration from 100ms to 1h";
    assert!(stderr(&output).starts_with(says), "{}", stderr(&output));
    // A default is asked: the port of the third node may be anybody's.
    assert!(!stderr(&with(&empty, &["health"])).contains("configuration"));
}

/// It would open what it was to close.
#[test]
fn an_empty_variable_that_names_who_may_come_is_refused_unless_a_flag_says_it() {
    let flags = ["tokens", "peer-cert", "peer-key", "peer-ca", "tls-cert", "tls-key", "tls-client-ca"];
    for flag in flags {
        let variable = format!("QUORATE_{}", flag.to_uppercase().replace('-', "_"));
        // What is not refused before is refused for its name.
        let serve = ["serve", "--name", "a b"];
        let output = with(&[(&variable, "")], &serve);
        assert!(
            stderr(&output).starts_with(&format!("error: {variable} is empty: name the file")),
            "{}",
            stderr(&output)
        );
        assert_eq!(output.status.code(), Some(2));
        let by_flag = with(&[(&variable, "")], &[&serve[..], &[&format!("--{flag}"), "/nowhere"]].concat());
        assert!(!stderr(&by_flag).contains("is empty"), "{flag}: {}", stderr(&by_flag));
        assert_eq!(by_flag.status.code(), Some(2), "{flag}: {}", stderr(&by_flag));
    }
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
        (
            &[("QUORATE_DEADLINE", "0")],
            &["cluster", "status"],
            "invalid value '0' for 'QUORATE_DEADLINE': it must",
        ),
        (&[("QUORATE_NODES", "ftp://x")], &["job", "get", "00000000"], "QUORATE_NODES: "),
        (&[("QUORATE_HEALTH_URL", "x")], &["health"], "QUORATE_HEALTH_URL: "),
        (&[("QUORATE_PROGRAMS", "x")], &["run"], "invalid value 'x' for 'QUORATE_PROGRAMS'"),
        (&[("QUORATE_PROGRAMS", "a=b;a=c")], &["run"], "QUORATE_PROGRAMS: the image \"a\" is given twice"),
        (
            &[("QUORATE_LOG_LEVEL", "a=b")],
            &program,
            "invalid value 'a=b' for 'QUORATE_LOG_LEVEL': it is no filter",
        ),
        (
            &[("QUORATE_LOG_LEVEL", "blah")],
            &program,
            "invalid value 'blah' for 'QUORATE_LOG_LEVEL': it is no filter: use error, warn",
        ),
        (
            &[("QUORATE_LOG_LEVEL", "blah")],
            &["serve"],
            "invalid value 'blah' for 'QUORATE_LOG_LEVEL': it is no filter: use error, warn",
        ),
        (
            &[],
            &["dev", "--log-level", "blah"],
            "invalid value 'blah' for '--log-level <LOG_LEVEL>': it is no filter: use error, warn",
        ),
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
        let said = stderr(&with(variables, args));
        // A node logs before it says why it ends.
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(error.starts_with(&format!("error: {says}")), "{variables:?} {args:?}: {said}");
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
    node.push("--insecure".to_owned());
    let node: Vec<&str> = node.iter().map(String::as_str).collect();
    let file = dir.path().join("file.toml");
    std::fs::write(&file, "max-payload = \"x\"\n").unwrap();
    let nobody = ["--nodes", "http://127.0.0.1:1", "--deadline", "0.2"];
    let table: [(&[&str], &str); 6] = [
        (&node, "os error"),
        (&["serve", "--config", file.to_str().unwrap()], "it must be a whole number"),
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
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file.toml");
    let path = file.to_str().unwrap();
    // Which one counts shows in what is refused.
    std::fs::write(&file, "http-addr = \"of-file\"\n").unwrap();
    let (by_file, variable) = (["serve", "--config", path], [("QUORATE_HTTP_ADDR", "of-variable")]);
    let by_flag = [&by_file[..], &["--http-addr", "of-flag"]].concat();
    for (variables, args, used) in [
        (&[][..], &by_file[..], "`of-file`"),
        (&[("QUORATE_HTTP_ADDR", "")], &by_file, "`of-file`"),
        (&variable, &by_file, "`of-variable`"),
        (&variable, &by_flag, "`of-flag`"),
        (&[], &by_flag, "`of-flag`"),
    ] {
        let said = stderr(&with(variables, args));
        assert!(said.contains(used), "{variables:?} {args:?}: {said}");
    }
    std::fs::write(&file, "log-level = \"5\"\n").unwrap();
    let output = with(&[], &by_file);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("log-level: `5`: it is no filter"), "{}", stderr(&output));
}

#[test]
fn a_wrong_value_is_said_in_plain_words_and_is_wrong_usage() {
    let whole = |range: &str| format!("it must be a whole number from {range}");
    let time = |range: &str| format!("it must be a duration from {range}");
    let filter = || "it is no filter: use error, warn, info, debug, trace or off".to_owned();
    let enqueue = |flag, value| vec!["job", "add", "--image", "a", flag, value];
    let table: Vec<(Vec<&str>, String)> = vec![
        (vec!["run", "-c", "x"], whole("1 to 1000")),
        (vec!["run", "-c", "0"], whole("1 to 1000")),
        (vec!["run", "-c", "-1"], whole("1 to 1000")),
        (vec!["run", "-c", "+1"], whole("1 to 1000")),
        (vec!["run", "--docker-memory", "x"], whole("6 to 16777216")),
        (vec!["run", "--docker-cpus", "x"], "it must be a number from 0.01 to 4096".into()),
        (vec!["run", "--docker-cpus", "1e0"], "it must be a number from 0.01 to 4096".into()),
        (vec!["run", "--grace", "2d"], time("0s to 1d")),
        (vec!["run", "--log-level", "5"], filter()),
        (vec!["run", "--program", "x"], "invalid value 'x'".into()),
        (vec!["run", "--program", "a=b", "--program", "a=c"], "the image \"a\" is given twice".into()),
        (vec!["run"], "nothing to run".into()),
        (vec!["dev", "--nodes", "x"], whole("1 to 9")),
        (vec!["dev", "--http-port", "99999"], whole("1 to 65535")),
        (vec!["dev", "--http-port", "65535"], "http-port: 65535 leaves no room for 3 nodes".into()),
        (vec!["dev", "--http-port", "8080", "--peer-port", "8081"], "its ports meet those of".into()),
        (vec!["dev", "--log-level", "blah"], filter()),
        (vec!["bench", "--clients", "x"], whole("1 to 4096")),
        (vec!["bench", "--nodes", "x"], "`x` has no port".into()),
        (vec!["demo", "--jobs", "x"], whole("10 to 100000")),
        (vec!["demo", "--http-port", "65535"], whole("1 to 64532")),
        (vec!["bench", "--http-port", "65535"], whole("1 to 64532")),
        (vec!["serve", "--max-payload", "x"], whole("0 to 1048576")),
        (vec!["serve", "--caller-rate", "0"], whole("1 to 1000000")),
        (vec!["serve", "--caller-rate", "1.5"], whole("1 to 1000000")),
        (vec!["serve", "--write-timeout", "0"], time("100ms to 1m")),
        (vec!["serve", "--write-timeout", "2m"], time("100ms to 1m")),
        (vec!["serve", "--snapshot-every", "x"], whole("1 to")),
        (vec!["serve", "--log-level", "info,quorate=5"], filter()),
        (vec!["serve", "--name", ""], "name: `` is not".into()),
        (vec!["serve", "--http-addr", "x"], "http-addr: `x` is not".into()),
        (vec!["serve", "--peers", "x"], "peers: `x` is not".into()),
        (enqueue("--max-retries", "-1"), whole("0 to 25")),
        (enqueue("--delay", "-1"), "a duration is a number and its unit".into()),
        (enqueue("--delay", "1e3"), "a duration is a number and its unit".into()),
        (enqueue("--delay", "366d"), time("0s to 365d")),
        (enqueue("--timeout", "0"), time("1s to 7d")),
        (enqueue("--retries-delay", "9999999999"), time("0s to 365d")),
        (enqueue("--idempotency-key", "a b"), "it must be ASCII characters without spaces".into()),
        (vec!["job", "add", "--image", ""], "it must be a name of 1 to 255 bytes".into()),
        (vec!["job", "list", "--image", ""], "it must be a name of 1 to 255 bytes".into()),
        (vec!["job", "list", "-n", "-1"], whole("1 to 1000")),
        (vec!["job", "list", "--watch=0"], time("200ms to 1d")),
        (vec!["job", "list", "--deadline", "0"], time("100ms to 1h")),
        (vec!["job", "list", "--deadline", "-1"], "a duration is a number and its unit".into()),
        (vec!["job", "list", "--nodes", "18080"], "is no node, but a number".into()),
        (vec!["job", "list", "--nodes", "http://127.0.0.1:1/v1"], "has more than an address".into()),
        (vec!["job", "wait", "00000000", "--wait", "soon"], "a duration is a number and its unit".into()),
        (vec!["cluster", "settings", "--retention", "1s"], time("1m to 3650d")),
        (vec!["health", "--url", "x"], "`x` has no port".into()),
        (vec!["health", "--wait", "366d"], time("0s to 365d")),
        (vec!["completions", "csh"], "invalid value 'csh'".into()),
    ];
    for (args, says) in table {
        let output = with(&[], &args);
        assert!(stderr(&output).contains(&says), "{args:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
    for (variable, value, args) in [
        ("QUORATE_DOCKER", "maybe", &["run"][..]),
        ("QUORATE_LOG_LEVEL", "5", &["run"]),
        ("QUORATE_GRACE", "1e3", &["run"]),
        ("QUORATE_HTTP_ADDR", "x", &["serve"]),
        ("QUORATE_WRITE_TIMEOUT", "-1", &["serve"]),
        ("QUORATE_DEADLINE", "0", &["status"]),
    ] {
        let output = with(&[(variable, value)], args);
        assert!(stderr(&output).contains(variable), "{variable}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(2), "{variable}: {}", stderr(&output));
    }
}

#[test]
fn a_usage_shows_no_flag_as_needed_whose_variable_is_set() {
    let variables = [("QUORATE_NODES", "http://127.0.0.1:1"), ("QUORATE_DEADLINE", "1s")];
    for args in [&["job", "get"][..], &["job", "list", "--nothing"], &["queue", "pause"]] {
        let said = stderr(&with(&variables, args));
        let usage = said.lines().find(|line| line.starts_with("Usage: ")).expect(&said);
        assert!(!usage.contains("--nodes") && !usage.contains("--deadline"), "{said}");
        assert_eq!(said, stderr(&with(&[], args)));
    }
}
