use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// By what a file is known to be as it was: its device, its number, its length, and the time of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u64, u64, u64, (i64, i64));

impl Seen {
    /// A file as it is now; `None` where there is none.
    pub fn of(path: &Path) -> Option<Seen> {
        fs::metadata(path).ok().as_ref().map(Seen::from)
    }
}

impl From<&Metadata> for Seen {
    fn from(file: &Metadata) -> Seen {
        Seen(file.dev(), file.ino(), file.len(), (file.ctime(), file.ctime_nsec()))
    }
}
