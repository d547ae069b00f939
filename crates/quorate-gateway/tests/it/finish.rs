use quorate_core::{Status, Unavailable};
use quorate_gateway::{ConnectionLimits, GatewayConfig};
use serde_json::{Value, json};

use crate::api::{Answered, Api, request};
use crate::wire::Server;

async fn with_key(api: &Api, path: &str, key: &str, body: &str) -> Answered {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    api.call(request("POST", path, &headers, body.to_owned())).await
}

/// Takes so many jobs that were enqueued before, and answers their ids.
async fn take(api: &Api, n: usize) -> Vec<String> {
    let taken = api.get(&format!("/v1/jobs/consume?n={n}")).await.expect(200).json();
    let ids: Vec<String> =
        taken["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().into()).collect();
    assert_eq!(ids.len(), n);
    ids
}

fn ids(jobs: &Value) -> Vec<&str> {
    jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

const FOUR: &str = r#"[{"image":"a","payload":"one"},{"image":"b","payload":"two"},{"image":"c","payload":"three"},{"image":"d"}]"#;

#[tokio::test]
async fn each_ending_is_answered_in_its_place() {
    let api = Api::new();
    api.post("/v1/jobs", FOUR).await.expect(201);
    let [a, b, c] = take(&api, 3).await.try_into().unwrap();
    api.post(&format!("/v1/job/{c}/cancel"), "").await.expect(200);
    let nobody = "0198c0de-0000-7000-8000-000000000000";
    let body = json!({"jobs": [
        {"id": b, "status": "error", "reason": "killed", "details": "why", "log": "b's log"},
        {"id": c, "status": "success"},
        {"id": nobody, "status": "success"},
        {"id": a, "status": "success", "log": "a's log"},
    ]});
    let answered = api.post("/v1/jobs/finish", body.to_string()).await.expect(200);
    assert_eq!(answered.header("cache-control"), Some("no-store"));
    let answered = answered.json();
    let ended = &answered["ended"];
    let retry = ended[0]["retry_id"].as_str().unwrap();
    assert_eq!(ended[0], json!({"id": b, "status": "error", "retry_id": retry}));
    assert_eq!((&ended[1]["id"], &ended[1]["code"]), (&json!(c), &json!(409)));
    assert!(ended[1]["error"]["message"].as_str().unwrap().contains("cancelled"), "{ended}");
    assert_eq!((&ended[2]["id"], &ended[2]["code"]), (&json!(nobody), &json!(404)));
    assert_eq!(ended[3], json!({"id": a, "status": "success"}));
    assert_eq!(answered["jobs"], json!([]));

    assert_eq!(api.get(&format!("/v1/job/{a}/log")).await.expect(200).body, b"a's log");
    assert_eq!(api.get(&format!("/v1/job/{b}/log")).await.expect(200).body, b"b's log");
    let failed = api.get(&format!("/v1/job/{b}")).await.expect(200).json();
    assert_eq!((&failed["job"]["reason"], &failed["job"]["details"]), (&json!("killed"), &json!("why")));
    assert!(api.get(&format!("/v1/job/{retry}")).await.expect(200).json()["job"].is_object());
}

#[tokio::test]
async fn jobs_are_taken_in_the_same_entry() {
    let api = Api::new();
    let enqueued = api.post("/v1/jobs", FOUR).await.expect(201).json();
    let all = ids(&enqueued["jobs"]);
    let [a] = take(&api, 1).await.try_into().unwrap();
    let before = api.backend.submitted();
    let body = json!({"jobs": [{"id": a, "status": "success"}], "take": 2});
    let answered = api.post("/v1/jobs/finish", body.to_string()).await.expect(200).json();
    assert_eq!(api.backend.submitted(), before + 1);
    assert_eq!(ids(&answered["jobs"]), all[1..3]);
    assert_eq!(
        (&answered["jobs"][0]["payload"], &answered["jobs"][0]["status"]),
        (&json!("two"), &json!("running"))
    );

    // One job, by the calls for that; its own payload and details need not come back.
    let success = format!("/v1/job/{}/success?take=5", all[1]);
    let answered = api.post(&success, r#"{"log":"fine"}"#).await.expect(200).json();
    let (job, jobs) = (&answered["job"], &answered["jobs"]);
    assert_eq!(
        (&job["id"], &job["status"], &job["payload"]),
        (&json!(all[1]), &json!("success"), &json!(""))
    );
    assert_eq!(ids(jobs), all[3..]);
    let fail = format!("/v1/job/{}/fail?take=1", all[2]);
    let answered = api.post(&fail, r#"{"reason":"killed","details":"d"}"#).await.expect(200).json();
    assert_eq!((&answered["job"]["reason"], &answered["jobs"]), (&json!("killed"), &json!([])));
    assert_eq!(api.get(&format!("/v1/job/{}/log", all[1])).await.expect(200).body, b"fine");
}

#[tokio::test]
async fn where_the_job_is_refused_none_is_taken() {
    let api = Api::new();
    api.post("/v1/jobs", FOUR).await.expect(201);
    let [a] = take(&api, 1).await.try_into().unwrap();
    api.post(&format!("/v1/job/{a}/cancel"), "").await.expect(200);
    let refused = api.post(&format!("/v1/job/{a}/success?take=3&wait=60"), "").await.expect(409);
    assert!(refused.header("quorate-index").is_some());
    let body = json!({"jobs": [{"id": a, "status": "success"}], "take": 3, "wait": 60});
    let answered = api.post("/v1/jobs/finish", body.to_string()).await.expect(200).json();
    assert_eq!((&answered["ended"][0]["code"], &answered["jobs"]), (&json!(409), &json!([])));
    assert_eq!(take(&api, 3).await.len(), 3, "they are all there");
}

#[tokio::test]
async fn it_waits_for_a_job_and_what_it_has_ended_stays_so() {
    let server = Server::start().await;
    let posted = |body: &str| {
        format!("POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let first = server.exchange(&posted(r#"[{"image":"a"}]"#)).await.expect(201).json();
    let id = first["jobs"][0]["id"].as_str().unwrap().to_owned();
    server.exchange("GET /v1/jobs/consume HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
    let mut waiting = server.connect().await;
    let finish = format!(
        "POST /v1/job/{id}/success?take=1&wait=60 HTTP/1.1\r\nHost: q\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n"
    );
    waiting.write(&finish).await;
    server.backend.somebody_waits().await;
    assert_eq!(server.backend.status(&id), Some(Status::Success), "it does not wait for the others");
    let second = server.exchange(&posted(r#"[{"image":"b"}]"#)).await.expect(201).json();
    let answered = waiting.answer().await.expect(200).json();
    assert_eq!((&answered["job"]["id"], ids(&answered["jobs"])), (&json!(id), ids(&second["jobs"])));
    // Repeated under its key it answers the job that it waited for, and takes no other.
    server.exchange(&posted(r#"[{"image":"c"}]"#)).await.expect(201);
    let mut again = server.connect().await;
    again.write(&finish).await;
    assert_eq!(ids(&again.answer().await.expect(200).json()["jobs"]), ids(&second["jobs"]));
}

#[tokio::test]
async fn an_ending_is_answered_where_the_wait_behind_it_fails_and_takes_nothing() {
    let server = Server::start().await;
    let (id, answered) = end_and_fail_to_take(&server, Unavailable::NotApplied).await;
    let answered = answered.expect(200).json();
    assert_eq!((&answered["job"]["id"], &answered["jobs"]), (&json!(id), &json!([])));
}

#[tokio::test]
async fn where_a_job_may_have_been_taken_behind_an_ending_that_is_said() {
    let server = Server::start().await;
    let (id, answered) = end_and_fail_to_take(&server, Unavailable::Unknown).await;
    assert_eq!(answered.expect(503).json()["outcome"], "unknown");
    assert_eq!(server.backend.status(&id), Some(Status::Success));
}

/// Ends a job, and waits for another one, which cannot be had for this reason.
async fn end_and_fail_to_take(server: &Server, why: Unavailable) -> (String, Answered) {
    let enqueue = "POST /v1/jobs HTTP/1.1\r\nHost: q\r\nContent-Length: 15\r\n\r\n[{\"image\":\"a\"}]";
    let first = server.exchange(enqueue).await.expect(201).json();
    let id = first["jobs"][0]["id"].as_str().unwrap().to_owned();
    server.exchange("GET /v1/jobs/consume HTTP/1.1\r\nHost: q\r\n\r\n").await.expect(200);
    let mut waiting = server.connect().await;
    let finish =
        format!("POST /v1/job/{id}/success?take=1&wait=60 HTTP/1.1\r\nHost: q\r\nContent-Length: 0\r\n\r\n");
    waiting.write(&finish).await;
    server.backend.somebody_waits().await;
    server.backend.fail_a_consume_with(why);
    server.exchange(enqueue).await.expect(201);
    (id, waiting.answer().await)
}

#[tokio::test]
async fn one_that_waits_holds_no_memory_for_its_body() {
    let config = GatewayConfig { body_memory: 2_000, body_memory_small: 2_000, ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: q\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let first = server.exchange(post("/v1/jobs", r#"[{"image":"a"}]"#)).await.expect(201).json();
    let id = first["jobs"][0]["id"].as_str().unwrap();
    server.exchange(post("/v1/jobs/consume", "")).await.expect(200);
    let log = "l".repeat(1_000);
    let body = json!({"jobs": [{"id": id, "status": "success", "log": log}], "take": 1, "wait": 60});
    let mut waiting = server.connect().await;
    waiting.write(post("/v1/jobs/finish", &body.to_string())).await;
    server.backend.somebody_waits().await;
    let job = json!([{"image": "a", "payload": "p".repeat(1_500)}]).to_string();
    server.exchange(post("/v1/jobs", &job)).await.expect(201);
    assert_eq!(waiting.answer().await.expect(200).json()["jobs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn under_a_key_it_is_done_once() {
    let api = Api::new();
    api.post("/v1/jobs", FOUR).await.expect(201);
    let [a] = take(&api, 1).await.try_into().unwrap();
    let body = json!({"jobs": [{"id": a, "status": "success"}], "take": 2}).to_string();
    let first = with_key(&api, "/v1/jobs/finish", "k", &body).await.expect(200);
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = with_key(&api, "/v1/jobs/finish", "k", &body).await.expect(200);
    assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), Some("true")));
    let other = json!({"jobs": [{"id": a, "status": "success"}], "take": 1}).to_string();
    with_key(&api, "/v1/jobs/finish", "k", &other).await.expect(409);
    // Where none of the jobs runs any more that it took, it takes no others.
    let waits = json!({"jobs": [{"id": a, "status": "success"}], "take": 1, "wait": 60}).to_string();
    let taken = with_key(&api, "/v1/jobs/finish", "w", &waits).await.expect(200).json();
    let success = format!("/v1/job/{}/success", ids(&taken["jobs"])[0]);
    api.post(&success, "").await.expect(200);
    api.enqueue(r#"{"image":"e"}"#).await;
    assert_eq!(with_key(&api, "/v1/jobs/finish", "w", &waits).await.expect(200).json()["jobs"], json!([]));
    // What stands in the query is part of the request, too.
    let success = format!("/v1/job/{a}/success?take=");
    let one = with_key(&api, &format!("{success}1"), "l", "").await.expect(200).json();
    assert_eq!(ids(&one["jobs"]).len(), 1);
    assert_eq!(with_key(&api, &format!("{success}1"), "l", "").await.expect(200).json(), one);
    with_key(&api, &format!("{success}2"), "l", "").await.expect(409);
}

#[tokio::test]
async fn a_key_stands_for_what_is_said_however_it_is_written() {
    let api = Api::new();
    api.post("/v1/jobs", FOUR).await.expect(201);
    let [a, b] = take(&api, 2).await.try_into().unwrap();
    // Every attempt at a form has a boundary of its own.
    let form = async |path: &str, key: &str, boundary: &str, fields: &[(&str, &str)]| {
        let part = |(name, value): &(&str, &str)| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = fields.iter().map(part).chain([format!("--{boundary}--\r\n")]).collect::<String>();
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let headers = [("content-type", content_type.as_str()), ("idempotency-key", key)];
        api.call(request("POST", path, &headers, body)).await
    };
    let success = format!("/v1/job/{a}/success?take=1");
    let first = form(&success, "s", "one", &[("log", "fine")]).await.expect(200).json();
    assert_eq!(ids(&first["jobs"]).len(), 1);
    assert_eq!(form(&success, "s", "two", &[("log", "fine")]).await.expect(200).json(), first);
    assert_eq!(with_key(&api, &success, "s", r#"{"log":"fine"}"#).await.expect(200).json(), first);
    form(&success, "s", "one", &[("log", "other")]).await.expect(409);

    let fail = format!("/v1/job/{b}/fail?take=1");
    let said = [("reason", "killed"), ("details", "why"), ("log", "lost")];
    let first = form(&fail, "f", "one", &said).await.expect(200).json();
    assert_eq!(form(&fail, "f", "two", &said).await.expect(200).json(), first);
    for other in [
        [("reason", "bad_exit"), ("details", "why"), ("log", "lost")],
        [("reason", "killed"), ("details", "whyl"), ("log", "ost")],
        [("reason", "killed"), ("details", "why"), ("log", "")],
    ] {
        form(&fail, "f", "one", &other).await.expect(409);
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let api = Api::new();
    let id = "0198c0de-0000-7000-8000-000000000000";
    let ending =
        |more: &str| format!(r#"{{"jobs":[{{"id":"{id}","status":"success"}},{{"id":"{id}",{more}}}]}}"#);
    for (body, fields) in [
        (String::new(), "body"),
        ("[]".into(), "body"),
        ("{}".into(), "jobs"),
        (r#"{"jobs":[]}"#.into(), "jobs"),
        (r#"{"jobs":[{"id":"x","status":"success"}]}"#.into(), "jobs[0].id"),
        (r#"{"jobs":[{"status":"success"}]}"#.into(), "jobs[0].id"),
        (ending(r#""status":"cancelled""#), "jobs[1].status"),
        (ending(r#""status":"success","reason":"killed""#), "jobs[1].reason"),
        (ending(r#""status":"success","details":"""#), "jobs[1].details"),
        (ending(r#""status":"error","reason":"bored""#), "jobs[1].reason"),
        (ending(&format!(r#""status":"error","details":"{}""#, "d".repeat(16_385))), "jobs[1].details"),
        (ending(r#""status":"error","exit":1"#), "jobs[1].exit"),
        (format!(r#"{{"jobs":[{{"id":"{id}","status":"success"}}],"take":1001}}"#), "take"),
        (format!(r#"{{"jobs":[{{"id":"{id}","status":"success"}}],"wait":61}}"#), "wait"),
    ] {
        let refused = api.post("/v1/jobs/finish", body.clone()).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some(fields), "{body:.200}");
    }
    let many = format!(
        r#"{{"jobs":[{}]}}"#,
        vec![format!(r#"{{"id":"{id}","status":"success"}}"#); 1_001].join(",")
    );
    assert_eq!(api.post("/v1/jobs/finish", many).await.expect(400).fields().as_deref(), Some("jobs"));
    let long = ending(&format!(r#""status":"success","log":"{}""#, "l".repeat((1 << 20) + 1)));
    api.post("/v1/jobs/finish", long).await.expect(413);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    api.call(request("POST", "/v1/jobs/finish", &form, "jobs=1")).await.expect(415);
    assert_eq!(
        api.post(&format!("/v1/job/{id}/success?take=x"), "").await.expect(400).fields().as_deref(),
        Some("take")
    );
    assert_eq!(
        api.post(&format!("/v1/job/{id}/fail?wait=61"), "").await.expect(400).fields().as_deref(),
        Some("wait")
    );
    assert_eq!(api.backend.submitted(), 0);
}
