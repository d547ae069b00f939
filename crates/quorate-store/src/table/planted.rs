//! The planted bugs of the table, where entries are applied to it: see [`crate::planted`].

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use openraft::EntryPayload;
use quorate_core::{Batch, Bucket, Effect, Job, State, Status, Table, Timestamp};
use rocksdb::WriteBatch;

use super::tuning::Tuning;
use super::{AppliedEntry, applier};
use crate::planted::{Bug, planted};
use crate::rows::codec;
use crate::rows::db::{Db, Family};
use crate::rows::generation::Generation;
use crate::rows::keys::Prefix;
use crate::rows::listing::{self, Listing};
use crate::{BatchBytes, Entry, StoreError};

/// What applies entries, as [`applier::Applier`] does, but for what is planted.
pub(crate) struct Applier(applier::Applier);

impl Applier {
    pub(crate) fn load(generation: Arc<Generation>, tuning: Tuning) -> Result<Applier, StoreError> {
        start_wrong(&generation.db)?;
        applier::Applier::load(generation, tuning).map(Applier)
    }

    pub(crate) fn apply(&mut self, entry: &Entry) -> Result<AppliedEntry, StoreError> {
        let mut entry = Cow::Borrowed(entry);
        if planted(Bug::LocalClock) {
            stamp_by_local_clock(entry.to_mut());
        }
        let mut applied = self.0.apply(&entry)?;
        if planted(Bug::DoubleGrant) && matches!(entry.payload, EntryPayload::Blank) {
            applied.effects = queue_running_jobs_again(&mut self.0)?;
        }
        if planted(Bug::ForgetTurns) {
            self.0.dispatch_mut().forget_turns();
        }
        if planted(Bug::ReleaseForEver) {
            applied.effects.iter().try_for_each(|effect| forget_release(&mut self.0, effect))?;
        }
        Ok(applied)
    }
}

impl Deref for Applier {
    type Target = applier::Applier;

    fn deref(&self) -> &applier::Applier {
        &self.0
    }
}

impl DerefMut for Applier {
    fn deref_mut(&mut self) -> &mut applier::Applier {
        &mut self.0
    }
}

fn stamp_by_local_clock(entry: &mut Entry) {
    let EntryPayload::Normal(bytes) = &mut entry.payload else { return };
    let Ok(batch) = quorate_proto::decode_batch(bytes.0.clone()) else { return };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let stamp = Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX));
    *bytes = BatchBytes(quorate_proto::encode_batch(Batch { stamp, ..batch }));
}

/// What the next start finds on the disk.
fn start_wrong(db: &Db) -> Result<(), StoreError> {
    let mut rows = WriteBatch::default();
    if planted(Bug::ForgetUnique) {
        db.delete_range(&mut rows, Family::Default, &Prefix::Unique.start(), &Prefix::Unique.end());
    }
    for row in db.scan(Family::Default, &Prefix::Queue.start(), &Prefix::Queue.end()) {
        let (key, value) = row?;
        let mut queue = codec::decode_queue(&value)?;
        if planted(Bug::OneMore) {
            queue.settings.max_running = queue.settings.max_running.map(|most| most + 1);
        }
        if planted(Bug::ForgetPause) {
            queue.settings.paused = false;
        }
        if planted(Bug::RefillRate) {
            queue.bucket = Bucket::default();
        }
        if planted(Bug::Miscount) {
            queue.counts.by_status[Status::ALL.iter().position(|of| *of == Status::Success).unwrap_or(0)] +=
                1;
        }
        db.put(&mut rows, Family::Default, &key, &codec::encode_queue(&queue));
    }
    db.write(rows)
}

/// Where an effect is that a job was given back: what goes on from it knows nothing of that.
fn forget_release(table: &mut applier::Applier, effect: &Effect) -> Result<(), StoreError> {
    let Effect::Job(change) = effect else { return Ok(()) };
    if (change.from, change.to) != (Some(Status::Running), Some(Status::Cancelled)) {
        return Ok(());
    }
    let next = table.find_job(change.id)?.and_then(|job| job.retry_id);
    let next = next.map(|next| table.find_job(next)).transpose()?.flatten();
    let Some(next) = next.filter(|next| next.releases > 0) else { return Ok(()) };
    table.put_job(Some(&next), &Job { releases: 0, ..next.clone() })
}

fn queue_running_jobs_again(table: &mut applier::Applier) -> Result<Vec<Effect>, StoreError> {
    let [newest, oldest] = [u64::MAX, 0].map(|number| Listing::Unfinished(Status::Running).key(number));
    let running = table.generation.db.scan(Family::Idx, &newest, &[&oldest[..], &[0]].concat());
    let id = |value: Box<[u8]>| {
        codec::intact(listing::of_value(&value), "the row of a running job").map(|(id, ..)| id)
    };
    let mut ids = running.map(|row| id(row?.1)).collect::<Result<Vec<_>, StoreError>>()?;
    ids.extend(table.unwritten.jobs.keys());
    ids.sort();
    ids.dedup();
    let mut effects = Vec::new();
    for id in ids {
        let Some(job) = table.find_job(id)?.filter(|job| matches!(job.state, State::Running { .. })) else {
            continue;
        };
        let (seq, since) = (table.next_seq(), table.clock());
        let again = Job { state: State::Queued { seq, since }, started_at: None, ..job.clone() };
        effects.extend(quorate_core::force(table, &job, &again)?);
    }
    Ok(effects)
}
