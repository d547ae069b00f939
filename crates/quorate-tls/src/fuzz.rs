//! Whatever is in the files: it is refused, with words that have nothing of a key, or it is what was made. `PROPTEST_CASES` says how
//! often.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use crate::testing::{ca, issue, trust};
use crate::trust::Peers;
use crate::{Identity, Names, TlsError, Trust, expires_at};

/// What a node has in its files, in PEM.
struct Made {
    cert: String,
    key: String,
    ca: String,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
    issue(dir.path(), &ca, "n1", None);
    trust(dir.path(), &[&ca]);
    let read = |file: &str| fs::read_to_string(dir.path().join(file)).unwrap();
    Made { cert: read("n1.pem"), key: read("n1.key"), ca: read("ca.pem") }
});

/// A change at a place: what stands there is another byte, is gone, or is cut off behind it.
fn changed(mut bytes: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, kind, byte) in changes {
        let at = at.index(bytes.len().max(1));
        if at == bytes.len() {
            break;
        }
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    vec(any::<(Index, u8, u8)>(), 0..3)
}

/// What may stand in such a file: parts of all kinds, one behind the other, some of them changed.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => select(vec![&MADE.cert, &MADE.key, &MADE.ca]).prop_map(|text| text.as_bytes().to_vec()),
        1 => select(vec!["-----BEGIN CERTIFICATE-----\n", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "# a remark\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..60),
    ];
    let part = (part, prop_oneof![2 => Just(Vec::new()), 1 => changes()]);
    vec(part.prop_map(|(bytes, changes)| changed(bytes, &changes)), 0..3).prop_map(|parts| parts.concat())
}

fn says_nothing_of_keys(error: &TlsError) -> bool {
    let said = error.to_string();
    MADE.key.lines().all(|line| line.starts_with("-----") || !said.contains(line))
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn files(cert in file(), key in file()) {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (write(dir.path(), "cert", &cert), write(dir.path(), "key", &key));
        match Identity::of("n1", &cert, &key) {
            Ok(identity) => prop_assert!(identity.names().bear("n1")),
            Err(error) => prop_assert!(says_nothing_of_keys(&error), "{}", error),
        }
        match Identity::open(&cert, &key) {
            Ok(identity) => prop_assert!(!identity.reload().unwrap(), "it is what it was"),
            Err(error) => prop_assert!(says_nothing_of_keys(&error), "{}", error),
        }
        match Trust::open(&cert) {
            Ok(trust) => prop_assert!(!trust.reload().unwrap(), "it is what it was"),
            Err(error) => prop_assert!(says_nothing_of_keys(&error), "{}", error),
        }
    }

    /// Whoever connects shows one that nobody has read yet.
    #[test]
    fn certificates(bytes in prop_oneof![
        4 => changes().prop_map(|changes| changed(der(&MADE.cert).to_vec(), &changes)),
        1 => vec(any::<u8>(), 0..300),
    ]) {
        let dir = tempfile::tempdir().unwrap();
        let trust = Trust::open(write(dir.path(), "ca", MADE.ca.as_bytes())).unwrap();
        let (made, shown) = (der(&MADE.cert), CertificateDer::from(bytes));
        drop((Names::of(&shown), expires_at(&shown)));
        let (peers, name, now) = (Peers(trust), ServerName::try_from("n1").unwrap(), UnixTime::now());
        let caller = peers.verify_client_cert(&shown, &[], now).is_ok();
        let called = peers.verify_server_cert(&shown, &[], &name, &[], now).is_ok();
        prop_assert_eq!((caller, called), (shown == made, shown == made), "what is another one is nobody's");
    }
}
