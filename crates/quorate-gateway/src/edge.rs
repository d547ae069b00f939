//! What is around every route: what the head of any request must be, what is answered where there is only room for health
//! checks, the node's name and `Allow` in answers, and a panic that ends one request instead of a connection.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use quorate_api::WriteOutcome;

use crate::error::ApiError;
use crate::meant::meant;
use crate::server::OnlyHealth;
use crate::{head, routes};

const QUORATE_NODE: HeaderName = HeaderName::from_static("quorate-node");

/// The edge of a router. A clone is the same edge.
#[derive(Clone)]
pub(crate) struct Edge {
    node: HeaderValue,
    /// By path: the value of `Allow`.
    allow: Arc<HashMap<String, HeaderValue>>,
}

impl Edge {
    /// The edge of the node `node`, around paths with these methods.
    pub(crate) fn new(node: HeaderValue, methods: HashMap<String, Vec<&'static str>>) -> Edge {
        let value = |methods: Vec<&str>| {
            HeaderValue::try_from(methods.join(", ")).expect("names of methods are a header value")
        };
        let allow = methods.into_iter().map(|(path, methods)| (path, value(methods))).collect();
        Edge { node, allow: Arc::new(allow) }
    }

    /// The router with its edge.
    pub(crate) fn around(self, router: Router) -> Router {
        let allow = Arc::clone(&self.allow);
        let no_such_route = async move |request: Request| {
            let meant = meant(request.uri().path(), allow.keys().map(String::as_str));
            ApiError::NoSuchRoute { meant: meant.map(str::to_owned) }
        };
        router
            .fallback(no_such_route)
            // `handle` says which methods there are.
            .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
            .layer(middleware::from_fn_with_state(self, Edge::handle))
    }

    async fn handle(State(edge): State<Edge>, request: Request, next: Next) -> Response {
        let path = request.extensions().get::<MatchedPath>().cloned();
        let mut response = match check(&request) {
            Ok(()) => run(request, next).await,
            Err(error) => closing(error, request.version()),
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allow) = path.and_then(|path| edge.allow.get(path.as_str()).cloned())
        {
            let takes = allow.to_str().unwrap_or_default().to_owned();
            response = ApiError::MethodNotAllowed { takes }.into_response();
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response.headers_mut().insert(QUORATE_NODE, edge.node);
        response
    }
}

async fn run(request: Request, next: Next) -> Response {
    // Handlers share nothing that a panic could leave half changed: semaphores, and the backend's own affair.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let message =
                panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(panics = 1, message, "a request panicked");
            ApiError::Internal.into_response()
        }
    }
}

fn check(request: &Request) -> Result<(), ApiError> {
    head::check(request)?;
    if request.extensions().get::<OnlyHealth>().is_some() && !routes::is_health(request.uri().path()) {
        return Err(ApiError::Unavailable {
            outcome: WriteOutcome::NotApplied,
            message: "this node has no room for more connections",
        });
    }
    Ok(())
}

/// Where the head is not understood, neither is where the request ends: its connection is closed.
fn closing(error: ApiError, version: Version) -> Response {
    let mut response = error.into_response();
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
