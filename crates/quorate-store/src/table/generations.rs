use std::fs;
use std::path::{Path, PathBuf};

use crate::files::RemovableDir;
use crate::files::checkpoint::copy_files;
use crate::files::durable::replace_file;
use crate::files::sealed::{seal, unseal};
use crate::rows::db::{Db, DbSettings, Family};
use crate::rows::keys;
use crate::{DataDir, StoreError};
use quorate_proto::log::v1;

/// Opens the table of a data directory alone, or makes an empty one: where no node runs.
pub(crate) fn open(dir: &DataDir, settings: DbSettings) -> Result<Db, StoreError> {
    Generations::open(dir.jobs(), settings).map(|(_, db, _)| db)
}

/// Opens the table of a data directory to look into it, without changing anything.
pub(crate) fn look(dir: &DataDir, settings: DbSettings) -> Result<Db, StoreError> {
    let generations = Generations { root: dir.jobs(), current: 0, settings };
    let number = generations.read_current()?;
    let number = number.ok_or_else(|| StoreError::damaged("jobs/CURRENT", "it is missing"))?;
    Db::open_read_only(&generations.path(number), &generations.settings)
}

/// The directory of a node's job table: its generations, of which CURRENT names the one in use.
///
/// A new generation is complete before CURRENT names it, so a crash leaves the old one or the new one in use, and
/// what the next start removes.
pub(crate) struct Generations {
    root: PathBuf,
    current: u64,
    settings: DbSettings,
}

impl Generations {
    /// Opens the generation in use, or makes the first one, and removes all others.
    pub(crate) fn open(
        root: PathBuf,
        settings: DbSettings,
    ) -> Result<(Generations, Db, RemovableDir), StoreError> {
        fs::create_dir_all(&root).map_err(StoreError::io("create", &root))?;
        let mut generations = Generations { root, current: 0, settings };
        let db = match generations.read_current()? {
            Some(number) => {
                generations.current = number;
                Db::open(&generations.path(number), &generations.settings)?
            }
            None => {
                generations.forget_unfinished_first()?;
                let db = Db::create(&generations.path(1), &generations.settings)?;
                generations.switch_to(1)?;
                db
            }
        };
        generations.remove_others()?;
        let dir = RemovableDir::kept(generations.path(generations.current));
        Ok((generations, db, dir))
    }

    /// Makes the next generation a copy of the snapshot in `from`; it is not in use yet. Nothing is left of it
    /// when its directory is dropped before [`Generations::advance`].
    pub(crate) fn prepare_next(&self, from: &Path) -> Result<(Db, RemovableDir), StoreError> {
        let path = self.path(self.current + 1);
        let dir = RemovableDir::temporary(path.clone());
        copy_files(from, &path)?;
        Ok((Db::open(&path, &self.settings)?, dir))
    }

    /// Puts the generation in use that [`Generations::prepare_next`] made.
    pub(crate) fn advance(&mut self) -> Result<(), StoreError> {
        self.switch_to(self.current + 1)
    }

    fn switch_to(&mut self, number: u64) -> Result<(), StoreError> {
        replace_file(&self.root.join("CURRENT"), &seal(&v1::CurrentGeneration { number }))?;
        self.current = number;
        Ok(())
    }

    fn read_current(&self) -> Result<Option<u64>, StoreError> {
        let path = self.root.join("CURRENT");
        match fs::read(&path) {
            Ok(sealed) => {
                let message: v1::CurrentGeneration = unseal("jobs/CURRENT", &sealed)?;
                Ok(Some(message.number))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }

    /// Without CURRENT there may be a first generation that a crash left unnamed. It is empty; one that is not is
    /// somebody's data whose CURRENT got lost.
    fn forget_unfinished_first(&self) -> Result<(), StoreError> {
        for path in self.others()? {
            let empty = path == self.path(1)
                && match Db::open_read_only(&path, &self.settings) {
                    Ok(db) => db.get(Family::Default, &keys::meta())?.is_none(),
                    Err(_) => !path.join("CURRENT").exists(), // RocksDB's own, the last file of its creation
                };
            if !empty {
                return Err(StoreError::damaged("jobs/CURRENT", "it is missing, but there is a job table"));
            }
            fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    fn remove_others(&self) -> Result<(), StoreError> {
        for path in self.others()? {
            fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
        }
        Ok(())
    }

    /// The directories of all generations but the one in use.
    fn others(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(StoreError::io("list", &self.root))? {
            let entry = entry.map_err(StoreError::io("list", &self.root))?;
            let is_generation = entry.file_name().to_str().is_some_and(|name| name.starts_with("gen-"));
            if is_generation && entry.path() != self.path(self.current) {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.root.join(format!("gen-{number}"))
    }
}
