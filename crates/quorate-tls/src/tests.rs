use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::limits::REST;
use crate::testing::{Watched, ca, issue, node, open, trust, write};
use crate::{
    Handshakes, Identity, TlsError, Trust, bind, client, date, keep_fresh, lasts, peer_client, peer_server,
    server,
};

/// Whether both sides come to an understanding, about a server of this name.
async fn shake_hands(server: ServerConfig, client: ClientConfig, name: &str) -> bool {
    let (one, other) = tokio::io::duplex(1 << 16);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let server = async {
        let mut stream = TlsAcceptor::from(Arc::new(server)).accept(one).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"!").await?;
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await
    };
    let client = async {
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, other).await?;
        // In TLS 1.3 the client is done before the server has judged it.
        tokio::io::AsyncReadExt::read_u8(&mut stream).await
    };
    let (server, client) = tokio::join!(server, client);
    server.is_ok() && client.is_ok()
}

#[test]
fn a_certificate_is_called_by_its_common_name_or_else_its_first_other_one() {
    let called = |common: Option<&str>, others: &[&str]| {
        let others: Vec<String> = others.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(others).unwrap();
        params.distinguished_name = DistinguishedName::new();
        common.iter().for_each(|name| params.distinguished_name.push(DnType::CommonName, *name));
        let key = rcgen::KeyPair::generate().unwrap();
        crate::label(params.self_signed(&key).unwrap().der())
    };
    assert_eq!(called(Some("shop"), &["n1", "10.0.0.1"]).as_deref(), Some("shop"));
    assert_eq!(called(None, &["n1", "10.0.0.1"]).as_deref(), Some("n1"));
    assert_eq!(called(Some(""), &["10.0.0.1"]).as_deref(), Some("10.0.0.1"));
    assert_eq!(called(None, &[]), None);
    assert_eq!(crate::label(&rustls::pki_types::CertificateDer::from_slice(b"none")), None);
}

#[test]
fn an_identity_tells_its_names_and_its_end_and_never_its_key() {
    let dir = tempfile::tempdir().unwrap();
    issue(dir.path(), &ca(), "n1", Some(2080));
    let identity = open(dir.path(), "n1").unwrap();
    assert!(identity.names().bear("n1") && !identity.names().bear("N1") && !identity.names().bear("n"));
    assert_eq!(identity.names().ips, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(identity.expires_at(), SystemTime::UNIX_EPOCH + Duration::from_secs(3_471_292_800));
    let key = fs::read_to_string(dir.path().join("n1.key")).unwrap();
    let debug = format!("{identity:?}");
    assert!(key.lines().all(|line| !debug.contains(line)) && debug.len() < 400, "{debug}");
}

#[test]
fn files_that_are_none_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    issue(dir.path(), &ca, "n1", None);
    issue(dir.path(), &ca, "n2", None);
    let at = |name: &str| dir.path().join(name);
    assert!(matches!(Identity::open(at("n1.pem"), at("none")), Err(TlsError::Unreadable { .. })));
    assert!(matches!(Identity::open(at("n1.key"), at("n1.key")), Err(TlsError::Missing { .. })));
    assert!(matches!(Identity::open(at("n1.pem"), at("n1.pem")), Err(TlsError::Missing { .. })));
    assert!(matches!(Identity::open(at("n1.pem"), at("n2.key")), Err(TlsError::AnotherKey { .. })));
    assert!(matches!(Identity::of("n2", at("n1.pem"), at("n1.key")), Err(TlsError::Unnamed { .. })));
    fs::write(at("cut"), &fs::read(at("n1.pem")).unwrap()[..200]).unwrap();
    assert!(matches!(Identity::open(at("cut"), at("n1.key")), Err(TlsError::Unusable { .. })));
    assert!(matches!(Trust::open(at("cut")), Err(TlsError::Unusable { .. })));
    let said = Trust::open(at("n1.pem")).unwrap_err().to_string();
    assert!(said.contains("n1.pem: ") && said.contains("give the CA's certificate"), "{said}");
    let mut strange = CertificateParams::new(["n1".to_owned()]).unwrap();
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    strange.custom_extensions.push(extension);
    write(dir.path(), "strange", &ca, &strange);
    let said = open(dir.path(), "strange").unwrap_err().to_string();
    assert!(said.contains("strange.pem: this certificate cannot be used ("), "{said}");
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(at("locked"), locked).unwrap();
    let said = Identity::open(at("n1.pem"), at("locked")).unwrap_err().to_string();
    assert!(said.contains("has a password"), "{said}");
}

#[test]
fn a_new_certificate_takes_the_place_of_the_old_one_as_a_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    issue(dir.path(), &ca, "n1", Some(2080));
    issue(dir.path(), &ca, "n2", Some(2081));
    issue(dir.path(), &ca, "old", Some(2000));
    let at = |name: &str| dir.path().join(name);
    let identity = open(dir.path(), "n1").unwrap();
    let named = Identity::of("n1", at("n1.pem"), at("n1.key")).unwrap();
    assert!(!identity.reload().unwrap());
    fs::copy(at("n2.pem"), at("n1.pem")).unwrap();
    assert!(matches!(identity.reload(), Err(TlsError::AnotherKey { .. })));
    assert!(identity.names().bear("n1"));
    fs::copy(at("n2.key"), at("n1.key")).unwrap();
    assert!(identity.reload().unwrap());
    assert!(identity.names().bear("n2") && identity.version() == 1);
    assert!(matches!(named.reload(), Err(TlsError::Unnamed { .. })));
    fs::copy(at("old.pem"), at("n1.pem")).unwrap();
    fs::copy(at("old.key"), at("n1.key")).unwrap();
    assert!(matches!(identity.reload(), Err(TlsError::Expired { .. })));
    assert!(identity.names().bear("n2"));
    assert!(lasts(open(dir.path(), "old").unwrap().expires_at()).is_zero());
}

#[test]
fn a_new_certificate_waits_for_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    issue(dir.path(), &ca, "n1", None);
    let identity = open(dir.path(), "n1").unwrap();
    let mut later = CertificateParams::new(["later".to_owned()]).unwrap();
    later.not_before = date_time_ymd(2080, 1, 1);
    write(dir.path(), "n1", &ca, &later);
    let said = identity.reload().unwrap_err().to_string();
    assert!(said.contains("not valid before Jan  1 00:00:00 2080"), "{said}");
    let begins = SystemTime::UNIX_EPOCH + Duration::from_secs(3_471_292_800);
    assert!(matches!(identity.reload_at(begins - Duration::from_secs(1)), Err(TlsError::NotYet { .. })));
    assert!(identity.names().bear("n1"));
    assert!(identity.reload_at(begins).unwrap() && identity.names().bear("later"));
}

#[tokio::test]
async fn only_who_an_authority_vouches_for_is_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (ca(), ca());
    issue(dir.path(), &ours, "n1", None);
    issue(dir.path(), &ours, "old", Some(2000));
    issue(dir.path(), &theirs, "other", None);
    let trust = trust(dir.path(), &[&ours]);
    let [n1, old, other] = ["n1", "old", "other"].map(|name| open(dir.path(), name).unwrap());
    let peers = async |one: &Identity, other: &Identity| {
        shake_hands(peer_server(one, &trust), peer_client(other, &trust), "any.name").await
    };
    assert!(peers(&n1, &n1).await);
    assert!(!peers(&n1, &old).await && !peers(&old, &n1).await);
    assert!(!peers(&n1, &other).await && !peers(&other, &n1).await);

    let ask = async |name| shake_hands(server(&n1, None, &[]), client(Some(&trust), None, &[]), name).await;
    assert!(ask("n1").await && ask("127.0.0.1").await);
    assert!(!ask("n2").await, "clients mean a server by its name");
    assert!(!shake_hands(server(&n1, Some(&trust), &[]), client(Some(&trust), None, &[]), "n1").await);
    assert!(shake_hands(server(&n1, Some(&trust), &[]), client(Some(&trust), Some(&n1), &[]), "n1").await);
}

#[tokio::test]
async fn only_a_node_is_a_peer() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    issue(dir.path(), &ca, "n1", None);
    let trust = trust(dir.path(), &[&ca]);
    let n1 = open(dir.path(), "n1").unwrap();
    let at = |end: &str| dir.path().join(format!("n2.{end}"));
    for (uses, is_node) in [
        (vec![ServerAuth, ClientAuth], true),
        (vec![ClientAuth], false),
        (vec![ServerAuth], false),
        (vec![], false),
    ] {
        // Its name alone makes nobody a node.
        let mut params = node("n2");
        params.extended_key_usages = uses.clone();
        write(dir.path(), "n2", &ca, &params);
        let n2 = open(dir.path(), "n2").unwrap();
        for (server, client) in [(&n1, &n2), (&n2, &n1)] {
            let met = shake_hands(peer_server(server, &trust), peer_client(client, &trust), "any.name").await;
            assert_eq!(met, is_node, "{uses:?}");
        }
        let of_node = Identity::of("n2", at("pem"), at("key"));
        assert_eq!(of_node.is_ok(), is_node, "{uses:?}");
        let why = of_node.err();
        assert!(why.is_none_or(|why| matches!(why, TlsError::NotOfNode { .. })), "{uses:?}");
        // Where clients are asked for certificates, it lets in whom it should.
        let server = server(&n1, Some(&trust), &[]);
        let met = shake_hands(server, client(Some(&trust), Some(&n2), &[]), "n1").await;
        assert_eq!(met, uses.is_empty() || uses.contains(&ClientAuth), "{uses:?}");
    }
}

#[tokio::test]
async fn what_is_configured_follows_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (ca(), ca());
    issue(dir.path(), &old, "n1", None);
    let identity = open(dir.path(), "n1").unwrap();
    let trusted = trust(dir.path(), &[&old]);
    let (server, client) = (peer_server(&identity, &trusted), peer_client(&identity, &trusted));
    let meet = async || shake_hands(server.clone(), client.clone(), "n1").await;
    assert!(meet().await);
    issue(dir.path(), &new, "n1", None);
    assert!(identity.reload().unwrap());
    assert!(!meet().await, "nobody vouches for it yet");
    trust(dir.path(), &[&old, &new]);
    assert!(trusted.reload().unwrap());
    assert!(meet().await);
}

#[tokio::test]
async fn a_server_that_is_trusted_no_more_is_met_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (ca(), ca());
    issue(dir.path(), &old, "n1", None);
    let identity = open(dir.path(), "n1").unwrap();
    let trusted = trust(dir.path(), &[&old]);
    let (server, client) = (server(&identity, None, &[]), client(Some(&trusted), None, &[]));
    let meet = async || shake_hands(server.clone(), client.clone(), "n1").await;
    assert!(meet().await && meet().await);
    trust(dir.path(), &[&new]);
    assert!(trusted.reload().unwrap());
    assert!(!meet().await, "what they agreed on before does not count");
}

#[tokio::test]
async fn a_client_that_is_trusted_no_more_does_not_go_on_with_what_was_agreed_before() {
    let (dir, at_server) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old, new) = (ca(), ca());
    issue(dir.path(), &old, "n1", None);
    let (identity, servers) = (open(dir.path(), "n1").unwrap(), trust(dir.path(), &[&old]));
    for version in [&TLS12, &TLS13] {
        let clients = trust(at_server.path(), &[&old]);
        let server = server(&identity, Some(&clients), &[]);
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let client = client.with_protocol_versions(&[version]).unwrap();
        let client = client.dangerous().with_custom_certificate_verifier(Arc::new(servers.clone()));
        // It goes on where it left off, if it may: that is rustls' default.
        let client = client.with_client_cert_resolver(Arc::new(identity.clone()));
        let meet = async || shake_hands(server.clone(), client.clone(), "n1").await;
        assert!(meet().await && meet().await, "{version:?}");
        trust(at_server.path(), &[&new]);
        assert!(clients.reload().unwrap());
        assert!(!meet().await, "{version:?}");
    }
}

#[tokio::test]
async fn a_client_is_expelled_once_nobody_vouches_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (ca(), ca());
    issue(dir.path(), &old, "known", None);
    issue(dir.path(), &old, "ended", Some(2000));
    let trusted = trust(dir.path(), &[&old]);
    let chain =
        |name: &str| [CertificateDer::from_pem_file(dir.path().join(name).with_extension("pem")).unwrap()];
    trusted.expels(&chain("ended")).await;
    let known = chain("known");
    let mut expelled = pin!(trusted.expels(&known));
    let mut stays = || {
        let mut waiting = std::task::Context::from_waker(std::task::Waker::noop());
        expelled.as_mut().poll(&mut waiting).is_pending()
    };
    assert!(stays());
    trust(dir.path(), &[&old, &new]);
    assert!(trusted.reload().unwrap() && stays());
    trust(dir.path(), &[&new]);
    assert!(trusted.reload().unwrap() && !stays());
}

/// Of two certificates the first one alone is a whole file, too.
#[tokio::test(start_paused = true)]
async fn a_file_is_read_once_nobody_writes_it_any_more_or_when_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (ca(), ca());
    let trusted = trust(dir.path(), &[&old, &new]);
    let (look, looks) = watch::channel(());
    tokio::spawn(keep_fresh("ca", trusted.clone(), looks));
    for written in 0..100 {
        fs::write(trusted.file(), old.pem() + &"\n".repeat(written)).unwrap();
        tokio::time::sleep(REST / 3).await;
    }
    assert_eq!(trusted.version(), 0, "it has never come to rest");
    let mut changes = trusted.changes();
    changes.changed().await.unwrap();
    trust(dir.path(), &[&new]);
    let told = tokio::time::Instant::now();
    look.send(()).unwrap();
    changes.changed().await.unwrap();
    assert!(told.elapsed() < REST);
}

#[test]
fn a_certificate_is_for_whom_clients_take_it() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    let names = ["n1", "*.example.com", "10.0.0.1", "::1"].map(str::to_owned);
    write(dir.path(), "n1", &ca, &CertificateParams::new(names).unwrap());
    let identity = open(dir.path(), "n1").unwrap();
    for own in ["n1", "N1", "a.example.com", "10.0.0.1", "::1", "[::1]"] {
        assert!(identity.is_for(own), "{own}");
    }
    for other in ["n2", "example.com", "a.b.example.com", "a.example.org", "10.0.0.2", "::2", ""] {
        assert!(!identity.is_for(other), "{other}");
    }
}

#[tokio::test]
async fn hands_are_shaken_on_a_thread_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let ca = ca();
    issue(dir.path(), &ca, "n1", None);
    let (identity, trusted) = (open(dir.path(), "n1").unwrap(), trust(dir.path(), &[&ca]));
    let (mut served, watched) = (server(&identity, None, &[]), Watched::new(identity));
    served.cert_resolver = Arc::new(watched.clone());
    let (one, other) = tokio::io::duplex(1 << 16);
    let handshakes = Handshakes::start();
    let accepting = handshakes.run(TlsAcceptor::from(Arc::new(served)).accept(one));
    let connector = TlsConnector::from(Arc::new(client(Some(&trusted), None, &[])));
    let connecting = connector.connect(ServerName::try_from("n1").unwrap(), other);
    let (accepted, connected) = tokio::join!(accepting, connecting);
    assert!(accepted.is_ok() && connected.is_ok());
    assert!(watched.thread().is_some_and(|thread| thread != std::thread::current().id()));
    // Whoever is dropped with its client's end is given up.
    let (client, silent) = tokio::io::duplex(1);
    drop(handshakes.run(async move {
        let _held = silent;
        std::future::pending::<std::io::Result<()>>().await
    }));
    let mut client = client;
    assert_eq!(tokio::io::AsyncReadExt::read(&mut client, &mut [0]).await.unwrap(), 0);
}

#[test]
fn a_certificate_and_authorities_that_are_bound_are_replaced_step_by_step_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (ca(), ca());
    issue(dir.path(), &new, "n1", None);
    let trusted = trust(dir.path(), &[&old]);
    let said = bind(&open(dir.path(), "n1").unwrap(), &trusted).unwrap_err().to_string();
    assert!(said.contains("n1.pem: it is of no authority in --peer-ca"), "{said}");
    // One that has expired is of its authority all the same.
    for until in [Some(2000), None] {
        issue(dir.path(), &old, "n1", until);
        bind(&open(dir.path(), "n1").unwrap(), &trust(dir.path(), &[&old])).unwrap();
    }
    let own = open(dir.path(), "n1").unwrap();
    bind(&own, &trusted).unwrap();
    // The second step before the first, and the third before the second.
    issue(dir.path(), &new, "n1", None);
    assert!(matches!(own.reload(), Err(TlsError::Unvouched { .. })));
    trust(dir.path(), &[&new]);
    assert!(matches!(trusted.reload(), Err(TlsError::Abandons { .. })));
    assert_eq!((own.version(), trusted.version()), (0, 0));
    trust(dir.path(), &[&old, &new]);
    assert!(trusted.reload().unwrap() && own.reload().unwrap());
    trust(dir.path(), &[&new]);
    assert!(trusted.reload().unwrap());
}

#[test]
fn who_is_alone_already_takes_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (ca(), ca());
    issue(dir.path(), &old, "n1", Some(2000));
    let (own, trusted) = (open(dir.path(), "n1").unwrap(), trust(dir.path(), &[&old]));
    bind(&own, &trusted).unwrap();
    issue(dir.path(), &new, "n1", None);
    trust(dir.path(), &[&new]);
    assert!(trusted.reload().unwrap() && own.reload().unwrap());
}

#[test]
fn a_moment_is_said_as_a_date() {
    assert_eq!(date(SystemTime::UNIX_EPOCH + Duration::from_secs(3_471_292_805)), "2080-01-01 00:00:05 UTC");
}
