use crate::queue::{Bucket, QueueSettings};
use crate::{QueueId, QueueName, Refusal, Reply, Setting, Table, limits};

use super::step::{Abort, Step, check, refuse};

/// Changes what a queue is like. It holds from the next command on; for a job's end, from the next one that ends.
pub(super) fn configure<T: Table>(
    step: &mut Step<'_, T>,
    name: &QueueName,
    settings: &[Setting],
) -> Result<Reply, Abort<T::Error>> {
    for setting in settings {
        if let Some(field) = setting.outside() {
            return check(false, field).map(|()| Reply::Done);
        }
    }
    let dispatch = step.table.dispatch_mut();
    if dispatch.named(name).is_none() && dispatch.queue_count() >= limits::QUEUES {
        return refuse(Refusal::TooManyQueues);
    }
    let id = dispatch.queue_or_new(name);
    dispatch.configure(id, |queue| {
        queue.kept = true;
        for setting in settings {
            if let Setting::Rate(rate) = setting
                && *rate != queue.settings.rate
            {
                queue.bucket = Bucket::default();
            }
            queue.settings.set(setting.clone());
        }
    });
    Ok(Reply::Done)
}

/// Makes a queue as if nobody had set it: it is gone, at once or with its last finished job.
pub(super) fn delete<T: Table>(step: &mut Step<'_, T>, name: &QueueName) -> Result<Reply, Abort<T::Error>> {
    let dispatch = step.table.dispatch_mut();
    let Some(id) = dispatch.named(name) else { return refuse(Refusal::NoSuchQueue) };
    if dispatch.queue(id).is_some_and(|queue| queue.counts.unfinished() > 0) {
        return refuse(Refusal::QueueInUse);
    }
    dispatch.configure(id, |queue| {
        queue.kept = id == QueueId::DEFAULT;
        queue.settings = QueueSettings::default();
        queue.bucket = Bucket::default();
    });
    Ok(Reply::Done)
}
