use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::{ErrorWrapper, Health};

use crate::error::{Answer, ApiError};
use crate::response;
use crate::{Backend, Gateway, NodeHealth};

/// Whether this node works: its Raft core answers. One that does not should be restarted.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    responses(
        (status = 200, description = "It does", body = Health),
        (status = 503, description = "It does not", body = ErrorWrapper),
    )
)]
pub(crate) async fn healthz<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    ok_if(gateway.backend().health().alive().await, "the Raft core of this node does not answer")
}

/// Whether this node can serve: it has recovered, reaches a majority through the leader, and its writes are answered. One that cannot should get
/// no requests for now.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    responses(
        (status = 200, description = "It can", body = Health),
        (status = 503, description = "It cannot, for now", body = ErrorWrapper),
    )
)]
pub(crate) async fn readyz<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    let stopping = gateway.config().shutdown.is_cancelled();
    ok_if(
        !stopping && gateway.backend().health().ready().await,
        "this node reaches no majority, has its writes not answered, has not recovered, or is stopping",
    )
}

fn ok_if(well: bool, message: &'static str) -> Answer {
    if !well {
        return Err(ApiError::NotWell { message }.into());
    }
    Ok(response::json(StatusCode::OK, None, &Health { status: "ok".into() }))
}
