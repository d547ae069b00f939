//! What stands in the way of a secure connection, in plain words.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;

use quorate_tls::rustls::{AlertDescription, CertificateError, Error};

/// Whether a server has refused this client's certificate, and so all that was sent: it may say so only when the client already
/// believes that the connection is there.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::AlertReceived(alert) if refusal(*alert).is_some())
}

/// TLS's own word among the causes of an error.
pub(crate) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(error);
    }
    // What stands in one is not its source.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.map_or_else(|| error.source().and_then(tls_error), |inner| tls_error(inner))
}

/// What is wrong.
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidMessage(_) => {
            "what listens there does not speak TLS: call it with http:// in front".to_owned()
        }
        Error::AlertReceived(alert) => match refusal(*alert) {
            Some(words) => words.to_owned(),
            None => format!("it ends the secure connection: {alert:?}"),
        },
        other => format!("no secure connection: {other}"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of no authority that is trusted here: name the nodes' authority with --ca FILE (QUORATE_CA)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it there (quorate cert node NAME … --renew), or see to this machine's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate does not hold yet: wait, or see to this machine's clock".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // As in `DnsName("n1")`, `IpAddress(10.0.0.1)`.
            let names = presented.iter().map(|name| name.split_once('(').map_or(&**name, |(_, name)| name));
            let names: Vec<String> = names.map(|name| plain(name.trim_matches(['"', ')']))).collect();
            format!(
                "its certificate is for other names: {}: call it by one of these, or make it one for this name (quorate cert node NAME … --host \
                 {} --renew)",
                names.join(", "),
                expected.to_str()
            )
        }
        CertificateError::NotValidForName => {
            "its certificate is for other names: make it one for this name (quorate cert node NAME … --host HOST --renew)".to_owned()
        }
        other => format!("its certificate is not good: {other}"),
    }
}

/// An address in its usual form: `::1`, where it is written `0::1`.
fn plain(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_owned(), |address| address.to_string())
}

/// What a server says of the client's certificate, or of TLS as the client speaks it.
fn refusal(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => Some(
            "it asks for a certificate of this client, which has none: give it with --cert FILE and --cert-key FILE",
        ),
        AlertDescription::UnknownCA => Some(
            "it does not take this client's certificate (--cert): it does not trust the authority (--tls-client-ca there)",
        ),
        AlertDescription::CertificateExpired => Some(
            "it does not take this client's certificate (--cert): that has expired, or does not hold yet: renew it",
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => Some("it does not take this client's certificate"),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol
        | AlertDescription::UnrecognisedName => Some("it does not speak TLS as this client does"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_people_write_it() {
        for (written, said) in
            [("0::1", "::1"), ("fd00:0:0:0:0:0:0:1", "fd00::1"), ("10.0.0.1", "10.0.0.1"), ("n1", "n1")]
        {
            assert_eq!(plain(written), said);
        }
    }
}
