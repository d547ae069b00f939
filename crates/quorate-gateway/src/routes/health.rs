use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
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
    match gateway.backend().health().alive().await {
        false => {
            Err(ApiError::NotWell { message: "the Raft core of this node does not answer".into() }.into())
        }
        true => Ok(well(&gateway)),
    }
}

/// Whether this node can serve: it is a member that has recovered, is not being drained, reaches a majority through the leader,
/// and its writes are answered. One that cannot should get no requests for now; the message says why.
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
    if gateway.config().shutdown.is_cancelled() {
        return Err(ApiError::NotWell { message: "this node is stopping".into() }.into());
    }
    match gateway.backend().health().unready().await {
        Some(why) => Err(ApiError::NotWell { message: why.into() }.into()),
        None => Ok(well(&gateway)),
    }
}

fn well<B: Backend>(gateway: &Gateway<B>) -> Response {
    let insecure = gateway.config().insecure;
    response::json(StatusCode::OK, None, &Health { status: "ok".into(), insecure })
}
