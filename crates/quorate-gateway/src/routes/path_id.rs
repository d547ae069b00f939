use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use quorate_core::{ImageId, JobId, OperationId, QueueName};

use crate::error::ApiError;
use crate::{convert, ids, limits};

/// The job that a path names. What cannot be an id is the id of no job: 404.
pub(crate) struct JobPath(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<JobPath, ApiError> {
        match id(parts, state).await {
            Some(id) => Ok(JobPath(JobId(id))),
            None => Err(ApiError::NoSuchJob),
        }
    }
}

/// The image that a path names, likewise.
pub(crate) struct ImagePath(pub(crate) ImageId);

impl<S: Send + Sync> FromRequestParts<S> for ImagePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<ImagePath, ApiError> {
        match id(parts, state).await {
            Some(id) => Ok(ImagePath(ImageId(id))),
            None => Err(ApiError::NoSuchImage),
        }
    }
}

/// The work on many jobs that a path names, likewise.
pub(crate) struct OperationPath(pub(crate) OperationId);

impl<S: Send + Sync> FromRequestParts<S> for OperationPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<OperationPath, ApiError> {
        match id(parts, state).await {
            Some(id) => Ok(OperationPath(OperationId(id))),
            None => Err(ApiError::NoSuchOperation),
        }
    }
}

/// The queue that a path names. What cannot be a name is that of no queue.
pub(crate) struct QueuePath(pub(crate) QueueName);

impl<S: Send + Sync> FromRequestParts<S> for QueuePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<QueuePath, ApiError> {
        let name = QueueName::new(&text(parts, state).await.unwrap_or_default());
        name.map(QueuePath).ok_or(ApiError::NoSuchQueue)
    }
}

/// The same of a queue that need not be there: what cannot be a name is refused.
pub(crate) struct NewQueuePath(pub(crate) QueueName);

impl<S: Send + Sync> FromRequestParts<S> for NewQueuePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<NewQueuePath, ApiError> {
        let name = convert::new_queue_name(&text(parts, state).await.unwrap_or_default());
        name.map(NewQueuePath).map_err(|message| ApiError::invalid("name", message))
    }
}

/// The worker that a path names, whether it is known or not.
pub(crate) struct WorkerPath(pub(crate) Box<str>);

impl<S: Send + Sync> FromRequestParts<S> for WorkerPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<WorkerPath, ApiError> {
        let name = text(parts, state).await.ok_or_else(|| ApiError::invalid("worker", "is not UTF-8"))?;
        convert::worker_name(&name).map(WorkerPath)
    }
}

/// The node that a path names, whether it is known or not.
pub(crate) struct MemberPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<MemberPath, ApiError> {
        let name = text(parts, state).await.filter(|name| is_node_name(name));
        name.map(MemberPath).ok_or_else(|| ApiError::invalid("name", "must be the name of a node"))
    }
}

/// Whether it can be a node's name, as far as that matters here: nothing that the names of nodes do not have goes into messages.
pub(crate) fn is_node_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=limits::NODE_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits)
}

async fn id<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<[u8; 16]> {
    ids::parse(&text(parts, state).await?)
}

async fn text<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<String> {
    let Path(text) = Path::<String>::from_request_parts(parts, state).await.ok()?;
    Some(text)
}
