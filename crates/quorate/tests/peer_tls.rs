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
use quorate_tls::testing::{ca, issue, trust, write};

const NAMES: [&str; 4] = ["n0", "n1", "n2", "n3"];

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
    start_with(dir, ports, node, &flags(dir, NAMES[node]))
}

fn start_with(dir: &Path, ports: &[u16], node: usize, flags: &[String]) -> Started {
    let mut command = Command::new(QUORATE);
    command.args(serve(dir, ports, node)).args(flags);
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
    NAMES[..3].iter().for_each(|name| issue(dir.path(), &ca, name, None));
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
    // Steps of a change of the authority that come too early change nothing.
    let other = quorate_tls::testing::ca();
    let kept = std::fs::read(dir.path().join("n1.pem")).unwrap();
    let key = std::fs::read(dir.path().join("n1.key")).unwrap();
    issue(dir.path(), &other, "n1", None);
    nodes[1].signal(Signal::SIGHUP);
    wait_until("its authority is missing", || log().contains("n1.pem: it is of no authority in --peer-ca"));
    std::fs::write(dir.path().join("n1.pem"), kept).unwrap();
    std::fs::write(dir.path().join("n1.key"), key).unwrap();
    trust(dir.path(), &[&other]);
    nodes.iter().for_each(|node| node.signal(Signal::SIGHUP));
    wait_until("its certificate is missing", || {
        log().contains("is of no authority in --peer-ca as it is now")
    });
    enqueue(ports[1]);
    trust(dir.path(), &[&ca]);

    nodes[2].signal(Signal::SIGTERM);
    assert_eq!(nodes[2].ended("the node ends"), Some(0));
    let data = dir.path().join("n2");
    let recover = ["recover", "--force-single", "--data-dir", data.to_str().unwrap()];
    let unheard = said(&quorate(&recover));
    assert!(unheard.contains("it speaks TLS: give this node's certificate"), "{unheard}");
    let own = flags(dir.path(), "n2");
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let heard = said(&quorate(&[&recover[..], &own].concat()));
    assert!(heard.contains("the majority is not lost: this node and n0, n1 are enough"), "{heard}");
    // Those who do not take its certificate any more are there all the same.
    issue(dir.path(), &ca, "n2", Some(2000));
    let unheard = said(&quorate(&[&recover[..], &own].concat()));
    assert!(unheard.starts_with("Not to be done: somebody listens at "), "{unheard}");
    assert!(unheard.contains("does not take this node's certificate: it has expired"), "{unheard}");
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
    let foreign = tempfile::tempdir().unwrap();
    issue(foreign.path(), &quorate_tls::testing::ca(), "n0", None);
    trust(foreign.path(), &[&ca]);
    let (code, alone) = refused(&flags(foreign.path(), "n0"));
    assert!(
        code == Some(2)
            && alone.contains("peer-cert: ")
            && alone.contains("it is of no authority in --peer-ca"),
        "{alone}"
    );
    let (code, said) = refused(&mixed);
    assert!(code == Some(2) && said.contains("not the key of the certificate"), "{code:?} {said}");
}

#[test]
fn a_node_that_the_others_do_not_believe_says_so_and_so_do_they() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    trust(dir.path(), &[&ca]);
    NAMES[..3].iter().for_each(|name| issue(dir.path(), &ca, name, None));
    let mut nodes: Vec<Started> = (0..3).map(|node| start(dir.path(), &ports, node)).collect();
    ports.into_iter().for_each(wait_until_ready);
    nodes[2].signal(Signal::SIGTERM);
    assert_eq!(nodes[2].ended("the node ends"), Some(0));
    issue(dir.path(), &ca, "n2", Some(2000));
    nodes[2] = start(dir.path(), &ports, 2);

    let log = |node: usize| std::fs::read_to_string(dir.path().join(format!("{node}.log"))).unwrap();
    let expired = "does not take this node's certificate: it has expired";
    wait_until("it says so", || log(2).contains(expired));
    let health = ["health", "--ready", "--url", &url(ports[2])];
    wait_until("readyz says so", || said(&quorate(&health)).contains(expired));
    // The others say it, in their log and their status.
    wait_until("they say so", || {
        log(0).contains("the caller's certificate expired on 2000-01-01 00:00:00 UTC")
    });
    let status = |nodes: &str| quorate(&["cluster", "status", "--nodes", nodes]);
    let why = format!(
        "n2 at 127.0.0.1:{} cannot be spoken to: its certificate expired on 2000-01-01",
        ports[2] + 1_000
    );
    wait_until("the status says so", || said(&status(&url(first))).contains(&why));
    // Whichever answers first, the cluster is as the others see it.
    let both = format!("{},{}", url(ports[2]), url(first));
    wait_until("the one that is cut off is named", || {
        let seen = status(&both);
        let said = said(&seen);
        assert!(seen.status.success() && said.starts_with("degraded: "), "{said}");
        said.contains("beside: n2 is cut off") && said.contains(expired)
    });
    assert_eq!(status(&url(ports[2])).status.code(), Some(5));
    issue(dir.path(), &ca, "n2", None);
    nodes[2].signal(Signal::SIGHUP);
    wait_until_ready(ports[2]);
}

#[test]
fn who_cannot_join_for_his_certificate_is_told_why() {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    let ports = [free_ports(2), free_ports(1)];
    trust(dir.path(), &[&ca]);
    issue(dir.path(), &ca, "n0", None);
    let _node = start(dir.path(), &ports[..1], 0);
    wait_until_ready(ports[0]);

    let log = || std::fs::read_to_string(dir.path().join("1.log")).unwrap();
    let tells = |flags: &[String], why: &str| {
        let _joining = start_with(dir.path(), &ports, 1, flags);
        let refused = format!("n0 at 127.0.0.1:{} cannot be spoken to: {why}", ports[0] + 1_000);
        wait_until("its log says so", || log().contains(&format!("a member to join by: {refused}")));
        let forming = format!("forming: n1 is not in a cluster yet: {refused}");
        wait_until("its status says so", || {
            said(&quorate(&["cluster", "status", "--nodes", &url(ports[1])])).starts_with(&forming)
        });
        wait_until("its health says so", || {
            said(&quorate(&["health", "--ready", "--url", &url(ports[1])])).contains(&refused)
        });
    };
    tells(&[], "it speaks TLS: give this node --peer-cert");
    let foreign = tempfile::tempdir().unwrap();
    let other = quorate_tls::testing::ca();
    issue(foreign.path(), &other, "n1", None);
    trust(foreign.path(), &[&other]);
    tells(&flags(foreign.path(), "n1"), "its certificate is of no authority in this node's --peer-ca");
    let mut params = rcgen::CertificateParams::new(["n1".to_owned()]).unwrap();
    params.extended_key_usages =
        vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = rcgen::date_time_ymd(2080, 1, 1);
    params.not_after = rcgen::date_time_ymd(2081, 1, 1);
    write(dir.path(), "n1", &ca, &params);
    tells(
        &flags(dir.path(), "n1"),
        "it does not take this node's certificate: it has expired, or does not hold yet",
    );
    assert!(log().contains("the certificate does not hold yet"), "{}", log());
}
