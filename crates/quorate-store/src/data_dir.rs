use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    Identity, OnFull, RestoreError, Space, StoreError, WhenFull,
    ballast::BALLAST,
    files::durable::{self, replace_file},
    format,
    high_water::HighWater,
    sizes::Sizes,
};

const FORMAT: &str = "FORMAT";
const LOCK: &str = "LOCK";
pub(crate) const IDENTITY: &str = "identity";
const HIGH_WATER: &str = "high-water";
const LOG_TIME: &str = "log-time";
const RAFT: &str = "raft";
const JOBS: &str = "jobs";
const SNAPSHOT: &str = "snapshot";
/// Names the directory that everything is being moved to, while that is under way.
const SETTING_ASIDE: &str = "setting-aside";
/// Says that the node was removed from its cluster.
const REMOVED: &str = "REMOVED";
const SET_ASIDE_PREFIX: &str = "set-aside-";
/// Is there while a backup is being restored.
const RESTORING: &str = "restoring";

/// A node's data directory, locked for this process while the value lives. It must outlive the stores in it.
pub struct DataDir {
    path: PathBuf,
    /// Holds the operating system's lock.
    _lock: File,
    sizes: Sizes,
    on_full: OnFull,
    identity: Mutex<Identity>,
}

impl DataDir {
    /// Opens a data directory. An absent or empty one becomes a new node's.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::ForeignFormat`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<DataDir, StoreError> {
        create(path).map_err(StoreError::io("create", path))?;
        let format_path = path.join(FORMAT);
        // Before the first write into it: somebody else's directory is left as it is.
        if !format::check(&format_path)?
            && let Some(name) = names(path)?.iter().find(|name| !may_precede_format(name))
        {
            return Err(format::foreign(
                &format_path,
                format!(
                    "it has no FORMAT file, but {name:?}: choose one that is empty, or that is not there"
                ),
            ));
        }
        let lock = lock(path)?;
        if !format::check(&format_path)? {
            format::write(&format_path)?;
        }
        finish_setting_aside(path)?;
        let identity = match path.join(IDENTITY).try_exists().map_err(StoreError::io("look for", path))? {
            true => Identity::read(&path.join(IDENTITY))?,
            false => begin_anew(path)?,
        };
        let sizes = Sizes::of(Space::of(path).ok());
        let on_full: OnFull = Arc::new(|_| WhenFull::Wait);
        Ok(DataDir { path: path.to_owned(), _lock: lock, sizes, on_full, identity: Mutex::new(identity) })
    }

    /// Opens the data directory of a node that was there before, and makes none.
    ///
    /// # Errors
    ///
    /// As [`DataDir::open`]; [`StoreError::ForeignFormat`] if there is none.
    pub fn open_existing(path: &Path) -> Result<DataDir, StoreError> {
        let format_path = path.join(FORMAT);
        match format::check(&format_path)? && path.join(IDENTITY).exists() {
            true => DataDir::open(path),
            false => Err(format::foreign(&format_path, "no node has ever run on it".to_owned())),
        }
    }

    /// Begins the directory that a backup is restored into, which must be empty. No node starts on it before [`DataDir::complete`].
    pub(crate) fn begin_restored(path: &Path) -> Result<DataDir, RestoreError> {
        // Before the first write into it: somebody else's directory is left as it is.
        if path.exists() {
            if path.join(RESTORING).exists() {
                // Another process may be about it.
                let _is_free = lock(path)?;
                refuse_half_restored(path)?;
            }
            refuse_all_but_empty(path, &[])?;
        }
        create(path).map_err(StoreError::io("create", path))?;
        let lock = lock(path)?;
        // Whoever was faster has it by now.
        refuse_all_but_empty(path, &[LOCK])?;
        let sizes = Sizes::of(Space::of(path).ok());
        let on_full: OnFull = Arc::new(|_| WhenFull::GiveUp);
        let identity = Mutex::new(Identity::draw());
        let dir = DataDir { path: path.to_owned(), _lock: lock, sizes, on_full, identity };
        let begun = replace_file(&path.join(RESTORING), b"")
            .and_then(|()| format::write(&path.join(FORMAT)))
            .and_then(|()| HighWater::create(&path.join(HIGH_WATER)));
        if let Err(error) = begun {
            // What it is for has failed: this is beside the point.
            let _ = dir.remove_restored();
            return Err(error.into());
        }
        Ok(dir)
    }

    /// Ends what [`DataDir::begin_restored`] began. Durable when it returns.
    pub(crate) fn complete(&self, identity: &Identity) -> Result<(), StoreError> {
        identity.write(&self.path.join(IDENTITY))?;
        *self.identity.lock() = identity.clone();
        let done = fs::remove_file(self.path.join(RESTORING)).and_then(|()| durable::sync(&self.path));
        done.map_err(StoreError::io("complete", &self.path))
    }

    /// Removes what a restore has left that failed.
    pub(crate) fn remove_restored(&self) -> Result<(), StoreError> {
        // What says that it is not whole goes last.
        let mut made: Vec<String> =
            names(&self.path)?.into_iter().filter(|name| name != LOST_AND_FOUND).collect();
        made.sort_by_key(|name| name == RESTORING);
        for path in made.into_iter().map(|name| self.path.join(name)) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    /// The node belongs to another cluster from now on, which was made of the one that it belonged to. Durable when it returns.
    pub(crate) fn begin_cluster(&self, id: &str) -> Result<(), StoreError> {
        let mut identity = self.identity.lock();
        let mut next = identity.clone();
        next.former_cluster_ids.extend(next.cluster_id.replace(id.to_owned()));
        next.write(&self.path.join(IDENTITY))?;
        *identity = next;
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who the node is.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// Notes which cluster the node belongs to, for ever, and which ones that was made of. Durable when it returns; twice the same is once.
    ///
    /// # Errors
    ///
    /// [`StoreError::ForeignFormat`] if the directory belongs to another cluster; [`StoreError::Io`].
    pub fn adopt_cluster(&self, id: &str, former: &[String]) -> Result<(), StoreError> {
        assert!(!id.is_empty(), "a cluster has an id");
        let mut identity = self.identity.lock();
        match &identity.cluster_id {
            Some(own) if own == id => Ok(()),
            Some(own) => Err(StoreError::ForeignFormat {
                path: self.path.clone(),
                found: format!("it belongs to the cluster {own}, not to {id}"),
            }),
            None => {
                let adopted = Identity {
                    cluster_id: Some(id.to_owned()),
                    former_cluster_ids: former.to_vec(),
                    ..identity.clone()
                };
                adopted.write(&self.path.join(IDENTITY))?;
                *identity = adopted;
                Ok(())
            }
        }
    }

    /// Moves everything into a new directory `set-aside-N` in this one, with a file `REASON` that says why, and
    /// begins anew: another node id, no cluster, no log. The stores in the directory must be closed. A crash in
    /// between is made up for by the next [`DataDir::open`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn set_aside(self, why: &str) -> Result<DataDir, StoreError> {
        let taken = names(&self.path)?;
        let target = (1..)
            .map(|n| format!("{SET_ASIDE_PREFIX}{n}"))
            .find(|name| !taken.contains(name))
            .expect("there is a free number");
        let dir = self.path.join(&target);
        fs::create_dir(&dir).map_err(StoreError::io("create", &dir))?;
        replace_file(&dir.join("REASON"), format!("{why}\n").as_bytes())?;
        replace_file(&self.path.join(SETTING_ASIDE), target.as_bytes())?;
        finish_setting_aside(&self.path)?;
        let identity = begin_anew(&self.path)?;
        Ok(DataDir { identity: Mutex::new(identity), ..self })
    }

    /// Whether contents were set aside here once: the directory had belonged to another node before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn was_set_aside(&self) -> Result<bool, StoreError> {
        Ok(names(&self.path)?.iter().any(|name| name.starts_with(SET_ASIDE_PREFIX)))
    }

    /// The contents that were set aside last.
    pub(crate) fn last_set_aside(&self) -> Result<Option<PathBuf>, StoreError> {
        let number = |name: &String| name.strip_prefix(SET_ASIDE_PREFIX)?.parse::<u64>().ok();
        let last = names(&self.path)?.into_iter().filter(|name| number(name).is_some()).max_by_key(number);
        Ok(last.map(|name| self.path.join(name)))
    }

    /// Says of what format the directory is.
    pub(crate) fn format_file(&self) -> PathBuf {
        self.path.join(FORMAT)
    }

    /// Notes that the node was removed from its cluster. Durable when it returns; twice the same is once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn mark_removed(&self, why: &str) -> Result<(), StoreError> {
        replace_file(&self.path.join(REMOVED), format!("{why}\n").as_bytes())
    }

    /// Whether that was noted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn was_removed(&self) -> Result<bool, StoreError> {
        let path = self.path.join(REMOVED);
        path.try_exists().map_err(StoreError::io("look for", &path))
    }

    /// Takes that back: the node is a member of another cluster. Durable when it returns.
    pub(crate) fn forget_removal(&self) -> Result<(), StoreError> {
        let path = self.path.join(REMOVED);
        match fs::remove_file(&path).and_then(|()| durable::sync(&self.path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &path)(e)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// What the stores in it call when the disk is full. Without it, they wait.
    pub fn when_full(self, on_full: OnFull) -> DataDir {
        DataDir { on_full, ..self }
    }

    /// The stores in it keep no more files open than about so many.
    pub fn with_open_files(self, files: usize) -> DataDir {
        DataDir { sizes: self.sizes.with_open_files(files), ..self }
    }

    /// See [`DataDir::when_full`].
    pub(crate) fn on_full(&self) -> &OnFull {
        &self.on_full
    }

    /// How large buffers and files may get here.
    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Where the Raft log is.
    pub(crate) fn raft(&self) -> PathBuf {
        self.path.join(RAFT)
    }

    /// Where the generations of the job table are.
    pub(crate) fn jobs(&self) -> PathBuf {
        self.path.join(JOBS)
    }

    /// Where the snapshots are.
    pub(crate) fn snapshot(&self) -> PathBuf {
        self.path.join(SNAPSHOT)
    }

    /// Where the high-water mark is.
    pub(crate) fn high_water(&self) -> PathBuf {
        self.path.join(HIGH_WATER)
    }

    /// Where the note of log time is.
    pub(crate) fn log_time(&self) -> PathBuf {
        self.path.join(LOG_TIME)
    }
}

/// Makes a directory and those that it is in, unless they are there, for this user alone: payloads are in it. Durable when it returns.
fn create(dir: &Path) -> io::Result<()> {
    let missing = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).count();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    dir.ancestors()
        .take(missing.max(1))
        .try_for_each(|made| made.canonicalize()?.parent().map_or(Ok(()), durable::sync))
}

/// Refuses a directory in which something is, but for these.
fn refuse_all_but_empty(path: &Path, but: &[&str]) -> Result<(), RestoreError> {
    let found = names(path)?.into_iter().find(|name| name != LOST_AND_FOUND && !but.contains(&name.as_str()));
    found.map_or(Ok(()), |found| Err(RestoreError::NotEmpty { dir: path.to_owned(), found }))
}

/// The names in a directory. Names that are no UTF-8 are nobody's of ours; they are shown as well as may be.
fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    read().map_err(StoreError::io("read the directory", dir))
}

/// What an empty file system has.
const LOST_AND_FOUND: &str = "lost+found";

/// What an empty file system has, and what a process leaves that stopped in the middle of its first start.
fn may_precede_format(name: &str) -> bool {
    [LOST_AND_FOUND, LOCK, "FORMAT.new"].contains(&name)
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(dir.to_owned())),
        Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path)(e)),
    }
}

fn refuse_half_restored(dir: &Path) -> Result<(), StoreError> {
    if dir.join(RESTORING).exists() {
        let found =
            "a backup was being restored into it, and that was interrupted: empty it, and restore again";
        return Err(format::foreign(&dir.join(FORMAT), found.to_owned()));
    }
    Ok(())
}

/// Makes a directory without an identity a new node's. Data without an identity are nobody's: they are not touched.
fn begin_anew(dir: &Path) -> Result<Identity, StoreError> {
    refuse_half_restored(dir)?;
    if let Some(name) = names(dir)?.iter().find(|name| [RAFT, JOBS, SNAPSHOT].contains(&name.as_str())) {
        return Err(StoreError::damaged("identity", format!("its file is missing, but there is {name}/")));
    }
    // One that was left there tells of another cluster's terms.
    match fs::remove_file(dir.join(LOG_TIME)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("remove", &dir.join(LOG_TIME))(e));
        }
        Ok(()) | Err(_) => {}
    }
    HighWater::create(&dir.join(HIGH_WATER))?;
    // The identity comes last: where it is, the mark is.
    let identity = Identity::draw();
    identity.write(&dir.join(IDENTITY))?;
    Ok(identity)
}

/// Moves what [`DataDir::set_aside`] has not moved yet. FORMAT and LOCK stay: the directory is ours all the while.
fn finish_setting_aside(dir: &Path) -> Result<(), StoreError> {
    let marker = dir.join(SETTING_ASIDE);
    let target = match fs::read_to_string(&marker) {
        Ok(name) => dir.join(name),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StoreError::io("read", &marker)(e)),
    };
    let stays = |name: &str| {
        [FORMAT, LOCK, BALLAST, SETTING_ASIDE, LOST_AND_FOUND].contains(&name)
            || name.starts_with(SET_ASIDE_PREFIX)
    };
    for name in names(dir)?.iter().filter(|name| !stays(name)) {
        fs::rename(dir.join(name), target.join(name)).map_err(StoreError::io("move", &dir.join(name)))?;
    }
    let conclude = || {
        durable::sync(&target)?;
        durable::sync(dir)?;
        fs::remove_file(&marker)?;
        durable::sync(dir)
    };
    conclude().map_err(StoreError::io("set aside the contents of", dir))
}
