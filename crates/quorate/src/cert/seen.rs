use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rcgen::SanType;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::limits::CERTIFICATE_DUE;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whose it is.
    pub(super) subject: String,
    /// The names and addresses that its owner may answer for.
    pub(super) names: Vec<String>,
    /// `server`, `client`, `CA`.
    pub(super) uses: Vec<&'static str>,
    /// Who made it.
    pub(super) issuer: String,
    /// When it begins to hold.
    pub(super) not_before: Timestamp,
    /// When it ends.
    pub(super) expires: Timestamp,
    /// Its SHA-256, in hexadecimal.
    pub(super) fingerprint: String,
}

impl Seen {
    /// Reads what DER has in it.
    ///
    /// # Errors
    /// It is no certificate.
    pub(super) fn of(der: &[u8]) -> anyhow::Result<Seen> {
        let parsed = parse(der)?;
        let names =
            parsed.subject_alternative_name()?.into_iter().flat_map(|names| &names.value.general_names);
        let time = |of: x509_parser::time::ASN1Time| Timestamp::from_second(of.timestamp());
        Ok(Seen {
            subject: name(parsed.subject()),
            names: names.map(text).collect(),
            uses: uses(&parsed)?,
            issuer: name(parsed.issuer()),
            not_before: time(parsed.validity().not_before)?,
            expires: time(parsed.validity().not_after)?,
            fingerprint: Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// For machines.
    pub(super) fn json(&self, now: Timestamp) -> Value {
        let Seen { subject, names, uses, issuer, not_before, expires, fingerprint } = self;
        json!({
            "subject": subject, "names": names, "uses": uses, "issuer": issuer, "not_before": not_before.to_string(),
            "expires": expires.to_string(), "days_left": self.days_left(now), "fingerprint": fingerprint,
        })
    }

    /// How many days it has left; below 0, it has ended.
    pub(super) fn days_left(&self, now: Timestamp) -> i64 {
        (self.expires.as_second() - now.as_second()).div_euclid(24 * 3_600)
    }

    /// Whether it should be made anew.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let whole = self.expires.as_second() - self.not_before.as_second();
        self.expires.as_second() - now.as_second() <= whole / CERTIFICATE_DUE
    }
}

/// All certificates of a PEM file, of which there is at least one.
///
/// # Errors
/// There is none, or something that is none.
pub(super) fn certificates(pem: &str, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let all = all.map_err(|why| anyhow!("{} is damaged: {why}", path.display()))?;
    ensure!(
        !all.is_empty(),
        "{} has no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)",
        path.display()
    );
    Ok(all)
}

/// These certificates as PEM.
pub(super) fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut pem = String::new();
    for certificate in certificates {
        pem += "-----BEGIN CERTIFICATE-----\n";
        let text = BASE64_STANDARD.encode(certificate);
        for line in text.as_bytes().chunks(PEM_LINE) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem += "-----END CERTIFICATE-----\n";
    }
    pem
}

/// By RFC 7468.
const PEM_LINE: usize = 64;

/// # Errors
/// It is no certificate.
pub(super) fn parse(der: &[u8]) -> anyhow::Result<X509Certificate<'_>> {
    let (_, parsed) = X509Certificate::from_der(der).context("it is no X.509 certificate")?;
    Ok(parsed)
}

/// The common name, or all of it.
fn name(of: &x509_parser::x509::X509Name<'_>) -> String {
    let common = of.iter_common_name().next().and_then(|name| name.as_str().ok());
    common.map_or_else(|| of.to_string(), str::to_owned)
}

fn text(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
            (Ok(v4), _) => IpAddr::from(v4).to_string(),
            (_, Ok(v6)) => IpAddr::from(v6).to_string(),
            _ => name.to_string(),
        },
        other => other.to_string(),
    }
}

/// A name that is to be in a certificate, as [`Seen::names`] will have it.
pub(super) fn san(name: &SanType) -> String {
    match name {
        SanType::DnsName(name) => name.to_string(),
        SanType::IpAddress(address) => address.to_string(),
        other => format!("{other:?}"),
    }
}

fn uses(certificate: &X509Certificate<'_>) -> anyhow::Result<Vec<&'static str>> {
    let mut uses = Vec::new();
    if let Some(extended) = certificate.extended_key_usage()? {
        uses.extend(extended.value.server_auth.then_some("server"));
        uses.extend(extended.value.client_auth.then_some("client"));
    }
    uses.extend(certificate.is_ca().then_some("CA"));
    Ok(uses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_in_the_last_third_of_its_time() {
        const DAY: i64 = 24 * 3_600;
        let at = |second| Timestamp::from_second(second).unwrap();
        let seen = Seen {
            subject: "n1".into(),
            names: Vec::new(),
            uses: Vec::new(),
            issuer: String::new(),
            not_before: at(0),
            expires: at(90 * DAY),
            fingerprint: String::new(),
        };
        assert!(!seen.is_due(at(0)) && !seen.is_due(at(60 * DAY - 1)));
        assert!(seen.is_due(at(60 * DAY)) && seen.is_due(at(91 * DAY)));
        assert_eq!((seen.days_left(at(60 * DAY)), seen.days_left(at(90 * DAY + 1))), (30, -1));
    }
}
