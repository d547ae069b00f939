use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::StatsWrapper;

use crate::error::Answer;
use crate::openapi::{ReadErrors, ReadParams};
use crate::query::Query;
use crate::{Backend, Gateway, Reads, convert, response};

/// How many jobs there are in all queues together. The same on every node that has applied the same; read from memory, however
/// many there are.
#[utoipa::path(
    get,
    path = "/v1/stats",
    operation_id = "get_stats",
    params(ReadParams),
    responses((status = 200, description = "The sums", body = StatsWrapper), ReadErrors)
)]
pub(crate) async fn get<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let reads = gateway.backend().reads();
    let stats = convert::stats(reads.totals(reads.now()));
    Ok(response::json(StatusCode::OK, Some(index), &StatsWrapper { stats }))
}
