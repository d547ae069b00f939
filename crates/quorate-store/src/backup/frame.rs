//! The parts of a backup: each with its kind, its length and a checksum of all.

use bytes::{Buf, Bytes, BytesMut};

use super::BackupError;
use crate::limits::BACKUP_FRAME_BYTES;

/// What a backup begins with. Another line is another format.
pub(super) const LINE: &str = "quorate backup, format 1\n";
/// What every format's line begins with.
const ANY_LINE: &str = "quorate backup, format ";
/// No format's line is longer.
const LINE_BYTES: usize = 64;
/// Kind, length, checksum.
pub(super) const HEAD: usize = 9;

/// What a frame has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Header = 1,
    Rows = 2,
    End = 3,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        [Kind::Header, Kind::Rows, Kind::End].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The frame around a body.
pub(super) fn frame(kind: Kind, body: &[u8]) -> Bytes {
    assert!(
        body.len() <= BACKUP_FRAME_BYTES,
        "a frame of {} bytes is too large to be read again",
        body.len()
    );
    let length = u32::try_from(body.len()).expect("below the limit");
    let mut frame = BytesMut::with_capacity(HEAD + body.len());
    frame.extend([kind as u8]);
    frame.extend(length.to_le_bytes());
    frame.extend(checksum(&frame, body).to_le_bytes());
    frame.extend(body);
    frame.freeze()
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(head), body)
}

/// Takes the line from the front of what has come; false while it has not come whole.
pub(super) fn take_line(came: &mut BytesMut) -> Result<bool, BackupError> {
    if came.starts_with(LINE.as_bytes()) {
        came.advance(LINE.len());
        return Ok(true);
    }
    if LINE.as_bytes().starts_with(came) {
        return Ok(false);
    }
    let common = came.len().min(ANY_LINE.len());
    if came[..common] != ANY_LINE.as_bytes()[..common] {
        return Err(BackupError::Foreign);
    }
    match came.iter().take(LINE_BYTES).position(|byte| *byte == b'\n') {
        Some(end) => Err(BackupError::OtherFormat(String::from_utf8_lossy(&came[..end]).into_owned())),
        None if came.len() < LINE_BYTES => Ok(false),
        None => Err(BackupError::Foreign),
    }
}

/// Takes a frame from the front of what has come, which stands at byte `at`; `None` while it has not come whole.
pub(super) fn take_frame(came: &mut BytesMut, at: u64) -> Result<Option<(Kind, Bytes)>, BackupError> {
    let altered = |reason: &str| BackupError::Altered { at, reason: reason.to_owned() };
    let Some((head, rest)) = came.split_first_chunk::<HEAD>() else { return Ok(None) };
    let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let kind = Kind::of(kind).ok_or_else(|| altered("a part is of no known kind"))?;
    if length > BACKUP_FRAME_BYTES {
        return Err(altered("a part says that it is longer than any"));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    if checksum(&head[..5], body) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(altered("a checksum does not fit"));
    }
    came.advance(HEAD);
    Ok(Some((kind, came.split_to(length).freeze())))
}
