//! Rows of a backup: gathered into compressed chunks, and read from them.

use super::BackupError;
use crate::limits::{BACKUP_CHUNK_BYTES, BACKUP_FRAME_BYTES};
use crate::rows::db::Family;

/// The number of a family in a backup. A number once given is never given to something else.
pub(super) fn number(family: Family) -> u8 {
    match family {
        Family::Default => 0,
        Family::Bulk => 1,
        Family::Idx => 2,
    }
}

/// Rows that wait to be written.
#[derive(Default)]
pub(super) struct Chunk(Vec<u8>);

impl Chunk {
    pub(super) fn add(&mut self, family: Family, key: &[u8], value: &[u8]) {
        self.0.push(number(family));
        for part in [key, value] {
            let length = u32::try_from(part.len()).expect("RocksDB takes no longer ones");
            self.0.extend(length.to_le_bytes());
            self.0.extend(part);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= BACKUP_CHUNK_BYTES
    }

    /// Its length and its compressed bytes; it is empty then.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut body = u32::try_from(self.0.len()).expect("a chunk is bounded").to_le_bytes().to_vec();
        body.extend(lz4_flex::block::compress(&self.0));
        self.0.clear();
        body
    }
}

/// What [`Chunk::take`] had taken.
pub(super) fn unpack(body: &[u8], at: u64) -> Result<Vec<u8>, BackupError> {
    let altered = |reason: String| BackupError::Altered { at, reason };
    let (length, compressed) =
        body.split_first_chunk().ok_or_else(|| altered("a part is too short".to_owned()))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > BACKUP_FRAME_BYTES {
        return Err(altered("a part says that it is longer than any".to_owned()));
    }
    let rows = lz4_flex::block::decompress(compressed, length).map_err(|error| altered(error.to_string()))?;
    if rows.len() == length { Ok(rows) } else { Err(altered("a part is shorter than it says".to_owned())) }
}

/// The next of the unpacked rows; `None` when what is left is none.
pub(super) fn next<'a>(rows: &mut &'a [u8]) -> Option<(Family, &'a [u8], &'a [u8])> {
    let (byte, rest) = rows.split_first()?;
    let family = Family::ALL.into_iter().find(|family| number(*family) == *byte)?;
    let (key, rest) = part(rest)?;
    let (value, rest) = part(rest)?;
    *rows = rest;
    Some((family, key, value))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
