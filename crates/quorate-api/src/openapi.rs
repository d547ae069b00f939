use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::{
    Action, Backoff, CancelRequest, Changed, ChangedWrapper, Cluster, ConsumeRequest, Disk, Ended, Ending,
    Error, ErrorWrapper, FailRequest, FinishRequest, FinishedJobWrapper, FinishedJobsWrapper,
    GivenBackWrapper, Health, IdsWrapper, Image, ImageWrapper, ImagesWrapper, Job, JobCounts, JobFilter,
    JobWrapper, JobsWrapper, KeyRunning, KeysRunning, LastMinute, LeaderRequest, Matches, Member,
    MemberRequest, NewJob, NewJobsWrapper, Operation, OperationRequest, OperationStatus, OperationWrapper,
    OperationsWrapper, Outsider, Progress, Queue, QueueRequest, QueueWrapper, QueuesWrapper, Rate, Reason,
    Root, Settings, SettingsRequest, Stats, StatsWrapper, Status, SuccessRequest, TouchRequest, UniqueUntil,
    Warning, Worker, WorkersWrapper, WriteOutcome,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quorate",
        description = "A distributed job queue: the Titan API v1, answered alike by every node of the cluster.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "jobs", description = "Many jobs: enqueue, list, consume"),
        (name = "job", description = "One job"),
        (name = "operations", description = "Work on many jobs"),
        (name = "operation", description = "Work on many jobs, one of them"),
        (name = "queues", description = "The queues that jobs wait in"),
        (name = "queue", description = "One queue"),
        (name = "workers", description = "The workers that hold jobs"),
        (name = "worker", description = "One worker"),
        (name = "stats", description = "What all queues come to"),
        (name = "images", description = "The images that jobs have named"),
        (name = "image", description = "One image"),
        (name = "cluster", description = "The cluster and its settings"),
        (name = "node", description = "The node that answers"),
    ),
    components(schemas(
        Action, Backoff, CancelRequest, Changed, ChangedWrapper, Cluster, ConsumeRequest, Disk, Ended, Ending, Error, ErrorWrapper, FailRequest, FinishRequest,
        FinishedJobWrapper, FinishedJobsWrapper, GivenBackWrapper, Health, Image, ImageWrapper,
    IdsWrapper, ImagesWrapper, Job, JobCounts, JobFilter, JobWrapper, JobsWrapper, KeyRunning, KeysRunning, LastMinute, LeaderRequest, Matches, Member, MemberRequest, NewJob, NewJobsWrapper, Operation, OperationRequest, OperationStatus, OperationWrapper, OperationsWrapper, Outsider, Progress, Queue, QueueRequest, QueueWrapper, QueuesWrapper, Rate, Reason, Root, Settings, SettingsRequest, Stats, StatsWrapper, Status, SuccessRequest, TouchRequest, UniqueUntil, Warning, Worker, WorkersWrapper, WriteOutcome,
    ))
)]
struct Document;

/// What the document calls a caller's token.
pub const TOKEN_SCHEME: &str = "token";

/// The OpenAPI document with its schemas, without operations: the gateway, which has the routes, adds those.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme(TOKEN_SCHEME, bearer);
    document
}
