use axum::extract::State;
use axum::http::StatusCode;

use crate::answer::{self, Answer};
use crate::{Backend, Gateway};

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI document", body = Object))
)]
pub(crate) async fn openapi<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    Ok(answer::with_type(StatusCode::OK, None, "application/json", gateway.document().into()))
}
