use anyhow::Context;
use reqwest::Certificate;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::hosts::Node;

/// What a client needs where nodes ask for tokens and speak TLS; the same for all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    headers: HeaderMap,
    ca: Option<Certificate>,
}

impl Keys {
    /// `ca` is in PEM.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn new(token: &str, ca: &str) -> anyhow::Result<Keys> {
        let mut token = HeaderValue::try_from(format!("Bearer {token}")).context("a token")?;
        token.set_sensitive(true);
        let ca = Certificate::from_pem(ca.as_bytes()).context("a certificate")?;
        Ok(Keys { headers: HeaderMap::from_iter([(AUTHORIZATION, token)]), ca: Some(ca) })
    }
}

/// A client of these nodes.
pub(crate) fn http(nodes: &[Node]) -> reqwest::ClientBuilder {
    let Keys { headers, ca } = nodes.first().map(|node| node.keys.clone()).unwrap_or_default();
    let http = reqwest::Client::builder().default_headers(headers).no_proxy();
    ca.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate)
}
