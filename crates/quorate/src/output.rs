use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Context;
use comfy_table::presets::{NOTHING, UTF8_BORDERS_ONLY};
use comfy_table::{ColumnConstraint, ContentArrangement, Row};
use console::Term;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::Serialize;

use crate::background::Background;
use crate::number::{counted, form};
use crate::{clean, limits};

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
        self.write(format!("{}\n", table.text(width())).as_bytes());
    }

    /// False once something could not be written: nobody sees any more of it.
    pub(crate) fn is_seen(&self) -> bool {
        self.0.is_none()
    }

    /// Makes a terminal empty, for what comes next. What has scrolled out of it stays.
    pub(crate) fn clear(&mut self) {
        if is_terminal() {
            self.write(CLEAR);
        }
    }

    /// A value as one JSON document, exactly.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        let document = serde_json::to_string_pretty(value).expect("answers are plain data");
        self.write(format!("{}\n", clean::json(&document)).as_bytes());
    }

    /// Bytes as they are; a terminal gets them as text.
    pub(crate) fn data(&mut self, bytes: &[u8]) {
        if is_terminal() {
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

/// True where standard output is /dev/null for reading and writing, as it is when it was closed (`>&-`) and the runtime opened
/// something in its place.
pub(crate) fn goes_nowhere() -> bool {
    let null = std::fs::read_link("/proc/self/fd/1").is_ok_and(|path| path == Path::new("/dev/null"));
    let mode = fcntl(io::stdout(), FcntlArg::F_GETFL).map(OFlag::from_bits_retain);
    null && mode.is_ok_and(|mode| mode & OFlag::O_ACCMODE == OFlag::O_RDWR)
}

/// True where a person reads standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
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

/// The columns of the terminal that standard output is; `None` where it is none.
fn width() -> Option<u16> {
    is_terminal().then(|| Term::stdout().size_checked().map_or(limits::COLUMNS, |(_, columns)| columns))
}

/// A table: on a terminal in a frame that fits it, and else in plain columns, all of it.
pub(crate) struct Table {
    table: comfy_table::Table,
    whole: usize,
}

impl Table {
    /// Cells wrap where the terminal is narrow.
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Table {
        Table::with_header(&header)
    }

    /// The same, where it depends how many columns there are.
    pub(crate) fn with_header(header: &[&str]) -> Table {
        let mut table = comfy_table::Table::new();
        table.set_header(header).set_truncation_indicator("…");
        Table { table, whole: 0 }
    }

    /// One line a row: where the terminal is narrow, so many columns stay whole, the first in any case and the others while there
    /// is room for them. The rest is cut, and the last columns go.
    pub(crate) fn whole(mut self, columns: usize) -> Table {
        self.whole = columns;
        self
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.cells(&cells);
    }

    pub(crate) fn cells(&mut self, cells: &[&str]) {
        let mut row = Row::from(cells.iter().map(|cell| clean::line(cell)).collect::<Vec<_>>());
        if self.whole > 0 {
            row.max_height(1);
        }
        self.table.add_row(row);
    }

    fn text(&self, width: Option<u16>) -> String {
        let mut table = self.table.clone();
        let Some(width) = width else {
            table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
            table.column_iter_mut().for_each(|column| _ = column.set_padding((0, 2)));
            return table.trim_fmt();
        };
        table.load_preset(UTF8_BORDERS_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        let mut needed = FRAME;
        for (at, widest) in self.table.column_max_content_widths().into_iter().enumerate() {
            let column = table.column_mut(at).expect("it has this width");
            let all = needed.saturating_add(widest).saturating_add(PADDING);
            if at < self.whole && (at == 0 || all <= width) {
                column.set_constraint(ColumnConstraint::ContentWidth);
                needed = all;
                continue;
            }
            needed = needed.saturating_add(widest.min(limits::CELL_COLUMNS) + PADDING);
            if self.whole > 0 && needed > width {
                column.set_constraint(ColumnConstraint::Hidden);
            }
        }
        table.to_string()
    }
}

/// To the upper left, and nothing from there on.
const CLEAR: &[u8] = b"\x1b[H\x1b[J";

/// Columns of a terminal that a table takes for its frame, and for the room around each cell.
const FRAME: u16 = 2;
const PADDING: u16 = 2;

/// Standard output of a process that has other things to do than to wait for who reads it, or to end when nobody does.
///
/// # Errors
/// There is no thread to be had.
pub(crate) fn background() -> anyhow::Result<Background> {
    in_background(io::stdout()).context("standard output")
}

/// The same, for remarks on standard error.
///
/// # Errors
/// As [`background`].
pub(crate) fn background_remarks() -> anyhow::Result<Background> {
    in_background(io::stderr()).context("standard error")
}

fn in_background(to: impl AsFd) -> anyhow::Result<Background> {
    // A descriptor of its own: a write that waits must not hold the lock of `std::io::stdout`.
    let to = File::from(to.as_fd().try_clone_to_owned()?);
    Ok(Background::start(to, |lost| format!("{} {} lost\n", counted(lost, "line"), form(lost, "is", "are")))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn table() -> Table {
        let mut table = Table::new(["id", "image", "status", "payload"]).whole(1);
        table.row([ID, "an-image-with-a-long-name", "error (bad_exit)", "two words and a few more of them"]);
        table.row([ID, "a", "queued", ""]);
        table
    }

    #[test]
    fn a_table_fits_the_terminal_and_leaves_ids_whole() {
        for width in [45, 60, 80, 100, 200] {
            let text = table().text(Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width.into()), "{width}:\n{text}");
            assert_eq!(text.lines().filter(|line| line.contains(ID)).count(), 2, "{width}:\n{text}");
            assert_eq!(text.lines().count(), 6, "one line a row, at {width}:\n{text}");
        }
        let narrow = table().text(Some(60));
        assert!(narrow.contains('…') && narrow.contains("status") && !narrow.contains("payload"), "{narrow}");
        // One that is too narrow for an id gets it all the same.
        assert!(table().text(Some(20)).contains(ID));
    }

    #[test]
    fn columns_stay_whole_while_there_is_room() {
        let url = "http://n1.example.org:8080";
        let mut table = Table::new(["name", "role", "http", "peer"]).whole(3);
        table.row(["n1", "was leader", url, url]);
        let (wide, narrow) = (table.text(Some(60)), table.text(Some(40)));
        assert!(wide.contains(url) && wide.contains('…'), "{wide}");
        assert!(narrow.contains("was leader") && !narrow.contains(url), "{narrow}");
        for (text, width) in [(wide, 60), (narrow, 40)] {
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert_eq!(text.lines().count(), 5, "one line a row: {text}");
        }
    }

    #[test]
    fn what_has_scrolled_away_is_not_cleared() {
        assert!(!CLEAR.windows(2).any(|bytes| bytes == b"3J"));
    }

    #[test]
    fn in_a_pipe_a_table_is_columns_and_nothing_is_cut() {
        let text = table().text(None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("id   ") && lines[0].ends_with("payload"), "{text}");
        assert!(lines[1].starts_with(ID) && lines[1].ends_with("two words and a few more of them"), "{text}");
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), [ID, "a", "queued"]);
        assert!(!text.contains(|c: char| !c.is_ascii()), "{text}");
    }
}
