use crate::{Command, IdempotencyKey, KeyRecord, Refusal, Remembered, Reply, Table, Timestamp, limits};

use super::replay;
use super::step::{Abort, Step, check, refuse};

/// What the first request with this key was answered; `None` when this is the first.
pub(super) fn first_answer<T: Table>(
    step: &mut Step<'_, T>,
    key: &IdempotencyKey,
) -> Result<Option<Remembered>, Abort<T::Error>> {
    check(key.key.len() <= limits::IDEMPOTENCY_KEY_BYTES, "idempotency_key")?;
    match step.table.key(&key.key)? {
        // It waits to be removed by `tick`.
        Some(record) if expires_at(&record) <= step.now => {
            step.table.delete_key(&record)?;
            Ok(None)
        }
        Some(record) if record.body_hash != key.body_hash => refuse(Refusal::KeyReused),
        Some(record) => Ok(Some(record.answer)),
        None => Ok(None),
    }
}

/// Remembers under the key what its first request was answered, unless that is an empty list.
pub(super) fn record<T: Table>(
    step: &mut Step<'_, T>,
    key: &IdempotencyKey,
    command: &Command,
    reply: &Reply,
) -> Result<(), T::Error> {
    if matches!(reply, Reply::Jobs(jobs) if jobs.is_empty()) {
        return Ok(());
    }
    step.put_key(&KeyRecord {
        key: key.key.clone(),
        body_hash: key.body_hash,
        at: step.now,
        answer: replay::remembered_reply(command, reply),
    })
}

/// When a key stops to be remembered.
pub(super) fn expires_at(key: &KeyRecord) -> Timestamp {
    key.at.plus_millis(limits::IDEMPOTENCY_MILLIS)
}
