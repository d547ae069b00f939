use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use anyhow::Context;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::background::Background;

/// A table that a person can read; on a narrow terminal its cells wrap.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
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

/// Prints a value as one JSON document.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}
