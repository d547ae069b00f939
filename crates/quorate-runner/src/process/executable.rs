use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Bytes of a file's beginning in which its interpreter is named.
const HEAD_BYTES: usize = 4096;
/// How many interpreters may need another one, as in Linux.
const INTERPRETERS: usize = 4;

/// Sees whether a program can be executed, as far as that shows before it is; without a slash it is looked for in `PATH`.
///
/// # Errors
/// Why it can't be, in words.
pub(crate) fn check(program: &Path) -> Result<(), String> {
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        return check_file(program, Text::IsRefused, INTERPRETERS);
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let candidates = std::env::split_paths(&path).map(|directory| directory.join(program));
    // Like a shell, past what can't be executed.
    let found: Vec<PathBuf> = candidates.filter(|candidate| candidate.exists()).collect();
    match (found.iter().find(|candidate| may_be_executed(candidate).is_ok()), found.first()) {
        (Some(candidate), _) | (None, Some(candidate)) => {
            check_file(candidate, Text::IsForTheShell, INTERPRETERS)
                .map_err(|why| format!("{}: {why}", candidate.display()))
        }
        (None, None) => Err("it is not found in PATH".into()),
    }
}

/// What becomes of a file that is neither a program nor names an interpreter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    IsRefused,
    /// execvp(3), which looks for programs in `PATH`, gives it to `/bin/sh`.
    IsForTheShell,
}

fn check_file(file: &Path, text: Text, interpreters: usize) -> Result<(), String> {
    may_be_executed(file)?;
    let head = match head(file) {
        Ok(head) => head,
        // What may be executed need not be readable.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let interpreter = match head.strip_prefix(b"#!") {
        Some(line) => Some(script_interpreter(line)?),
        None if head.iter().take(4).all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) => {
            return match text {
                Text::IsRefused => Err("it is neither a program nor a script that begins with #!".into()),
                Text::IsForTheShell => Ok(()),
            };
        }
        None => elf_interpreter(&head),
    };
    let Some(interpreter) = interpreter else { return Ok(()) };
    if interpreters == 0 {
        return Err("too many interpreters".into());
    }
    check_file(&interpreter, Text::IsRefused, interpreters - 1)
        .map_err(|why| format!("its interpreter {interpreter:?}: {why}"))
}

fn may_be_executed(file: &Path) -> Result<(), String> {
    let metadata = fs::metadata(file).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a directory".into());
    }
    if !metadata.is_file() {
        return Err("it is no file".into());
    }
    access(file, AccessFlags::X_OK).map_err(|error| io::Error::from(error).to_string())
}

fn head(file: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn script_interpreter(line: &[u8]) -> Result<PathBuf, String> {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let word = line.split(is_blank).find(|word| !word.is_empty());
    let word = word.ok_or("it names no interpreter after #!")?;
    Ok(String::from_utf8_lossy(word).into_owned().into())
}

/// The loader that a dynamically linked 64-bit program of this byte order asks for (elf(5), `PT_INTERP`).
fn elf_interpreter(head: &[u8]) -> Option<PathBuf> {
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const PT_INTERP: u64 = 3;
    if !head.starts_with(b"\x7fELF") || head.get(4..6)? != [CLASS_64, LITTLE_ENDIAN] {
        return None;
    }
    let number = |at: usize, bytes: usize| {
        let bytes = head.get(at..at.checked_add(bytes)?)?;
        Some(bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let headers = (0..count).map_while(|n| usize::try_from(first.checked_add(n * size)?).ok());
    let header = headers.into_iter().find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let start = usize::try_from(number(header + 8, 8)?).ok()?;
    let name = head.get(start..)?.split(|byte| *byte == 0).next()?;
    Some(std::str::from_utf8(name).ok()?.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn why(content: &str, mode: u32) -> Result<(), String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("it");
        fs::write(&file, content).expect("it is written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("it is ours");
        check(&file)
    }

    #[test]
    fn what_can_be_executed_passes() {
        for program in ["/bin/sh", "sh", "/proc/self/exe"] {
            assert_eq!(check(Path::new(program)), Ok(()), "{program}");
        }
        assert_eq!(why("#!/bin/sh\n", 0o755), Ok(()));
        assert_eq!(why("#! /usr/bin/env sh\n", 0o755), Ok(()));
    }

    #[test]
    fn the_loader_of_a_program_is_found() {
        let shell = head(Path::new("/bin/sh")).expect("it can be read");
        let loader = elf_interpreter(&shell).expect("it is linked dynamically");
        assert!(loader.is_file() && loader.to_string_lossy().contains("ld"), "{loader:?}");
    }

    #[test]
    fn what_can_not_be_executed_says_why() {
        let no_file = "No such file or directory (os error 2)";
        let error = |why: &str| Err(why.to_owned());
        assert_eq!(check(Path::new("/no/such/program")), error(no_file));
        assert_eq!(check(Path::new("no-such-program")), error("it is not found in PATH"));
        assert_eq!(check(Path::new("/tmp")), error("it is a directory"));
        assert_eq!(check(Path::new("/dev/null")), error("it is no file"));
        assert_eq!(why("#!/bin/sh\n", 0o644), error("Permission denied (os error 13)"));
        let no_program = "it is neither a program nor a script that begins with #!";
        assert_eq!(why("echo hello\n", 0o755), error(no_program));
        assert_eq!(why("", 0o755), error(no_program));
        assert_eq!(why("#! \n", 0o755), error("it names no interpreter after #!"));
        let no_interpreter = |name: &str| Err(format!("its interpreter {name:?}: {no_file}"));
        assert_eq!(why("#!/no/such/shell -e\n", 0o755), no_interpreter("/no/such/shell"));
        assert_eq!(why("#!/bin/sh\r\n", 0o755), no_interpreter("/bin/sh\r"));
    }
}
