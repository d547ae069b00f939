use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use quorate_core::limits::PAYLOAD_BYTES;

use crate::limits::INPUT_SILENT;
use crate::output;

/// So many bytes become a payload of the longest: four characters from three.
const BASE64_BYTES: usize = PAYLOAD_BYTES / 4 * 3;

/// Where payloads come from.
#[derive(Args)]
pub(super) struct InputArgs {
    /// The job's input, UTF-8 text of at most 1 MiB; `-` is standard input [default: standard input where that is a pipe,
    /// a socket or a file, else empty].
    #[arg(long, conflicts_with_all = ["payload_file", "lines"], allow_hyphen_values = true)]
    payload: Option<String>,
    /// Read the input from a file, of at most 1 MiB; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "lines")]
    payload_file: Option<PathBuf>,
    /// Send the input encoded in base64, and so also what is no text; at most 768 KiB. The program that runs the job has
    /// to decode it.
    #[arg(long, conflicts_with = "lines")]
    base64: bool,
    /// Make a job of every line of a file, each at most 1 MiB of UTF-8 text; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    lines: Option<PathBuf>,
}

impl InputArgs {
    /// True where every line is a job.
    pub(super) fn is_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// The payloads, none of them too long: what else could be wrong is wrong with the first request, too.
    ///
    /// # Errors
    /// They cannot be read, or are not what a payload can be. Nothing is enqueued.
    pub(super) fn payloads(&self) -> anyhow::Result<Vec<String>> {
        if let Some(file) = &self.lines {
            let lines = String::from_utf8(read(file)?).map_err(|error| {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                anyhow::anyhow!("lines: line {line} is not UTF-8 text; nothing is enqueued")
            })?;
            ensure!(!lines.is_empty(), "lines: the input is empty");
            let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
            for (number, line) in (1..).zip(&lines) {
                fits(&format!("line {number}"), line.len())?;
            }
            return Ok(lines);
        }
        let bytes = match (&self.payload_file, &self.payload) {
            (Some(file), _) => read(file)?,
            (None, Some(payload)) if payload == "-" => standard_input()?,
            (None, Some(payload)) => payload.clone().into_bytes(),
            (None, None) if is_given() => standard_input()?,
            (None, None) => Vec::new(),
        };
        let payload = match self.base64 {
            true => {
                ensure!(
                    bytes.len() <= BASE64_BYTES,
                    "payload: {} bytes are more than the {} KiB that --base64 can send; nothing is enqueued",
                    bytes.len(),
                    BASE64_BYTES >> 10
                );
                BASE64_STANDARD.encode(bytes)
            }
            false => match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(_) => bail!(
                    "payload: it is not UTF-8 text, which a payload must be; --base64 sends it encoded. Nothing is enqueued"
                ),
            },
        };
        fits("payload", payload.len())?;
        Ok(vec![payload])
    }
}

fn fits(which: &str, bytes: usize) -> anyhow::Result<()> {
    ensure!(
        bytes <= PAYLOAD_BYTES,
        "{which}: {bytes} bytes are more than {PAYLOAD_BYTES}; nothing is enqueued"
    );
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    match path.as_os_str() == "-" {
        true => standard_input(),
        false => std::fs::read(path).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// True where somebody has put a pipe, a socket or a file on standard input: not for a terminal, nor for /dev/null.
fn is_given() -> bool {
    let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() else { return false };
    let Ok(input) = File::from(stdin).metadata() else { return false };
    input.is_file() || input.file_type().is_fifo() || input.file_type().is_socket()
}

/// All of standard input. Says what it waits for, when that takes long.
fn standard_input() -> anyhow::Result<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = io::stdin().read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits for it any more when the process ends.
        let _ = sender.send(read);
    });
    let read = match receiver.recv_timeout(INPUT_SILENT) {
        Err(RecvTimeoutError::Timeout) => {
            output::remark("waiting for the input on standard input (--payload '' enqueues an empty one)");
            receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
        read => read,
    };
    read.context("standard input")?.context("standard input cannot be read")
}
