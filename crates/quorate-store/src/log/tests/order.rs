//! What the writer does in which order, on a recorded disk: it runs on the test's own thread.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{FutureExt, future::BoxFuture};
use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{entry, log_id, on_flushed};
use crate::{
    LogId, OnFull, StoreError, Vote, WhenFull,
    high_water::Mark,
    limits::LOG_QUEUE_BYTES,
    log::{
        disk::Recovered,
        flush_writer::FlushWriter,
        mark_writer::{MarkFile, MarkWriter},
        queue::{Change, Flush},
        shared::{Shared, Taken},
        view::View,
    },
    patience::Patience,
};

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    fn push(&self, event: impl Into<String>) {
        self.0.lock().push(event.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

fn shared(last: Option<LogId>) -> Arc<Shared> {
    let recovered = Recovered { last, ..Recovered::default() };
    Arc::new(Shared::new(View::new(&recovered, 0)))
}

/// Queues an append of one entry; its callback notes `done INDEX`.
fn append(shared: &Shared, events: &Events, index: u64) -> BoxFuture<'static, io::Result<()>> {
    let events = events.clone();
    let (flushed, result) = on_flushed(move || events.push(format!("done {index}")));
    let entries = vec![entry(1, index, 10)];
    let mut state = shared.change().unwrap();
    let offset = state.view.end();
    state.view.append(&entries).unwrap();
    shared.queue(state, Change::Append { entries, offset, flushed });
    result
}

fn truncate(shared: &Shared, kept: LogId) {
    let mut state = shared.change().unwrap();
    let removed = state.view.truncate_after(Some(kept), |_| Ok(0)).unwrap();
    shared.queue(state, Change::Truncate { kept: Some(kept), removed });
}

fn vote(shared: &Shared, vote: Vote) -> oneshot::Receiver<io::Result<()>> {
    let (saved, wait) = oneshot::channel();
    shared.queue(shared.change().unwrap(), Change::Vote { vote, saved });
    wait
}

fn mark_event(mark: Mark) -> String {
    format!("mark {:?} {:?}", mark.last.map(|id| id.index), mark.vote.map(|vote| vote.leader_id.term))
}

/// Marks that are noted, each put and each sync.
struct Marks<F>(F);

impl<F: FnMut(Option<Mark>) -> io::Result<()> + Send> MarkFile for Marks<F> {
    fn put(&mut self, mark: Mark) -> io::Result<()> {
        (self.0)(Some(mark))
    }

    fn sync(&mut self) -> io::Result<()> {
        (self.0)(None)
    }
}

impl Events {
    /// Notes the marks.
    fn of_marks(&self) -> impl FnMut(Option<Mark>) -> io::Result<()> + Send + 'static {
        let events = self.clone();
        move |mark| {
            events.push(mark.map_or("sync of the mark".to_owned(), mark_event));
            Ok(())
        }
    }
}

/// Runs the writer until the log is closed. `on_mark` hears of each mark that is put, and of each sync as `None`.
fn run(
    shared: &Arc<Shared>,
    mark: Mark,
    write: impl FnMut(&Flush) -> Result<(), StoreError> + Send + 'static,
    on_mark: impl FnMut(Option<Mark>) -> io::Result<()> + Send + 'static,
    on_failure: impl Fn(&StoreError) + Send + Sync + 'static,
) {
    let on_full = Arc::new(|_: &StoreError| WhenFull::Room);
    let writer = FlushWriter {
        shared: shared.clone(),
        write: Box::new(write),
        marks: MarkWriter::new(Marks(on_mark), mark),
        committed: None,
        on_failure: Arc::new(on_failure),
        patience: Patience::new(&(on_full as OnFull)),
    };
    writer.run();
}

fn no_failure(error: &StoreError) {
    panic!("{error}");
}

#[test]
fn one_write_takes_everything_queued_and_callbacks_follow_in_order() {
    let (shared, events) = (shared(None), Events::default());
    for index in 0..3 {
        drop(append(&shared, &events, index));
    }
    shared.close();
    let on_write = events.clone();
    run(
        &shared,
        Mark::default(),
        move |flush| {
            on_write.push(format!("write {}", flush.changes.len()));
            Ok(())
        },
        |_| Ok(()),
        no_failure,
    );
    assert_eq!(events.take(), ["write 3", "done 0", "done 1", "done 2"]);
}

#[test]
fn a_commit_position_goes_with_a_group_or_alone_at_the_end() {
    for late in [false, true] {
        let (shared, events) = (shared(None), Events::default());
        drop(append(&shared, &events, 0));
        shared.change().unwrap().view.committed = Some(log_id(1, 0));
        let (on_write, queue) = (events.clone(), shared.clone());
        let write = move |flush: &Flush| {
            on_write.push(format!("write {} {:?}", flush.changes.len(), flush.committed.map(|id| id.index)));
            if late {
                queue.change().map(|mut state| state.view.committed = Some(log_id(1, 7))).ok();
            }
            queue.close();
            Ok(())
        };
        run(&shared, Mark::default(), write, |_| Ok(()), no_failure);
        let expected = ["write 1 Some(0)", "done 0", "write 0 Some(7)"];
        assert_eq!(events.take(), expected[..if late { 3 } else { 2 }]);
    }
}

#[test]
fn a_mark_says_what_is_promised_before_it_is_and_is_synced_at_the_end() {
    let (shared, events) = (shared(None), Events::default());
    drop(append(&shared, &events, 0));
    let (on_write, queue) = (events.clone(), shared.clone());
    let write = move |flush: &Flush| {
        on_write.push(format!("write {}", flush.changes.len()));
        match flush.appends {
            1 => drop(append(&queue, &on_write, 1)),
            _ => queue.close(),
        }
        Ok(())
    };
    run(&shared, Mark::default(), write, events.of_marks(), no_failure);
    let mut events = events.take();
    // On a machine that is slow enough one may have come between.
    let syncs = events.extract_if(.., |event| event == "sync of the mark").count();
    assert_eq!(events, ["write 1", "mark Some(0) None", "done 0", "write 1", "mark Some(1) None", "done 1"]);
    assert!(syncs > 0);
}

#[test]
fn a_mark_is_synced_when_nothing_more_comes() {
    let (shared, events) = (shared(None), Events::default());
    drop(append(&shared, &events, 0));
    let (queue, mut note) = (shared.clone(), events.of_marks());
    let on_mark = move |mark: Option<Mark>| {
        if mark.is_none() {
            queue.close();
        }
        note(mark)
    };
    run(&shared, Mark::default(), |_| Ok(()), on_mark, no_failure);
    assert_eq!(events.take(), ["mark Some(0) None", "done 0", "sync of the mark"]);
}

#[test]
fn a_mark_is_synced_while_more_and_more_comes() {
    let (shared, events) = (shared(None), Events::default());
    drop(append(&shared, &events, 0));
    let queue = shared.clone();
    let synced = Arc::new(AtomicBool::new(false));
    let enough = Arc::clone(&synced);
    let mut index = 0;
    let write = move |_: &Flush| {
        index += 1;
        if enough.load(Ordering::Relaxed) {
            queue.close();
        } else {
            drop(append(&queue, &events, index));
        }
        Ok(())
    };
    let on_mark = move |mark: Option<Mark>| {
        synced.fetch_or(mark.is_none(), Ordering::Relaxed);
        Ok(())
    };
    // It would go on for ever.
    run(&shared, Mark::default(), write, on_mark, no_failure);
}

#[test]
fn a_vote_is_answered_when_its_mark_is_durable() {
    let (shared, events) = (shared(None), Events::default());
    drop(append(&shared, &events, 0));
    let mut saved = vote(&shared, Vote::new(7, 1));
    drop(append(&shared, &events, 1));
    shared.close();
    let on_write = events.clone();
    run(
        &shared,
        Mark::default(),
        move |flush| {
            on_write.push(format!("write {}", flush.changes.len()));
            Ok(())
        },
        events.of_marks(),
        no_failure,
    );
    assert_eq!(events.take(), ["write 3", "mark Some(1) Some(7)", "sync of the mark", "done 0", "done 1"]);
    saved.try_recv().unwrap().unwrap();
}

#[test]
fn a_vote_without_a_durable_mark_is_not_granted() {
    let shared = shared(None);
    let mut saved = vote(&shared, Vote::new(7, 1));
    shared.close();
    run(&shared, Mark::default(), |_| Ok(()), |_| Err(io::Error::other("dead disk")), |_| {});
    assert!(saved.try_recv().unwrap().unwrap_err().to_string().contains("dead disk"));
}

#[test]
#[should_panic(expected = "the mark goes back")]
fn an_older_vote_does_not_take_the_place_of_a_newer_one() {
    let shared = shared(None);
    drop(vote(&shared, Vote::new(6, 1)));
    shared.close();
    let mark = Mark { last: None, vote: Some(Vote::new(7, 1)) };
    run(&shared, mark, |_| Ok(()), |_| Ok(()), no_failure);
}

#[test]
fn the_mark_is_lowered_before_the_log_is_cut() {
    let (shared, events) = (shared(Some(log_id(1, 9))), Events::default());
    truncate(&shared, log_id(1, 6));
    drop(append(&shared, &events, 7));
    truncate(&shared, log_id(1, 4));
    drop(append(&shared, &events, 5));
    drop(append(&shared, &events, 6));
    shared.close();
    let on_write = events.clone();
    run(
        &shared,
        Mark { last: Some(log_id(1, 9)), vote: None },
        move |flush| {
            on_write.push(format!("write {}", flush.changes.len()));
            Ok(())
        },
        events.of_marks(),
        no_failure,
    );
    let events = events.take();
    assert_eq!(events[..4], ["mark Some(4) None", "sync of the mark", "write 5", "mark Some(6) None"]);
}

#[test]
fn a_failed_write_is_reported_once_and_refuses_everything_after() {
    let (shared, events) = (shared(None), Events::default());
    let first = append(&shared, &events, 0);
    let (later, queue, on_write) = (Arc::new(Mutex::new(None)), shared.clone(), events.clone());
    let queued_meanwhile = later.clone();
    let write = move |_: &Flush| {
        *queued_meanwhile.lock() = Some(append(&queue, &on_write, 1));
        on_write.push("write");
        Err(StoreError::damaged("the disk", "full"))
    };
    let on_failure = events.clone();
    run(&shared, Mark::default(), write, |_| Ok(()), move |e| on_failure.push(e.to_string()));
    assert_eq!(events.take(), ["write", "the disk is damaged: full", "done 0", "done 1"]);

    let second = later.lock().take().unwrap();
    for result in [first.now_or_never(), second.now_or_never()] {
        assert!(result.unwrap().unwrap_err().to_string().contains("full"));
    }
    assert!(shared.change().is_err());
    assert!(shared.read().is_err());
}

/// A full disk is not a failure: nothing was promised, and nothing is until the write is made.
#[test]
fn a_write_without_room_is_made_again_and_its_callback_waits() {
    let (shared, events) = (shared(None), Events::default());
    let first = append(&shared, &events, 0);
    shared.close();
    let (on_write, mut attempts) = (events.clone(), 0);
    let write = move |_: &Flush| {
        attempts += 1;
        on_write.push(format!("write {attempts}"));
        let source = io::ErrorKind::StorageFull.into();
        if attempts < 3 { Err(StoreError::DiskFull { what: String::new(), source }) } else { Ok(()) }
    };
    run(&shared, Mark::default(), write, |_| Ok(()), no_failure);
    assert_eq!(events.take(), ["write 1", "write 2", "write 3", "done 0"]);
    first.now_or_never().unwrap().unwrap();
}

#[test]
fn an_append_waits_while_the_queue_is_full() {
    let shared = shared(None);
    assert!(shared.room().now_or_never().is_some());
    let entries = vec![entry(1, 0, LOG_QUEUE_BYTES)];
    let mut state = shared.change().unwrap();
    state.view.append(&entries).unwrap();
    shared.queue(state, Change::Append { entries, offset: 0, flushed: IOFlushed::noop() });

    let mut waiting = Box::pin(shared.room());
    assert!(waiting.as_mut().now_or_never().is_none());
    assert!(matches!(shared.take(None), Taken::Flush(_)));
    assert!(waiting.now_or_never().is_some());
}
