//! Nodes that speak TLS: which are trusted, and what is said of those that are not.

use std::sync::Arc;
use std::time::Duration;

use quorate_client::{Client, ClientConfig, Error};
use quorate_tls::testing::{Ca, ca, issue, open, trust};
use quorate_tls::{Identity, Trust, server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Cluster, job, one_job};

/// Certificates of an authority.
struct Certificates {
    dir: TempDir,
    ca: Ca,
    trust: Trust,
}

impl Certificates {
    fn new() -> Certificates {
        let (dir, ca) = (tempfile::tempdir().expect("a directory"), ca());
        let trust = trust(dir.path(), &[&ca]);
        Certificates { dir, ca, trust }
    }

    fn issue(&self, name: &str, until: Option<i32>) -> Identity {
        issue(self.dir.path(), &self.ca, name, until);
        open(self.dir.path(), name).expect("it was just made")
    }
}

/// A node that is this one, on `localhost` and 127.0.0.1; says its port.
async fn node(identity: &Identity, clients: Option<&Trust>) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(server(identity, clients, &[b"http/1.1"])));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let body = format!(r#"{{"job":{}}}"#, job("a", "queued"));
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let mut stream = match acceptor.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    // As nodes do: what was sent already is read, so that the word on it arrives.
                    Err((_, mut stream)) => {
                        stream.shutdown().await.expect("it ends");
                        let _ = stream.read_to_end(&mut Vec::new()).await;
                        return;
                    }
                };
                while stream.read(&mut [0; 4_096]).await.is_ok_and(|read| read > 0) {
                    stream.write_all(answer.as_bytes()).await.expect("the answer is taken");
                }
            });
        }
    });
    port
}

/// A client that asks each node once.
fn config(node: String) -> ClientConfig {
    let config = ClientConfig::new([node]);
    ClientConfig { wait_for_nodes: false, deadline: Duration::from_secs(60), ..config }
}

async fn get(config: ClientConfig) -> Result<String, Error> {
    Client::new(config).expect("a good configuration").get("a").await.map(|job| job.id)
}

/// What it says where there is no secure connection, to a write that may be done once only.
async fn refused(config: ClientConfig) -> String {
    let result = Client::new(ClientConfig { draw_keys: false, ..config }).expect("a good configuration");
    match result.enqueue(&[], None).await {
        Err(Error::Tls(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_of_a_trusted_authority_is_spoken_to() {
    let certificates = Certificates::new();
    let port = node(&certificates.issue("localhost", None), None).await;
    // With an authority, a node that is no URL is spoken to over TLS.
    for node in [format!("https://localhost:{port}"), format!("127.0.0.1:{port}")] {
        let config = ClientConfig { trust: Some(certificates.trust.clone()), ..config(node) };
        assert_eq!(get(config).await.expect("an answer"), "a");
    }
    // And nothing goes to one without TLS.
    let cluster = Cluster::start(1, [one_job("a", "queued")]).await;
    let config = ClientConfig { trust: Some(certificates.trust.clone()), ..cluster.config() };
    assert!(matches!(Client::new(config), Err(Error::Config(said)) if said.contains("without TLS")));
    assert!(cluster.seen().is_empty());
}

#[tokio::test]
async fn one_that_is_not_to_be_trusted_is_told_why() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let table = [
        (ours.issue("localhost", None), Some(&theirs.trust), "of no authority that is trusted"),
        (ours.issue("localhost", None), None, "of no authority that is trusted"),
        (ours.issue("localhost", Some(2000)), Some(&ours.trust), "has expired"),
        (ours.issue("n2", None), Some(&ours.trust), "for other names: n2, 127.0.0.1"),
    ];
    for (identity, trust, why) in table {
        let port = node(&identity, None).await;
        let trust = trust.cloned();
        let said = refused(ClientConfig { trust, ..config(format!("https://localhost:{port}")) }).await;
        assert!(said.starts_with(&format!("https://localhost:{port}: its certificate ")), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn a_node_that_asks_for_a_certificate_gets_it_or_says_so() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let port = node(&ours.issue("localhost", None), Some(&ours.trust)).await;
    let as_who = |identity: Option<Identity>| ClientConfig {
        trust: Some(ours.trust.clone()),
        identity,
        ..config(format!("https://localhost:{port}"))
    };
    assert_eq!(get(as_who(Some(ours.issue("known", None)))).await.expect("an answer"), "a");
    let table = [
        (None, "asks for a certificate of this client"),
        (Some(theirs.issue("other", None)), "does not take this client's certificate"),
        (Some(ours.issue("old", Some(2000))), "that has expired"),
    ];
    for (identity, why) in table {
        let said = refused(as_who(identity)).await;
        assert!(said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn who_mixes_up_http_and_https_is_told_so() {
    let cluster = Cluster::start(1, []).await;
    let said = refused(config(cluster.urls[0].replace("http:", "https:"))).await;
    assert!(said.contains("does not speak TLS: call it with http://"), "{said}");
    assert!(cluster.seen().is_empty());

    let certificates = Certificates::new();
    let port = node(&certificates.issue("localhost", None), None).await;
    let result = get(ClientConfig {
        deadline: Duration::from_millis(200),
        ..config(format!("http://localhost:{port}"))
    });
    let Err(error) = result.await else { panic!("it is no node without TLS") };
    assert!(error.to_string().contains("call it with https://"), "{error}");
}
