//! What nodes say of themselves and of others when they meet, before it is known whether anybody knows them: names and addresses go into
//! the membership, into logs and before operators. What can be no node's ends its call, and nothing else.

#[cfg(test)]
mod fuzz;

use quorate_core::FeatureLevel;
use quorate_proto::log::v1::Member;
use quorate_proto::peer::v1 as pb;
use quorate_store::NodeId;
use tonic::Status;

use crate::config::{is_addr, is_http_addr, is_name};
use crate::limits;

/// A question, as a node may ask it.
///
/// # Errors
/// None asks so.
pub(crate) fn question(asked: pb::DiscoverRequest) -> Result<pb::DiscoverRequest, Status> {
    let pb::DiscoverRequest { name, peer_addr, cluster_id, .. } = &asked;
    must("name", is_none_or(name, is_name))?;
    must("peer_addr", is_none_or(peer_addr, is_addr))?;
    must("cluster_id", is_id(cluster_id))?;
    Ok(asked)
}

/// An answer, as a node may give it.
///
/// # Errors
/// None answers so.
pub(crate) fn answer(said: pb::DiscoverResponse) -> Result<pb::DiscoverResponse, Status> {
    let pb::DiscoverResponse { name, cluster_id, former_cluster_ids, version, .. } = &said;
    must("name", is_none_or(name, is_name))?;
    must("cluster_id", is_id(cluster_id))?;
    must("former_cluster_ids", former_cluster_ids.iter().all(|id| is_id(id)))?;
    must("version", is_id(version))?;
    must("http_addr", is_http_addr(&said.http_addr))?;
    must("asker_addr", is_none_or(&said.asker_addr, is_addr))?;
    must("members", said.members.iter().all(|member| is_name(&member.name)))?;
    let is_outsider = |one: &pb::Outsider| is_name(&one.name) && is_addr(&one.peer_addr);
    must("outsiders", said.outsiders.len() <= limits::OUTSIDERS && said.outsiders.iter().all(is_outsider))?;
    Ok(said)
}

/// Who wants to join, and the feature level that its program understands.
///
/// # Errors
/// It is nobody who could be a member, or not the one who calls.
pub(crate) fn join(request: pb::JoinRequest, from: NodeId) -> Result<(Member, FeatureLevel), Status> {
    let pb::JoinRequest { member, feature_level } = request;
    let member = member.filter(|member| member.node_id == from);
    let member = member.ok_or_else(|| Status::invalid_argument("a node can only join for itself"))?;
    must("name", is_name(&member.name))?;
    must("peer_addr", is_addr(&member.peer_addr))?;
    must("http_addr", is_http_addr(&member.http_addr))?;
    Ok((member, FeatureLevel(feature_level)))
}

fn must(field: &str, holds: bool) -> Result<(), Status> {
    holds.then_some(()).ok_or_else(|| Status::invalid_argument(format!("a {field} that no node has")))
}

fn is_none_or(text: &str, is_such: impl FnOnce(&str) -> bool) -> bool {
    text.is_empty() || is_such(text)
}

/// Of a cluster, or a version; or none.
fn is_id(text: &str) -> bool {
    text.len() <= limits::ID_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}
