use axum::extract::State;
use axum::http::StatusCode;

use crate::answer::{self, Claim};
use crate::error::Answer;
use crate::metrics::METRICS;
use crate::response;
use crate::{Backend, Gateway, NodeHealth};

/// Numbers for whoever watches this node, as Prometheus reads them. Asks neither the leader nor another node.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    responses((status = 200, description = "The numbers", body = String, content_type = "text/plain"))
)]
pub(crate) async fn get<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    METRICS.waiting.set(gateway.waiting_now() as f64);
    let text = gateway.backend().health().metrics().await;
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, text.len()).await?;
    Ok(answer::held(response::with_type(StatusCode::OK, None, CONTENT_TYPE, text.into()), share))
}

/// Prometheus goes by the version.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
