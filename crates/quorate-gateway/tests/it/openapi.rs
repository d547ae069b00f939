use std::collections::BTreeSet;

use quorate_core::limits::{JOBS_PER_REQUEST, QUEUES};
use serde_json::{Value, json};

use crate::api::Api;

/// The calls of the contract, and those around it. The document is made of the router's routes; this list is the second
/// witness.
pub(crate) const CALLS: [&str; 45] = [
    "DELETE /v1/cluster/member/{name}",
    "DELETE /v1/job/{id}",
    "DELETE /v1/queue/{name}",
    "GET /",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v1/cluster",
    "GET /v1/cluster/backup",
    "GET /v1/cluster/settings",
    "GET /v1/image/{id}",
    "GET /v1/images",
    "GET /v1/job/{id}",
    "GET /v1/job/{id}/log",
    "GET /v1/jobs",
    "GET /v1/jobs/consume",
    "GET /v1/jobs/ids",
    "GET /v1/operation/{id}",
    "GET /v1/operations",
    "GET /v1/queue/{name}",
    "GET /v1/queues",
    "GET /v1/stats",
    "GET /v1/workers",
    "POST /v1/cluster/leader",
    "POST /v1/cluster/member/{name}/drain",
    "POST /v1/cluster/member/{name}/undrain",
    "POST /v1/cluster/members",
    "POST /v1/job/{id}/cancel",
    "POST /v1/job/{id}/fail",
    "POST /v1/job/{id}/log",
    "POST /v1/job/{id}/release",
    "POST /v1/job/{id}/retry",
    "POST /v1/job/{id}/success",
    "POST /v1/job/{id}/touch",
    "POST /v1/jobs",
    "POST /v1/jobs/cancel",
    "POST /v1/jobs/consume",
    "POST /v1/jobs/delete",
    "POST /v1/jobs/finish",
    "POST /v1/jobs/retry",
    "POST /v1/operation/{id}/stop",
    "POST /v1/worker/{name}/gone",
    "PUT /v1/cluster/settings",
    "PUT /v1/queue/{name}",
];

/// A body of finish.
const ENDING: &str = r#"{"jobs":[{"id":"0198c0de-0000-7000-8000-000000000001","status":"success"}]}"#;

/// A body of retry, cancel and delete of many.
const DRY_RUN: &str = r#"{"ids":["0198c0de-0000-7000-8000-000000000001"],"dry_run":true}"#;

#[tokio::test]
async fn the_document_lists_exactly_the_routes() {
    let api = Api::new();
    let document = api.get("/openapi.json").await.expect(200).json();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert_eq!(documented, CALLS.map(String::from).into());

    for path in document["paths"].as_object().unwrap().keys() {
        let real = path.replace("{id}", "0198c0de-0000-7000-8000-000000000001");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let answered = api.send(method, &real, "").await;
            let is_routed = answered.status != 405;
            assert_eq!(is_routed, documented.contains(&format!("{method} {path}")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_takes_a_key_says_when_it_repeats_an_answer() {
    let document = Api::new().get("/openapi.json").await.expect(200).json();
    for operation in
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        let takes_key = operation["parameters"].to_string().contains("Idempotency-Key");
        let success =
            operation["responses"].as_object().unwrap().iter().find(|(code, _)| code.starts_with('2'));
        let says_so =
            success.is_some_and(|(_, response)| response["headers"]["Idempotent-Replayed"].is_object());
        assert_eq!(takes_key, says_so, "{}", operation["operationId"]);
    }
}

#[tokio::test]
async fn what_may_make_a_queue_says_that_there_may_be_too_many() {
    let api = Api::new();
    let new: Vec<String> = (1..QUEUES).map(|n| format!(r#"{{"image":"a","queue":"q{n}"}}"#)).collect();
    for jobs in new.chunks(JOBS_PER_REQUEST) {
        api.post("/v1/jobs", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).await.expect(201);
    }
    let job = r#"{"jobs":[{"image":"a","queue":"one-more"}]}"#;
    let refused = [("PUT", "/v1/queue/one-more", "{}"), ("POST", "/v1/jobs", job)];
    let document = api.get("/openapi.json").await.expect(200).json();
    for (method, path, body) in refused {
        api.send(method, path, body).await.expect(409);
        let path = path.replace("one-more", "{name}");
        let responses = &document["paths"][path][method.to_lowercase()]["responses"];
        let says = |code: &str| responses[code]["description"].as_str().unwrap().contains(" queues");
        assert!(says("409") && !says("429"), "{method}: {responses}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name() {
    let document = Api::new().get("/openapi.json").await.expect(200).json();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let mut names = BTreeSet::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()));
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{operation}");
        }
    }
    assert_eq!(names.len(), CALLS.len());
}

#[tokio::test]
async fn the_fields_that_may_be_selected_are_those_that_the_document_gives_a_job() {
    let document = Api::new().get("/openapi.json").await.expect(200).json();
    let properties = document["components"]["schemas"]["Job"]["properties"].as_object().unwrap();
    let documented: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(documented, quorate_api::Job::FIELDS.into());
}

/// Every operation: its method, its path with an id in it, and itself.
async fn operations(api: &Api) -> Vec<(String, String, Value)> {
    let document = api.get("/openapi.json").await.expect(200).json();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{id}", "0198c0de-0000-7000-8000-000000000001");
            operations.push((method.to_uppercase(), path, operation.clone()));
        }
    }
    operations
}

#[tokio::test]
async fn no_route_takes_a_parameter_that_its_description_does_not_list() {
    let api = Api::new();
    for (method, path, _) in operations(&api).await {
        let refused = api.send(&method, &format!("{path}?foo=1"), "").await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("foo"), "{method} {path}");
    }
    assert_eq!(api.backend.submitted(), 0);
}

#[tokio::test(start_paused = true)]
async fn parameters_have_the_bounds_that_the_document_gives_them() {
    let api = Api::new();
    let mut numbers = 0;
    for (method, path, operation) in operations(&api).await {
        let parameters = || operation["parameters"].as_array().into_iter().flatten();
        let needed = parameters().filter(|one| one["in"] == "query" && one["required"] == true);
        let needed: Vec<&str> = needed.map(|one| one["name"].as_str().unwrap()).collect();
        assert!(needed.iter().all(|name| *name == "prefix"), "{method} {path}: {needed:?}");
        let more = needed.first().map_or("", |_| "&prefix=0198c0de");
        for parameter in parameters() {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            assert_ne!(schema["type"][1], "null", "{method} {path} {name}: no parameter can be null");
            if schema["type"] != "integer" {
                continue;
            }
            numbers += 1;
            let bound = |bound: &str| schema[bound].as_i64().unwrap();
            let (least, most) = (bound("minimum"), bound("maximum"));
            for (value, is_taken) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                let body = match &*path {
                    "/v1/jobs/finish" => ENDING,
                    "/v1/jobs/retry" | "/v1/jobs/cancel" | "/v1/jobs/delete" => DRY_RUN,
                    path if path.ends_with("/log") => "x",
                    _ => "",
                };
                let answered = api.send(&method, &format!("{path}?{name}={value}{more}"), body).await;
                // There is no such job, and no such operation.
                let is_one = ["/v1/job/", "/v1/operation/"].iter().any(|one| path.starts_with(one));
                let taken = if is_one { 404 } else { 200 };
                assert_eq!(answered.status == taken, is_taken, "{method} {path}?{name}={value}");
            }
        }
    }
    assert_eq!(numbers, 23);
}

#[tokio::test(start_paused = true)]
async fn numbers_in_bodies_have_the_bounds_that_the_document_gives_them() {
    let api = Api::new();
    let document = api.get("/openapi.json").await.expect(200).json();
    for (schema, method, path) in [
        ("ConsumeRequest", "POST", "/v1/jobs/consume"),
        ("SettingsRequest", "PUT", "/v1/cluster/settings"),
        ("QueueRequest", "PUT", "/v1/queue/mails"),
        ("FinishRequest", "POST", "/v1/jobs/finish"),
        ("NewJob", "POST", "/v1/jobs"),
    ] {
        for (name, property) in document["components"]["schemas"][schema]["properties"].as_object().unwrap() {
            let Some(most) = property["maximum"].as_i64() else { continue };
            let least = property["minimum"].as_i64().unwrap();
            for (value, is_taken) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
                let body = match schema {
                    "NewJob" if name == "unique_for" => {
                        format!("[{{\"image\":\"a\",\"unique_key\":\"k\",\"{name}\":{value}}}]")
                    }
                    "NewJob" => format!("[{{\"image\":\"a\",\"{name}\":{value}}}]"),
                    "FinishRequest" => ENDING.replacen('{', &format!("{{\"{name}\":{value},"), 1),
                    _ => format!("{{\"{name}\":{value}}}"),
                };
                let answered = api.send(method, path, body).await;
                assert_eq!(answered.status < 300, is_taken, "{schema} {name} {value}");
            }
        }
    }
    for settings in ["Settings", "SettingsRequest"] {
        let retention = &document["components"]["schemas"][settings]["properties"]["retention"];
        assert_eq!(
            (retention["minimum"].as_i64(), retention["maximum"].as_i64()),
            (Some(60), Some(315_360_000))
        );
    }
}

#[tokio::test]
async fn keys_are_what_the_document_says() {
    let api = Api::new();
    let mut calls = 0;
    for (method, path, operation) in operations(&api).await {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for key in parameters.filter(|parameter| parameter["name"] == "Idempotency-Key") {
            assert_eq!(key["in"], "header");
            let expected = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
            assert_eq!(key["schema"], expected, "{method} {path}");
            calls += 1;
        }
    }
    assert_eq!(
        calls, 10,
        "enqueue, both consumes, finish, success, fail, retry; retry, cancel, delete of many"
    );
}

#[tokio::test]
async fn every_call_takes_its_clients_patience() {
    for (method, path, operation) in operations(&Api::new()).await {
        let parameters = operation["parameters"].as_array().unwrap();
        let timeout = parameters.iter().find(|parameter| parameter["name"] == "Quorate-Timeout").unwrap();
        assert_eq!(
            (&timeout["in"], &timeout["required"]),
            (&json!("header"), &json!(false)),
            "{method} {path}"
        );
        assert_eq!(timeout["schema"], json!({"type": "number", "minimum": 0, "maximum": 86_400}));
    }
}

#[tokio::test]
async fn a_body_may_be_missing_but_not_null() {
    let api = Api::new();
    for (method, path, operation) in operations(&api).await {
        let body = &operation["requestBody"];
        if body.is_null() {
            continue;
        }
        assert!(!body.to_string().contains("null"), "{method} {path}: {body}");
        let must_be_there = matches!(
            (&*method, &*path),
            (
                "POST",
                "/v1/jobs"
                    | "/v1/cluster/members"
                    | "/v1/jobs/finish"
                    | "/v1/jobs/retry"
                    | "/v1/jobs/cancel"
                    | "/v1/jobs/delete"
                    | "/v1/job/0198c0de-0000-7000-8000-000000000001/log"
            ) | ("PUT", "/v1/cluster/settings" | "/v1/queue/{name}")
        );
        assert_eq!(body["required"] == true, must_be_there, "{method} {path}");
    }
    api.post("/v1/jobs/consume", "null").await.expect(400);
    api.post("/v1/jobs/consume", "").await.expect(200);
}
