use std::time::Duration;

use quorate_gateway::GatewayConfig;

use crate::api::{Api, request};

/// How long the node may wait for a leader, for a client that gives this header.
async fn within(method: &str, path: &str, header: &str) -> Duration {
    let config = GatewayConfig {
        write_wait: Duration::from_secs(20),
        read_wait: Duration::from_secs(30),
        ..GatewayConfig::default()
    };
    let api = Api::with(config);
    let headers = [("content-type", "application/json"), ("quorate-timeout", header)];
    let headers = &headers[..if header.is_empty() { 1 } else { 2 }];
    let body = if path == "/v1/jobs" { r#"[{"image":"a"}]"# } else { "" };
    let answered = api.call(request(method, path, headers, body)).await;
    assert!((200..300).contains(&answered.status), "{answered:?}");
    api.backend.within()
}

#[tokio::test]
async fn a_node_waits_no_longer_than_its_client() {
    let (read, seconds) = ("/v1/jobs?consistency=linearizable", Duration::from_secs);
    assert_eq!(within("POST", "/v1/jobs", "").await, seconds(20));
    assert_eq!(within("GET", read, "").await, seconds(30));
    assert_eq!(within("POST", "/v1/jobs", "3600").await, seconds(20), "it may wait less");
    for (method, path) in [("POST", "/v1/jobs"), ("GET", read), ("GET", "/v1/jobs/consume")] {
        let most = Duration::from_secs_f64(4.5);
        let within = within(method, path, "4.5").await;
        assert!(within <= most && within > Duration::ZERO, "{path}: {within:?}");
    }
    assert_eq!(within("POST", "/v1/jobs", "0").await, Duration::ZERO);
}

#[tokio::test]
async fn a_wait_ends_with_the_clients_patience() {
    let request = request("GET", "/v1/jobs/consume?wait=60", &[("quorate-timeout", "0.2")], "");
    Api::new().call(request).await.expect(200);
}

/// Under a key the node asks again at the end: there must be time left for it.
#[tokio::test(start_paused = true)]
async fn a_wait_under_a_key_ends_a_moment_before() {
    let headers = [("quorate-timeout", "30"), ("idempotency-key", "k")];
    let (api, started) = (Api::new(), tokio::time::Instant::now());
    api.call(request("POST", "/v1/jobs/consume?wait=60", &headers, "")).await.expect(200);
    let seconds = Duration::from_secs;
    assert_eq!((started.elapsed(), api.backend.within()), (seconds(29), seconds(1)), "of the paused clock");
}

#[tokio::test]
async fn a_timeout_that_is_none_is_refused_by_name() {
    for bad in ["", "soon", "-1", "1e3", "inf", "1.2.3", "1 s", "86401"] {
        let answered = Api::new().call(request("GET", "/v1/cluster", &[("quorate-timeout", bad)], "")).await;
        assert_eq!(answered.expect(400).fields().as_deref(), Some("Quorate-Timeout"), "{bad:?}");
    }
    let twice = [("quorate-timeout", "1"), ("quorate-timeout", "2")];
    Api::new().call(request("GET", "/v1/cluster", &twice, "")).await.expect(400);
}

#[tokio::test]
async fn what_is_no_route_says_so_whatever_timeout_it_has() {
    let soon = [("quorate-timeout", "soon")];
    Api::new().call(request("GET", "/v1/nothing?x=1", &soon, "")).await.expect(404);
    let answered = Api::new().call(request("PATCH", "/v1/jobs?x=1", &soon, "")).await.expect(405);
    assert_eq!(answered.header("allow"), Some("POST, GET, HEAD"));
}
