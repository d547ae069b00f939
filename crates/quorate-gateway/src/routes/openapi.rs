use axum::http::StatusCode;
use axum::response::Response;

use crate::openapi::Document;
use crate::response;

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI document", body = Object))
)]
pub(super) fn openapi(document: &Document) -> Response {
    response::with_type(StatusCode::OK, None, "application/json", document.json().into())
}
