use std::ops::ControlFlow;

use bytes::Bytes;
use quorate_store::StoreError;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use crate::{DiskState, Handle, limits};

type Piece = Result<Bytes, StoreError>;

impl Handle {
    /// A backup of this node's own table as it is when it is first asked for, piece by piece: behind a [`Handle::barrier`] it has
    /// all that was committed before. It is read from the disk as fast as the pieces are taken, beside all else. One that ends in
    /// an error, or too early, is noticed by whoever reads it.
    ///
    /// While it is read, the disk keeps what is replaced meanwhile. So it ends, in an error, as soon as the disk gets short of room.
    pub fn back_up(&self) -> impl Stream<Item = Piece> + Send + use<> {
        let peers = self.group().peers.clone();
        let reader = self.reader().clone();
        let (pieces, taken) = mpsc::channel(limits::BACKUP_PIECES);
        let runtime = Runtime::current();
        tokio::task::spawn_blocking(move || {
            let mut disk = peers.process.disk.states();
            let at_first = *disk.borrow();
            let (cluster_id, former) = (peers.cluster_id().unwrap_or_default(), peers.former_cluster_ids());
            let mut ended = None;
            let made = reader.back_up(cluster_id, &former, peers.process.clock.wall_ms(), |piece| {
                match runtime.block_on(give(&pieces, piece, &mut disk, at_first)) {
                    ControlFlow::Continue(()) => ControlFlow::Continue(()),
                    ControlFlow::Break(why) => {
                        ended = why;
                        ControlFlow::Break(())
                    }
                }
            });
            if let Err(error) = ended.map_or(made, Err) {
                tracing::error!(%error, "a backup was not made");
                // It keeps nothing on the disk any more.
                let _ = pieces.blocking_send(Err(error));
            }
        });
        ReceiverStream::new(taken)
    }
}

/// Waits until a piece is taken; breaks where nobody takes it any more, and, with the reason, where the disk has less room than `at_first`.
async fn give(
    pieces: &mpsc::Sender<Piece>,
    piece: Bytes,
    disk: &mut watch::Receiver<DiskState>,
    at_first: DiskState,
) -> ControlFlow<Option<StoreError>> {
    let is_worse = |now: &DiskState| match now {
        DiskState::Room => false,
        DiskState::Short => at_first == DiskState::Room,
        DiskState::Full => true,
    };
    tokio::select! {
        biased;
        Ok(_) = disk.wait_for(is_worse) => {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            let what = "a backup keeps on the disk what is replaced while it is read, and there is no room for that: make some, or \
                        take it from another node, or faster"
                .to_owned();
            ControlFlow::Break(Some(StoreError::DiskFull { what, source }))
        }
        sent = pieces.send(Ok(piece)) => match sent {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_backup_that_nobody_takes_ends_as_soon_as_the_disk_is_short() {
        let (states, mut disk) = watch::channel(DiskState::Room);
        let (pieces, mut taken) = mpsc::channel(1);
        let piece = || Bytes::from_static(b"piece");
        assert!(give(&pieces, piece(), &mut disk, DiskState::Room).await.is_continue());
        let (ended, ()) = tokio::join!(give(&pieces, piece(), &mut disk, DiskState::Room), async {
            states.send(DiskState::Short).unwrap();
        });
        assert!(matches!(ended, ControlFlow::Break(Some(StoreError::DiskFull { .. }))), "{ended:?}");
        // One that began so goes on, until the disk is full.
        taken.recv().await.unwrap().unwrap();
        assert!(give(&pieces, piece(), &mut disk, DiskState::Short).await.is_continue());
        states.send(DiskState::Full).unwrap();
        assert!(give(&pieces, piece(), &mut disk, DiskState::Short).await.is_break());
        drop(taken);
        states.send(DiskState::Room).unwrap();
        assert!(matches!(give(&pieces, piece(), &mut disk, DiskState::Room).await, ControlFlow::Break(None)));
    }
}
