mod answering;
mod found;

use std::path::Path;

use quorate_core::FEATURE_LEVEL;
use quorate_store::StoreError;

use crate::PeerTls;
use crate::restore::draw_cluster_id;

pub use answering::Answering;
pub use found::{Found, FoundMember, Place};

/// A node that does not run and may go on alone, since the majority of its cluster is lost for good. Its data directory is locked.
pub struct Recovery(quorate_store::Recovery);

/// What came of it.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The id of the new cluster.
    pub cluster_id: String,
    /// The entry that makes the node its only member.
    pub last: Place,
}

impl Recovery {
    /// Looks into a data directory. Nothing is changed.
    ///
    /// # Errors
    /// The node runs, or there is none that could be recovered, or its data cannot be read.
    pub fn of(data_dir: &Path) -> Result<Recovery, StoreError> {
        quorate_store::Recovery::of(data_dir).map(Recovery)
    }

    /// What was found.
    pub fn found(&self) -> Found {
        Found::by(self.0.survey())
    }

    /// Who answers where the node knows members, itself included, and at the addresses of `peers`, which are named. Asks for some seconds,
    /// by the node's certificate where they have one.
    pub async fn who_answers(&self, peers: &[(String, String)], tls: Option<PeerTls>) -> Vec<Answering> {
        answering::ask_around(&self.found(), peers, tls).await
    }

    /// Makes the node the only member of a new cluster that goes on from all that it has: see
    /// [`quorate_store::Recovery::force_single`]. Blocks.
    ///
    /// # Errors
    /// The disk fails, or what is on it is damaged.
    pub fn force_single(self) -> Result<Recovered, StoreError> {
        let cluster_id = draw_cluster_id();
        let last = self.0.force_single(&cluster_id, FEATURE_LEVEL)?.into();
        Ok(Recovered { cluster_id, last })
    }
}
