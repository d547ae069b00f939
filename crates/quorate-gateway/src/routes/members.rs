use axum::extract::{Request, State};
use axum::http::StatusCode;
use bytes::Bytes;
use quorate_api::{ChangedWrapper, ErrorWrapper, LeaderRequest, MemberRequest};
use quorate_core::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::asked::Asked;
use crate::body::{self, MediaType, Object};
use crate::error::{Answer, ApiError, Failure};
use crate::openapi::{ForceParams, MembersParams, WriteErrors};
use crate::query::Query;
use crate::response::{self, Index};
use crate::routes::path_id::{MemberPath, is_node_name};
use crate::{Backend, Gateway, NodeAdmin, Order, OrderError, Refused, limits, patience};

/// Takes a node in as a member: it follows, and votes as soon as it has caught up. Safe to repeat: the member list says how far it is.
#[utoipa::path(
    post,
    path = "/v1/cluster/members",
    operation_id = "add_member",
    request_body = MemberRequest,
    responses((status = 200, description = "It is a member", body = ChangedWrapper), WriteErrors, Refusals)
)]
pub(crate) async fn add<B: Backend>(State(gateway): State<Gateway<B>>, request: Request) -> Answer {
    let MemberRequest { name, peer_addr, replaces, members_index } = read(&gateway, request).await?;
    let name = named("name", name)?;
    let replaces = replaces.map(|old| named("replaces", old)).transpose()?;
    if replaces.as_ref() == Some(&name) {
        let message =
            "is the name itself: a node that bears the name of a member that is gone takes its place unasked";
        return Err(ApiError::invalid("replaces", message).into());
    }
    order(&gateway, Order::Add { name, peer_addr, replaces }, members_index).await
}

/// Takes a member away for good. Refused where too few of those that are left answer, and, without `force`, where they would survive no
/// failure any more. Safe to repeat.
#[utoipa::path(
    delete,
    path = "/v1/cluster/member/{name}",
    operation_id = "remove_member",
    params(("name" = String, Path, description = "The member's name"), MembersParams, ForceParams),
    responses((status = 200, description = "It is no member", body = ChangedWrapper), WriteErrors, Refusals)
)]
pub(crate) async fn remove<B: Backend>(
    State(gateway): State<Gateway<B>>,
    MemberPath(name): MemberPath,
    query: Query,
) -> Answer {
    let (expected, force) = (query.index("members_index")?, query.flag("force")?);
    order(&gateway, Order::Remove { name, force }, expected).await
}

/// Has another voter lead: the one that is named, or the one that answers and is furthest. Safe to repeat where one is named.
#[utoipa::path(
    post,
    path = "/v1/cluster/leader",
    operation_id = "transfer_leader",
    request_body(content = Option<LeaderRequest>),
    responses((status = 200, description = "It leads", body = ChangedWrapper), WriteErrors, Refusals)
)]
pub(crate) async fn transfer<B: Backend>(State(gateway): State<Gateway<B>>, request: Request) -> Answer {
    let LeaderRequest { name, members_index } = read(&gateway, request).await?;
    let to = name.map(|name| named("name", name)).transpose()?;
    order(&gateway, Order::Transfer { to }, members_index).await
}

/// Has a member give the leadership away and take no long polls, for maintenance, until it is started again. Safe to repeat.
#[utoipa::path(
    post,
    path = "/v1/cluster/member/{name}/drain",
    operation_id = "drain_member",
    params(("name" = String, Path, description = "The member's name")),
    responses((status = 200, description = "It is being drained", body = ChangedWrapper), WriteErrors, Refusals)
)]
pub(crate) async fn drain<B: Backend>(
    State(gateway): State<Gateway<B>>,
    MemberPath(name): MemberPath,
) -> Answer {
    order(&gateway, Order::Drain { name, undo: false }, None).await
}

/// Has a member that is being drained do as before. Safe to repeat.
#[utoipa::path(
    post,
    path = "/v1/cluster/member/{name}/undrain",
    operation_id = "undrain_member",
    params(("name" = String, Path, description = "The member's name")),
    responses((status = 200, description = "It is not drained", body = ChangedWrapper), WriteErrors, Refusals)
)]
pub(crate) async fn undrain<B: Backend>(
    State(gateway): State<Gateway<B>>,
    MemberPath(name): MemberPath,
) -> Answer {
    order(&gateway, Order::Drain { name, undo: true }, None).await
}

/// What a change of the cluster can be answered besides its own.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
enum Refusals {
    /// There is no such member, or no such node has asked to join.
    #[response(status = 404)]
    NoSuchMember(ErrorWrapper),
    /// It is refused, and the message says why and what to do: too few voters would be left, another change is under way, the
    /// members are not those of `members_index`, or the node is not fit for it. Nothing was done.
    #[response(status = 409)]
    Refused(ErrorWrapper),
}

async fn order<B: Backend>(gateway: &Gateway<B>, order: Order, members_index: Option<u64>) -> Answer {
    let within = patience::within(limits::ORDER_WAIT);
    let changes_members = matches!(order, Order::Add { .. } | Order::Remove { .. });
    match gateway.backend().admin().order(order, members_index, within).await {
        Ok(changed) => {
            // The audit log has it, too.
            let at = (changes_members && changed.changed)
                .then_some(Index::Written(Position { index: changed.members_index, offset: 0 }));
            Ok(response::json(StatusCode::OK, at, &ChangedWrapper { changed }))
        }
        Err(OrderError::Refused(Refused::NoSuchMember(message))) => {
            Err(ApiError::NoSuchMember { message: message.into() }.into())
        }
        Err(OrderError::Refused(Refused::Conflict(message))) => {
            Err(ApiError::Refused { message: message.into() }.into())
        }
        Err(OrderError::Unavailable(unavailable)) => Err(unavailable.into()),
    }
}

/// A body; none is one without fields.
async fn read<B: Backend, T>(gateway: &Gateway<B>, request: Request) -> Result<T, Failure>
where
    T: Serialize + DeserializeOwned + Send + 'static,
{
    let (parts, body) = request.into_parts();
    let (MediaType::Json | MediaType::Absent) = MediaType::of(&parts.headers)? else {
        return Err(ApiError::UnsupportedMediaType { accepted: body::ONLY_JSON }.into());
    };
    let body = gateway.bodies().read(body).await?;
    let parse = |bytes: Bytes| {
        let bytes = if bytes.is_empty() { Bytes::from_static(b"{}") } else { bytes };
        let Object(request) = body::json::<Object<T>>(&bytes, "")?;
        Ok(request)
    };
    let (request, _share) = body.understand(gateway.heavy(), parse).await?;
    Asked::note(json!(&request));
    Ok(request)
}

fn named(field: &'static str, name: String) -> Result<String, ApiError> {
    match is_node_name(&name) {
        true => Ok(name),
        false => Err(ApiError::invalid(field, "must be the name of a node")),
    }
}
