use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::TlsError;
use crate::limits::FILE_BYTES;

/// The bytes of a file that is not too long.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes));
    let read = read.and_then(|length| {
        if length as u64 > FILE_BYTES {
            Err(Error::new(ErrorKind::FileTooLarge, "it is too long"))
        } else {
            Ok(())
        }
    });
    read.map_err(|source| TlsError::Unreadable { file: file.to_owned(), source })?;
    Ok(bytes)
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
