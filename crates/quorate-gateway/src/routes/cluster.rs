use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use quorate_api::{Cluster, Settings, SettingsRequest};
use quorate_core::{Command, Reply};
use serde_json::json;

use crate::asked::Asked;
use crate::body::{self, MediaType, Object};
use crate::error::{Answer, ApiError};
use crate::openapi::{ReadErrors, ReadParams, WriteErrors};
use crate::query::Query;
use crate::response;
use crate::{Backend, Gateway, NodeHealth, Reads, ranges};

/// The cluster as this node sees it.
#[utoipa::path(
    get,
    path = "/v1/cluster",
    operation_id = "get_cluster",
    responses((status = 200, description = "The cluster", body = Cluster))
)]
pub(crate) async fn get<B: Backend>(State(gateway): State<Gateway<B>>) -> Answer {
    let index = gateway.applied();
    let cluster = gateway.backend().health().cluster().await;
    Ok(response::json(StatusCode::OK, Some(index), &cluster))
}

/// The settings that hold for the whole cluster.
#[utoipa::path(
    get,
    path = "/v1/cluster/settings",
    operation_id = "get_settings",
    params(ReadParams),
    responses((status = 200, description = "The settings", body = Settings), ReadErrors)
)]
pub(crate) async fn settings<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let quorate_core::Settings { retention } = gateway.backend().reads().settings();
    Ok(response::json(StatusCode::OK, Some(index), &Settings { retention }))
}

/// Replaces the settings that hold for the whole cluster.
#[utoipa::path(
    put,
    path = "/v1/cluster/settings",
    operation_id = "put_settings",
    request_body = SettingsRequest,
    responses((status = 200, description = "The settings as they are now", body = Settings), WriteErrors)
)]
pub(crate) async fn configure<B: Backend>(State(gateway): State<Gateway<B>>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
        return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON }.into());
    };
    let body = gateway.bodies().read(body).await?;
    let parse = |bytes: Bytes| body::json(&bytes, "");
    let (Object(SettingsRequest { retention }), _share) = body.understand(gateway.heavy(), parse).await?;
    Asked::note(json!({"retention": retention}));
    ranges::check("retention", "retention", retention)?;
    let settings = quorate_core::Settings { retention };
    let (index, reply) = gateway.submit(Command::Configure { settings }).await?;
    let Reply::Done = reply else { return Err(ApiError::unexpected_reply("configure").into()) };
    Ok(response::json(StatusCode::OK, Some(index), &Settings { retention }))
}
