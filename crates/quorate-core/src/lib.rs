//! The job life cycle, pure: what a command does to the table of jobs.
//!
//! A committed log entry is a [`Batch`]: a time and some commands. [`apply()`] carries it out on a [`Table`] and
//! answers every command, and tells what it did to the table ([`Effect`]). It reads no clock, draws no random number and does no IO of its own, so that every
//! replica that applies the same log holds the same table.
//!
//! What always holds:
//! - a refusal is a value in an answer; an error from the table means that this replica is broken and must stop;
//! - log time never goes back: `now = max(stamp, last)`, and the last time is part of the table;
//! - a job id is granted to a consumer at most once (a retry is a new job);
//! - the indexes (lanes, timers, finished jobs) are a function of the job records: see [`Table::put_job`].

mod apply;
mod command;
mod dispatch;
mod dump;
mod effect;
mod filter;
mod id;
mod job;
mod level;
pub mod lifecycle;
pub mod limits;
pub mod model;
mod operation;
mod query;
mod queue;
mod reply;
mod settings;
mod table;
mod tag;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod unavailable;
mod unique;

#[cfg(feature = "testing")]
pub use apply::force;
pub use apply::{apply, next_due_at, next_timer_at};
pub use command::{Batch, Command, Ending, Envelope, Failure, IdempotencyKey, NewJob, NewOperation};
pub use dispatch::{
    Availability, Changes, Dispatch, Kept, KeyTurn, Lane, LaneMark, Source, Take, WaitBounds, Worker,
    WorkerView,
};
pub use dump::Dump;
pub use effect::{Applied, Change, Effect};
pub use filter::{Filter, Period};
pub use id::{ImageId, JobId, OperationId, QueueId, RequestId};
pub use job::{EndedBy, Image, Job, Payload, Priority, Progress, Reason, State, Status};
pub use level::{FEATURE_LEVEL, FeatureLevel};
pub use operation::{Action, Operation, OperationState, Operations, Selection};
pub use query::{JobsPage, JobsQuery, Order};
pub use queue::{
    Backoff, Bucket, Counts, KeysRunning, Queue, QueueName, QueueSettings, QueueView, Rate, Recent, Setting,
    Totals,
};
pub use reply::{Answered, Outcome, Position, Refusal, Remembered, Reply};
pub use settings::Settings;
pub use table::{AnswerRecord, KeyRecord, Table};
pub use tag::{are_tags, is_tag};
pub use time::Timestamp;
pub use unavailable::Unavailable;
pub use unique::{Unique, Until};
