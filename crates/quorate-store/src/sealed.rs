//! Small files whose damage is noticed: a length, a checksum, a message. Written all or not at all.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use prost::Message;

use crate::StoreError;

/// The bytes before the message: its length and its CRC-32C, little-endian `u32`s.
const HEAD: usize = 8;

/// The message with its length and checksum before it.
pub(crate) fn seal(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).expect("sealed messages are small");
    let mut sealed = Vec::with_capacity(HEAD + body.len());
    sealed.extend(length.to_le_bytes());
    sealed.extend(crc32c::crc32c(&body).to_le_bytes());
    sealed.extend(body);
    sealed
}

/// The message that was sealed; bytes behind it do not matter. Err says what does not fit.
pub(crate) fn unseal<M: Message + Default>(sealed: &[u8]) -> Result<M, String> {
    let (length, rest) = sealed.split_first_chunk().ok_or("it is too short")?;
    let (checksum, rest) = rest.split_first_chunk().ok_or("it is too short")?;
    let length = u32::from_le_bytes(*length) as usize;
    let body = rest.get(..length).ok_or("it is shorter than it says")?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
        return Err("its checksum does not fit".to_owned());
    }
    M::decode(body).map_err(|e| e.to_string())
}

/// Puts `contents` in the place of the file at `path`: after a crash there is the old file or the new one.
pub(crate) fn replace_file(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync_dir(path.parent().ok_or(io::ErrorKind::InvalidInput)?)
    };
    write().map_err(StoreError::io("write", path))
}

/// Makes durable which files a directory has.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
