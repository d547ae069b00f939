use bytes::BytesMut;
use quorate_core::{FeatureLevel, Timestamp};
use quorate_proto::log::v1::{BackupEnd, BackupHeader, TableMeta};

use super::frame::{Kind, take_frame, take_line};
use super::restore::{alone, new_meta};
use super::row_check::RowCheck;
use super::state_hash::{StateHash, header_hash};
use super::{BackupError, rows};
use crate::limits::{INDEX, TERM};
use crate::rows::db::Family;
use crate::{LogId, Node, format};

/// What a backup has, once all of it was read and found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// The version of the program that made it.
    pub version: String,
    /// The cluster that it is of.
    pub cluster_id: String,
    /// Those that this one was restored or recovered from.
    pub former_cluster_ids: Vec<String>,
    /// The last log entry in it: its term
    pub term: u64,
    /// and its index.
    pub index: u64,
    /// Log time there.
    pub log_time: Timestamp,
    /// By the wall clock of the node that made it, in milliseconds since the Unix epoch.
    pub made_at_ms: u64,
    /// The cluster's.
    pub feature_level: FeatureLevel,
    /// Of its rows.
    pub data_format: u32,
    /// Jobs by status, in the order of [`quorate_core::Status::ALL`].
    pub jobs: [u64; 6],
    /// How many rows it has.
    pub rows: u64,
    /// Their bytes, before they are compressed.
    pub bytes: u64,
    /// Its own bytes.
    pub size: u64,
    /// SHA-256 of the state: the same here and in what is restored from it.
    pub state_hash: [u8; 32],
}

/// Reads a backup as it comes, and says what is wrong with it as soon as it is seen.
pub struct BackupCheck {
    /// What has come and is not understood yet.
    came: BytesMut,
    /// How many bytes were before it.
    understood: u64,
    stage: Stage,
    /// Whether the rows fit each other.
    fit: RowCheck,
    rows: u64,
    bytes: u64,
}

/// Takes a row: its family, key and value.
pub(super) type TakeRow<'a, E> = dyn FnMut(Family, &[u8], &[u8]) -> Result<(), E> + 'a;

enum Stage {
    Line,
    Header,
    Rows(Box<Rows>),
    Done(Box<(BackupSummary, TableMeta)>),
}

struct Rows {
    header: BackupHeader,
    header_hash: [u8; 32],
    hash: StateHash,
    last: Option<(u8, Vec<u8>)>,
}

impl Default for BackupCheck {
    fn default() -> BackupCheck {
        let came = BytesMut::new();
        BackupCheck { came, understood: 0, stage: Stage::Line, fit: RowCheck::default(), rows: 0, bytes: 0 }
    }
}

impl BackupCheck {
    /// The next bytes.
    ///
    /// # Errors
    /// It is no backup, or not whole.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.push_to(bytes, &mut |_, _, _| Ok(()))
    }

    /// How many jobs have come so far, and how many there are, once that is known.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let jobs = self.fit.jobs.iter().sum();
        match &self.stage {
            Stage::Line | Stage::Header => (jobs, None),
            Stage::Rows(rows) => (jobs, Some(rows.header.jobs)),
            Stage::Done(_) => (jobs, Some(jobs)),
        }
    }

    /// There are no more bytes.
    ///
    /// # Errors
    /// [`BackupError::Truncated`].
    pub fn end(self) -> Result<BackupSummary, BackupError> {
        self.end_with_table().map(|(summary, _)| summary)
    }

    /// The same, and what moves with every write.
    pub(super) fn end_with_table(self) -> Result<(BackupSummary, TableMeta), BackupError> {
        match self.stage {
            Stage::Done(done) => Ok(*done),
            Stage::Line | Stage::Header | Stage::Rows(_) => {
                Err(BackupError::Truncated(self.understood + self.came.len() as u64))
            }
        }
    }

    /// The next bytes; every row in them goes to `row`. That all are there and as they were is known at the end only.
    pub(super) fn push_to<E: From<BackupError>>(
        &mut self,
        bytes: &[u8],
        row: &mut TakeRow<'_, E>,
    ) -> Result<(), E> {
        self.came.extend_from_slice(bytes);
        loop {
            let before = self.came.len();
            if matches!(self.stage, Stage::Line) {
                if !take_line(&mut self.came)? {
                    return Ok(());
                }
                self.stage = Stage::Header;
            } else {
                if matches!(self.stage, Stage::Done(_)) && !self.came.is_empty() {
                    return Err(self.altered("there is something behind its end").into());
                }
                let Some((kind, body)) = take_frame(&mut self.came, self.understood)? else { return Ok(()) };
                self.frame(kind, &body, row)?;
            }
            self.understood += (before - self.came.len()) as u64;
            if let Stage::Done(done) = &mut self.stage {
                done.0.size = self.understood;
            }
        }
    }

    fn frame<E: From<BackupError>>(
        &mut self,
        kind: Kind,
        body: &[u8],
        row: &mut TakeRow<'_, E>,
    ) -> Result<(), E> {
        let at = self.understood;
        let out_of_place = self.altered("a part is not where it belongs");
        match (kind, &mut self.stage) {
            (Kind::Header, Stage::Header) => {
                self.stage = Stage::Rows(Box::new(begin(body, at)?));
                Ok(())
            }
            (Kind::Rows, Stage::Rows(_)) => {
                let unpacked = rows::unpack(body, at)?;
                let mut left = &*unpacked;
                while !left.is_empty() {
                    let Some((family, key, value)) = rows::next(&mut left) else {
                        return Err(self.altered("a row is none").into());
                    };
                    self.row(family, key, value)?;
                    row(family, key, value)?;
                }
                Ok(())
            }
            (Kind::End, Stage::Rows(_)) => Ok(self.finish(body)?),
            (Kind::Header | Kind::Rows | Kind::End, _) => Err(out_of_place.into()),
        }
    }

    fn row(&mut self, family: Family, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        let at = self.understood;
        let Stage::Rows(rows) = &mut self.stage else { return Err(self.altered("a row comes too early")) };
        let place = (rows::number(family), key.to_vec());
        if rows.last.as_ref().is_some_and(|last| *last >= place) {
            return Err(self.altered("the rows are in no order"));
        }
        rows.last = Some(place);
        rows.hash.row(family, key, value);
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.fit.row(family, key, value).map_err(|error| BackupError::of_store(at, error))
    }

    fn finish(&mut self, body: &[u8]) -> Result<(), BackupError> {
        let at = self.understood;
        let end: BackupEnd =
            quorate_proto::decode(body).map_err(|malformed| BackupError::malformed(at, &malformed))?;
        let Stage::Rows(rows) = std::mem::replace(&mut self.stage, Stage::Line) else {
            return Err(self.altered("a part is not where it belongs"));
        };
        let state_hash = rows.hash.end();
        if (end.rows, end.bytes) != (self.rows, self.bytes) {
            return Err(self.altered("some rows are missing, or too many"));
        }
        if end.state_hash != state_hash {
            return Err(self.altered("the hash of the state does not fit"));
        }
        // Those of before it was there have none.
        if !end.header_hash.is_empty() && end.header_hash != rows.header_hash {
            return Err(self.altered("its header is another one than it was made with"));
        }
        let keys = rows.header.table.as_ref().map_or(0, |table| table.key_count);
        self.fit.end(keys).map_err(|reason| self.altered(reason))?;
        let found: u64 = self.fit.jobs.iter().sum();
        let BackupHeader { version, data_format, cluster_id, table, jobs, made_at_ms, former_cluster_ids } =
            rows.header;
        if jobs != found {
            return Err(self.altered(&format!("it has {found} jobs, and says {jobs}")));
        }
        let table = table.unwrap_or_default();
        let last = table.last_applied.unwrap_or_default();
        let summary = BackupSummary {
            version,
            cluster_id,
            former_cluster_ids,
            term: last.term,
            index: last.index,
            log_time: Timestamp(table.clock_ms),
            made_at_ms,
            feature_level: FeatureLevel(table.level),
            data_format,
            jobs: self.fit.jobs,
            rows: self.rows,
            bytes: self.bytes,
            size: 0,
            state_hash,
        };
        self.stage = Stage::Done(Box::new((summary, table)));
        Ok(())
    }

    fn altered(&self, reason: &str) -> BackupError {
        BackupError::Altered { at: self.understood, reason: reason.to_owned() }
    }
}

fn begin(body: &[u8], at: u64) -> Result<Rows, BackupError> {
    let malformed = |malformed| BackupError::malformed(at, &malformed);
    // Leniently at first: whose rows they are is said before what else there may be.
    let version: BackupHeader = prost::Message::decode(body)
        .map_err(|error| BackupError::Altered { at, reason: format!("the header is none: {error}") })?;
    if version.data_format != format::NUMBER {
        return Err(BackupError::OtherRows { found: version.data_format, version: version.version });
    }
    let header: BackupHeader = quorate_proto::decode(body).map_err(malformed)?;
    let altered = |reason: &str| BackupError::Altered { at, reason: reason.to_owned() };
    let Some(table) = &header.table else { return Err(altered("the header is not whole")) };
    let last = table.last_applied.unwrap_or_default();
    if last.index > INDEX || last.term >= TERM {
        return Err(altered("it is of a log entry that no cluster reaches"));
    }
    // With any members: it has none.
    new_meta(table.clone(), LogId::new_term_index(0, 0), alone(1, Node::default()))
        .map_err(|error| BackupError::of_store(at, error))?;
    let hash = StateHash::new(table);
    Ok(Rows { header, header_hash: header_hash(body), hash, last: None })
}
