use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use quorate_api::{ErrorWrapper, QueueRequest, QueueWrapper, QueuesWrapper};
use quorate_core::{Command, QueueName, Reply};
use serde_json::json;

use crate::answer::{self, Claim};
use crate::asked::Asked;
use crate::body::{self, MediaType, Object};
use crate::error::{Answer, ApiError, Failure};
use crate::openapi::{PageParams, ReadErrors, ReadParams, WriteErrors};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::path_id::{NewQueuePath, QueuePath};
use crate::{Backend, Gateway, Reads, convert};

/// Lists the queues by name, the default one first.
#[utoipa::path(
    get,
    path = "/v1/queues",
    operation_id = "list_queues",
    params(PageParams, ReadParams),
    responses((status = 200, description = "A page of queues", body = QueuesWrapper), ReadErrors)
)]
pub(crate) async fn list<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let n = query.page_length()?;
    let after = query.cursor(QueueName::new)?;
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, n * QUEUE_JSON_BYTES).await?;
    let reads = gateway.backend().reads();
    let (queues, now) = (reads.queues(after.as_ref(), n), reads.now());
    let write = move || {
        // A full page may be the last one; then the next one is empty.
        let cursor = queues.last().filter(|_| queues.len() >= n).map(|last| last.queue.name.to_string());
        let queues = queues.into_iter().map(|queue| convert::queue(queue, now)).collect();
        response::json(StatusCode::OK, Some(index), &QueuesWrapper { queues, cursor })
    };
    Ok(answer::held(gateway.heavy().run_on(n * QUEUE_JSON_BYTES, write).await, share))
}

/// A queue as JSON, at most: numbers of 20 digits, as many delays as there may be, and keys all of whose bytes are escaped.
const QUEUE_JSON_BYTES: usize = 4_000;

/// A queue.
#[utoipa::path(
    get,
    path = "/v1/queue/{name}",
    operation_id = "get_queue",
    params(("name" = String, Path, description = "The queue's name"), ReadParams),
    responses(
        (status = 200, description = "The queue", body = QueueWrapper),
        (status = 404, description = "There is no such queue", body = ErrorWrapper),
        ReadErrors,
    )
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    QueuePath(name): QueuePath,
    query: Query,
) -> Answer {
    if !gateway.must_be_sure(query.linearizable()?) {
        let index = gateway.applied();
        if let Ok(found) = found(&gateway, &name, index) {
            return Ok(found);
        }
    }
    gateway.barrier().await?;
    found(&gateway, &name, gateway.applied())
}

/// Changes a queue's settings, those that the body names, and makes the queue where there is none.
#[utoipa::path(
    put,
    path = "/v1/queue/{name}",
    operation_id = "put_queue",
    params(("name" = String, Path, description = "The queue's name: 1 to 64 of `a-z 0-9 . _ -`")),
    request_body = QueueRequest,
    responses(
        (status = 200, description = "The queue as it is now", body = QueueWrapper),
        WriteErrors,
        (status = 409, description = "There are as many queues as may be", body = ErrorWrapper),
    )
)]
pub(crate) async fn put<B: Backend>(
    State(gateway): State<Gateway<B>>,
    NewQueuePath(name): NewQueuePath,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
        return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON }.into());
    };
    let body = gateway.bodies().read(body).await?;
    let parse = |bytes: Bytes| {
        let Object(request) = body::json::<Object<QueueRequest>>(&bytes, "")?;
        let asked = json!(&request);
        Ok((convert::settings(request)?, asked))
    };
    let ((settings, asked), _share) = body.understand(gateway.heavy(), parse).await?;
    Asked::note(asked);
    let (index, reply) = gateway.submit(Command::ConfigureQueue { name: name.clone(), settings }).await?;
    let Reply::Done = reply else { return Err(ApiError::unexpected_reply("configure a queue").into()) };
    found(&gateway, &name, index)
}

/// Makes a queue as if nobody had set it: it is gone with its last finished job. The default one only loses its settings.
#[utoipa::path(
    delete,
    path = "/v1/queue/{name}",
    operation_id = "delete_queue",
    params(("name" = String, Path, description = "The queue's name")),
    responses(
        (status = 204, description = "Its settings are gone"),
        WriteErrors,
        (status = 404, description = "There is no such queue", body = ErrorWrapper),
        (status = 409, description = "It has jobs that have not finished", body = ErrorWrapper),
    )
)]
pub(crate) async fn delete<B: Backend>(
    State(gateway): State<Gateway<B>>,
    QueuePath(name): QueuePath,
) -> Answer {
    let (index, reply) = gateway.submit(Command::DeleteQueue { name }).await?;
    let Reply::Done = reply else { return Err(ApiError::unexpected_reply("delete a queue").into()) };
    Ok(response::no_content(index))
}

/// # Errors
/// 404: there is no such queue.
fn found<B: Backend>(gateway: &Gateway<B>, name: &QueueName, index: Index) -> Answer {
    let reads = gateway.backend().reads();
    match reads.queue(name) {
        Some(queue) => {
            let queue = QueueWrapper { queue: convert::queue(queue, reads.now()) };
            Ok(response::json(StatusCode::OK, Some(index), &queue))
        }
        None => Err(Failure { error: ApiError::NoSuchQueue, index: Some(index) }),
    }
}
