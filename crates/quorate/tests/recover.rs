//! The loss of the majority for good.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::process::Output;

use common::{
    cluster, ends, enqueue, free_ports, join, quorate, serve, start, url, wait_for_status, wait_until_ready,
};
use serde_json::Value;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn one_of_three_is_recovered_the_others_join_and_an_old_disk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (free_ports(3)..).take(3).collect();
    let mut nodes = cluster(dir.path(), ports[0]);
    let before: Vec<String> = (0..20).map(|n| enqueue(ports[n % 3])).collect();
    let survivor = dir.path().join("n0");
    let survivor = survivor.to_str().unwrap();
    let recover =
        |rest: &[&str]| quorate(&[&["recover", "--force-single", "--data-dir", survivor], rest].concat());

    // It runs.
    let refused = recover(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("in use by another process"), "{}", said(&refused));
    // It does not, and the others do: nothing is lost.
    nodes.remove(0);
    let shown = text(&recover(&[]));
    assert!(
        shown.starts_with("Not to be done: the majority is not lost: this node and n1, n2")
            && shown.contains("Nothing was changed.")
            && !shown.contains("everything that the others acknowledged"),
        "{shown}"
    );
    let found: Value = serde_json::from_slice(&recover(&["--json"]).stdout).unwrap();
    let cluster_id = found["cluster_id"].as_str().unwrap().to_owned();
    let sure = ["--name", "n0", "--cluster-id", &cluster_id, "--yes-i-lose-what-the-others-had"];
    let refused = recover(&sure);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("the majority is not lost"), "{}", said(&refused));

    // They are gone. What one asks for must be this node.
    nodes.clear();
    for (args, says) in [
        (["--name", "n1", "--cluster-id", &cluster_id, sure[4]], "this is the directory of n0, not of n1"),
        (["--name", "n0", "--cluster-id", "another", sure[4]], "not to another"),
    ] {
        let refused = recover(&args);
        assert_eq!(refused.status.code(), Some(2));
        assert!(said(&refused).contains(says), "{}", said(&refused));
    }
    assert_eq!(recover(&sure[..4]).status.code(), Some(2), "all of it must be said");
    let shown = text(&recover(&[&sure[..], &["--dry-run"]].concat()));
    assert!(shown.contains("Nothing was changed.") && shown.contains("To do it: quorate recover"), "{shown}");
    assert_eq!(
        found,
        serde_json::from_slice::<Value>(&recover(&["--json"]).stdout).unwrap().tap(|now| {
            for (at, member) in now["members"].as_array_mut().unwrap().iter_mut().enumerate() {
                member["answers"] = (member["name"] != "n0").into();
                assert!(member["applied_index"].is_null(), "{member}");
                member["applied_index"] = found["members"][at]["applied_index"].clone();
                member["last"] = found["members"][at]["last"].clone();
            }
        })
    );
    let done = text(&recover(&sure));
    assert!(done.contains("n0 is the only member of the new cluster"), "{done}");
    let again = recover(&sure);
    assert!(said(&again).contains("nothing to recover"), "{}", said(&again));
    // As after a crash before the last step, where this node had been removed.
    fs::write(dir.path().join("n0/REMOVED"), "by n1\n").unwrap();
    let found: Value = serde_json::from_str(&text(&recover(&["--json"]))).unwrap();
    let half = found["cluster_id"].as_str().unwrap();
    let done = text(&recover(&["--name", "n0", "--cluster-id", half, sure[4]]));
    assert!(done.contains("n0 is the only member of the new cluster"), "{done}");

    // All jobs are there, and it goes on.
    let mut nodes = vec![start(dir.path(), &ports, 0)];
    wait_until_ready(ports[0]);
    before.iter().for_each(|id| wait_for_status(ports[0], id, "queued"));
    let later = enqueue(ports[0]);

    // An old disk comes back: it is refused by name. So are both, at the same time.
    for old in [1, 2] {
        let (code, said) = ends(&serve(dir.path(), &ports, old));
        assert_eq!(code, Some(1), "{said}");
        let last = said.lines().last().unwrap();
        assert!(
            last.contains(&format!(
                "the cluster {cluster_id}, which this data directory belongs to, was given up"
            )),
            "{last}"
        );
    }
    // Wiped, they join.
    let old = dir.path().join("old");
    fs::rename(dir.path().join("n2"), &old).unwrap();
    fs::create_dir(dir.path().join("n2")).unwrap();
    for node in [1, 2] {
        fs::remove_dir_all(dir.path().join(format!("n{node}"))).unwrap();
        nodes.push(join(dir.path(), &ports, node));
    }
    nodes.remove(0);
    before.iter().chain([&later]).for_each(|id| wait_for_status(ports[1], id, "queued"));
    enqueue(ports[2]);
    let status = quorate(&["cluster", "status", "--json", "--nodes", &url(ports[1])]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_ne!(status["id"], cluster_id);
    assert_eq!(status["members"].as_array().unwrap().len(), 3, "{status}");

    // Those who have joined know the old cluster, too: the recovered node does not run.
    nodes.pop();
    let mut args = serve(dir.path(), &ports, 2);
    let data_dir = args.iter().position(|arg| arg == "--data-dir").unwrap();
    args[data_dir + 1] = old.to_str().unwrap().to_owned();
    let (code, said) = ends(&args);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("was given up: n1 at"), "{said}");
}

trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Value {}
