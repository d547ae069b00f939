//! What a node says to whoever watches it, and what lies in deploy/ to make something of that.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{QUORATE, Started, enqueue, free_ports, has, quorate, serve, wait_until, wait_until_ready};
use quorate_tls::testing::{ca, issue, trust};

const DASHBOARD: &str = "deploy/grafana/quorate.json";
const RULES: &str = "deploy/prometheus/alerts.yaml";
const RULES_TEST: &str = "deploy/prometheus/alerts_test.yaml";
const PAGE: &str = "docs/operations/monitoring.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// One of the nodes on these ports, with these arguments besides.
fn start(dir: &Path, ports: &[u16], node: usize, besides: &[&str]) -> Started {
    let mut command = Command::new(QUORATE);
    command.args(serve(dir, ports, node)).args(besides).stderr(Stdio::null());
    Started(command.spawn().unwrap())
}

/// The code and the body of an answer; `None` where nobody answers.
fn ask(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut node = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    write!(
        node,
        "{method} {path} HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    node.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn metrics(port: u16) -> String {
    let (code, body) = ask(port, "GET", "/metrics", "").unwrap_or_default();
    assert_eq!(code, 200, "{body}");
    body
}

/// What a line of an answer says.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// The names of our metrics in a text, those that it shortens aside.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("quorate_") && !word.ends_with('_')).collect()
}

#[test]
fn every_metric_that_is_named_somewhere_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    let ca = ca();
    trust(dir.path(), &[&ca]);
    // So that one is counted by its name. Who has none may do everything all the same.
    let tokens = dir.path().join("tokens").to_str().unwrap().to_owned();
    let made = quorate(&["token", "new", "--name", "shop", "--role", "submit", "--tokens", &tokens]);
    assert!(made.status.success());
    let nodes: Vec<Started> = (0..3)
        .map(|node| {
            let name = format!("n{node}");
            issue(dir.path(), &ca, &name, None);
            let at = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
            let [cert, key, ca] = [&format!("{name}.pem"), &format!("{name}.key"), "ca.pem"].map(at);
            // Snapshots are made early enough to be seen.
            let peers = ["--peer-cert", &cert, "--peer-key", &key, "--peer-ca", &ca];
            let callers = ["--tokens", &tokens, "--anonymous", "submit,run,read,admin"];
            start(dir.path(), &ports, node, &[&["--snapshot-every", "3"], &peers[..], &callers].concat())
        })
        .collect();
    ports.into_iter().for_each(wait_until_ready);

    let texts: Vec<String> = [DASHBOARD, RULES, PAGE].into_iter().map(text).collect();
    let named: BTreeSet<&str> = texts.iter().flat_map(|text| names(text)).collect();
    assert!(named.len() > 60, "{named:?}");
    wait_until("all metrics that are named are there", || {
        enqueue(first);
        let said = ports.map(metrics).concat();
        // What a metric means may name another one.
        let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with("# HELP")).collect();
        let there = lines.join("\n");
        let there = names(&there);
        let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(*name)).collect();
        eprintln!("missing: {missing:?}");
        missing.is_empty()
    });
    drop(nodes);
}

#[test]
fn every_node_counts_what_becomes_of_the_jobs_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    let _nodes: Vec<Started> = (0..3).map(|node| start(dir.path(), &ports, node, &[])).collect();
    ports.into_iter().for_each(wait_until_ready);
    let job = r#"{"image":"a","payload":"x","priority":1,"max_retries":1,"retries_delay":3600}"#;
    let jobs = format!(r#"{{"jobs":[{job},{job},{job}]}}"#);
    assert_eq!(ask(first, "POST", "/v1/jobs", &jobs).unwrap().0, 201);
    let take = || {
        let (code, taken) = ask(first + 1, "POST", "/v1/jobs/consume", "").unwrap();
        assert_eq!(code, 200, "{taken}");
        let taken: serde_json::Value = serde_json::from_str(&taken).unwrap();
        taken["jobs"][0]["id"].as_str().unwrap().to_owned()
    };
    let done = take();
    assert_eq!(ask(first, "POST", &format!("/v1/job/{done}/success"), "{}").unwrap().0, 200);
    let failed = format!("/v1/job/{}/fail", take());
    let reason = r#"{"reason":"bad_exit","details":"no"}"#;
    assert_eq!(ask(first, "POST", &failed, reason).unwrap().0, 200);
    assert_eq!(ask(first, "DELETE", &format!("/v1/job/{done}"), "").unwrap().0, 204);

    let expected = [
        ("quorate_jobs_enqueued_total", 3.0),
        ("quorate_jobs_granted_total", 2.0),
        ("quorate_jobs_retried_total", 1.0),
        (r#"quorate_jobs_finished_total{outcome="success",reason=""}"#, 1.0),
        (r#"quorate_jobs_finished_total{outcome="error",reason="bad_exit"}"#, 1.0),
        (r#"quorate_jobs_finished_total{outcome="error",reason="timeout"}"#, 0.0),
        ("quorate_jobs_deleted_total", 1.0),
        ("quorate_jobs_expired_total", 0.0),
        (r#"quorate_jobs{status="queued"}"#, 1.0),
        (r#"quorate_jobs{status="delayed"}"#, 1.0),
        (r#"quorate_jobs{status="error"}"#, 1.0),
        (r#"quorate_jobs_queued{priority="1"}"#, 1.0),
        (r#"quorate_queue_jobs{queue="default",status="queued"}"#, 1.0),
    ];
    for port in ports {
        wait_until("a node has counted", || {
            let said = metrics(port);
            let counted = expected.map(|(series, _)| (series, value(&said, series).unwrap_or(-1.0)));
            eprintln!("{counted:?}");
            counted == expected
        });
    }
    let stats = ports.map(|port| ask(port, "GET", "/v1/stats?consistency=linearizable", "").unwrap().1);
    let read: serde_json::Value = serde_json::from_str(&stats[0]).unwrap();
    assert_eq!(read["stats"]["queues"], 1);
    assert_eq!(read["stats"]["jobs"]["queued"], 1);
    assert_eq!(read["stats"]["queued_by_priority"], serde_json::json!([0, 1, 0]));
    assert!(read["stats"]["oldest_queued_at"].is_string(), "{read}");
    let without_rates = |stats: &String| stats.split("\"last_minute\"").next().unwrap().to_owned();
    assert!(stats.iter().all(|other| without_rates(other) == without_rates(&stats[0])), "{stats:?}");

    // The requests of all that were counted where they came in, by route, and by no name that a client made up.
    let said = metrics(first);
    let requests =
        r#"quorate_http_request_seconds_count{route="/v1/job/{id}/fail",method="POST",code="200"}"#;
    assert_eq!(value(&said, requests), Some(1.0), "{said}");
    assert_eq!(ask(first, "BREW", "/no/such/route", "").unwrap().0, 404);
    let elsewhere = r#"quorate_http_request_seconds_count{route="none",method="other",code="404"}"#;
    assert_eq!(value(&metrics(first), elsewhere), Some(1.0));

    if has(Some("Prometheus' own look at it"), "promtool", &["--version"]) {
        let mut check = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        check.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
        let checked = check.wait_with_output().unwrap();
        assert!(checked.status.success(), "{}", self::said(&checked));
    }
}

#[test]
fn a_node_without_a_majority_says_how_it_is_at_both_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(4);
    let ports = [first, first + 1, first + 2];
    let own = format!("127.0.0.1:{}", first + 3);
    let _node = start(dir.path(), &ports, 0, &["--metrics-addr", &own, "--write-timeout", "100ms"]);
    wait_until("it listens", || ask(first + 3, "GET", "/healthz", "").is_some());
    for port in [first, first + 3] {
        let said = metrics(port);
        assert_eq!(value(&said, "quorate_raft_is_leader"), Some(0.0), "{said}");
        assert_eq!(ask(port, "GET", "/readyz", "").unwrap().0, 503);
    }
    assert_eq!(ask(first + 3, "GET", "/v1/jobs", "").unwrap().0, 404, "it is for watchers alone");
    let refused = r#"quorate_http_refusals_total{code="503",kind="not_applied"}"#;
    assert_eq!(value(&metrics(first), refused), Some(0.0), "a health check is no request that is refused");
    let job = r#"{"jobs":[{"image":"a","payload":"x"}]}"#;
    assert_eq!(ask(first, "POST", "/v1/jobs", job).unwrap().0, 503);
    assert_eq!(value(&metrics(first + 3), refused), Some(1.0));

    let taken =
        quorate(&["serve", "--data-dir", dir.path().join("x").to_str().unwrap(), "--metrics-addr", &own]);
    assert!(said(&taken).contains("metrics-addr: cannot listen on"), "{}", said(&taken));
}

#[test]
fn every_alert_has_a_section_and_a_test_and_no_other_has() {
    let rules = text(RULES);
    let after = |line: &str, what: &str| line.trim_start().strip_prefix(what).map(str::to_owned);
    let alerts: BTreeSet<String> = rules.lines().filter_map(|line| after(line, "- alert: ")).collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    let runbooks: BTreeSet<String> = rules.lines().filter_map(|line| after(line, "runbook: ")).collect();
    let anchor = |alert: &String| format!("{PAGE}#{}", alert.to_lowercase());
    assert_eq!(runbooks, alerts.iter().map(anchor).collect());

    let page = text(PAGE);
    let sections: BTreeSet<String> = page.lines().filter_map(|line| after(line, "### ")).collect();
    assert_eq!(sections, alerts);
    // Where the one who is woken has to go on reading.
    for (alert, next) in [("QuorateNoLeader", "disaster.md"), ("QuorateUnavailable", "http-status-codes.md")]
    {
        let section = page.split("\n### ").find(|section| section.lines().next() == Some(alert)).unwrap();
        assert!(section.contains(next), "{section}");
    }
    let tests = text(RULES_TEST);
    let tested: BTreeSet<String> = tests.lines().filter_map(|line| after(line, "- name: ")).collect();
    assert_eq!(tested, alerts);
}

#[test]
fn prometheus_takes_the_rules_and_they_fire_when_they_should() {
    if !has(None, "promtool", &["--version"]) {
        return;
    }
    let there = root().join("deploy/prometheus");
    for args in [
        // The files that it names are in the stack.
        ["check", "config", "--syntax-only", "prometheus.yaml"].as_slice(),
        &["check", "rules", "alerts.yaml"],
        &["test", "rules", "alerts_test.yaml"],
    ] {
        let output = Command::new("promtool").args(args).current_dir(&there).output().unwrap();
        assert!(output.status.success(), "{args:?}\n{}", said(&output));
    }
}

/// A panel that asks nothing shows nothing.
#[test]
fn every_panel_of_the_dashboard_asks_prometheus() {
    let dashboard: serde_json::Value = serde_json::from_str(&text(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<&str> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["Jobs", "Requests", "Raft", "Store", "Node"]);
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            assert!(!names(target["expr"].as_str().unwrap()).is_empty(), "{target}");
        }
    }
}
