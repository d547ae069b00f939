use std::{fs, io, path::Path};

use crate::StoreError;
use crate::files::durable::replace_file;

/// The format of the rows and files of a data directory. Backups name it, too.
pub(crate) const NUMBER: u32 = 8;
/// The whole content of a data directory's `FORMAT` file. Another content is another format.
const FORMAT: &str = "quorate data directory, format 8\n";

/// Whether there is a `FORMAT` file, of this version.
pub(crate) fn check(path: &Path) -> Result<bool, StoreError> {
    match fs::read(path) {
        Ok(content) if content == FORMAT.as_bytes() => Ok(true),
        Ok(content) => {
            let said = String::from_utf8_lossy(&content[..content.len().min(64)]).trim_end().to_owned();
            let next = "start the version that wrote it, or choose another directory";
            Err(foreign(path, format!("its FORMAT file says {said:?}: {next}")))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io("read", path)(e)),
    }
}

/// Marks a directory as one of this version. Durable when it returns.
pub(crate) fn write(path: &Path) -> Result<(), StoreError> {
    replace_file(path, FORMAT.as_bytes())
}

/// The error of a directory that is none of this version.
pub(crate) fn foreign(format_path: &Path, found: String) -> StoreError {
    let dir = format_path.parent().unwrap_or(format_path);
    StoreError::ForeignFormat { path: dir.to_owned(), found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_file() {
        assert_eq!(FORMAT, format!("quorate data directory, format {NUMBER}\n"));
    }
}
