use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use quorate_proto::{Malformed, log::v1};

use crate::{
    LogId, StoreError, Vote,
    convert::ProtoForm,
    files::durable::replace_file,
    files::sealed::{seal, unseal},
};

const WHAT: &str = "high-water mark";
/// A slot is a page of its own, so that a torn write hurts one slot only.
const SLOT_BYTES: usize = 4096;

/// What the Raft log has certainly kept. RocksDB cannot tell a torn tail, which nobody was promised, from a lost
/// one: a log that ends before its mark has lost what other nodes count on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Mark {
    /// The last entry that was synced, or the purge position if there is none.
    pub(crate) last: Option<LogId>,
    /// The last vote that was synced.
    pub(crate) vote: Option<Vote>,
}

impl Mark {
    /// Whether it says no less than another one.
    pub(crate) fn covers(&self, other: &Mark) -> bool {
        self.last.map(|id| id.index) >= other.last.map(|id| id.index) && self.vote >= other.vote
    }
}

/// The `high-water` file: two slots, each with a sequence number. One is written over and over until it is synced, and then the
/// other one, so that one of them is always whole on the disk.
pub(crate) struct HighWater {
    file: File,
    /// The number that was written last; its lowest bit says into which slot.
    sequence: u64,
    is_synced: bool,
}

impl HighWater {
    /// Makes the file, with an empty mark. Durable when it returns.
    pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
        let slots = [slot(0, Mark::default()), slot(1, Mark::default())];
        replace_file(path, &slots.concat())
    }

    /// Opens the file and reads the mark.
    pub(crate) fn open(path: &Path) -> Result<(HighWater, Mark), StoreError> {
        let bytes = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::damaged(WHAT, "its file is missing"));
            }
            read => read.map_err(StoreError::io("read", path))?,
        };
        let slots = [read_slot(&bytes, 0), read_slot(&bytes, 1)];
        let (sequence, mark) = match slots {
            [Ok(a), Ok(b)] => std::cmp::max_by_key(a, b, |slot| slot.0),
            [Err(newer @ StoreError::Newer { .. }), _] | [_, Err(newer @ StoreError::Newer { .. })] => {
                return Err(newer);
            }
            // The other one was being written when the machine stopped.
            [Ok(slot), Err(_)] | [Err(_), Ok(slot)] => slot,
            [Err(a), Err(b)] => {
                return Err(StoreError::damaged(WHAT, format!("no slot is good: {a}; {b}")));
            }
        };
        let file = OpenOptions::new().write(true).open(path).map_err(StoreError::io("open", path))?;
        // A process that died may have left what it had put last in the machine's memory alone.
        file.sync_data().map_err(StoreError::io("sync", path))?;
        Ok((HighWater { file, sequence, is_synced: true }, mark))
    }

    /// Replaces the mark. What the machine forgets when it stops at once, it forgets of this, too.
    pub(crate) fn put(&mut self, mark: Mark) -> io::Result<()> {
        self.sequence += u64::from(std::mem::take(&mut self.is_synced));
        let offset = (self.sequence % 2) * SLOT_BYTES as u64;
        self.file.write_all_at(&slot(self.sequence, mark), offset)
    }

    /// The mark that was put last is durable when it returns; the one that was synced before holds until then.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.is_synced = true;
        Ok(())
    }
}

fn slot(sequence: u64, mark: Mark) -> Vec<u8> {
    let mut bytes = seal(&v1::HighWater {
        sequence,
        last: mark.last.map(|id| id.to_message()),
        vote: mark.vote.map(|vote| vote.to_message()),
    });
    assert!(bytes.len() <= SLOT_BYTES);
    bytes.resize(SLOT_BYTES, 0);
    bytes
}

fn read_slot(file: &[u8], number: usize) -> Result<(u64, Mark), StoreError> {
    let bytes =
        file.get(number * SLOT_BYTES..).ok_or_else(|| StoreError::damaged(WHAT, "a slot is missing"))?;
    let message: v1::HighWater = unseal(WHAT, bytes)?;
    if message.sequence % 2 != number as u64 {
        let reason = format!("the number {} belongs to the other slot", message.sequence);
        return Err(StoreError::damaged(WHAT, reason));
    }
    let malformed = |malformed: Malformed| StoreError::malformed(WHAT, &malformed);
    let last = message.last.map(LogId::from_message).transpose().map_err(malformed)?;
    let vote = message.vote.map(Vote::from_message).transpose().map_err(malformed)?;
    Ok((message.sequence, Mark { last, vote }))
}
