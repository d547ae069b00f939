use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

use anyhow::Context;
use comfy_table::ContentArrangement;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde::Serialize;

use crate::background::Background;
use crate::clean;

/// Standard output of a command.
///
/// Output that is lost costs nothing else: the command goes on. A reader that has enough is no error, and everything else
/// is one in the end.
#[must_use = "an error shows at the end"]
#[derive(Default)]
pub(crate) struct Output(Option<io::Error>);

impl Output {
    /// One line.
    pub(crate) fn line(&mut self, text: impl Display) {
        self.write(format!("{}\n", clean::line(&text.to_string())).as_bytes());
    }

    /// A table.
    pub(crate) fn table(&mut self, table: &Table) {
        self.write(format!("{}\n", table.0).as_bytes());
    }

    /// A value as one JSON document, exactly.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        let document = serde_json::to_string_pretty(value).expect("answers are plain data");
        self.write(format!("{}\n", clean::json(&document)).as_bytes());
    }

    /// Bytes as they are; a terminal gets them as text.
    pub(crate) fn data(&mut self, bytes: &[u8]) {
        if io::stdout().is_terminal() {
            self.write(clean::text(bytes).as_bytes());
        } else {
            self.write(bytes);
        }
    }

    /// Ends it; `done` is what the command has changed, as in `the job is cancelled`.
    ///
    /// # Errors
    /// It could not be written, for another reason than that nobody reads it any more.
    pub(crate) fn end(mut self, done: Option<&str>) -> anyhow::Result<()> {
        if self.0.is_none() {
            self.0 = io::stdout().flush().err();
        }
        match self.0 {
            Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritten(error, done)),
            _ => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.0.is_none() {
            self.0 = io::stdout().write_all(bytes).err();
        }
    }
}

/// One line on standard error, for a person. If nobody reads it, nobody misses it.
pub(crate) fn remark(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", clean::line(&text.to_string()));
}

/// The error for a standard output that cannot be written.
pub(crate) fn unwritten(error: io::Error, done: Option<&str>) -> anyhow::Error {
    let done = done.map_or_else(String::new, |done| format!("{done}, but "));
    let file = std::fs::read_link("/proc/self/fd/1").ok().filter(|path| path.is_absolute());
    let file = file.map_or_else(String::new, |path| format!(" ({})", path.display()));
    anyhow::Error::new(error).context(format!("{done}standard output{file} cannot be written"))
}

/// A table that a person can read; on a narrow terminal its cells wrap.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Table {
        let mut table = comfy_table::Table::new();
        table
            .load_preset(UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header);
        Table(table)
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.0.add_row(cells.map(clean::line));
    }
}

/// Standard output of a process that has other things to do than to wait for who reads it, or to end when nobody does.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn background() -> anyhow::Result<Background> {
    // A descriptor of its own: a write that waits must not hold the lock of `std::io::stdout`.
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned().context("standard output")?);
    Ok(Background::start(stdout, |lost| format!("{lost} lines are lost\n"))?)
}
