//! What the planted bugs at the node's face do: see `crates/quorate-store/src/planted.rs`. Only in a build that can have them.

use std::time::Duration;

use quorate_core::{Answered, Command, IdempotencyKey, Reply, Source, Unavailable};
use quorate_gateway::Backend;
use quorate_node::planted::{Bug, planted};

/// A backend with the bug that was asked for, if it is one of these; else just as it is.
#[derive(Clone)]
pub(crate) struct Planted<B>(pub(crate) B);

impl<B: Backend> Backend for Planted<B> {
    type Reads = B::Reads;
    type Wakeups = B::Wakeups;
    type Health = B::Health;
    type Admin = B::Admin;

    async fn submit(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        if planted(Bug::SplitBatch) {
            return self.submit_one_by_one(command, within).await;
        }
        let command = if planted(Bug::ForgetKeys) { without_key(command) } else { command };
        let command = from_elsewhere(command);
        let answered = self.0.submit(command, within).await?;
        Ok(Answered { replayed: answered.replayed && !planted(Bug::SpentKeyWaits), ..answered })
    }

    async fn barrier(&self, within: Duration) -> Result<(), Unavailable> {
        if planted(Bug::StaleRead) {
            return Ok(());
        }
        self.0.barrier(within).await
    }

    fn reads(&self) -> &B::Reads {
        self.0.reads()
    }

    fn wakeups(&self) -> &B::Wakeups {
        self.0.wakeups()
    }

    fn health(&self) -> &B::Health {
        self.0.health()
    }

    fn admin(&self) -> &B::Admin {
        self.0.admin()
    }
}

impl<B: Backend> Planted<B> {
    async fn submit_one_by_one(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        let Command::Enqueue { jobs, key } = command else { return self.0.submit(command, within).await };
        let mut added = Vec::new();
        let mut last = None;
        for (job, place) in jobs.into_iter().zip(0..) {
            let key = key.as_ref().map(|key| IdempotencyKey {
                key: format!("{}-{place}", key.key).into(),
                body_hash: key.body_hash,
            });
            let answered = self.0.submit(Command::Enqueue { jobs: vec![job], key }, within).await?;
            let Ok(Reply::Enqueued { jobs, .. }) = &answered.outcome else { return Ok(answered) };
            added.extend(jobs.iter().cloned());
            last = Some(answered);
        }
        match last {
            Some(answered) => Ok(Answered {
                outcome: Ok(Reply::Enqueued { jobs: added, duplicates: Vec::new() }),
                ..answered
            }),
            None => self.0.submit(Command::Enqueue { jobs: Vec::new(), key }, within).await,
        }
    }
}

fn from_elsewhere(mut command: Command) -> Command {
    let (Command::Consume { take, .. } | Command::Finish { take: Some(take), .. }) = &mut command else {
        return command;
    };
    match &mut take.from {
        Source::InOrder(names) if planted(Bug::LastQueueFirst) => names.reverse(),
        Source::ByWeight(names) if planted(Bug::NoChance) => {
            take.from = Source::InOrder(names.iter().map(|(name, _)| name.clone()).collect());
        }
        Source::InOrder(_) | Source::ByWeight(_) | Source::All => {}
    }
    command
}

fn without_key(mut command: Command) -> Command {
    if let Command::Enqueue { key, .. } | Command::Consume { key, .. } | Command::Retry { key, .. } =
        &mut command
    {
        *key = None;
    }
    command
}
