use crate::{Job, Priority, Status, Timestamp};

/// How many jobs a queue has, kept with every change of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By status, in the order of [`Status::ALL`].
    pub by_status: [u64; 6],
    /// Of the queued, by priority.
    pub queued: [u64; 3],
    /// Of the last minute.
    pub recent: Recent,
}

impl Counts {
    /// In a status.
    pub fn of(&self, status: Status) -> u64 {
        self.by_status[place(status)]
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        self.by_status.iter().sum()
    }

    /// Those that have not finished.
    pub fn unfinished(&self) -> u64 {
        Status::ALL.into_iter().filter(|status| !status.is_final()).map(|status| self.of(status)).sum()
    }

    /// A job has another status than before, came or went.
    pub(crate) fn moved(&mut self, before: Option<&Job>, after: Option<&Job>, now: Timestamp) {
        if let Some(job) = before {
            change(&mut self.by_status[place(job.status())], -1);
            if job.status() == Status::Queued {
                change(&mut self.queued[rank(job.priority)], -1);
            }
        }
        let Some(job) = after else { return };
        change(&mut self.by_status[place(job.status())], 1);
        if job.status() == Status::Queued {
            change(&mut self.queued[rank(job.priority)], 1);
        }
        if before.is_none() {
            self.recent.note(now, Noted::Came);
        }
        match job.status() {
            Status::Running => self.recent.note(now, Noted::Granted),
            Status::Success | Status::Error | Status::Cancelled => self.recent.note(now, Noted::Ended),
            Status::Delayed | Status::Queued => {}
        }
    }
}

fn change(count: &mut u64, by: i64) {
    *count = count.checked_add_signed(by).expect("a job that leaves was counted when it came");
}

fn place(status: Status) -> usize {
    Status::ALL.into_iter().position(|other| other == status).expect("all statuses")
}

fn rank(priority: Priority) -> usize {
    usize::from(priority.get())
}

/// What happened lately, in slots of ten seconds of log time: the last one is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// The number of the last slot: log time over its length.
    pub slot: u64,
    /// New jobs.
    pub came: [u32; Recent::SLOTS],
    /// Jobs that a consumer got.
    pub granted: [u32; Recent::SLOTS],
    /// Jobs that reached a final status.
    pub ended: [u32; Recent::SLOTS],
}

#[derive(Clone, Copy)]
enum Noted {
    Came,
    Granted,
    Ended,
}

impl Recent {
    /// A minute of slots, and the one under way.
    pub const SLOTS: usize = 7;
    /// The length of a slot, in milliseconds.
    pub const SLOT_MILLIS: u64 = 10_000;

    /// How many came, were granted and ended in the last whole slots before `now` that make a minute.
    pub fn last_minute(&self, now: Timestamp) -> [u64; 3] {
        let mut at = self.clone();
        at.go_on(now);
        [&at.came, &at.granted, &at.ended]
            .map(|slots| slots.iter().rev().skip(1).map(|count| u64::from(*count)).sum())
    }

    fn note(&mut self, now: Timestamp, what: Noted) {
        self.go_on(now);
        let slots = match what {
            Noted::Came => &mut self.came,
            Noted::Granted => &mut self.granted,
            Noted::Ended => &mut self.ended,
        };
        let last = &mut slots[Recent::SLOTS - 1];
        *last = last.saturating_add(1);
    }

    /// Begins new slots until the last one is that of `now`.
    fn go_on(&mut self, now: Timestamp) {
        let slot = now.0 / Recent::SLOT_MILLIS;
        let by = usize::try_from(slot.saturating_sub(self.slot)).unwrap_or(usize::MAX).min(Recent::SLOTS);
        if by > 0 {
            for slots in [&mut self.came, &mut self.granted, &mut self.ended] {
                slots.rotate_left(by % Recent::SLOTS);
                slots[Recent::SLOTS - by..].fill(0);
            }
            self.slot = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut recent = Recent::default();
        let at = |seconds: u64| Timestamp(1_700_000_000_000 + seconds * 1_000);
        for second in 0..30 {
            recent.note(at(second), Noted::Came);
        }
        recent.note(at(30), Noted::Granted);
        assert_eq!(recent.last_minute(at(30)), [30, 0, 0], "the slot under way does not count");
        assert_eq!(recent.last_minute(at(69)), [30, 1, 0]);
        assert_eq!(recent.last_minute(at(75)), [20, 1, 0]);
        assert_eq!(recent.last_minute(at(10_000)), [0, 0, 0]);
    }
}
