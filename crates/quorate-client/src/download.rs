use bytes::Bytes;
use reqwest::Response;

use crate::attempt::words;
use crate::{Error, limits};

/// An answer that is taken as it comes, however long it is.
#[derive(Debug)]
pub struct Download {
    response: Response,
    node: String,
}

impl Download {
    pub(crate) fn new(response: Response, node: &str) -> Download {
        Download { response, node: node.to_owned() }
    }

    /// The node that it comes from.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// What comes next; `None` at its end.
    ///
    /// # Errors
    /// [`Error::Protocol`]: it broke off, or nothing came for [`limits::SILENCE`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let broke_off = |why: String| Error::Protocol(format!("{}: the answer broke off: {why}", self.node));
        match tokio::time::timeout(limits::SILENCE, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(broke_off(words(&error))),
            Err(_) => Err(broke_off(format!("nothing came for {} s", limits::SILENCE.as_secs()))),
        }
    }
}
