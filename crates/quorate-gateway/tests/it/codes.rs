//! Every code of `docs/http-status-codes.md`, by a request that is answered so.

use quorate_core::{Status, Unavailable};
use quorate_gateway::GatewayConfig;
use serde_json::json;

use crate::api::{Api, request};

#[tokio::test]
async fn unknown_routes_and_methods_have_the_wrapper() {
    let api = Api::new();
    for path in [
        "/v1",
        "/v1/",
        "/v1/jobs/",
        "/v2/jobs",
        "/v1/job",
        "/v1/job/",
        "/v1/queue",
        "/metricss",
        "/v1/job/a/b/c",
    ] {
        let answered = api.get(path).await.expect(404);
        assert_eq!(answered.fields(), None, "{path}");
        assert_eq!(answered.header("quorate-node"), Some("quorate"), "{path}");
    }
    for (method, path, allow) in [
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("PATCH", "/v1/job/0198c0de-0000-7000-8000-000000000001", "DELETE, GET, HEAD"),
        ("GET", "/v1/job/0198c0de-0000-7000-8000-000000000001/touch", "POST"),
        ("DELETE", "/v1/jobs/consume", "GET, POST"),
        ("OPTIONS", "/v1/jobs/consume", "GET, POST"),
        ("POST", "/healthz", "GET, HEAD"),
    ] {
        let answered = api.send(method, path, "").await.expect(405);
        let mut allowed: Vec<&str> = answered.header("allow").unwrap().split(", ").collect();
        allowed.sort_unstable();
        assert_eq!((allowed.join(", "), answered.fields()), (allow.to_owned(), None), "{method} {path}");
    }
}

#[tokio::test]
async fn a_job_that_is_not_there() {
    let api = Api::new();
    for id in ["0198c0de-0000-7000-8000-000000000001", "1", "..%2F..%2Fetc", "%ff", "%00", "{id}"] {
        for (method, call) in [
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/log"),
            ("POST", "/cancel"),
            ("POST", "/success"),
            ("POST", "/fail"),
            ("POST", "/touch"),
            ("POST", "/retry"),
        ] {
            let path = format!("/v1/job/{id}{call}");
            let Ok(uri) = path.parse::<axum::http::Uri>() else { continue };
            let answered = api.send(method, &uri.to_string(), "").await.expect(404);
            assert_eq!(answered.json()["error"]["message"], "there is no such job", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_refused_command_says_where_in_the_log_it_was() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    let refused = api.post(&format!("/v1/job/{id}/touch"), "").await.expect(409);
    assert_eq!(refused.header("quorate-index"), Some("2.0"));
    assert_eq!(
        refused.json(),
        json!({"error": {"message": "the job's status does not allow it: it is queued"}})
    );
    for call in ["success", "fail", "retry"] {
        api.post(&format!("/v1/job/{id}/{call}"), "").await.expect(409);
    }
    api.send("DELETE", &format!("/v1/job/{id}"), "").await.expect(409);
    let no_log = api.get(&format!("/v1/job/{id}/log")).await.expect(404);
    assert_eq!(no_log.json()["error"]["message"], "the job has no log yet: its status is queued");
}

#[tokio::test]
async fn what_the_backend_cannot_do() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    for (unavailable, status, outcome, retry_after) in [
        (Unavailable::Overloaded, 429, Some("not_applied"), Some("1")),
        (Unavailable::NotApplied, 503, Some("not_applied"), Some("1")),
        (Unavailable::NotUnderstood, 503, Some("not_applied"), Some("1")),
        (Unavailable::NotMember, 503, Some("not_applied"), Some("1")),
        (Unavailable::Unknown, 503, Some("unknown"), Some("1")),
        (Unavailable::Stopping, 503, Some("not_applied"), Some("1")),
        (Unavailable::DiskFull, 507, Some("not_applied"), None),
    ] {
        api.backend.fail_with(unavailable);
        for (path, body) in [
            ("/v1/jobs", r#"[{"image":"a"}]"#.to_owned()),
            ("/v1/jobs/consume", String::new()),
            (&format!("/v1/job/{id}/cancel"), String::new()),
        ] {
            let answered = api.post(path, body).await.expect(status);
            assert_eq!(answered.json()["outcome"].as_str(), outcome, "{path}");
            // Said once.
            let message = answered.json()["error"]["message"].to_string();
            assert!(!message.contains("nothing was done") && !message.contains("effect"), "{message}");
            assert_eq!(answered.header("retry-after"), retry_after, "{path}");
        }
    }
}

#[tokio::test]
async fn a_write_that_took_effect_is_not_called_undone_when_its_answer_fails() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a","payload":"p"}"#).await;
    api.backend.fail_payloads();
    for (path, status) in [
        ("/v1/jobs/consume".to_owned(), Status::Running),
        (format!("/v1/job/{id}/cancel"), Status::Cancelled),
    ] {
        let answered = api.post(&path, "").await.expect(503);
        assert_eq!(answered.json()["outcome"], "unknown", "{path}");
        assert_eq!(api.backend.status(&id), Some(status), "{path}");
    }
}

#[tokio::test]
async fn a_read_that_cannot_be_sure_is_never_a_404_and_never_unknown() {
    let api = Api::new();
    api.backend.fail_with(Unavailable::Unknown);
    for path in [
        "/v1/job/0198c0de-0000-7000-8000-000000000001".into(),
        "/v1/job/0198c0de-0000-7000-8000-000000000001/log".into(),
        format!("/v1/image/{}", quorate_api::image_id("a")),
        "/v1/jobs?consistency=linearizable".into(),
    ] {
        let answered = api.get(&path).await.expect(503);
        assert_eq!(answered.json()["outcome"], "not_applied", "{path}");
    }
    api.get("/v1/jobs").await.expect(200);
}

#[tokio::test]
async fn health_that_is_not() {
    let api = Api::new();
    api.backend.fail_with(Unavailable::NotApplied);
    api.get("/healthz").await.expect(200);
    api.get("/readyz").await.expect(503);
    api.backend.die();
    assert_eq!(api.get("/healthz").await.expect(503).header("retry-after"), Some("1"));

    let api = Api::new();
    api.get("/readyz").await.expect(200);
    let stopping = GatewayConfig::default();
    stopping.shutdown.cancel();
    Api::with(stopping).get("/readyz").await.expect(503);
}

#[tokio::test]
async fn a_panic_is_one_500() {
    let api = Api::new();
    api.backend.panic();
    let answered = api.post("/v1/jobs", r#"[{"image":"a"}]"#).await.expect(500);
    assert_eq!(answered.json(), json!({"error": {"message": "the server made a mistake; it is in its log"}}));
    assert_eq!(answered.header("quorate-node"), Some("quorate"));
    api.get("/v1/jobs").await.expect(200);
}

#[tokio::test]
async fn payloads_and_logs_over_their_limits() {
    let api = Api::with(GatewayConfig { payload_bytes: 10, ..GatewayConfig::default() });
    api.running(r#"{"image":"a","payload":"0123456789"}"#).await;
    let payload = api.post("/v1/jobs", r#"[{"image":"a","payload":"0123456789x"}]"#).await.expect(413);
    assert_eq!(payload.json()["error"]["message"], "the payload is over its limit of 10 bytes");

    let id = api.running(r#"{"image":"a"}"#).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for call in ["success", "fail"] {
        let path = format!("/v1/job/{id}/{call}");
        let log = format!("log={}", "x".repeat((1 << 20) + 1));
        let refused = api.call(request("POST", &path, &form, log)).await.expect(413);
        assert_eq!(refused.json()["error"]["message"], "the log is over its limit of 1048576 bytes");
    }
    let log = format!("log={}", "x".repeat(1 << 20));
    api.call(request("POST", &format!("/v1/job/{id}/success"), &form, log)).await.expect(200);
    assert_eq!(api.get(&format!("/v1/job/{id}/log")).await.body.len(), 1 << 20);
}

#[tokio::test]
async fn bodies_in_memory_are_bounded() {
    let config = GatewayConfig { body_memory: 20, body_memory_small: 20, ..GatewayConfig::default() };
    let api = Api::with(config);
    let body = r#"[{"image":"a"}]"#;
    for _ in 0..3 {
        api.post("/v1/jobs", body).await.expect(201);
    }
    let refused = api.post("/v1/jobs", format!("{body}      ")).await.expect(429);
    assert_eq!(refused.header("retry-after"), Some("1"));
}
