use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use crate::high_water::Mark;

/// A thread of its own for the high-water mark, so that its sync runs beside that of the next flush.
pub(super) struct Marker {
    marks: Option<SyncSender<Mark>>,
    results: Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
    in_flight: bool,
}

impl Marker {
    /// `write` makes a mark durable.
    pub(super) fn spawn(
        mut write: impl FnMut(Mark) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Marker> {
        let (marks, to_write) = sync_channel::<Mark>(1);
        let (written, results) = sync_channel(1);
        let thread = thread::Builder::new().name("raft-mark".to_owned()).spawn(move || {
            for mark in to_write {
                if written.send(write(mark)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Marker { marks: Some(marks), results, thread: Some(thread), in_flight: false })
    }

    /// Starts to write a mark, when the one before is durable.
    pub(super) fn start(&mut self, mark: Mark) -> io::Result<()> {
        self.wait()?;
        let sent = self.marks.as_ref().map(|marks| marks.send(mark));
        assert!(matches!(sent, Some(Ok(()))), "the marker lives as long as its handle");
        self.in_flight = true;
        Ok(())
    }

    /// Waits until the last mark is durable.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.in_flight) {
            return Ok(());
        }
        self.results.recv().unwrap_or_else(|_| Err(io::Error::other("the marker panicked")))
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        self.marks = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by `wait`.
            let _ = thread.join();
        }
    }
}
