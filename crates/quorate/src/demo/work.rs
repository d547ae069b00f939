use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::limits::{DEMO_FILE_BYTES, DEMO_FILES};

/// The programs that do the demo's work, by image. Each writes the job's id to the ledger before it starts, so that the
/// ledger shows how often every job really ran.
pub(super) struct Programs {
    ledger: PathBuf,
    allow_list: Vec<String>,
}

impl Programs {
    /// Makes the programs, as scripts in `dir`, and an empty ledger.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn new(dir: &Path) -> anyhow::Result<Programs> {
        let ledger = dir.join("ledger");
        write(&ledger, "")?;
        let mut allow_list = Vec::new();
        for kind in &KINDS {
            let script = dir.join(format!("{}.sh", kind.image));
            write(&script, &format!("echo \"$JOB_ID\" >> '{}'\nexec {}\n", ledger.display(), kind.command))?;
            let path = script.display().to_string();
            ensure!(!path.contains(char::is_whitespace), "data-dir: {path} contains white space");
            allow_list.push(format!("{}=/bin/sh {path}", kind.image));
        }
        Ok(Programs { ledger, allow_list })
    }

    /// The runner's allow-list: `image=program arguments`.
    pub(super) fn allow_list(&self) -> &[String] {
        &self.allow_list
    }

    /// How often each job ran, by its id.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn runs(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let text = std::fs::read_to_string(&self.ledger)
            .with_context(|| format!("cannot read the ledger {}", self.ledger.display()))?;
        let mut runs = BTreeMap::new();
        for id in text.lines() {
            *runs.entry(id.to_owned()).or_insert(0) += 1;
        }
        Ok(runs)
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("data-dir: cannot write {}", path.display()))
}

struct Kind {
    image: &'static str,
    command: &'static str,
}

const KINDS: [Kind; 2] = [
    Kind { image: "wordcount", command: "/usr/bin/wc -w" },
    Kind { image: "sha256", command: "/usr/bin/sha256sum" },
];

/// One piece of work, with what its log must say in the end.
pub(super) struct Work {
    pub(super) image: &'static str,
    pub(super) payload: String,
    pub(super) expected: String,
}

/// `count` pieces of work on the text files below `input`, every kind in turn; the files in turn where there are fewer.
///
/// # Errors
/// There is no text file, or a program of the work cannot be run.
pub(super) fn collect(input: &Path, count: usize) -> anyhow::Result<Vec<Work>> {
    let mut files = Vec::new();
    text_files(input, &mut files)?;
    ensure!(
        !files.is_empty(),
        "input: {} holds no text file of at most {} KiB",
        input.display(),
        DEMO_FILE_BYTES >> 10
    );
    files.sort();
    files
        .iter()
        .cycle()
        .take(count)
        .zip(KINDS.iter().cycle())
        .map(|((_, text), kind)| {
            Ok(Work { image: kind.image, payload: text.clone(), expected: run(kind.command, text)? })
        })
        .collect()
}

fn text_files(dir: &Path, files: &mut Vec<(PathBuf, String)>) -> anyhow::Result<()> {
    let cannot = || format!("input: give another, {} cannot be read", dir.display());
    for entry in std::fs::read_dir(dir).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        if hidden || name == "target" || files.len() >= DEMO_FILES {
            continue;
        }
        let kind = entry.file_type().with_context(cannot)?;
        if kind.is_dir() {
            text_files(&path, files)?;
        } else if kind.is_file()
            && entry.metadata().with_context(cannot)?.len() <= DEMO_FILE_BYTES
            && let Ok(text) = std::fs::read_to_string(&path)
            && !text.is_empty()
        {
            files.push((path, text));
        }
    }
    Ok(())
}

/// What a program says about an input: run here, to know what the cluster's answer must be.
fn run(command: &str, input: &str) -> anyhow::Result<String> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .env_clear() // as a runner does: what a word is depends on the locale
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command}"))?;
    let failed = || format!("{command} failed");
    child.stdin.take().context("no standard input")?.write_all(input.as_bytes()).with_context(failed)?;
    let output = child.wait_with_output().with_context(failed)?;
    ensure!(output.status.success(), "{}: {}", failed(), output.status);
    String::from_utf8(output.stdout).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_real_files_with_the_answers_that_the_programs_give() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.txt"), "one two three\n").unwrap();
        std::fs::write(dir.path().join("b.bin"), [0xff, 0xfe]).unwrap();
        std::fs::create_dir(dir.path().join("target")).unwrap();
        std::fs::write(dir.path().join("target/c.txt"), "not this").unwrap();
        let work = collect(dir.path(), 3).unwrap();
        assert_eq!(work.len(), 3);
        assert_eq!((work[0].image, work[0].expected.trim()), ("wordcount", "3"));
        assert!(work[1].expected.ends_with("  -\n") && work[1].expected.len() == 68);
        assert_eq!(work[2].image, "wordcount");
    }
}
