mod model;
mod order;
mod reads;

use std::{
    io,
    path::Path,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use openraft::{
    EntryPayload, storage::IOFlushed, type_config::TypeConfigExt, vote::leader_id_std::CommittedLeaderId,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{LogStore, OnFailure};
use crate::{BatchBytes, DataDir, Entry, LogId, TypeConfig};

fn log_id(term: u64, index: u64) -> LogId {
    LogId { leader_id: CommittedLeaderId::new(term), index }
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let batch = Bytes::from(vec![index as u8; bytes]);
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(BatchBytes(batch)) }
}

fn no_failure() -> OnFailure {
    Arc::new(|e| panic!("the log failed: {e}"))
}

/// An open log with a short tail, and the directory it is in.
struct Opened {
    store: LogStore,
    dir: DataDir,
}

impl Opened {
    fn at(path: &Path, tail_bytes: usize) -> Opened {
        let dir = DataDir::open(path).unwrap();
        let store = LogStore::open_with(&dir, no_failure(), tail_bytes).unwrap();
        Opened { store, dir }
    }
}

/// A callback that runs `f` where it is completed, at that moment. The future gives the result.
fn on_flushed(
    f: impl Fn() + Send + Sync + 'static,
) -> (IOFlushed<TypeConfig>, BoxFuture<'static, io::Result<()>>) {
    type Inner = BoxFuture<'static, io::Result<()>>;
    struct OnWake<F> {
        f: F,
        inner: Mutex<Option<Inner>>,
        result: Mutex<Option<oneshot::Sender<io::Result<()>>>>,
    }
    // Whoever completes the callback wakes the one who polled it last, which is this.
    impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
        fn wake(self: Arc<Self>) {
            (self.f)();
            let inner = self.inner.lock().take().expect("completed once");
            let result = inner.now_or_never().expect("woken when there is a result");
            // The test may not care.
            let _ = self.result.lock().take().expect("completed once").send(result);
        }
    }
    let (tx, rx) = TypeConfig::oneshot();
    let (result_tx, result) = oneshot::channel();
    let mut inner: Inner = async { rx.await.expect("completed") }.boxed();
    let on_wake = Arc::new(OnWake { f, inner: Mutex::new(None), result: Mutex::new(Some(result_tx)) });
    let waker = Waker::from(on_wake.clone());
    assert!(inner.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *on_wake.inner.lock() = Some(inner);
    (IOFlushed::signal(tx), async { result.await.expect("completed") }.boxed())
}
