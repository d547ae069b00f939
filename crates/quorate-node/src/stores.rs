use std::sync::Arc;

use quorate_store::{DataDir, JobTable, LogStore, StoreError};

use crate::observer::Observer;
use crate::task::die;
use crate::{NodeConfig, StartError};

/// What a node has on disk, open.
pub(crate) struct Stores {
    pub(crate) dir: Arc<DataDir>,
    pub(crate) log: LogStore,
    pub(crate) table: JobTable,
}

impl Stores {
    /// Opens them, on a thread that may wait for the disk. A log that has lost entries is set aside.
    ///
    /// # Errors
    /// [`StartError::Store`], and [`StartError::LostAlone`] where nobody else has what was lost.
    pub(crate) async fn open(config: &NodeConfig, observer: Arc<Observer>) -> Result<Stores, StartError> {
        let (path, alone) = (config.data_dir.clone(), config.peers.len() == 1);
        let open = move || {
            let mut dir = DataDir::open(&path)?;
            let log = match open_log(&dir) {
                Err(lost @ StoreError::LostEntries { .. }) if alone => {
                    return Err(StartError::LostAlone(lost));
                }
                // What this node has forgotten, the others have. Under its old id it could help to elect a leader that lacks
                // it, so it joins them as a new node.
                Err(lost @ StoreError::LostEntries { .. }) => {
                    tracing::error!(%lost, "setting the data directory's contents aside and joining as a new node");
                    dir = dir.set_aside(&lost.to_string())?;
                    open_log(&dir)?
                }
                opened => opened?,
            };
            let table = JobTable::open(&dir, observer)?;
            Ok(Stores { dir: Arc::new(dir), log, table })
        };
        match tokio::task::spawn_blocking(open).await {
            Ok(opened) => opened,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

fn open_log(dir: &DataDir) -> Result<LogStore, StoreError> {
    LogStore::open(dir, Arc::new(|error| die(&format!("the log cannot be written: {error}"))))
}
