//! What the planted bugs of the node do: see [`quorate_store::planted`].

use std::time::Duration;

use quorate_core::{Answered, Command, IdempotencyKey, Reply, Unavailable};

use crate::command::intake::Intake;

/// For [`quorate_store::planted::Bug::ForgetKeys`].
pub(crate) fn without_key(mut command: Command) -> Command {
    if let Command::Enqueue { key, .. } | Command::Consume { key, .. } | Command::Retry { key, .. } =
        &mut command
    {
        *key = None;
    }
    command
}

/// For [`quorate_store::planted::Bug::SplitBatch`].
pub(crate) async fn submit_one_by_one(
    intake: &Intake,
    command: Command,
    within: Duration,
) -> Result<Answered, Unavailable> {
    let Command::Enqueue { jobs, key } = command else { return intake.submit(command, within).await };
    let mut added = Vec::new();
    let mut last = None;
    for (job, place) in jobs.into_iter().zip(0..) {
        let key = key.as_ref().map(|key| IdempotencyKey {
            key: format!("{}-{place}", key.key).into(),
            body_hash: key.body_hash,
        });
        let answered = intake.submit(Command::Enqueue { jobs: vec![job], key }, within).await?;
        let Ok(Reply::Jobs(jobs)) = &answered.outcome else { return Ok(answered) };
        added.extend(jobs.iter().cloned());
        last = Some(answered);
    }
    match last {
        Some(answered) => Ok(Answered { outcome: Ok(Reply::Jobs(added)), ..answered }),
        None => intake.submit(Command::Enqueue { jobs: Vec::new(), key }, within).await,
    }
}
