//! Nodes with certificates for each other, from the flags on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

use common::{
    QUORATE, Started, ends, enqueue, free_ports, quorate, serve, url, wait_until, wait_until_ready,
};
use nix::sys::signal::Signal;
use quorate_tls::testing::{ca, issue, trust};

const NAMES: [&str; 3] = ["n0", "n1", "n2"];

fn flags(dir: &Path, name: &str) -> Vec<String> {
    let at = |file: String| dir.join(file).to_str().unwrap().to_owned();
    let files = [
        ("cert", at(format!("{name}.pem"))),
        ("key", at(format!("{name}.key"))),
        ("ca", at("ca.pem".into())),
    ];
    files.into_iter().flat_map(|(flag, file)| [format!("--peer-{flag}"), file]).collect()
}

fn start(dir: &Path, ports: &[u16], node: usize) -> Started {
    let mut command = Command::new(QUORATE);
    command.args(serve(dir, ports, node)).args(flags(dir, NAMES[node]));
    Started(command.stderr(File::create(dir.join(format!("{node}.log"))).unwrap()).spawn().unwrap())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn nodes_with_certificates_form_a_cluster_renew_them_and_are_asked_before_a_recovery() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    trust(dir.path(), &[&ca]);
    NAMES.iter().for_each(|name| issue(dir.path(), &ca, name, None));
    let mut nodes: Vec<Started> = (0..3).map(|node| start(dir.path(), &ports, node)).collect();
    ports.into_iter().for_each(wait_until_ready);
    ports.into_iter().for_each(|port| drop(enqueue(port)));

    let soon = || said(&quorate(&["cluster", "status", "--nodes", &url(first)]));
    assert!(!soon().contains("the certificate of"), "{}", soon());
    issue(dir.path(), &ca, "n1", None);
    nodes[1].signal(Signal::SIGHUP);
    let log = || std::fs::read_to_string(dir.path().join("1.log")).unwrap();
    wait_until("it is in use", || log().contains("a new certificate is in use"));
    assert!(nodes[1].runs(), "SIGHUP ends no node that has certificates");
    enqueue(ports[1]);

    nodes[2].signal(Signal::SIGTERM);
    assert_eq!(nodes[2].ended("the node ends"), Some(0));
    let data = dir.path().join("n2");
    let recover = ["recover", "--force-single", "--data-dir", data.to_str().unwrap()];
    let unheard = said(&quorate(&recover));
    assert!(unheard.contains("somebody speaks TLS: give this node's certificate"), "{unheard}");
    let own = flags(dir.path(), "n2");
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let heard = said(&quorate(&[&recover[..], &own].concat()));
    assert!(heard.contains("the majority is not lost: this node and n0, n1 are enough"), "{heard}");
}

#[test]
fn a_file_that_is_missing_or_of_another_node_is_named() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let first = free_ports(1);
    trust(dir.path(), &[&ca]);
    issue(dir.path(), &ca, "n0", None);
    issue(dir.path(), &ca, "n1", None);
    let refused = |flags: &[String]| ends(&[&serve(dir.path(), &[first], 0)[..], flags].concat());
    let (code, said) = refused(&flags(dir.path(), "n0")[..4]);
    assert!(code == Some(2) && said.contains("peer-ca: "), "{code:?} {said}");
    let (code, said) = refused(&flags(dir.path(), "n1"));
    assert!(code == Some(2) && said.contains("it does not bear the name n0"), "{code:?} {said}");
    let mut mixed = flags(dir.path(), "n0");
    mixed[3] = flags(dir.path(), "n1")[3].clone();
    let (code, said) = refused(&mixed);
    assert!(code == Some(2) && said.contains("not the key of the certificate"), "{code:?} {said}");
}
