use std::sync::Arc;

use anyhow::Context;
use reqwest::Certificate;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::guests::{Guest, Guests};
use crate::hosts::Node;

/// What clients need where nodes ask for tokens and speak TLS; the same for all nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    authorities: Vec<Certificate>,
    admin: HeaderMap,
    client: HeaderMap,
    reader: HeaderMap,
    guests: Option<Arc<Guests>>,
}

/// Tokens of clients, by their roles.
pub(crate) struct Tokens {
    /// May everything.
    pub(crate) admin: String,
    /// May enqueue, work on jobs and look at everything.
    pub(crate) client: String,
    /// May look at everything.
    pub(crate) reader: String,
    /// As a client, until it is removed.
    pub(crate) guest: String,
}

/// Whose token is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Admin,
    Client,
    Reader,
    /// Nobody's, but where a request brings one.
    Nobody,
}

impl Keys {
    /// `authorities` are in PEM.
    ///
    /// # Errors
    /// They, or the tokens, are none.
    pub(crate) fn new(authorities: &str, tokens: &Tokens) -> anyhow::Result<Keys> {
        let Tokens { admin, client, reader, guest } = tokens;
        let header = |token| anyhow::Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer(token)?)]));
        let authorities = Certificate::from_pem_bundle(authorities.as_bytes()).context("a certificate")?;
        Ok(Keys {
            authorities,
            admin: header(admin)?,
            client: header(client)?,
            reader: header(reader)?,
            guests: Some(Arc::new(Guests::new(bearer(guest)?))),
        })
    }

    /// Those of somebody who may everything, for everybody but guests.
    ///
    /// # Errors
    /// As of [`Keys::new`].
    pub(crate) fn of_one(token: &str, guest: String, authority: &str) -> anyhow::Result<Keys> {
        let [admin, client, reader] = [(); 3].map(|()| token.to_owned());
        Keys::new(authority, &Tokens { admin, client, reader, guest })
    }

    /// Those whose token is removed in mid-run, if there are any.
    pub(crate) fn guests(&self) -> Option<&Arc<Guests>> {
        self.guests.as_ref()
    }
}

/// The header that a token goes in.
///
/// # Errors
/// It can be no token.
pub(crate) fn bearer(token: &str) -> anyhow::Result<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).context("a token")?;
    header.set_sensitive(true);
    Ok(header)
}

/// A client of these nodes.
pub(crate) fn http(nodes: &[Node], who: Who) -> reqwest::ClientBuilder {
    let keys = nodes.first().map(|node| node.keys.clone()).unwrap_or_default();
    let headers = match who {
        Who::Admin => keys.admin,
        Who::Client => keys.client,
        Who::Reader => keys.reader,
        Who::Nobody => HeaderMap::new(),
    };
    let http = reqwest::Client::builder().default_headers(headers).no_proxy();
    keys.authorities.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate)
}

/// The client of this number as one of the guests: every other one is.
pub(crate) fn guest(nodes: &[Node], number: u32) -> Option<Guest> {
    let guests = nodes.first()?.keys.guests.as_ref()?;
    (number % 2 == 1).then(|| Guest::new(Arc::clone(guests), number))
}
