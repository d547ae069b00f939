use axum::Extension;
use axum::http::StatusCode;

use crate::error::Answer;
use crate::openapi::Document;
use crate::response;

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI document", body = Object))
)]
pub(crate) async fn openapi(Extension(document): Extension<Document>) -> Answer {
    Ok(response::with_type(StatusCode::OK, None, "application/json", document.json().into()))
}
