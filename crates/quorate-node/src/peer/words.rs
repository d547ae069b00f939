//! Why two nodes do not come together by TLS, in words that say what to do.

use std::io::{self, ErrorKind};
use std::time::{Duration, UNIX_EPOCH};

use quorate_tls::rustls::pki_types::UnixTime;
use quorate_tls::rustls::{AlertDescription, CertificateError, Error};

/// Of somebody who was called; `None`: it is about to end, or the network is.
pub(crate) fn of_called(error: &io::Error) -> Option<String> {
    match tls_error(error) {
        Some(Error::InvalidCertificate(why)) => Some(format!("its certificate {}", certificate(why))),
        Some(Error::AlertReceived(alert)) => Some(format!("it {}", refusal(*alert))),
        Some(Error::InvalidMessage(_)) => Some(
            "it does not speak TLS: give the node there --peer-cert, --peer-key and --peer-ca".to_owned(),
        ),
        Some(_) => Some(error.to_string()),
        None => (error.kind() == ErrorKind::Other).then(|| error.to_string()),
    }
}

/// Of somebody who calls.
pub(crate) fn of_caller(error: &io::Error) -> String {
    match tls_error(error) {
        Some(Error::InvalidCertificate(why)) => format!("the caller's certificate {}", certificate(why)),
        Some(Error::AlertReceived(alert)) => format!("the caller {}", refusal(*alert)),
        Some(Error::NoCertificatesPresented) => {
            "the caller has no certificate: only nodes are answered here, with --peer-cert and --peer-key"
                .to_owned()
        }
        Some(Error::InvalidMessage(_)) => {
            "the caller does not speak TLS: if it is a node, give it --peer-cert, --peer-key and --peer-ca"
                .to_owned()
        }
        None if error.kind() == ErrorKind::UnexpectedEof => {
            "the caller hung up before it was known".to_owned()
        }
        Some(_) | None => format!("the caller is not understood: {error}"),
    }
}

/// What the other side says of this node's own certificate, if that is what went wrong: in TLS 1.3 it may say so when this node takes the
/// connection for made.
pub(crate) fn of_refusal(error: &io::Error) -> Option<String> {
    tls_error(error).filter(|error| matches!(error, Error::AlertReceived(_))).and_then(|_| of_called(error))
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is of no authority in this node's --peer-ca: give that node one of an authority that all trust, or add its authority here".to_owned()
        }
        CertificateError::Expired => "has expired: put a new one there, no restart is needed".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("expired on {}: put a new one there, no restart is needed", date(*not_after))
        }
        CertificateError::NotValidYet => "does not hold yet: wait, or see to the clocks".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("does not hold before {}: wait, or see to the clocks", date(*not_before))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is none of a node: it must be for servers and for clients".to_owned()
        }
        other => format!("cannot be used ({other})"),
    }
}

fn refusal(alert: AlertDescription) -> String {
    let why = match alert {
        AlertDescription::UnknownCA => "unknown authority. See to --peer-ca there, and to --peer-cert here",
        AlertDescription::CertificateExpired => {
            "it has expired, or does not hold yet. Put a new one here, no restart is needed, or see to the clocks"
        }
        AlertDescription::UnsupportedCertificate => "it is none of a node, for servers and for clients",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => "it is no good one",
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => "it was shown none",
        other => return format!("ends the secure connection ({other:?})"),
    };
    format!("does not take this node's certificate: {why}")
}

fn date(time: UnixTime) -> String {
    quorate_tls::date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use quorate_tls::rustls::InvalidMessage;

    use super::*;

    fn of(error: Error) -> [String; 2] {
        let error = io::Error::new(ErrorKind::InvalidData, error);
        [of_called(&error).unwrap(), of_caller(&error)]
    }

    #[test]
    fn whose_certificate_it_is_and_when_is_said_in_words() {
        let ours = "does not take this node's certificate: unknown authority";
        let [called, caller] = of(Error::AlertReceived(AlertDescription::UnknownCA));
        assert!(
            called.starts_with(&format!("it {ours}")) && caller.starts_with(&format!("the caller {ours}"))
        );
        let [_, caller] = of(Error::AlertReceived(AlertDescription::CertificateExpired));
        assert!(caller.contains("this node's certificate: it has expired"), "{caller}");
        let (time, not_after) =
            (UnixTime::now(), UnixTime::since_unix_epoch(Duration::from_secs(3_471_292_800)));
        let [called, caller] = of(CertificateError::ExpiredContext { time, not_after }.into());
        assert!(called.starts_with("its certificate expired on 2080-01-01 00:00:00 UTC"), "{called}");
        assert!(caller.starts_with("the caller's certificate expired on 2080-01-01"), "{caller}");
        let [called, _] = of(CertificateError::UnknownIssuer.into());
        assert!(called.contains("of no authority in this node's --peer-ca"), "{called}");
        let [called, caller] = of(InvalidMessage::InvalidContentType.into());
        assert!(called.contains("does not speak TLS") && caller.contains("the caller does not speak TLS"));
        let hung_up = io::Error::new(ErrorKind::UnexpectedEof, "tls handshake eof");
        assert!(of_caller(&hung_up).contains("hung up"));
        assert_eq!((of_called(&hung_up), of_refusal(&hung_up)), (None, None));
    }
}
