//! The CA of a cluster and what it makes: files, names, and whether those take it who will have to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use common::{has, quorate};
use quorate_tls::{Identity, Trust, peer_client, peer_server};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use serde_json::Value;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Runs it in a directory, and expects it to end well.
#[track_caller]
fn done(dir: &Path, command: &str) -> String {
    let output = run(dir, command);
    assert!(output.status.success(), "{command}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn run(dir: &Path, command: &str) -> Output {
    Command::new(common::QUORATE).args(command.split(' ')).current_dir(dir).output().unwrap()
}

fn json(dir: &Path, command: &str) -> Value {
    serde_json::from_str(&done(dir, &format!("{command} --json"))).unwrap()
}

fn read(dir: &Path, file: &str) -> Vec<u8> {
    fs::read(dir.join(file)).unwrap()
}

#[test]
fn a_cluster_gets_a_ca_and_its_nodes_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = json(dir, "cert init ca");
    assert_eq!((&made["made"], &made["certificate"]), (&Value::Bool(true), &Value::from("ca/ca.crt")));
    let made = json(dir, "cert node n1 --dir ca --host queue.example.com,10.0.0.1 --host fd00::1");
    let names = ["n1", "localhost", "127.0.0.1", "::1", "queue.example.com", "10.0.0.1", "fd00::1"];
    assert_eq!(made["names"], Value::from(names.to_vec()));
    json(dir, "cert client shop --dir ca --out shop --days 30");

    let mode = |path: &str| dir.join(path).metadata().unwrap().permissions().mode() & 0o777;
    for (path, expected) in [
        ("ca", 0o700),
        ("ca/ca.key", 0o600),
        ("ca/ca.crt", 0o644),
        ("ca/n1.key", 0o600),
        ("ca/n1.crt", 0o644),
        ("shop/shop.key", 0o600),
    ] {
        assert_eq!(mode(path), expected, "{path}");
    }
    assert_eq!(read(dir, "shop/ca.crt"), read(dir, "ca/ca.crt"));
    assert!(!dir.join("shop/ca.key").exists(), "the CA's key stays where it is");

    let show = |file: &str| json(dir, &format!("cert show {file}"))[0].clone();
    let (ca, n1, shop) = (show("ca/ca.crt"), show("ca/n1.crt"), show("shop/shop.crt"));
    assert_eq!(ca["uses"], Value::from(vec!["CA"]));
    assert_eq!(
        (&n1["uses"], &n1["names"]),
        (&Value::from(vec!["server", "client"]), &Value::from(names.to_vec()))
    );
    assert_eq!((&shop["uses"], &shop["names"]), (&Value::from(vec!["client"]), &Value::Array(vec![])));
    assert_eq!((&n1["issuer"], &shop["subject"]), (&ca["subject"], &Value::from("shop")));
    for (seen, days) in [(&ca, 3_652), (&n1, 365), (&shop, 30)] {
        assert_eq!(seen["days_left"], days, "{seen}");
    }
    done(dir, "cert node n2 --dir ca --days 1");
    assert_eq!(show("ca/n2.crt")["days_left"], 1);
    let words = done(dir, "cert show ca/n1.crt");
    assert!(words.starts_with("n1\n  names    n1, localhost") && words.contains(" days\n"), "{words}");
}

#[test]
fn what_is_there_stays_unless_it_should_be_another() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    done(dir, "cert node n1 --dir ca");
    let before =
        (read(dir, "ca/ca.crt"), read(dir, "ca/ca.key"), read(dir, "ca/n1.crt"), read(dir, "ca/n1.key"));
    for again in ["cert init ca", "cert node n1 --dir ca", "cert node n1 --dir ca --renew"] {
        assert!(done(dir, again).starts_with("nothing to do: "), "{again}");
        assert_eq!(json(dir, again)["made"], false, "{again}");
    }
    let other = run(dir, "cert node n1 --dir ca --host 10.0.0.1");
    assert!(
        said(&other).contains("ca/n1.crt is there already, and it is not for 10.0.0.1"),
        "{}",
        said(&other)
    );
    for client in ["cert client n1 --dir ca", "cert client n1 --dir ca --renew"] {
        let client = said(&run(dir, client));
        assert!(client.contains("for another purpose (server, client), and stays"), "{client}");
    }
    for command in ["client ca", "client CA", "node ca", "node Ca"] {
        let output = run(dir, &format!("cert {command} --dir ca --renew"));
        assert!(said(&output).contains("is the name of the CA's own files"), "{}", said(&output));
    }
    let after =
        (read(dir, "ca/ca.crt"), read(dir, "ca/ca.key"), read(dir, "ca/n1.crt"), read(dir, "ca/n1.key"));
    assert!(before == after, "a file was written");
    assert_eq!(json(dir, "cert node n1 --dir ca --host 10.0.0.1 --renew")["made"], true);
    assert!(before.3 != read(dir, "ca/n1.key"), "another key");

    done(dir, "cert init other");
    for (command, says) in [
        ("cert node n2 --dir nowhere", "nowhere has no CA: make one with `quorate cert init nowhere`"),
        ("cert node n1 --dir other --out ca", "ca/ca.crt is another CA's"),
        ("cert node localhost --dir ca", "can be no node's name"),
        ("cert node 10.0.0.1 --dir ca", "can be no node's name"),
        ("cert node .n1 --dir ca", "can be no node's name"),
        ("cert node ../n1 --dir ca", "letters, digits"),
        ("cert node n2 --dir ca --host 10.0.0.1:8080", "without a port"),
        ("cert node n2 --dir ca --days 0", "a whole number from 1 to 3652"),
        ("cert show ca/n1.key", "has no certificate in it"),
        ("cert show nowhere", "nowhere is not there"),
    ] {
        let output = run(dir, command);
        assert!(!output.status.success() && said(&output).contains(says), "{command}: {}", said(&output));
    }
    fs::remove_file(dir.join("other/ca.key")).unwrap();
    let half = run(dir, "cert init other");
    assert!(said(&half).contains("other/ca.crt is there without other/ca.key"), "{}", said(&half));
    fs::copy(dir.join("ca/n1.key"), dir.join("other/ca.key")).unwrap();
    let wrong = run(dir, "cert node n2 --dir other");
    assert!(said(&wrong).contains("other/ca.key is not the key of other/ca.crt"), "{}", said(&wrong));
}

/// As after a crash between the two.
#[test]
fn a_key_without_its_certificate_gives_way_where_that_is_allowed_and_a_cas_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    done(dir, "cert node n1 --dir ca");
    let key = read(dir, "ca/n1.key");
    fs::remove_file(dir.join("ca/n1.crt")).unwrap();
    let refused = run(dir, "cert node n1 --dir ca");
    assert!(said(&refused).contains("ca/n1.key is there without ca/n1.crt"), "{}", said(&refused));
    assert_eq!(read(dir, "ca/n1.key"), key);
    assert_eq!(json(dir, "cert node n1 --dir ca --renew")["made"], true);
    assert_ne!(read(dir, "ca/n1.key"), key);
    assert!(handshake(dir, "ca/n1", "n1", "ca/n1").is_ok());
    // A certificate alone may be somebody's who has its key elsewhere.
    fs::remove_file(dir.join("ca/n1.key")).unwrap();
    let refused = run(dir, "cert node n1 --dir ca --renew");
    assert!(said(&refused).contains("ca/n1.crt is there without ca/n1.key"), "{}", said(&refused));

    fs::remove_file(dir.join("ca/ca.crt")).unwrap();
    let refused = run(dir, "cert init ca");
    assert!(said(&refused).contains("ca/ca.key is there without ca/ca.crt"), "{}", said(&refused));
}

#[test]
fn a_host_is_the_same_however_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    let made = json(dir, "cert node n1 --dir ca --host FD00:0::1,Queue.Example.com.,queue.example.com");
    let names = ["n1", "localhost", "127.0.0.1", "::1", "fd00::1", "queue.example.com"];
    assert_eq!(made["names"], Value::from(names.to_vec()));
    for hosts in ["FD00:0::1,Queue.Example.com.", "queue.example.com,fd00::1"] {
        assert_eq!(json(dir, &format!("cert node n1 --dir ca --host {hosts}"))["made"], false, "{hosts}");
    }
}

#[test]
fn whatever_a_node_may_be_called_its_certificate_has_that_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    for name in ["1", "node.1", "a-", "a_b-.c", "N1"] {
        let again = format!("cert node {name} --dir ca");
        assert_eq!(json(dir, &again)["names"][0], name);
        assert_eq!(json(dir, &again)["made"], false, "{name}");
        let own = format!("ca/{name}");
        for host in ["localhost", "127.0.0.1"] {
            let outcome = handshake(dir, &own, host, &own);
            assert!(outcome.is_ok(), "{name}, called as {host}: {outcome:?}");
        }
    }
}

/// Writes a CA that ends so many days from now.
fn authority(dir: &Path, name: &str, days: i64) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    let end = jiff::Zoned::now().date().checked_add(jiff::Span::new().days(days)).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(end.year().into(), end.month() as u8, end.day() as u8);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::create_dir(dir.join(name)).unwrap();
    fs::write(dir.join(name).join("ca.crt"), certificate.pem()).unwrap();
    fs::write(dir.join(name).join("ca.key"), key.serialize_pem()).unwrap();
}

#[test]
fn a_ca_that_ends_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    authority(dir, "ending", 40);
    let said_of_it = done(dir, "cert node n1 --dir ending");
    assert!(said_of_it.contains(", when its CA ends, which is sooner than was asked for"), "{said_of_it}");
    assert_eq!(json(dir, "cert node n2 --dir ending")["cut"], true);
    assert_eq!(json(dir, "cert node n3 --dir ending --days 20")["cut"], false);
    authority(dir, "ended", -2);
    for command in ["cert node n1 --dir ended", "cert client shop --dir ended --renew"] {
        let output = run(dir, command);
        assert!(
            !output.status.success() && said(&output).contains("the CA in ended has ended, on "),
            "{}",
            said(&output)
        );
    }
    assert!(!dir.join("ended/n1.crt").exists());
}

#[test]
fn of_a_ca_only_certificates_are_given_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    done(dir, "cert init other");
    let all = [read(dir, "ca/ca.crt"), read(dir, "other/ca.crt")].concat();
    fs::write(dir.join("ca/ca.crt"), [&all[..], &read(dir, "ca/ca.key")].concat()).unwrap();
    done(dir, "cert client shop --dir ca --out shop");
    assert_eq!(read(dir, "shop/ca.crt"), all);
}

#[test]
fn openssl_takes_them() {
    if !has(None, "openssl", &["version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    done(dir, "cert node n1 --dir ca");
    done(dir, "cert client shop --dir ca");
    let verify = |args: &str| {
        let verify = ["verify", "-x509_strict", "-CAfile", "ca/ca.crt"];
        let output =
            Command::new("openssl").args(verify).args(args.split(' ')).current_dir(dir).output().unwrap();
        (output.status.success(), said(&output))
    };
    for (args, expected) in [
        ("-purpose sslserver -verify_hostname n1 ca/n1.crt", true),
        ("-purpose sslserver -verify_ip 127.0.0.1 ca/n1.crt", true),
        ("-purpose sslclient ca/n1.crt", true),
        ("-purpose sslclient ca/shop.crt", true),
        ("-purpose sslserver -verify_hostname n2 ca/n1.crt", false),
        ("-purpose sslserver ca/shop.crt", false),
    ] {
        let (well, said) = verify(args);
        assert_eq!(well, expected, "{args}: {said}");
    }
}

#[test]
fn rustls_takes_a_node_for_itself_and_a_client_for_no_node() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for command in [
        "cert init ca",
        "cert node n1 --dir ca",
        "cert node n2 --dir ca",
        "cert client shop --dir ca",
        "cert init foreign",
        "cert node n1 --dir foreign",
    ] {
        done(dir, command);
    }
    for (server, name, client, expected) in [
        ("ca/n1", "n1", "ca/n2", true),
        ("ca/n1", "127.0.0.1", "ca/shop", true),
        ("ca/n1", "n2", "ca/n2", false),
        ("ca/shop", "shop", "ca/n2", false),
        ("foreign/n1", "n1", "ca/n2", false),
        ("ca/n1", "n1", "foreign/n1", false),
    ] {
        let outcome = handshake(dir, server, name, client);
        assert_eq!(outcome.is_ok(), expected, "{client} calls {server} as {name}: {outcome:?}");
    }
}

/// Both show a certificate, and both trust `ca` alone.
fn handshake(dir: &Path, server: &str, name: &str, client: &str) -> Result<(), rustls::Error> {
    let identity = |of: &str| {
        let certificate = CertificateDer::from_pem_slice(&read(dir, &format!("{of}.crt"))).unwrap();
        (vec![certificate], PrivateKeyDer::from_pem_slice(&read(dir, &format!("{of}.key"))).unwrap())
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&read(dir, "ca/ca.crt")).unwrap()).unwrap();
    let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
    let (chain, key) = identity(server);
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
        .build()
        .unwrap();
    let server =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let server = server.with_client_cert_verifier(callers).with_single_cert(chain, key)?;
    let (chain, key) = identity(client);
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let client = client.with_root_certificates(roots).with_client_auth_cert(chain, key)?;
    meet(server, client, name)
}

fn meet(server: ServerConfig, client: ClientConfig, name: &str) -> Result<(), rustls::Error> {
    let mut server = ServerConnection::new(Arc::new(server))?;
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(name.to_owned()).unwrap())?;
    // Once more than TLS needs: an alert of the server comes last.
    for _ in 0..4 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut &bytes[..]).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut &bytes[..]).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

#[test]
fn a_client_is_no_peer() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    done(dir, "cert init ca");
    let next = done(dir, "cert node n1 --dir ca");
    let flags = "--peer-cert ca/n1.crt --peer-key ca/n1.key --peer-ca ca/ca.crt --tls-cert ca/n1.crt --tls-key ca/n1.key\n";
    assert!(next.contains(flags), "{next}");
    done(dir, "cert node n2 --dir ca");
    done(dir, "cert client shop --dir ca");
    let trust = Trust::open(dir.join("ca/ca.crt")).unwrap();
    let identity = |name: &str| {
        Identity::open(dir.join(format!("ca/{name}.crt")), dir.join(format!("ca/{name}.key"))).unwrap()
    };
    for (server, client, expected) in [("n1", "n2", true), ("n1", "shop", false), ("shop", "n1", false)] {
        let server_config = peer_server(&identity(server), &trust);
        let met = meet(server_config, peer_client(&identity(client), &trust), "any.name");
        assert_eq!(met.is_ok(), expected, "{client} calls {server}: {met:?}");
    }
}

#[test]
fn no_command_prints_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for command in [
        "cert init ca",
        "cert node n1 --dir ca",
        "cert show ca/n1.crt",
        "cert init ca",
        "cert node n1 --dir ca",
    ] {
        let output = run(dir, command);
        assert!(!said(&output).contains("PRIVATE"), "{command}");
    }
    assert!(said(&quorate(&["cert", "node", "n1", "--dir", "/nowhere"])).contains("no CA"));
}
