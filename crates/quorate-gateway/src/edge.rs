//! What is around every route: the node's name in every answer, and a panic that ends one request instead of a connection.

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use crate::error::ApiError;

const QUORATE_NODE: HeaderName = HeaderName::from_static("quorate-node");

/// The router with its edge.
pub(crate) fn around(router: Router, node: HeaderValue) -> Router {
    router
        .fallback(async || ApiError::NoSuchRoute)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(node, edge))
}

async fn edge(
    axum::extract::State(node): axum::extract::State<HeaderValue>,
    request: Request,
    next: Next,
) -> Response {
    // Handlers share nothing that a panic could leave half changed: semaphores, and the backend's own affair.
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let message =
                panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(panics = 1, message, "a request panicked");
            ApiError::Internal.into_response()
        }
    };
    response.headers_mut().insert(QUORATE_NODE, node);
    response
}
