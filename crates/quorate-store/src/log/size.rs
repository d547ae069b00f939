use std::io;

use super::reader::LogReader;

/// How many bytes the log has. An entry counts with its content and a little for what is around it; how much of the
/// disk it takes, and when that comes back, is another matter.
impl LogReader {
    /// The bytes of all entries. Asks the disk.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        self.count_from(0)
    }

    /// The bytes of the entries from `index` on.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn bytes_from(&self, index: u64) -> io::Result<u64> {
        let reader = self.clone();
        tokio::task::spawn_blocking(move || reader.count_from(index)).await.map_err(io::Error::other)?
    }

    /// The entry with which the last `bytes` bytes begin: those from it on have no more. The index to come, if the last
    /// one has more already.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn begin_of_last(&self, bytes: u64) -> io::Result<u64> {
        let reader = self.clone();
        tokio::task::spawn_blocking(move || reader.find_begin(bytes)).await.map_err(io::Error::other)?
    }

    fn count_from(&self, index: u64) -> io::Result<u64> {
        let state = self.shared.read()?;
        let (indexes, end) = (state.view.indexes(), state.view.end());
        let index = index.max(indexes.start);
        if index >= indexes.end {
            return Ok(0);
        }
        if let Some(offset) = state.view.tail.offset(index) {
            return Ok(end - offset);
        }
        // Under the lock: it has what is before the tail, and keeps it.
        let mut disk = self.disk.snapshot();
        drop(state);
        Ok(end - disk.offset(index)?)
    }

    fn find_begin(&self, bytes: u64) -> io::Result<u64> {
        let state = self.shared.read()?;
        let (indexes, tail) = (state.view.indexes(), &state.view.tail);
        let offset = state.view.end().saturating_sub(bytes);
        let in_tail = tail.first_from(offset);
        if in_tail > tail.first() || indexes.start >= tail.first() {
            return Ok(in_tail);
        }
        let (mut from, mut to) = (indexes.start, tail.first());
        let mut disk = self.disk.snapshot();
        drop(state);
        while from < to {
            let middle = from + (to - from) / 2;
            if disk.offset(middle)? >= offset {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        Ok(from)
    }
}
