use std::ops::ControlFlow;

use bytes::Bytes;
use quorate_store::{Reader, StoreError};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use crate::{Handle, limits};

impl Handle {
    /// A backup of this node's own table as it is when it is first asked for, piece by piece: behind a [`Handle::barrier`] it has
    /// all that was committed before. It is read from the disk as fast as the pieces are taken, beside all else. One that ends in
    /// an error, or too early, is noticed by whoever reads it.
    pub fn back_up(&self) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
        let peers = &self.group().peers;
        let cluster_id = peers.cluster_id().unwrap_or_default().to_owned();
        pieces(self.reader().clone(), cluster_id, peers.process.clock.wall_ms())
    }
}

fn pieces(reader: Reader, cluster_id: String, made_at_ms: u64) -> ReceiverStream<Result<Bytes, StoreError>> {
    let (pieces, taken) = mpsc::channel(limits::BACKUP_PIECES);
    tokio::task::spawn_blocking(move || {
        let made = reader.back_up(&cluster_id, made_at_ms, |piece| match pieces.blocking_send(Ok(piece)) {
            Ok(()) => ControlFlow::Continue(()),
            // Nobody takes it any more.
            Err(_) => ControlFlow::Break(()),
        });
        if let Err(error) = made {
            let _ = pieces.blocking_send(Err(error));
        }
    });
    ReceiverStream::new(taken)
}
