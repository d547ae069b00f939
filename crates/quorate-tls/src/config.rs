use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::trust::Peers;
use crate::{Identity, Trust};

/// Of a server for anybody, TLS 1.2 and 1.3. With `clients`, only who has a certificate of theirs is let in. `alpn`: its protocols, the
/// best first.
pub fn server(identity: &Identity, clients: Option<&Trust>, alpn: &[&[u8]]) -> ServerConfig {
    let clients = clients.map(|clients| Arc::new(clients.clone()) as Arc<dyn ClientCertVerifier>);
    serve(identity, clients, alpn, &[&TLS13, &TLS12])
}

/// Of a server for peers: TLS 1.3, and only for those with a node's certificate, which is for servers and clients.
pub fn peer_server(identity: &Identity, peers: &Trust) -> ServerConfig {
    serve(identity, Some(Arc::new(Peers(peers.clone()))), &[b"h2"], &[&TLS13])
}

fn serve(
    identity: &Identity,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    alpn: &[&[u8]],
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions);
    let builder = builder.expect("the provider has suites for these versions");
    let is_known = clients.is_some();
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(identity.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    if is_known {
        // A session that goes on would do so by a certificate that may have ended, or whose authority has.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config
}

/// Of a client, TLS 1.2 and 1.3, that believes a server whose certificate bears the name it was called by, and is of `trust` or else
/// of whom this machine trusts, which takes a moment to find out. With `identity` it shows its own certificate where it is asked for.
pub fn client(trust: Option<&Trust>, identity: Option<&Identity>, alpn: &[&[u8]]) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13, &TLS12]);
    let builder = builder.expect("the provider has suites for these versions");
    let builder = match trust {
        Some(trust) => builder.dangerous().with_custom_certificate_verifier(Arc::new(trust.clone())),
        None => builder.with_root_certificates(machine()),
    };
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(identity.clone())),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // A session that goes on would do so with somebody whom `trust`, read anew, may not vouch for any more.
    config.resumption = Resumption::disabled();
    config
}

/// Of a client among peers: TLS 1.3. It believes a node's certificate of `peers`, of **whatever name**: the caller looks at that.
pub fn peer_client(identity: &Identity, peers: &Trust) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
    let builder = builder.expect("the provider has suites for this version");
    let verifier = Arc::new(Peers(peers.clone()));
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = builder.with_client_cert_resolver(Arc::new(identity.clone()));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config
}

fn machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // What cannot be read of it is nobody to trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
