use std::sync::Arc;

use quorate_core::FeatureLevel;
use quorate_store::{DataDir, JobTable, LogStore, Lost, StoreError, Survey};

use crate::disk::Disk;
use crate::limits;
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
    /// Opens them, on a thread that may wait for the disk. A log that has lost entries is set aside. While the disk has no
    /// room to open them, this waits for some.
    ///
    /// # Errors
    /// [`StartError::Store`]; of a log that has lost entries [`StartError::LostAlone`] where nobody else has them, and
    /// [`StartError::Config`] where this node is not told of those who do.
    pub(crate) async fn open(
        config: &NodeConfig,
        disk: &Disk,
        observer: Arc<Observer>,
    ) -> Result<Stores, StartError> {
        let mut told = false;
        loop {
            let (with, observer, opening) = (config.clone(), Arc::clone(&observer), disk.clone());
            let open = move || Stores::open_now(&with, &opening, observer);
            let opened = match tokio::task::spawn_blocking(open).await {
                Ok(opened) => opened,
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            };
            match opened {
                Err(StartError::Store(error @ StoreError::DiskFull { .. })) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!(%error, dir = %config.data_dir.display(), "this node waits for room to start");
                    }
                    disk.tend();
                    tokio::time::sleep(limits::START_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    fn open_now(config: &NodeConfig, disk: &Disk, observer: Arc<Observer>) -> Result<Stores, StartError> {
        let asked = disk.clone();
        let mut dir = DataDir::open(&config.data_dir)?.when_full(Arc::new(move |_| asked.when_full()));
        if let Some(files) = config.open_files {
            dir = dir.with_open_files(files);
        }
        let level = config.feature_level;
        let (mut log, table) = match open_both(&dir, disk, Arc::clone(&observer), level) {
            (Err(StoreError::LostEntries { lost, marked, found }), table) => {
                drop(table);
                dir = set_aside(dir, config, lost, StoreError::LostEntries { lost, marked, found })?;
                let (log, table) = open_both(&dir, disk, observer, level);
                (log?, table?)
            }
            (log, table) => (log?, table?),
        };
        log.fit(&table)?;
        Ok(Stores { dir: Arc::new(dir), log, table })
    }
}

/// What this node has forgotten, the others have. Under its old id it could help to elect a leader that lacks it, so it joins them as a new
/// node. Who they are the data say, not the list; where they say nothing, the list.
fn set_aside(dir: DataDir, config: &NodeConfig, lost: Lost, says: StoreError) -> Result<DataDir, StartError> {
    let knows_nobody = config.peers.len() == 1;
    let survey = Survey::of(&dir).ok().filter(|survey| survey.membership.voter_ids().next().is_some());
    if survey.as_ref().map_or(knows_nobody, Survey::is_alone) {
        return Err(StartError::LostAlone { lost, says });
    }
    if knows_nobody {
        let members = survey.iter().flat_map(|survey| survey.membership.nodes());
        let peers: Vec<String> =
            members.map(|(_, node)| format!("{}={}", node.name, node.peer_addr)).collect();
        let reason = format!(
            "{says}; the others of its cluster have what this node has lost: start it with --peers {}, and it joins them as a new node",
            peers.join(",")
        );
        return Err(StartError::Config { setting: "peers", reason });
    }
    tracing::error!(lost = %says, "setting the data directory's contents aside and joining as a new node");
    Ok(dir.set_aside(&says.to_string())?)
}

/// Both at once: each waits for the disk while it replays what it had not written yet.
fn open_both(
    dir: &DataDir,
    disk: &Disk,
    observer: Arc<Observer>,
    level: FeatureLevel,
) -> (Result<LogStore, StoreError>, Result<JobTable, StoreError>) {
    std::thread::scope(|scope| {
        let table = scope.spawn(|| JobTable::open(dir, observer, level));
        let log = open_log(dir, disk);
        (log, table.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)))
    })
}

fn open_log(dir: &DataDir, disk: &Disk) -> Result<LogStore, StoreError> {
    let disk = disk.clone();
    LogStore::open(
        dir,
        Arc::new(move |error| {
            // What a node gives up as it ends was promised to nobody.
            if !disk.has_ended() {
                die(&format!("the log cannot be written: {error}"));
            }
        }),
    )
}
