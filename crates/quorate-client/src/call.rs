use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};

/// One call of the API, in a form that can be sent more than once.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Below `/v1`; each is percent-encoded.
    pub(crate) path: &'a [&'a str],
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Body,
    pub(crate) key: Option<HeaderValue>,
    /// How long the server may hold the request on purpose.
    pub(crate) wait: Duration,
    pub(crate) repeat: Repeat,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    Json(Bytes),
    /// Part of a log, byte for byte.
    Bytes(Bytes),
    /// A job's outcome: `multipart/form-data`, with the log as a file, byte for byte.
    Form {
        fields: Vec<(&'static str, String)>,
        log: Bytes,
    },
}

/// May a call be sent again after one whose outcome is not known?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Yes: it changes nothing, or a second time changes nothing more, or its key makes the cluster see that it is the same.
    Always,
    /// No: a second time might do it twice, or undo what somebody else did in between.
    UnlessUnknown,
}

impl<'a> Call<'a> {
    pub(crate) fn get(path: &'a [&'a str]) -> Call<'a> {
        Call {
            method: Method::GET,
            path,
            query: Vec::new(),
            body: Body::Empty,
            key: None,
            wait: Duration::ZERO,
            repeat: Repeat::Always,
        }
    }

    pub(crate) fn post(path: &'a [&'a str], body: Body, repeat: Repeat) -> Call<'a> {
        Call { method: Method::POST, body, repeat, ..Call::get(path) }
    }

    /// True where it may leave something behind.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    pub(crate) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.path_segments_mut().expect("an http URL has a path").pop_if_empty().push("v1").extend(self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_gives_stays_inside_its_place_in_the_url() {
        let mut call = Call::get(&["job", "a/b?c#d e", "log"]);
        call.query.push(("image", "x&y=z".into()));
        let base = "http://h:1/prefix/".parse().expect("a URL");
        assert_eq!(
            call.url(&base).as_str(),
            "http://h:1/prefix/v1/job/a%2Fb%3Fc%23d%20e/log?image=x%26y%3Dz"
        );
    }
}
