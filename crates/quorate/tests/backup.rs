//! Backups of a running cluster, and new clusters that are made of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{
    QUORATE, Started, cluster, ends, enqueue, free_ports, join, quorate, serve, start, url, wait_until,
    wait_until_ready,
};
use nix::sys::signal::Signal;
use serde_json::Value;

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(args: &[&str], node: u16) -> Output {
    let node = url(node);
    let mut args = args.to_vec();
    args.extend(["--nodes", &node]);
    let output = quorate(&args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    output
}

fn back_up(file: &Path, node: u16) -> Value {
    json(&run(&["backup", file.to_str().unwrap(), "--json"], node))
}

/// The arguments of a restore for that node.
fn restore(file: &Path, dir: &Path, ports: &[u16], node: usize) -> Output {
    let mut args = serve(dir, ports, node);
    args[0] = "restore".to_owned();
    // It opens no port, so that it needs no leave for what others reach.
    for flag in ["--http-addr", "--peer-addr"] {
        let at = args.iter().position(|arg| arg == flag).unwrap();
        args[at + 1] = args[at + 1].replace("127.0.0.1", "0.0.0.0");
    }
    args.extend([file.to_str().unwrap().to_owned(), "--json".to_owned()]);
    quorate(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Jobs of every kind.
fn fill(node: u16, dir: &Path) {
    let lines = dir.join("lines");
    let some: String = (0..3_000).map(|n| format!("payload {n}\n")).collect();
    fs::write(&lines, some).unwrap();
    let lines = lines.to_str().unwrap();
    run(&["job", "enqueue", "--image", "many", "--lines", lines, "--queue", "bulk"], node);
    run(&["job", "enqueue", "--image", "later", "--payload", "x", "--delay", "1d"], node);
    run(&["job", "enqueue", "--image", "one", "--payload", "x", "--unique-key", "only"], node);
    run(
        &["job", "enqueue", "--image", "keyed", "--payload", "x", "--idempotency-key", "once", "--tag", "t"],
        node,
    );
    run(&["queue", "set", "bulk", "--max-running", "20", "--rate", "100/1s"], node);
    run(&["queue", "set", "paused", "--max-running", "1"], node);
    run(&["queue", "pause", "paused"], node);
    run(&["cluster", "settings", "--retention", "30d"], node);
    let (consumed, failed) = (consume(node, 20), 5);
    for id in &consumed[..failed] {
        post(node, &format!("job/{id}/fail"), r#"{"reason":"bad_exit","details":"it broke","retry":false}"#);
    }
    for id in &consumed[failed..10] {
        post(node, &format!("job/{id}/log"), "some of the log\n");
        post(node, &format!("job/{id}/success"), "");
    }
    run(&["job", "cancel", "--image", "many", "--queue", "bulk", "--status", "queued"], node);
    run(&["job", "enqueue", "--image", "many", "--lines", lines, "--queue", "other", "--key", "k"], node);
}

fn post(node: u16, path: &str, body: &str) -> Value {
    let content = match body.as_bytes() {
        [] => "Content-Type:",
        [b'{', ..] => "Content-Type: application/json",
        _ => "Content-Type: application/octet-stream",
    };
    let mut curl = Command::new("curl");
    curl.args(["-sSf", "-X", "POST", "-H", content, "--data-binary", body]);
    let output = curl.arg(format!("{}/v1/{path}", url(node))).output().unwrap();
    assert!(output.status.success(), "{path}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn consume(node: u16, n: usize) -> Vec<String> {
    let jobs = post(node, &format!("jobs/consume?n={n}&queue=bulk"), "");
    jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cluster_is_made_of_a_backup_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (free_ports(3)..).take(3).collect();
    let old = cluster(dir.path(), ports[0]);
    fill(ports[1], dir.path());
    let file = dir.path().join("jobs.backup");
    let backup = back_up(&file, ports[2]);
    assert_eq!(backup["jobs"]["queued"], 3_002, "{backup}");
    assert_eq!(backup["jobs"]["delayed"], 1, "{backup}");
    assert_eq!(backup["jobs"]["success"], 5, "{backup}");
    let verified = quorate(&["backup", "verify", file.to_str().unwrap(), "--json"]);
    assert_eq!(json(&verified), backup);
    // Every node has the same state.
    let through_a_pipe =
        Command::new(QUORATE).args(["backup", "-", "--nodes", &url(ports[0])]).output().unwrap();
    fs::write(dir.path().join("other.backup"), &through_a_pipe.stdout).unwrap();
    assert!(said(&through_a_pipe).contains("jobs of the cluster"), "{}", said(&through_a_pipe));
    let other =
        json(&quorate(&["backup", "verify", dir.path().join("other.backup").to_str().unwrap(), "--json"]));
    drop(old);

    let root = dir.path().join("new");
    let ports: Vec<u16> = (free_ports(3)..).take(3).collect();
    let restored = json(&restore(&file, &root, &ports, 0));
    assert_eq!(
        (&restored["jobs"], &restored["name"]),
        (
            &other["jobs"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>().into(),
            &"n0".into()
        )
    );
    assert_ne!(restored["cluster_id"], backup["cluster_id"]);
    let mut nodes = vec![start(&root, &ports, 0)];
    wait_until_ready(ports[0]);
    // Running jobs have a timeout that has not ended: nothing has moved yet.
    let again = back_up(&dir.path().join("again.backup"), ports[0]);
    assert_eq!(again["jobs"], backup["jobs"]);
    assert_eq!(again["log_time"], backup["log_time"], "log time goes on from there with the first entry");
    assert_eq!(again["state_hash"], backup["state_hash"]);
    // The key is known, and the unique job keeps others away.
    let [first, second] = ["once", "once"].map(|key| {
        let args =
            ["job", "enqueue", "--image", "keyed", "--payload", "x", "--idempotency-key", key, "--tag", "t"];
        String::from_utf8(run(&args, ports[0]).stdout).unwrap()
    });
    assert_eq!(first, second);
    let known = back_up(&dir.path().join("later.backup"), ports[0]);
    assert_eq!(known["jobs"], backup["jobs"], "the key was known");

    // The others join, and get what is not in any log.
    for node in [1, 2] {
        nodes.push(join(&root, &ports, node));
    }
    nodes.remove(0);
    let id = enqueue(ports[2]);
    common::wait_for_status(ports[1], &id, "queued");
    let there = back_up(&dir.path().join("there.backup"), ports[2]);
    assert_eq!(there["jobs"]["queued"], 3_003);
    assert_eq!(there["cluster_id"], restored["cluster_id"]);
}

#[test]
fn a_file_is_not_replaced_and_no_half_of_one_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = start(dir.path(), &[port], 0);
    wait_until_ready(port);
    enqueue(port);
    let file = dir.path().join("jobs.backup");
    fs::write(&file, "precious").unwrap();
    let args = ["backup", file.to_str().unwrap(), "--nodes", &url(port)];
    let refused = quorate(&args);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is there already"), "{}", said(&refused));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    drop(node);
    let nobody = quorate(&[&args[..], &["--force"]].concat());
    assert_eq!(nobody.status.code(), Some(5), "{}", said(&nobody));
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let _node = start(dir.path(), &[port], 0);
    wait_until_ready(port);
    assert!(quorate(&[&args[..], &["--force"]].concat()).status.success());
    assert!(quorate(&["backup", "verify", file.to_str().unwrap()]).status.success());
}

#[test]
fn what_is_no_whole_backup_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let node = start(dir.path(), &[port], 0);
    wait_until_ready(port);
    enqueue(port);
    let file = dir.path().join("jobs.backup");
    back_up(&file, port);
    drop(node);
    let good = fs::read(&file).unwrap();
    let mut altered = good.clone();
    altered[good.len() / 2] ^= 1;
    for (bytes, says) in [
        (&good[..good.len() - 1], "the backup is truncated"),
        (&altered, "the backup is altered"),
        (b"PK", "this is no backup"),
    ] {
        fs::write(&file, bytes).unwrap();
        for refused in [
            quorate(&["backup", "verify", file.to_str().unwrap()]),
            restore(&file, &dir.path().join("new"), &[port], 0),
        ] {
            assert_eq!(refused.status.code(), Some(1));
            let said = said(&refused);
            assert!(said.contains(says) && said.contains("jobs.backup: "), "{said}");
        }
        assert!(!dir.path().join("new").join("n0").exists());
    }
    fs::write(&file, &good).unwrap();
    let refused = restore(&file, dir.path(), &[port], 0);
    assert!(said(&refused).contains("is not empty"), "{}", said(&refused));
}

/// The original is at its address; the copy is told the same list, or another address of its own.
#[test]
fn a_copy_of_a_data_directory_that_meets_its_original_ends_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (free_ports(4)..).take(4).collect();
    let mut nodes = cluster(dir.path(), ports[0]);
    enqueue(ports[0]);
    // As it is while nobody writes.
    nodes.remove(2);
    copy(&dir.path().join("n2"), &dir.path().join("n3"));
    nodes.push(start(dir.path(), &ports[..3], 2));
    wait_until_ready(ports[2]);
    let mut args = serve(dir.path(), &[ports[0], ports[1], ports[3]], 2);
    let data_dir = args.iter().position(|arg| arg == "--data-dir").unwrap();
    args[data_dir + 1] = dir.path().join("n3").to_str().unwrap().to_owned();
    let (code, said) = ends(&args);
    assert_eq!(code, Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("data-dir: another process runs this node: n2, the same node")
            && last.contains(&format!("runs at 127.0.0.1:{}", ports[2] + 1_000)),
        "{last}"
    );
    // The original goes on, at its place.
    wait_until_ready(ports[2]);
    let status = json(&run(&["cluster", "status", "--json"], ports[0]));
    assert!(status.to_string().contains(&format!("127.0.0.1:{}\"", ports[2] + 1_000)), "{status}");
    // The other way round: the copy runs, and the original comes back.
    nodes.pop();
    let mut copy = Started(Command::new(QUORATE).args(&args).stderr(Stdio::null()).spawn().unwrap());
    wait_until_ready(ports[3]);
    wait_until("the copy has taken the original's place", || {
        let status = json(&run(&["cluster", "status", "--json"], ports[0]));
        status.to_string().contains(&format!("127.0.0.1:{}\"", ports[3] + 1_000))
    });
    let (code, said) = ends(&serve(dir.path(), &ports[..3], 2));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("runs at 127.0.0.1:{}", ports[3] + 1_000)), "{said}");
    assert!(copy.runs());
}

/// The original does not answer while its copy starts: members tell each of the other, and the one that has less ends.
#[test]
fn an_original_and_its_copy_that_did_not_meet_at_first_meet_later() {
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (free_ports(4)..).take(4).collect();
    let mut nodes = cluster(dir.path(), ports[0]);
    enqueue(ports[0]);
    nodes.remove(2);
    copy(&dir.path().join("n2"), &dir.path().join("n3"));
    let mut original = start(dir.path(), &ports[..3], 2);
    wait_until_ready(ports[2]);
    original.signal(Signal::SIGSTOP);
    let mut args = serve(dir.path(), &[ports[0], ports[1], ports[3]], 2);
    let data_dir = args.iter().position(|arg| arg == "--data-dir").unwrap();
    args[data_dir + 1] = dir.path().join("n3").to_str().unwrap().to_owned();
    let mut copy = Started(Command::new(QUORATE).args(&args).stderr(Stdio::null()).spawn().unwrap());
    wait_until_ready(ports[3]);
    wait_until("the copy has taken the original's place", || {
        let status = json(&run(&["cluster", "status", "--json"], ports[0]));
        status.to_string().contains(&format!("127.0.0.1:{}\"", ports[3] + 1_000))
    });
    original.signal(Signal::SIGCONT);
    wait_until("one of the two has ended", || !original.runs() || !copy.runs());
    wait_until_ready(if copy.runs() { ports[3] } else { ports[2] });
}

fn copy(from: &Path, to: &Path) {
    let copied =
        Command::new("cp").args(["-a", from.to_str().unwrap(), to.to_str().unwrap()]).status().unwrap();
    assert!(copied.success());
}
