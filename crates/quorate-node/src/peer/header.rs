use quorate_store::NodeId;
use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::Identity;

const CLUSTER: &str = "quorate-cluster";
const FROM: &str = "quorate-from";
const TO: &str = "quorate-to";
const GROUP: &str = "quorate-group";
/// The Raft group that a call is about. There is one so far; a node refuses calls about one that it does not have.
const ONLY_GROUP: u64 = 0;

/// Says in a call's metadata who calls whom, of which cluster.
pub(crate) fn write(
    from: NodeId,
    cluster_id: &str,
    to: NodeId,
    metadata: &mut MetadataMap,
) -> Result<(), Status> {
    let cluster_id = MetadataValue::try_from(cluster_id)
        .map_err(|_| Status::internal("the cluster's id is no metadata value"))?;
    metadata.insert(CLUSTER, cluster_id);
    metadata.insert(FROM, MetadataValue::from(from));
    metadata.insert(TO, MetadataValue::from(to));
    metadata.insert(GROUP, MetadataValue::from(ONLY_GROUP));
    Ok(())
}

/// Who calls, if the call is meant for this node.
pub(crate) fn check(identity: &Identity, metadata: &MetadataMap) -> Result<NodeId, Status> {
    let text = |name| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = |name| {
        let number: Result<u64, _> = text(name).parse();
        number.map_err(|_| Status::invalid_argument(format!("the metadata {name} is no id")))
    };
    let (from, to, group) = (id(FROM)?, id(TO)?, id(GROUP)?);
    if group != ONLY_GROUP {
        return Err(Status::failed_precondition(format!("this node has no Raft group {group}")));
    }
    if to != identity.node_id {
        return Err(Status::failed_precondition(format!(
            "node {to} is called, but here is node {}",
            identity.node_id
        )));
    }
    match identity.cluster_id.get() {
        None => Err(Status::failed_precondition("this node does not know its cluster yet")),
        Some(own) if own != text(CLUSTER) => Err(Status::failed_precondition(format!(
            "a node of cluster {} calls, but this node belongs to cluster {own}",
            text(CLUSTER)
        ))),
        Some(_) => Ok(from),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use tonic::Code;

    use super::*;

    fn identity(node_id: NodeId, cluster_id: Option<&str>) -> Identity {
        let known = OnceLock::new();
        if let Some(id) = cluster_id {
            known.set(id.to_owned()).unwrap();
        }
        Identity { node_id, cluster_id: Arc::new(known), run: crate::peer::Run::NONE, former: Arc::default() }
    }

    fn call(cluster_id: &str, to: NodeId, taker: &Identity) -> Result<NodeId, Code> {
        let mut metadata = MetadataMap::new();
        write(1, cluster_id, to, &mut metadata).unwrap();
        check(taker, &metadata).map_err(|status| status.code())
    }

    #[test]
    fn only_the_node_that_is_meant_takes_a_call() {
        assert_eq!(call("a", 2, &identity(2, Some("a"))), Ok(1));
        assert_eq!(call("a", 2, &identity(3, Some("a"))), Err(Code::FailedPrecondition));
        assert_eq!(call("a", 2, &identity(2, Some("b"))), Err(Code::FailedPrecondition));
        assert_eq!(call("a", 2, &identity(2, None)), Err(Code::FailedPrecondition));
    }

    #[test]
    fn a_call_about_another_raft_group_is_refused() {
        let taker = identity(2, Some("a"));
        let mut metadata = MetadataMap::new();
        write(1, "a", 2, &mut metadata).unwrap();
        metadata.insert(GROUP, MetadataValue::from(1_u64));
        assert_eq!(check(&taker, &metadata).unwrap_err().code(), Code::FailedPrecondition);
    }

    #[test]
    fn a_call_without_metadata_is_refused() {
        let refused = check(&identity(1, Some("a")), &MetadataMap::new()).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}
