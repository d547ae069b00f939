use std::fmt;

use quorate_client::{Client, ClientConfig};

use crate::hint::Hint;
use crate::limits::VIEW;

/// Something else listens where a node of a local cluster was to.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(super) setting: &'static str,
    pub(super) addr: String,
}

impl std::error::Error for Taken {}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} is taken", self.setting, self.addr)
    }
}

impl Taken {
    /// What to do: there may be a cluster already.
    pub(super) async fn hint(&self, config: ClientConfig) -> Hint {
        let cluster = match Client::new(config) {
            Ok(client) => client.within(VIEW).cluster().await.ok(),
            Err(_) => None,
        };
        Hint(match cluster {
            Some(cluster) => format!(
                "A Quorate node, {}, answers there: `quorate cluster status --nodes {}` shows its cluster. For another one beside it choose other \
                 ports, with --http-port and --peer-port, and another --data-dir.",
                cluster.node, self.addr
            ),
            None => "Choose other ports, with --http-port and --peer-port.".to_owned(),
        })
    }
}
