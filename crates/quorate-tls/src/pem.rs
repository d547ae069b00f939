use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::limits::FILE_BYTES;
use crate::{Seen, TlsError};

/// The bytes of a file that is not too long, and that nobody writes meanwhile: of several certificates some would be whole.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        let mut bytes = Vec::new();
        let opened = File::open(file)?;
        let before = opened.metadata()?;
        let length = opened.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if length as u64 > FILE_BYTES {
            return Err(Error::new(ErrorKind::FileTooLarge, "it is too long"));
        }
        if before.is_file() && Seen::of(file) != Some(Seen::from(&before)) {
            return Err(Error::new(ErrorKind::ResourceBusy, "somebody writes it just now"));
        }
        Ok(bytes)
    };
    read().map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })
}

/// All certificates of a PEM file, at least one.
pub(crate) fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|_| TlsError::Unusable {
        file: file.to_owned(),
        reason: "it is no PEM file, or cut off".to_owned(),
    })?;
    if certificates.is_empty() {
        return Err(TlsError::Missing { file: file.to_owned(), wanted: "certificate" });
    }
    Ok(certificates)
}

/// The first private key of a PEM file.
pub(crate) fn key(file: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    if pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) {
        let reason = "the key has a password; take it off (openssl pkey -in FILE -out FILE) and guard the file instead".to_owned();
        return Err(TlsError::Unusable { file: file.to_owned(), reason });
    }
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| TlsError::Missing { file: file.to_owned(), wanted: "private key" })
}

const ENCRYPTED: &[u8] = b"ENCRYPTED";
