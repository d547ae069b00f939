//! What a batch does to the table. One file for each command, all of one shape: look the job up, refuse or change
//! it, answer. `tick.rs` does what is due before the commands of a batch.
//!
//! They stand on what they share, and that on one another one way only: `step.rs` (one command being carried out, and why it
//! ends early), `birth.rs` (how a job begins), `ending.rs` (how one ends), `lookup.rs` (how one is found as it is now).

mod append_log;
mod birth;
mod cancel;
mod configure;
mod consume;
mod delete;
mod ending;
mod enqueue;
mod fail;
mod finish;
mod key;
mod lookup;
mod operation;
mod queue;
mod raise;
mod release;
mod replay;
mod retry;
mod step;
mod succeed;
mod tick;
mod touch;

use crate::{
    AnswerRecord, Answered, Applied, Batch, Command, Envelope, Failure, Outcome, Position, Refusal, Reply,
    RequestId, Table, limits,
};

#[cfg(feature = "testing")]
pub use step::force;
use step::{Abort, Step};
pub use tick::{next_due_at, next_timer_at};

/// Carries one committed log entry out: first what is due at its time, then its commands in their order.
///
/// Total and deterministic: every batch has an effect and an answer that depend on the table and the batch alone.
///
/// # Errors
/// The storage failed. The table may then hold a part of the batch and must not be used further.
pub fn apply<T: Table>(table: &mut T, index: u64, batch: &Batch) -> Result<Applied, T::Error> {
    let now = batch.stamp.max(table.clock());
    table.set_clock(now);
    let mut step = Step { table, now, at: Position { index, offset: 0 }, effects: Vec::new() };
    step.table.dispatch_mut().go_on(now);
    tick::tick(&mut step, &batch.envelopes)?;
    let mut answers = Vec::with_capacity(batch.envelopes.len());
    for (envelope, offset) in batch.envelopes.iter().zip(0..) {
        step.at.offset = offset;
        answers.push(answer(&mut step, envelope)?);
    }
    let mut effects = step.effects;
    effects.extend(table.dispatch_mut().tell());
    Ok(Applied { answers, effects })
}

/// Answers one envelope: refuses it, repeats its first answer, or carries its command out and remembers the answer.
fn answer<T: Table>(step: &mut Step<'_, T>, envelope: &Envelope) -> Result<Answered, T::Error> {
    let Envelope { request_id, deadline, command } = envelope;
    let answered =
        |position, replayed, outcome| Answered { request_id: *request_id, position, replayed, outcome };

    // Time does not go back, so no copy of this envelope can take effect later either: nothing to remember.
    if *deadline < step.now {
        return Ok(answered(step.at, false, Err(Refusal::OutsideDeadline)));
    }
    if let Some(first) = step.table.answer(*request_id) {
        let outcome = replay::render(step, &first.answer)?;
        return Ok(answered(first.position, first.replayed, outcome));
    }
    let (replayed, outcome) = if *deadline > step.now.plus_millis(limits::REQUEST_MILLIS) {
        (false, Err(Refusal::OutsideDeadline))
    } else {
        replay_or_carry_out(step, command, *request_id)?
    };
    // A copy may follow once its deadline is near enough, and must be refused like this one. Far beyond that the
    // proposer has given up long before, and remembering would have no bound.
    if *deadline <= step.now.plus_millis(2 * limits::REQUEST_MILLIS) {
        let answer = replay::remembered(command, &outcome);
        let record = AnswerRecord { deadline: *deadline, position: step.at, replayed, answer };
        step.table.remember(*request_id, record);
    }
    Ok(answered(step.at, replayed, outcome))
}

/// Repeats what the command's Idempotency-Key stands for (then the first value is true), or carries the command out.
fn replay_or_carry_out<T: Table>(
    step: &mut Step<'_, T>,
    command: &Command,
    request: RequestId,
) -> Result<(bool, Outcome), T::Error> {
    let first = match command.key() {
        Some(key) => key::first_answer(step, key),
        None => Ok(None),
    };
    let result = match first {
        Ok(Some(first)) => return Ok((true, replay::render(step, &first)?)),
        Ok(None) => carry_out(step, command, request),
        Err(abort) => Err(abort),
    };
    Ok((false, refusal_as_value(result)?))
}

fn carry_out<T: Table>(
    step: &mut Step<'_, T>,
    command: &Command,
    request: RequestId,
) -> Result<Reply, Abort<T::Error>> {
    let reply = match command {
        Command::Enqueue { jobs, key: _ } => enqueue::enqueue(step, jobs)?,
        Command::Consume { take, key: _ } => consume::consume(step, take, request)?,
        Command::Succeed { id, log } => Reply::Job(Box::new(succeed::succeed(step, *id, log)?)),
        Command::Fail { id, reason, details, log, for_good } => {
            let failure = Failure { reason: *reason, details: details.clone(), for_good: *for_good };
            Reply::Job(Box::new(fail::fail(step, *id, &failure, log)?))
        }
        Command::Release { id, new_id, delay } => release::release(step, *id, *new_id, *delay)?,
        Command::WorkerGone { worker } => release::worker_gone(step, worker)?,
        Command::Finish { endings, take, key: _ } => finish::finish(step, endings, take.as_ref(), request)?,
        Command::Cancel { id, details } => cancel::cancel(step, *id, details)?,
        Command::Touch { id, progress } => touch::touch(step, *id, progress.as_ref())?,
        Command::AppendLog { id, log, offset } => append_log::append_log(step, *id, log, *offset)?,
        Command::Retry { id, new_id, anew, key: _ } => retry::retry(step, *id, *new_id, *anew)?,
        Command::Delete { id } => delete::delete(step, *id)?,
        Command::Configure { settings } => configure::configure(step, *settings)?,
        Command::ConfigureQueue { name, settings } => queue::configure(step, name, settings)?,
        Command::DeleteQueue { name } => queue::delete(step, name)?,
        Command::StartOperation { operation, key: _ } => operation::start(step, operation)?,
        Command::StepOperation { id, action, from, to, jobs } => {
            operation::go_on(step, (*id, *action), (*from, *to), jobs)?
        }
        Command::StopOperation { id } => operation::stop(step, *id)?,
        Command::Raise { level } => raise::raise(step, *level)?,
    };
    if let Some(key) = command.key() {
        key::record(step, key, command, &reply)?;
    }
    Ok(reply)
}

/// A refusal becomes an outcome; a failure of the storage stays an error.
fn refusal_as_value<E>(result: Result<Reply, Abort<E>>) -> Result<Outcome, E> {
    match result {
        Ok(reply) => Ok(Ok(reply)),
        Err(Abort::Refused(refusal)) => Ok(Err(refusal)),
        Err(Abort::Broken(error)) => Err(error),
    }
}
