//! Whoever comes, and whatever he says: he is refused, or has a name and an address that a node could have. `PROPTEST_CASES` says how
//! often.

use std::sync::{Arc, OnceLock};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;
use quorate_tls::Names;

use super::*;
use crate::cluster::outsiders::Outsiders;
use crate::peer::sound::fuzz::message;
use crate::peer::{Identity, Roster, Run};

const OWN: NodeId = 1;

fn name() -> impl Strategy<Value = String> {
    select(vec!["n1", "n2", "n3", "n9", "n-._", "", "\n", "-", "n 1", "ñ"]).prop_map(str::to_owned)
}

fn addr() -> impl Strategy<Value = String> {
    let addrs = [
        "n2:9080",
        "10.0.0.1:1",
        "[::1]:9080",
        "",
        "n2",
        "n2:99999",
        "a@n2:9080",
        "n2:9080/\n",
        "\u{1b}[2J:1",
    ];
    prop_oneof![9 => select(addrs.to_vec()).prop_map(str::to_owned), 1 => "[a-z]{300}:1"]
}

fn http_addr() -> impl Strategy<Value = String> {
    (select(vec!["", "https://", "\u{7}"]), addr()).prop_map(|(scheme, addr)| format!("{scheme}{addr}"))
}

fn id() -> impl Strategy<Value = NodeId> {
    prop_oneof![3 => 0..4_u64, 1 => any::<u64>()]
}

fn cluster() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "", "a\n"]).prop_map(str::to_owned)
}

fn questions() -> impl Strategy<Value = pb::DiscoverRequest> {
    (id(), name(), addr(), cluster(), any::<(bool, bool)>()).prop_map(
        |(node_id, name, peer_addr, cluster_id, (removed, applies))| pb::DiscoverRequest {
            node_id,
            name,
            peer_addr,
            cluster_id,
            removed,
            applies,
            ..Default::default()
        },
    )
}

fn answers() -> impl Strategy<Value = pb::DiscoverResponse> {
    let members = vec((id(), name()), 0..4);
    let outsiders = vec((id(), name(), addr(), any::<bool>()), 0..3);
    (id(), name(), http_addr(), cluster(), members, outsiders, 0..3_u64).prop_map(
        |(node_id, name, http_addr, cluster_id, members, outsiders, effective_members_index)| {
            let members = members.into_iter().map(|(node_id, name)| pb::KnownMember { node_id, name });
            let outsiders = outsiders.into_iter().map(|(node_id, name, peer_addr, removed)| pb::Outsider {
                node_id,
                name,
                peer_addr,
                removed,
            });
            let (members, outsiders) = (members.collect(), outsiders.collect());
            pb::DiscoverResponse {
                node_id,
                name,
                http_addr,
                cluster_id,
                members,
                outsiders,
                effective_members_index,
                ..Default::default()
            }
        },
    )
}

fn joiners() -> impl Strategy<Value = pb::JoinRequest> {
    (id(), name(), addr(), http_addr(), any::<u32>()).prop_map(
        |(node_id, name, peer_addr, http_addr, feature_level)| {
            let member = Member { node_id, name, peer_addr, http_addr, replaces: 0 };
            pb::JoinRequest { member: Some(member), feature_level }
        },
    )
}

/// A line of a log, or a cell of a table.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic())
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn who_asks(asked in vec(message(questions()), 1..40)) {
        let outsiders = Outsiders::new(true);
        for asked in asked.into_iter().flatten() {
            let Ok(asked) = question(asked) else { continue };
            prop_assert!(is_plain(&asked.name) && is_plain(&asked.peer_addr) && is_plain(&asked.cluster_id));
            let pb::DiscoverRequest { node_id, name, peer_addr, removed, .. } = asked;
            outsiders.note(pb::Outsider { node_id, name, peer_addr, removed });
        }
        let noted = outsiders.beside(|_| false);
        prop_assert!(noted.len() <= limits::OUTSIDERS);
        // What is noted is what others take.
        let said = pb::DiscoverResponse { outsiders: noted, ..Default::default() };
        prop_assert!(answer(said).is_ok());
    }

    #[test]
    fn who_answers(said in vec((message(answers()), name()), 1..20)) {
        let cluster_id = Arc::new(OnceLock::from("a".to_owned()));
        let identity = Identity { node_id: OWN, cluster_id, run: Run::NONE, former: Arc::default() };
        let configured = ["n1", "n2"].map(str::to_owned);
        let roster = Roster::of(identity, "n1", configured.clone().into());
        let mut told: Vec<(NodeId, String)> = Vec::new();
        for (said, certified) in said {
            let Some(Ok(said)) = said.map(answer) else { continue };
            prop_assert!([&said.name, &said.http_addr, &said.cluster_id, &said.version].into_iter().all(|text| is_plain(text)));
            prop_assert_eq!(&pb::DiscoverResponse::decode(said.encode_to_vec().as_slice()), &Ok(said.clone()));
            let names = Names { dns: vec![certified.clone()], ips: Vec::new() };
            if roster.hear(&said, &names).is_ok() {
                prop_assert_eq!(&said.name, &certified, "nobody is who his certificate does not say");
                if configured.contains(&said.name) {
                    told.push((said.node_id, said.name.clone()));
                    told.extend(said.members.into_iter().map(|member| (member.node_id, member.name)));
                }
            }
        }
        prop_assert_eq!(roster.name_of(OWN), Some("n1".to_owned()));
        for id in (0..4).filter(|id| *id != OWN) {
            let name = roster.name_of(id);
            prop_assert!(name.is_none_or(|name| told.contains(&(id, name))), "nobody has said so who is believed");
        }
    }

    #[test]
    fn who_joins(request in message(joiners()), from in id()) {
        if let Some(request) = request
            && let Ok((member, _)) = join(request, from)
        {
            prop_assert_eq!(member.node_id, from);
            prop_assert!(!member.name.is_empty() && !member.peer_addr.is_empty());
            prop_assert!([&member.name, &member.peer_addr, &member.http_addr].into_iter().all(|text| is_plain(text)));
            prop_assert!(member.encoded_len() < 4 * limits::ADDR_BYTES);
        }
    }
}
