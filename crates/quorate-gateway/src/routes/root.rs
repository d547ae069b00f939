use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::Root;

use crate::error::Answer;
use crate::response;
use crate::{Backend, Gateway};

/// Who answers here, and where the rest is.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "root",
    responses((status = 200, description = "Who answers, and where the rest is", body = Root))
)]
pub(crate) async fn get<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    let paths = [
        ("api", "/openapi.json"),
        ("cluster", "/v1/cluster"),
        ("stats", "/v1/stats"),
        ("queues", "/v1/queues"),
        ("jobs", "/v1/jobs"),
        ("metrics", "/metrics"),
        ("alive", "/healthz"),
        ("ready", "/readyz"),
    ];
    let root = Root {
        name: "quorate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: gateway.config().node.clone(),
        paths: paths.map(|(what, path)| (what.to_owned(), path.to_owned())).into(),
    };
    Ok(response::json(StatusCode::OK, None, &root))
}
