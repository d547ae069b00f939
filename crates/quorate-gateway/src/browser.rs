//! What keeps other sites out, which a person's browser may be made to ask on their behalf: it reaches what they reach, and may
//! be allowed what they are.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use crate::error::ApiError;
use crate::trace::Client;

/// A browser's own word for where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Names by which browsers may call this node, besides addresses and `localhost`: in lower case.
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(names: &[String]) -> Hosts {
        Hosts(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Lets everything pass but what a browser sends on behalf of another site: by a name that somebody has made to mean this
    /// node's address (DNS rebinding), or from a page that is not this node's. By what browsers say of themselves, in which a page
    /// can have some lie: see [`Hosts::check_stranger`].
    ///
    /// # Errors
    /// 421, 403.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), ApiError> {
        let headers = request.headers();
        if headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
            return Err(ApiError::OtherSite);
        }
        let origin = headers.get(header::ORIGIN);
        if origin.is_none() && !is_a_browsers(headers) {
            return Ok(());
        }
        let Some(host) = host(request) else { return Ok(()) };
        if !self.are_called(host.host()) {
            return Err(ApiError::Misdirected);
        }
        match origin {
            Some(origin) if !is_of(origin, &host) => Err(ApiError::OtherSite),
            Some(_) | None => Ok(()),
        }
    }

    /// Lets pass who sends no token, but where he is on this machine and calls it by a name that somebody may have made to mean it:
    /// a page at such a name reads what it asks for, and has some browsers (Firefox, Safari) say that they are none. Names without a
    /// dot nobody can have in the Internet: proxies and containers use them.
    ///
    /// # Errors
    /// 421.
    pub(crate) fn check_stranger<B>(&self, request: &Request<B>) -> Result<(), ApiError> {
        let is_here = |client: &Client| client.address.ip().to_canonical().is_loopback();
        let may_be_a_sites = |host: Authority| host.host().contains('.') && !self.are_called(host.host());
        match request.extensions().get().is_some_and(is_here) && host(request).is_some_and(may_be_a_sites) {
            true => Err(ApiError::Misdirected),
            false => Ok(()),
        }
    }

    fn are_called(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address || host == "localhost" || self.0.contains(&host)
    }
}

/// Refuses a GET that changes something where a browser sends it: a page has it send one by naming an image, and for plain HTTP
/// the browser does not say whose page that is.
///
/// # Errors
/// 403.
pub(crate) fn check_effect(headers: &HeaderMap) -> Result<(), ApiError> {
    match is_a_browsers(headers) && !headers.contains_key(SEC_FETCH_SITE) {
        true => Err(ApiError::OtherSite),
        false => Ok(()),
    }
}

/// What the client calls this node. `None`: an empty name, or none as in HTTP/1.0.
fn host<B>(request: &Request<B>) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => Authority::try_from(request.headers().get(header::HOST)?.as_bytes()).ok(),
    }
}

fn is_a_browsers(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    headers.contains_key(SEC_FETCH_SITE)
        || agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

/// Whether a page of this origin was served under that host.
fn is_of(origin: &HeaderValue, host: &Authority) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let own = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
    own.is_some_and(|own| own.eq_ignore_ascii_case(host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_token_calls_a_node_of_this_machine_by_its_name_and_others_as_he_likes() {
        let hosts = Hosts::new(&["n1.example".to_owned()]);
        for (from, host, expected) in [
            ("127.0.0.1", "evil.example", Some(ApiError::Misdirected)),
            ("::1", "evil.example", Some(ApiError::Misdirected)),
            ("::ffff:127.0.0.1", "evil.example", Some(ApiError::Misdirected)),
            ("127.0.0.1", "n1.example", None),
            ("127.0.0.1", "quorate", None),
            ("10.0.0.7", "balancer.example", None),
            ("2001:db8::7", "balancer.example", None),
        ] {
            let mut request = Request::builder().uri("/v1/jobs").header("host", host).body(()).unwrap();
            let address = (from.parse::<IpAddr>().unwrap(), 40_000).into();
            request.extensions_mut().insert(Client { address, certificate: None });
            assert_eq!(hosts.check_stranger(&request).err(), expected, "{host} from {from}");
        }
    }

    #[test]
    fn a_browser_may_ask_for_this_node_alone_and_others_as_they_like() {
        let hosts = Hosts::new(&["N1.example".to_owned()]);
        let (browser, tool) = (("user-agent", "Mozilla/5.0"), ("user-agent", "curl/8"));
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<ApiError>);
        let table: &[Case] = &[
            ("evil.example:8080", &[tool], None),
            ("evil.example:8080", &[browser], Some(ApiError::Misdirected)),
            ("evil.example:8080", &[("sec-fetch-site", "same-origin")], Some(ApiError::Misdirected)),
            ("127.0.0.1:8080", &[("sec-fetch-site", "cross-site"), browser], Some(ApiError::OtherSite)),
            ("127.0.0.1:8080", &[("sec-fetch-site", "same-site"), tool], Some(ApiError::OtherSite)),
            ("127.0.0.1:8080", &[("sec-fetch-site", "none"), browser], None),
            ("evil.example:8080", &[("origin", "http://evil.example:8080")], Some(ApiError::Misdirected)),
            ("n1.example:8080", &[browser], None),
            ("127.0.0.1:8080", &[browser], None),
            ("[::1]:8080", &[browser], None),
            ("LOCALHOST", &[browser], None),
            ("localhost:8080", &[("origin", "http://localhost:8080"), browser], None),
            ("localhost:8080", &[("origin", "http://evil.example")], Some(ApiError::OtherSite)),
            ("localhost:8080", &[("origin", "http://localhost:3000")], Some(ApiError::OtherSite)),
            ("localhost:8080", &[("origin", "null")], Some(ApiError::OtherSite)),
        ];
        for (host, fields, expected) in table {
            let mut request = Request::builder().uri("/v1/jobs").header("host", *host);
            for (name, value) in *fields {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            assert_eq!(hosts.check(&request).err(), *expected, "{host} {fields:?}");
        }
    }
}
