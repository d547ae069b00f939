//! What operators ask: members, the leadership, draining.

use std::time::Duration;

use quorate_gateway::Order;
use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn orders_come_to_the_backend_as_they_are_asked() {
    let api = Api::new();
    let add = |name: &str, peer_addr: Option<&str>, replaces: Option<&str>| Order::Add {
        name: name.into(),
        peer_addr: peer_addr.map(Into::into),
        replaces: replaces.map(Into::into),
    };
    let drain = |undo| Order::Drain { name: "n1".into(), undo };
    let remove = |force| Order::Remove { name: "n1".into(), force };
    let transfer = |to: Option<&str>| Order::Transfer { to: to.map(Into::into) };
    for (method, path, body, order, index) in [
        ("POST", "/v1/cluster/members", r#"{"name":"n4"}"#, add("n4", None, None), None),
        (
            "POST",
            "/v1/cluster/members",
            r#"{"name":"n4","peer_addr":"a:1","replaces":"n1","members_index":7}"#,
            add("n4", Some("a:1"), Some("n1")),
            Some(7),
        ),
        ("DELETE", "/v1/cluster/member/n1", "", remove(false), None),
        ("DELETE", "/v1/cluster/member/n1?members_index=9", "", remove(false), Some(9)),
        ("DELETE", "/v1/cluster/member/n1?force=true", "", remove(true), None),
        ("POST", "/v1/cluster/member/n1/drain", "", drain(false), None),
        ("POST", "/v1/cluster/member/n1/undrain", "", drain(true), None),
        ("POST", "/v1/cluster/leader", "", transfer(None), None),
        ("POST", "/v1/cluster/leader", r#"{"name":"n2"}"#, transfer(Some("n2")), None),
    ] {
        let answer = api.send(method, path, body).await.expect(200);
        let answered = answer.json();
        // Of a change of the members, the log entry: it stands in the audit log.
        let changes_members = matches!(order, Order::Add { .. } | Order::Remove { .. });
        assert_eq!(answer.header("quorate-index"), changes_members.then_some("10.0"), "{method} {path}");
        let expected = json!({"changed": {"changed": true, "message": "done", "members_index": 10}});
        assert_eq!(answered, expected, "{method} {path}");
        assert_eq!(api.backend.orders(), [(order, index)], "{method} {path}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_leaders_words() {
    let api = Api::new();
    let refused = api.send("DELETE", "/v1/cluster/member/last", "").await.expect(409).json();
    assert_eq!(refused, json!({"error": {"message": "it is the only voter"}}));
    let nobody = api.post("/v1/cluster/member/nobody/drain", "").await.expect(404).json();
    assert_eq!(nobody["error"]["message"], "nobody is no member");
    for (method, path, body) in [
        ("POST", "/v1/cluster/members", "{}"),
        ("POST", "/v1/cluster/members", r#"{"name":"a b"}"#),
        ("POST", "/v1/cluster/members", r#"{"name":"n1","replaces":"n1"}"#),
        ("POST", "/v1/cluster/members", r#"{"name":"n1","size":3}"#),
        ("DELETE", "/v1/cluster/member/a%0Ab", ""),
        ("DELETE", "/v1/cluster/member/n1?members_index=-1", ""),
        ("POST", "/v1/cluster/leader", r#"{"name":""}"#),
    ] {
        api.backend.orders();
        api.send(method, path, body).await.expect(400);
        assert_eq!(api.backend.orders(), [], "{method} {path} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_drained_takes_no_long_polls_and_ends_those_that_wait() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a","queue":"other"}"#).await;
    let its_end = format!("/v1/job/{id}?wait=60");
    let begun = tokio::time::Instant::now();
    let its_log = format!("/v1/job/{id}/log?follow=true");
    let follows = tokio::time::timeout(Duration::from_secs(60), api.get(&its_log));
    let (waits, outcome, follows, ()) =
        tokio::join!(api.post("/v1/jobs/consume?wait=60", ""), api.get(&its_end), follows, async {
            api.backend.wait(1).await;
            api.backend.drain();
        });
    follows.expect("it ends").expect(200);
    assert_eq!(waits.expect(200).json(), json!({"jobs": []}));
    assert_eq!(outcome.expect(200).json()["job"]["status"], "queued");
    assert!(begun.elapsed() < Duration::from_secs(60), "they are not held");

    for path in ["/v1/jobs/consume?wait=1", "/v1/jobs/consume?wait=1&queue=other"] {
        let refused = api.post(path, "").await.expect(503);
        assert_eq!(refused.json()["outcome"], "not_applied", "a client goes to another node");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains("drained"));
    }
    api.get(&format!("/v1/job/{id}?wait=1")).await.expect(503);
    // All else goes on.
    api.get(&format!("/v1/job/{id}")).await.expect(200);
    api.post("/v1/jobs/consume?queue=other", "").await.expect(200);
    // What is ended is ended; it waits for nothing to take in its place.
    let ended = api.post(&format!("/v1/job/{id}/success?take=1&wait=60"), "").await.expect(200).json();
    assert_eq!((&ended["job"]["status"], &ended["jobs"]), (&json!("success"), &json!([])));
}
