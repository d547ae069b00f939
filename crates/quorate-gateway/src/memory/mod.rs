//! What requests and answers may hold.

mod pace;
mod rooms;

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

use crate::callers::{Callers, Own};
use crate::limits::{MEMORY_LOOK, SMALL_BYTES};
use crate::whose::{Behalf, Whose};
pub(crate) use pace::Pace;
use rooms::Rooms;

/// Room for bytes of one kind, over all requests. Up to [`SMALL_BYTES`] come from room of their own, so that who needs
/// little never stands behind those who need much.
///
/// Of both, one caller has a part: who needs more waits for himself first, and only then in line with all others. So a caller
/// keeps others neither from memory nor waiting for it.
///
/// Who waits for a client keeps its share only while nobody else needs it: when there is no more room, those lose theirs
/// whose clients are slow, the slowest first.
#[derive(Debug)]
pub(crate) struct Memory {
    all: Rooms,
    /// The parts of those callers who use some.
    callers: Arc<Callers<Rooms>>,
    /// By the time since which they are slow, or from which on they will be.
    waiting: Mutex<BTreeMap<(Instant, u64), Waiting>>,
    next: AtomicU64,
}

/// A share that waits for its client.
#[derive(Debug)]
struct Waiting {
    kind: Kind,
    whose: Option<Whose>,
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
pub(crate) enum Full {
    /// For nobody.
    All,
    /// For this caller, whose part is taken.
    Own,
}

/// Somebody else needed the room, and this client was slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl Memory {
    /// So many bytes of room, of which `small` are for those who need little.
    pub(crate) fn new(bytes: usize, small: usize) -> Arc<Memory> {
        let all = Rooms::new(small, bytes.saturating_sub(small));
        Arc::new(Memory {
            all,
            callers: Callers::new(),
            waiting: Mutex::default(),
            next: AtomicU64::default(),
        })
    }

    /// A share that is empty as yet, of the caller of the request under way.
    pub(crate) fn share(self: &Arc<Memory>) -> Share {
        let own = Behalf::now().map(|Behalf { whose, .. }| self.own(whose));
        Share { memory: Arc::clone(self), own, kind: Kind::Small, held: None }
    }

    /// A caller's own rooms.
    fn own(&self, whose: Whose) -> Own<Rooms> {
        self.callers.of(whose, || self.all.part())
    }

    /// Takes the shares of all whose clients are slow.
    pub(crate) fn end_slow(&self) {
        for kind in [Kind::Small, Kind::Large] {
            self.take_from_slow(kind, None, usize::MAX);
        }
    }

    /// What one needs to hold `bytes` who holds `held`, both of this kind.
    async fn acquire(
        &self,
        kind: Kind,
        own: Option<&Own<Rooms>>,
        held: usize,
        bytes: usize,
        until: Instant,
    ) -> Result<Held, Full> {
        let of_own = match own {
            None => None,
            Some(own) => {
                let room = own.of(kind);
                let more = room.counted(bytes) - room.counted(held);
                let slow = || self.take_from_slow(kind, Some(&own.whose), more);
                Some(in_line(&room.free, more, until, slow).await.ok_or(Full::Own)?)
            }
        };
        let more = bytes - held;
        let slow = || self.take_from_slow(kind, None, more);
        let of_all = in_line(&self.all.of(kind).free, more, until, slow).await.ok_or(Full::All)?;
        Ok(Held { of_all, of_own })
    }

    /// Ends the slowest, of one caller or of all, until they have held so many bytes or nobody is slow any more.
    fn take_from_slow(&self, kind: Kind, whose: Option<&Whose>, mut bytes: usize) {
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        let slow: Vec<(Instant, u64)> = waiting
            .range(..(now, u64::MAX))
            .filter(|(_, waiting)| {
                waiting.kind == kind && (whose.is_none() || waiting.whose.as_ref() == whose)
            })
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

/// Waits in line for so many permits, and now and then has room made by `slow`. `None`: they did not come free in time.
async fn in_line(
    free: &Arc<Semaphore>,
    permits: usize,
    until: Instant,
    slow: impl Fn(),
) -> Option<OwnedSemaphorePermit> {
    let permits = u32::try_from(permits).ok()?;
    if let Ok(permit) = Arc::clone(free).try_acquire_many_owned(permits) {
        return Some(permit);
    }
    let mut in_line = pin!(Arc::clone(free).acquire_many_owned(permits));
    loop {
        slow();
        tokio::select! {
            biased;
            permit = &mut in_line => return permit.ok(),
            () = tokio::time::sleep_until(until.min(Instant::now() + MEMORY_LOOK)) => {}
        }
        if Instant::now() >= until {
            return None;
        }
    }
}

/// Bytes of the room that a request holds, until this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    /// `None`: nobody is known whose it is.
    own: Option<Own<Rooms>>,
    kind: Kind,
    held: Option<Held>,
}

/// The same bytes in the room for all and in the caller's own.
#[derive(Debug)]
struct Held {
    of_all: OwnedSemaphorePermit,
    of_own: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Another one of the same room and caller, that is empty as yet.
    pub(crate) fn another(&self) -> Share {
        let own = self.own.as_ref().map(|own| self.memory.own(own.whose.clone()));
        Share { memory: Arc::clone(&self.memory), own, kind: Kind::Small, held: None }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.of_all.num_permits())
    }

    /// Makes it so large. Who makes it larger waits in line for so long at most.
    ///
    /// # Errors
    /// No room came free in time; the share is as it was.
    pub(crate) async fn resize(&mut self, bytes: usize, within: Duration) -> Result<(), Full> {
        let held = self.bytes();
        if bytes <= held {
            self.shrink(bytes);
            return Ok(());
        }
        let (own, until) = (self.own.as_ref(), Instant::now() + within);
        let is_large = bytes > SMALL_BYTES;
        if is_large && self.kind == Kind::Small {
            // The share that it had comes free only now: meanwhile it is counted twice.
            self.held = Some(self.memory.acquire(Kind::Large, own, 0, bytes, until).await?);
            self.kind = Kind::Large;
            return Ok(());
        }
        let more = self.memory.acquire(self.kind, own, held, bytes, until).await?;
        match &mut self.held {
            Some(held) => held.merge(more),
            none @ None => *none = Some(more),
        }
        Ok(())
    }

    fn shrink(&mut self, bytes: usize) {
        let Some(held) = &mut self.held else { return };
        drop(held.of_all.split(held.of_all.num_permits() - bytes));
        if let (Some(own), Some(of_own)) = (&self.own, &mut held.of_own) {
            let counted = own.of(self.kind).counted(bytes);
            drop(of_own.split(of_own.num_permits() - counted));
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
        let whose = self.own.as_ref().map(|own| own.whose.clone());
        let waiting = Waiting { kind: self.kind, whose, bytes: self.bytes(), lost };
        self.memory.waiting.lock().insert(place, waiting);
        Waits { memory: Arc::clone(&self.memory), place }
    }
}

impl Held {
    fn merge(&mut self, more: Held) {
        self.of_all.merge(more.of_all);
        if let (Some(of_own), Some(more)) = (&mut self.of_own, more.of_own) {
            of_own.merge(more);
        }
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

    /// A share of this caller.
    async fn of_caller(memory: &Arc<Memory>, name: &str, bytes: usize) -> Result<Share, Full> {
        let behalf = Behalf { whose: Whose::Token(name.into()), rate: None };
        Behalf::answered(Some(behalf), of(memory, bytes)).await
    }

    #[tokio::test]
    async fn one_caller_has_a_part_and_a_large_request_all_of_it() {
        let memory = Memory::new(100 * SMALL_BYTES, 20 * SMALL_BYTES);
        for (kind, part) in [(SMALL_BYTES, 5), (2 * SMALL_BYTES, 10)] {
            let mut all = Vec::new();
            for _ in 0..part {
                all.push(of_caller(&memory, "one", kind).await.unwrap());
            }
            assert_eq!(of_caller(&memory, "one", kind).await.unwrap_err(), Full::Own);
            of_caller(&memory, "other", kind).await.unwrap();
            all.pop();
            all.push(of_caller(&memory, "one", kind).await.unwrap());
            drop(all);
            assert_eq!(memory.callers.known(), 0, "nothing is left of who is gone");
        }
        // As much as there is for all, where it has nothing else.
        let mut much = of_caller(&memory, "one", 80 * SMALL_BYTES).await.unwrap();
        assert_eq!(of_caller(&memory, "one", 2 * SMALL_BYTES).await.unwrap_err(), Full::Own);
        assert_eq!(of_caller(&memory, "other", 2 * SMALL_BYTES).await.unwrap_err(), Full::All);
        much.resize(18 * SMALL_BYTES, NONE).await.unwrap();
        of_caller(&memory, "one", 2 * SMALL_BYTES).await.unwrap();
        much.resize(40 * SMALL_BYTES, NONE).await.unwrap();
        assert_eq!(of_caller(&memory, "one", 2 * SMALL_BYTES).await.unwrap_err(), Full::Own);
        drop(much);
        let again = of_caller(&memory, "one", 20 * SMALL_BYTES).await;
        assert!(again.is_ok(), "no byte was lost");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_himself_takes_from_his_own_and_stands_in_nobodys_way() {
        let memory = Memory::new(41 * SMALL_BYTES, SMALL_BYTES);
        let mut tokens = Vec::new();
        for (name, due) in [("one", 2), ("other", 1)] {
            let share = of_caller(&memory, name, 10 * SMALL_BYTES).await.unwrap();
            let lost = CancellationToken::new();
            let waits = share.waits(Instant::now() + Duration::from_secs(due), lost.clone());
            tokens.push(lost.clone());
            tokio::spawn(async move {
                lost.cancelled().await;
                drop((waits, share));
            });
        }
        let begun = Instant::now();
        let waits = Behalf { whose: Whose::Token("one".into()), rate: None };
        let late = Behalf::answered(Some(waits), async {
            let mut late = memory.share();
            let resized = late.resize(10 * SMALL_BYTES, Duration::from_secs(60));
            let (resized, third) = tokio::join!(resized, of_caller(&memory, "third", 10 * SMALL_BYTES));
            third.unwrap();
            resized.map(|()| late)
        });
        late.await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 2);
        assert!(tokens[0].is_cancelled() && !tokens[1].is_cancelled());
    }
}
