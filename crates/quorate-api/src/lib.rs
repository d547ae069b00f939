//! The REST vocabulary of the Titan API v1: what goes over the wire as JSON, for the gateway and for clients.
//!
//! ```text
//! requests  what clients send
//! job       what they are answered: jobs, and the images that jobs name
//! filter    which jobs are meant
//! operation … work on many jobs
//! queue     … queues, and what is asked of them
//! worker    … workers
//! cluster   … the cluster, its settings, a node's health
//! error     … what went wrong
//! openapi   the part of the OpenAPI document that describes all of these; the gateway adds the operations
//! ```
//!
//! Answers tolerate fields that they do not know, so that an old client understands a newer node; requests refuse them,
//! so that a typo is not swallowed.

mod cluster;
mod error;
mod filter;
mod job;
mod openapi;
mod operation;
mod queue;
mod requests;
mod stats;
mod worker;

pub use cluster::{
    Changed, ChangedWrapper, Cluster, Disk, Health, Member, Outsider, Root, Settings, Warning,
};
pub use error::{Error, ErrorWrapper, WriteOutcome};
pub use filter::JobFilter;
pub use job::{
    Ended, FinishedJobWrapper, FinishedJobsWrapper, GivenBackWrapper, IMAGE_NAMESPACE, IdsWrapper, Image,
    ImageWrapper, ImagesWrapper, Job, JobWrapper, JobsWrapper, Progress, Reason, Status, UniqueUntil,
    image_id,
};
pub use openapi::{TOKEN_SCHEME, openapi};
pub use operation::{
    Action, Matches, Operation, OperationRequest, OperationStatus, OperationWrapper, OperationsWrapper,
};
pub use queue::{
    Backoff, JobCounts, KeyRunning, KeysRunning, LastMinute, Queue, QueueRequest, QueueWrapper,
    QueuesWrapper, Rate,
};
pub use requests::{
    CancelRequest, ConsumeRequest, Ending, FailRequest, FinishRequest, LeaderRequest, MemberRequest, NewJob,
    NewJobsWrapper, SettingsRequest, SuccessRequest, TouchRequest,
};
pub use stats::{Stats, StatsWrapper};
pub use worker::{Worker, WorkersWrapper};
