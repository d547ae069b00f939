use std::path::Path;

use quorate_store::Space;

use crate::DiskState;
use crate::limits;

/// What a node keeps free of its disk, in bytes. All of it counts what the ballast keeps as free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Below it the disk is short: what would make the table larger is refused.
    pub short: u64,
    /// Below it the disk is full: the ballast is given back, once nothing is free beside it.
    pub full: u64,
    /// Below it nothing is written any more, so that the node can be started. The ballast does not count.
    pub floor: u64,
    /// What the ballast keeps: nobody else can take it.
    pub ballast: u64,
}

impl Reserve {
    /// No reserve.
    pub const NONE: Reserve = Reserve { short: 0, full: 0, floor: 0, ballast: 0 };

    /// The reserve on a disk of `total` bytes: a quarter of it, and no more than is good.
    pub fn on(total: u64) -> Reserve {
        let short = limits::DISK_RESERVE.min(total / 4);
        // With all of the ballast there, the disk is full when no more than the floor is free.
        Reserve { short, full: short / 4 * 3, floor: short / 4, ballast: short / 2 }
    }

    /// The reserve on the disk of a directory, or of where it will be made.
    pub(crate) fn of(dir: &Path) -> Reserve {
        Reserve::on(Space::of(dir).map_or(u64::MAX, |space| space.total))
    }

    /// Below it what is not needed should go.
    pub(crate) fn tight(&self) -> u64 {
        self.short.saturating_add(self.short / 2)
    }

    /// From it on everything is written again.
    pub(crate) fn clear_of_floor(&self) -> u64 {
        self.floor.saturating_add(self.floor / 4)
    }

    /// How a disk is that was `before`, and has so much room now. It is better again only when it is clearly better.
    pub(crate) fn state(&self, before: DiskState, room: u64) -> DiskState {
        let more = |bound: u64| bound.saturating_add(bound / 8);
        match before {
            _ if room < self.full => DiskState::Full,
            DiskState::Full if room < more(self.full) => DiskState::Full,
            _ if room < self.short => DiskState::Short,
            DiskState::Short | DiskState::Full if room < more(self.short) => DiskState::Short,
            DiskState::Room | DiskState::Short | DiskState::Full => DiskState::Room,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DiskState::{Full, Room, Short};

    #[test]
    fn a_small_disk_is_not_all_reserve() {
        let mib = |bytes: u64| bytes >> 20;
        let small = Reserve::on(700 << 20);
        assert_eq!([small.short, small.full, small.floor, small.ballast].map(mib), [175, 131, 43, 87]);
        assert_eq!(mib(Reserve::on(u64::MAX).short), 256);
    }

    #[test]
    fn a_disk_is_better_again_when_it_is_clearly_better() {
        let reserve = Reserve { short: 800, full: 400, floor: 200, ballast: 200 };
        let mut state = Room;
        let mut at = |room| {
            state = reserve.state(state, room);
            state
        };
        assert_eq!([800, 799, 800, 899, 900, 899].map(&mut at), [Room, Short, Short, Short, Room, Room]);
        assert_eq!([399, 400, 449, 450, 399].map(&mut at), [Full, Full, Full, Short, Full]);
        assert_eq!([899, 900].map(&mut at), [Short, Room]);
    }

    #[test]
    fn without_a_reserve_a_disk_always_has_room() {
        assert_eq!(Reserve::NONE.state(Room, 0), Room);
    }
}
