use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::{MEMORY_LOOK, PACE, PACE_SLACK, SMALL_BYTES};

/// Room for bytes of one kind, over all requests. Up to [`SMALL_BYTES`] come from room of their own, so that who needs
/// little never stands behind those who need much.
///
/// Who waits for a client keeps its share only while nobody else needs it: when there is no more room, those lose theirs
/// whose clients are slow, the slowest first.
#[derive(Debug)]
pub(crate) struct Memory {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    /// By the time since which they are slow, or from which on they will be.
    waiting: Mutex<BTreeMap<(Instant, u64), Waiting>>,
    next: AtomicU64,
}

/// A share that waits for its client.
#[derive(Debug)]
struct Waiting {
    kind: Kind,
    bytes: usize,
    lost: CancellationToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Small,
    Large,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Somebody else needed the room, and this client was slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl Memory {
    /// So many bytes of room, of which `small` are for those who need little.
    pub(crate) fn new(bytes: usize, small: usize) -> Arc<Memory> {
        let room = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Arc::new(Memory {
            small: room(small),
            large: room(bytes.saturating_sub(small)),
            waiting: Mutex::default(),
            next: AtomicU64::default(),
        })
    }

    /// A share that is empty as yet.
    pub(crate) fn share(self: &Arc<Memory>) -> Share {
        Share { memory: Arc::clone(self), kind: Kind::Small, permit: None }
    }

    /// Takes the shares of all whose clients are slow.
    pub(crate) fn end_slow(&self) {
        for kind in [Kind::Small, Kind::Large] {
            self.take_from_slow(kind, usize::MAX);
        }
    }

    async fn acquire(
        &self,
        kind: Kind,
        bytes: usize,
        within: Duration,
    ) -> Result<OwnedSemaphorePermit, Full> {
        let permits = u32::try_from(bytes).map_err(|_| Full)?;
        let room = match kind {
            Kind::Small => &self.small,
            Kind::Large => &self.large,
        };
        if let Ok(permit) = Arc::clone(room).try_acquire_many_owned(permits) {
            return Ok(permit);
        }
        let mut in_line = pin!(Arc::clone(room).acquire_many_owned(permits));
        let until = Instant::now() + within;
        loop {
            self.take_from_slow(kind, bytes);
            tokio::select! {
                biased;
                permit = &mut in_line => return permit.map_err(|_| Full),
                () = tokio::time::sleep_until(until.min(Instant::now() + MEMORY_LOOK)) => {}
            }
            if Instant::now() >= until {
                return Err(Full);
            }
        }
    }

    /// Ends the slowest, until they have held so many bytes or nobody is slow any more.
    fn take_from_slow(&self, kind: Kind, mut bytes: usize) {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        let slow: Vec<(Instant, u64)> = waiting
            .range(..(now, u64::MAX))
            .filter(|(_, waiting)| waiting.kind == kind)
            .take_while(|(_, waiting)| {
                let is_needed = bytes > 0;
                bytes = bytes.saturating_sub(waiting.bytes);
                is_needed
            })
            .map(|(place, _)| *place)
            .collect();
        for place in slow {
            if let Some(slow) = waiting.remove(&place) {
                slow.lost.cancel();
            }
        }
    }
}

/// Bytes of the room that a request holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    kind: Kind,
    permit: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Another one of the same room, that is empty as yet.
    pub(crate) fn another(&self) -> Share {
        self.memory.share()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Makes it so large. Who makes it larger waits in line for so long at most.
    ///
    /// # Errors
    /// No room came free in time; the share is as it was.
    pub(crate) async fn resize(&mut self, bytes: usize, within: Duration) -> Result<(), Full> {
        let held = self.bytes();
        if bytes <= held {
            self.give_back(held - bytes);
            return Ok(());
        }
        let is_large = bytes > SMALL_BYTES;
        if is_large && self.kind == Kind::Small {
            // The share that it had comes free only now: meanwhile it is counted twice.
            self.permit = Some(self.memory.acquire(Kind::Large, bytes, within).await?);
            self.kind = Kind::Large;
            return Ok(());
        }
        let more = self.memory.acquire(self.kind, bytes - held, within).await?;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none @ None => *none = Some(more),
        }
        Ok(())
    }

    fn give_back(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.permit {
            drop(permit.split(bytes));
        }
    }

    /// Waits for the client, which is slow from `due` on: then others may take the share.
    ///
    /// # Errors
    /// They did.
    pub(crate) async fn wait<F: Future>(&self, due: Instant, client: F) -> Result<F::Output, Lost> {
        if self.bytes() == 0 {
            return Ok(client.await);
        }
        let lost = CancellationToken::new();
        let _waits = self.waits(due, lost.clone());
        tokio::select! {
            biased;
            came = client => Ok(came),
            () = lost.cancelled() => Err(Lost),
        }
    }

    /// Until the guard is dropped, others may take the share from `due` on; then `lost` is cancelled.
    pub(crate) fn waits(&self, due: Instant, lost: CancellationToken) -> Waits {
        let place = (due, self.memory.next.fetch_add(1, Ordering::Relaxed));
        let waiting = Waiting { kind: self.kind, bytes: self.bytes(), lost };
        self.memory.waiting.lock().insert(place, waiting);
        Waits { memory: Arc::clone(&self.memory), place }
    }
}

/// A share waits for its client while this is there.
#[derive(Debug)]
pub(crate) struct Waits {
    memory: Arc<Memory>,
    place: (Instant, u64),
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.memory.waiting.lock().remove(&self.place);
    }
}

/// When a client that sends counts as slow: after [`PACE_SLACK`] in which it has sent less than [`PACE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    due: Instant,
}

impl Pace {
    pub(crate) fn start() -> Pace {
        Pace { due: Instant::now() + PACE_SLACK }
    }

    /// From when on it is slow, if nothing comes until then.
    pub(crate) fn due(self) -> Instant {
        self.due
    }

    /// So many bytes came. What came early is no credit for later.
    pub(crate) fn came(&mut self, bytes: usize) {
        let worth = Duration::from_secs_f64(bytes as f64 / PACE as f64);
        self.due = (self.due + worth).min(Instant::now() + PACE_SLACK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    async fn of(memory: &Arc<Memory>, bytes: usize) -> Result<Share, Full> {
        let mut share = memory.share();
        share.resize(bytes, NONE).await.map(|()| share)
    }

    #[tokio::test]
    async fn little_has_room_of_its_own() {
        let memory = Memory::new(4 * SMALL_BYTES, SMALL_BYTES);
        let mut much = of(&memory, 3 * SMALL_BYTES).await.unwrap();
        assert!(of(&memory, SMALL_BYTES + 1).await.is_err());
        let little = of(&memory, SMALL_BYTES).await.unwrap();
        assert!(of(&memory, 1).await.is_err());
        much.resize(SMALL_BYTES, NONE).await.unwrap();
        let mut growing = of(&memory, 2 * SMALL_BYTES).await.unwrap();
        assert!(growing.resize(2 * SMALL_BYTES + 1, NONE).await.is_err());
        assert_eq!(growing.bytes(), 2 * SMALL_BYTES);
        drop(little);
        of(&memory, 1).await.unwrap();
    }

    #[tokio::test]
    async fn what_grows_out_of_the_small_room_leaves_it() {
        let memory = Memory::new(4 * SMALL_BYTES, SMALL_BYTES);
        let mut share = of(&memory, SMALL_BYTES).await.unwrap();
        share.resize(SMALL_BYTES + 1, NONE).await.unwrap();
        of(&memory, SMALL_BYTES).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_lose_and_only_as_many_as_must() {
        let memory = Memory::new(7 * SMALL_BYTES, SMALL_BYTES);
        let shares =
            [of(&memory, 2 * SMALL_BYTES).await.unwrap(), of(&memory, 2 * SMALL_BYTES).await.unwrap()];
        let busy = of(&memory, 2 * SMALL_BYTES).await.unwrap();
        let now = Instant::now();
        let tokens = [CancellationToken::new(), CancellationToken::new()];
        let ends: Vec<_> = shares
            .into_iter()
            .zip(&tokens)
            .enumerate()
            .map(|(number, (share, lost))| {
                let due = now + Duration::from_secs(2 - number as u64);
                let (waits, lost) = (share.waits(due, lost.clone()), lost.clone());
                tokio::spawn(async move {
                    lost.cancelled().await;
                    drop((waits, share));
                })
            })
            .collect();
        assert!(of(&memory, SMALL_BYTES + 1).await.is_err(), "nobody is slow yet");
        let mut late = memory.share();
        late.resize(2 * SMALL_BYTES, Duration::from_secs(60)).await.unwrap();
        assert_eq!(now.elapsed().as_secs(), 1, "the first of them became slow");
        assert!(!tokens[0].is_cancelled() && tokens[1].is_cancelled());
        late.resize(4 * SMALL_BYTES, Duration::from_secs(60)).await.unwrap();
        assert!(tokens[0].is_cancelled());
        assert_eq!(busy.bytes(), 2 * SMALL_BYTES);
        for end in ends {
            end.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pace_forgives_no_stall_for_an_early_burst() {
        let mut pace = Pace::start();
        pace.came(1 << 30);
        assert_eq!(pace.due(), Instant::now() + PACE_SLACK);
        tokio::time::advance(PACE_SLACK).await;
        pace.came(1);
        assert!(pace.due() < Instant::now() + Duration::from_millis(1), "a byte a second is slow");
        pace.came(PACE);
        assert!(pace.due() > Instant::now());
    }
}
