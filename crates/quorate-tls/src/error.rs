use std::io;
use std::path::PathBuf;

/// Why a certificate cannot be used. Never with what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is not there, or may not be read.
    #[error("{}: it cannot be read: {source}", file.display())]
    Unreadable {
        /// Which one.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has no PEM section of the kind.
    #[error("{}: there is no {wanted} in it; give a PEM file that has one", file.display())]
    Missing {
        /// Which one.
        file: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// What is in it is broken, or of a kind that cannot be used.
    #[error("{}: {reason}", file.display())]
    Unusable {
        /// Which one.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The certificate is of another key.
    #[error("{}: this is not the key of the certificate in {}; give the two that were made together", key.display(), cert.display())]
    AnotherKey {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
    },
    /// The certificate is somebody else's.
    #[error("{}: it does not bear the name {name}; give a certificate that has it among its DNS names", file.display())]
    Unnamed {
        /// Which one.
        file: PathBuf,
        /// Whose it should be.
        name: String,
    },
    /// The certificate is none of a node.
    #[error(
        "{}: it does not say that it is for servers and for clients (extended key usage: serverAuth, clientAuth), as a node's must; \
         `quorate cert node` makes one",
        file.display()
    )]
    NotOfNode {
        /// Which one.
        file: PathBuf,
    },
    /// No authority that this process trusts vouches for its own certificate: whoever trusts the same would not take it.
    #[error(
        "{}: it is of no authority in --peer-ca ({}, as it is in use), so no peer would take it; first add the authority of this \
         certificate there, beside the one before, at every node",
        cert.display(),
        ca.display()
    )]
    Unvouched {
        /// The certificate's file.
        cert: PathBuf,
        /// The authorities'.
        ca: PathBuf,
    },
    /// No authority of new ones vouches for this process's own certificate, and one of those in use does.
    #[error(
        "{}: the certificate of this node that is in use ({}) is of no authority in --peer-ca as it is now, so no peer would take it; first \
         let every node trust both authorities, then give it a certificate of the new one, then leave the old one out",
        ca.display(),
        cert.display()
    )]
    Abandons {
        /// The authorities' file.
        ca: PathBuf,
        /// The certificate's.
        cert: PathBuf,
    },
    /// A new certificate is not valid yet, so that the one in use is not given up for it before its time.
    #[error("{}: it is not valid before {from}; the clocks differ, or wait: it is taken then", file.display())]
    NotYet {
        /// Which one.
        file: PathBuf,
        /// When it begins.
        from: String,
    },
    /// A new certificate is no longer valid, so that the one in use is not given up for it.
    #[error("{}: it has expired; make a new one", file.display())]
    Expired {
        /// Which one.
        file: PathBuf,
    },
}
