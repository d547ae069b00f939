use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::{clean, limits};

/// Lines that a thread of its own writes, so that who has something to say neither waits for a reader that has stopped
/// nor fails for one that is gone.
///
/// What finds no room or cannot be written is dropped and counted. Once writing works again, one line says how many were
/// lost. (`tracing-appender` counts only what finds no room, and reports its own errors with `eprintln!`.)
#[derive(Clone)]
pub(crate) struct Background(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// The thread has taken lines and not written them yet.
    writing: bool,
    /// Lines that nobody will see.
    lost: u64,
}

impl Background {
    /// Writes to `to` from now on; `notice` is the line that says how many lines were lost.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(
        to: impl Write + Send + 'static,
        notice: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Background> {
        let background = Background(Arc::default());
        let shared = Arc::clone(&background.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write(to, notice))?;
        Ok(background)
    }

    /// Takes lines, each with its end, and returns at once.
    pub(crate) fn push(&self, lines: &[u8]) {
        let mut state = self.0.state.lock();
        if state.waiting.len() + lines.len() > limits::LINES_WAITING_BYTES {
            state.lost += count(lines);
        } else {
            state.waiting.extend_from_slice(lines);
        }
        self.0.changed.notify_all();
    }

    /// Takes one line.
    pub(crate) fn line(&self, text: impl Display) {
        self.push(format!("{}\n", clean::line(&text.to_string())).as_bytes());
    }

    /// Waits until everything is written, for a moment at most.
    pub(crate) fn flush(&self) {
        let deadline = Instant::now() + limits::LAST_LINES;
        let mut state = self.0.state.lock();
        while state.writing || !state.waiting.is_empty() {
            if self.0.changed.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }
}

impl Shared {
    fn write(&self, to: impl Write, notice: impl Fn(u64) -> String) {
        let mut to = Lines { to, torn: false };
        let mut lost = 0;
        loop {
            let mut state = self.state.lock();
            state.lost += lost;
            state.writing = false;
            self.changed.notify_all();
            while state.waiting.is_empty() {
                self.changed.wait(&mut state);
            }
            let lines = std::mem::take(&mut state.waiting);
            state.writing = true;
            drop(state);

            lost = to.write(&lines);
            let mut state = self.state.lock();
            if lost == 0 && state.lost > 0 && state.waiting.is_empty() {
                let gone = std::mem::take(&mut state.lost);
                drop(state);
                if to.write(notice(gone).as_bytes()) > 0 {
                    lost = gone;
                }
            }
        }
    }
}

/// Where the lines go.
struct Lines<W> {
    to: W,
    /// A line was begun that could not be ended.
    torn: bool,
}

impl<W: Write> Lines<W> {
    /// Writes what can be written, and says how many lines cannot.
    fn write(&mut self, lines: &[u8]) -> u64 {
        self.torn = self.torn && self.write_bytes(b"\n") == 0;
        if self.torn {
            return count(lines);
        }
        let (written, rest) = lines.split_at(self.write_bytes(lines));
        self.torn = !rest.is_empty() && written.last().is_some_and(|byte| *byte != b'\n');
        count(rest)
    }

    /// Says how many of the bytes could be written.
    fn write_bytes(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => break,
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who shares the file wants it so.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(limits::WRITE_AGAIN),
                Err(_) => break,
            }
        }
        bytes.len() - rest.len()
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that has room for so many bytes.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Disk {
        fn set_room(&self, room: usize) {
            self.0.lock().0 = room;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().1.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock();
            if disk.0 == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let written = bytes.len().min(disk.0);
            disk.0 -= written;
            disk.1.extend_from_slice(&bytes[..written]);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_did_not_take_is_counted_once_it_has_room_again() {
        let disk = Disk::default();
        let background = Background::start(disk.clone(), |lost| format!("{lost} lost\n")).unwrap();
        let say = |line: &str| {
            background.push(line.as_bytes());
            background.flush();
        };
        disk.set_room(8);
        say("first\n");
        say("second\n");
        say("third\n");
        disk.set_room(usize::MAX);
        say("fourth\n");
        say("fifth\n");
        assert_eq!(disk.text(), "first\nse\nfourth\n2 lost\nfifth\n");
    }

    #[test]
    fn nobody_waits_for_a_reader_that_has_stopped() {
        let (mut reader, writer) = io::pipe().unwrap();
        let background = Background::start(writer, |lost| format!("{lost} lost\n")).unwrap();
        let line = [&b"x".repeat(1_023)[..], b"\n"].concat();
        let lines = 3 * limits::LINES_WAITING_BYTES / line.len();
        for _ in 0..lines {
            background.push(&line);
        }
        for (seen, read) in io::BufRead::lines(io::BufReader::new(&mut reader)).enumerate() {
            if let Some(lost) = read.unwrap().strip_suffix(" lost") {
                assert_eq!(seen + lost.parse::<usize>().unwrap(), lines);
                break;
            }
        }
    }
}
