//! A cluster over HTTPS, from the certificate to the job that is done.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use common::{QUORATE, Started, ends, free_ports, quorate, serve, url, wait_until};
use nix::sys::signal::Signal;
use quorate_tls::testing::{Ca, ca, issue, node, trust, write};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority and a node's certificate, in files.
struct Files {
    dir: tempfile::TempDir,
    ca: Ca,
}

impl Files {
    fn new() -> Files {
        let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
        issue(dir.path(), &ca, "n0", None);
        trust(dir.path(), &[&ca]);
        Files { dir, ca }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn at(&self, name: &str) -> String {
        self.path().join(name).to_str().unwrap().to_owned()
    }

    /// The command for a node with that certificate.
    fn node(&self, port: u16, besides: &[&str]) -> Command {
        // Without a terminal, which would end it by SIGHUP.
        let mut command = Command::new("setsid");
        command.arg(QUORATE).args(serve(self.path(), &[port], 0)).args(besides);
        command.args(["--tls-cert", &self.at("n0.pem"), "--tls-key", &self.at("n0.key")]);
        command.stderr(File::create(self.path().join("log")).unwrap());
        command
    }

    fn start(&self, port: u16, besides: &[&str]) -> Started {
        let node = Started(self.node(port, besides).spawn().unwrap());
        wait_until("ready", || self.quorate(&["health", "--ready", "--url", &secure(port)]).status.success());
        node
    }

    /// Runs the program, which trusts the authority.
    fn quorate(&self, args: &[&str]) -> Output {
        Command::new(QUORATE).args(args).env("QUORATE_CA", self.at("ca.pem")).output().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap()
    }
}

fn secure(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn all_commands_speak_tls() {
    let files = Files::new();
    let (port, metrics) = (free_ports(2), free_ports(1));
    let watchers = format!("127.0.0.1:{metrics}");
    let mut node = files.start(port, &["--metrics-addr", &watchers]);
    // A node that is no URL is spoken to over TLS, too, where an authority is named.
    let nodes = format!("127.0.0.1:{port}");
    let enqueued = files.quorate(&["job", "enqueue", "--image", "a", "--payload", "x", "--nodes", &nodes]);
    assert!(enqueued.status.success(), "{}", said(&enqueued));
    let mut runner = Command::new(QUORATE);
    runner.args(["run", "--program", "a=/usr/bin/cat", "--nodes", &secure(port)]);
    let mut runner = Started(runner.args(["--ca", &files.at("ca.pem")]).spawn().unwrap());
    let id = String::from_utf8(enqueued.stdout).unwrap().trim().to_owned();
    let waited = files.quorate(&["job", "wait", &id, "--nodes", &secure(port)]);
    assert!(waited.status.success(), "{}", said(&waited));
    runner.signal(Signal::SIGTERM);
    assert_eq!(runner.ended("the runner ends"), Some(0));
    let bench =
        ["bench", "--nodes", &secure(port), "--clients", "2", "--seconds", "1", "--rounds", "1", "--json"];
    let measured = files.quorate(&bench);
    assert!(measured.status.success(), "{}", said(&measured));
    // Where clients reach it, the cluster knows.
    let status = files.quorate(&["cluster", "status", "--json", "--nodes", &secure(port)]);
    assert!(said(&status).contains(&format!("\"http_addr\": \"{}\"", secure(port))), "{}", said(&status));

    // Who watches does so without.
    let mut stream = TcpStream::connect(&watchers).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n").unwrap();
    let mut shown = String::new();
    stream.read_to_string(&mut shown).unwrap();
    assert!(shown.contains("quorate_certificate_expires_seconds{use=\"rest\"} "), "{shown}");

    let by_another = quorate(&["job", "list", "--nodes", &secure(port)]);
    assert_eq!(by_another.status.code(), Some(5));
    assert!(said(&by_another).contains("its certificate is of no authority that is trusted here"));
    assert!(said(&by_another).contains("--ca FILE"), "{}", said(&by_another));
    // What to do is said, whoever asks.
    let by_name = format!("https://localhost:{port}");
    let why = "for other names: n0, 127.0.0.1: call it by one of these, or make it one for this name (quorate cert node NAME … --host localhost";
    for args in [["job", "list", "--nodes", &by_name], ["health", "--ready", "--url", &by_name]] {
        let misnamed = files.quorate(&args);
        assert!(misnamed.status.code() == Some(5) && said(&misnamed).contains(why), "{}", said(&misnamed));
    }
    let without = quorate(&["job", "list", "--nodes", &url(port)]);
    assert_eq!(without.status.code(), Some(5), "{}", said(&without));
    assert!(said(&without).contains("This port speaks HTTPS"), "{}", said(&without));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ends"), Some(0));
}

#[test]
fn dev_prints_what_commands_need() {
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Command::new(QUORATE);
    let port = free_ports(1).to_string();
    dev.args(["dev", "--tls", "--nodes", "1", "--http-port", &port, "--data-dir"])
        .arg(dir.path().join("data"));
    let (told, log) = (dir.path().join("told"), dir.path().join("log"));
    dev.stdout(File::create(&told).unwrap()).stderr(File::create(&log).unwrap());
    let mut dev = Started(dev.spawn().unwrap());
    wait_until("ready", || {
        assert!(dev.runs(), "{}", std::fs::read_to_string(&log).unwrap());
        std::fs::read_to_string(&told).unwrap().lines().any(|line| line == "ready")
    });
    let log = std::fs::read_to_string(&log).unwrap();
    let export = log.lines().find_map(|line| line.strip_prefix("for commands: ")).expect(&log);
    let typed = format!("{export}; $0 cluster status && $0 health --url $QUORATE_NODES");
    let done = said(&Command::new("sh").args(["-c", &typed, QUORATE]).output().unwrap());
    assert!(done.starts_with("healthy: ") && done.contains("https://"), "{typed}: {done}");
}

#[test]
fn a_new_certificate_costs_no_request() {
    let files = Files::new();
    let port = free_ports(1);
    let mut node = files.start(port, &[]);
    let nodes = secure(port);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| {
            let bench = ["bench", "--nodes", &nodes, "--clients", "4", "--seconds", "1", "--rounds"];
            let mut runs = 0;
            while !done.load(Ordering::Relaxed) {
                // An error of one request is one of the whole.
                let measured = files.quorate(&[&bench[..], &["2", "--json"]].concat());
                assert!(measured.status.success(), "{}", said(&measured));
                runs += 1;
            }
            runs
        });
        // Half of it: the other one is missing.
        issue(files.path(), &files.ca, "next", None);
        std::fs::copy(files.at("next.pem"), files.at("n0.pem")).unwrap();
        node.signal(Signal::SIGHUP);
        wait_until("it is refused", || files.log().contains("the certificate as it was goes on"));
        std::fs::copy(files.at("next.key"), files.at("n0.key")).unwrap();
        node.signal(Signal::SIGHUP);
        wait_until("it is in use", || files.log().contains("a new certificate is in use"));
        done.store(true, Ordering::Relaxed);
        assert!(clients.join().unwrap() > 0);
    });
    assert!(node.runs(), "SIGHUP ends no node that has certificates, and no terminal");
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ends"), Some(0));
}

#[test]
fn a_runner_and_whoever_watches_follow_the_authorities() {
    let files = Files::new();
    let port = free_ports(1);
    let mut node = files.start(port, &[]);
    let nodes = secure(port);
    // As an operator who changes it has it: the clients' file first, then the nodes' certificates.
    let clients = files.path().join("clients");
    std::fs::create_dir(&clients).unwrap();
    trust(&clients, &[&files.ca]);
    let own = clients.join("ca.pem");
    let log = |name: &str| std::fs::read_to_string(files.path().join(name)).unwrap();
    let by_file = |args: &[&str], name: &str| {
        let mut command = Command::new(QUORATE);
        command.args(args).args(["--nodes", &nodes, "--ca", own.to_str().unwrap()]);
        command.stdout(File::create(files.path().join(format!("{name}.out"))).unwrap());
        Started(
            command.stderr(File::create(files.path().join(format!("{name}.err"))).unwrap()).spawn().unwrap(),
        )
    };
    let mut runner = by_file(&["run", "--program", "a=/usr/bin/cat"], "runner");
    let mut watcher = by_file(&["job", "list", "--status", "success", "--watch"], "watcher");
    // Who has not read the file yet begins with the new one, and sees no change.
    wait_until("it runs", || log("runner.err").contains("taking jobs"));
    wait_until("it watches", || !log("watcher.out").is_empty());
    let next = ca();
    trust(&clients, &[&files.ca, &next]);
    wait_until("it is in use", || log("runner.err").contains("a new certificate is in use"));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("the node ends"), Some(0));
    issue(files.path(), &next, "n0", None);
    trust(files.path(), &[&next]);
    let _node = files.start(port, &[]);
    let enqueued = files.quorate(&["job", "enqueue", "--image", "a", "--payload", "x", "--nodes", &nodes]);
    assert!(enqueued.status.success(), "{}", said(&enqueued));
    wait_until("it is done, and seen", || log("watcher.out").contains("success"));
    assert!(runner.runs() && watcher.runs());
}

#[test]
fn with_an_authority_of_clients_only_they_are_served() {
    let files = Files::new();
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "shop\n1");
    write(files.path(), "known", &files.ca, &params);
    let port = free_ports(1);
    let client_ca = files.at("ca.pem");
    let (cert, key) = (files.at("known.pem"), files.at("known.key"));
    let own = ["--cert", cert.as_str(), "--cert-key", key.as_str()];
    let _node = Started(files.node(port, &["--tls-client-ca", &client_ca, "--access-log"]).spawn().unwrap());
    let health = ["health", "--ready", "--url", &secure(port)];
    wait_until("ready", || files.quorate(&[&health[..], &own].concat()).status.success());
    let list = ["job", "list", "--nodes", &secure(port)];
    assert!(files.quorate(&[&list[..], &own].concat()).status.success());
    let refused = files.quorate(&list);
    assert_eq!(refused.status.code(), Some(5));
    assert!(said(&refused).contains("it asks for a certificate of this client"), "{}", said(&refused));
    // Who it was is told, of what administrators do, too.
    let paused =
        files.quorate(&[&["queue", "pause", "default", "--nodes", &secure(port)], &own[..]].concat());
    assert!(paused.status.success(), "{}", said(&paused));
    let log = files.log();
    for (kind, path) in [("quorate::access", "/v1/jobs"), ("quorate::audit", "/v1/queue/default")] {
        let line = log.lines().find(|line| line.contains(kind) && line.contains(path));
        let line = line.unwrap_or_else(|| panic!("{kind} {path}: {log}"));
        assert!(line.contains("certificate=") && line.contains("shop") && !line.contains("token="), "{line}");
    }
}

#[test]
fn the_cluster_warns_of_what_ends_soon() {
    let files = Files::new();
    let soon = (SystemTime::now() + Duration::from_secs(5 * 24 * 3_600)).into();
    // An authority of clients, and one of its clients.
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = soon;
    let clients = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let dir = files.path().join("clients");
    std::fs::create_dir(&dir).unwrap();
    trust(&dir, &[&clients]);
    issue(files.path(), &clients, "known", None);
    let client_ca = files.at("clients/ca.pem");
    let (cert, key) = (files.at("known.pem"), files.at("known.key"));
    let own = ["--cert", cert.as_str(), "--cert-key", key.as_str()];
    let port = free_ports(1);
    let warns = |besides: &[&str]| {
        let _node = Started(files.node(port, besides).spawn().unwrap());
        let url = secure(port);
        let ask = |args: &[&str], at: &str| files.quorate(&[args, &[at, url.as_str()], &own[..]].concat());
        wait_until("ready", || ask(&["health", "--ready"], "--url").status.success());
        let status = said(&ask(&["cluster", "status", "--json"], "--nodes"));
        let is_warned = status.contains("certificate_expires");
        assert!(!is_warned || status.contains("a certificate of n0 expires in 4 days"), "{status}");
        is_warned
    };
    assert!(!warns(&[]));
    assert!(warns(&["--tls-client-ca", &client_ca]));
    let mut params = node("n0");
    params.not_after = soon;
    write(files.path(), "n0", &files.ca, &params);
    assert!(warns(&[]));
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    let files = Files::new();
    let with = |settings: &[&str]| {
        let settings = settings.iter().map(|setting| (*setting).to_owned());
        ends(&serve(files.path(), &[free_ports(1)], 0).into_iter().chain(settings).collect::<Vec<_>>())
    };
    issue(files.path(), &files.ca, "other", None);
    let (cert, key) = (files.at("n0.pem"), files.at("other.key"));
    for (settings, why) in [
        (vec!["--tls-cert", &cert], "tls-cert: it needs tls-key"),
        (vec!["--tls-cert", &cert, "--tls-key", &key], "this is not the key of the certificate"),
        (vec!["--tls-client-ca", &cert], "tls-client-ca: it needs tls-cert and tls-key"),
    ] {
        let (code, said) = with(&settings);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_certificate_for_other_names_than_the_advertised_one_is_told() {
    let files = Files::new();
    let wild = CertificateParams::new(["*.example.com".to_owned()]).unwrap();
    write(files.path(), "n0", &files.ca, &wild);
    for (advertised, is_told) in
        [("n0.example.com", false), ("n0.example.org", true), ("a.n0.example.com", true)]
    {
        let advertise = format!("{advertised}:8080");
        let mut node = Started(files.node(free_ports(1), &["--http-advertise", &advertise]).spawn().unwrap());
        wait_until("it serves", || files.log().contains("serving"));
        let told = files.log().contains("the certificate is not for the name");
        assert_eq!(told, is_told, "{advertised}: {}", files.log());
        node.signal(Signal::SIGTERM);
        assert_eq!(node.ended("the node ends"), Some(0));
    }
}
