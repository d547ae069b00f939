//! Queues themselves: what they are like, and how many jobs they have.

use quorate_core::Unavailable;
use serde_json::{Value, json};

use crate::api::Api;

async fn put(api: &Api, name: &str, body: &str) -> Value {
    api.send("PUT", &format!("/v1/queue/{name}"), body.to_owned()).await.expect(200).json()["queue"].clone()
}

async fn queue(api: &Api, name: &str) -> Value {
    api.get(&format!("/v1/queue/{name}")).await.expect(200).json()["queue"].clone()
}

#[tokio::test]
async fn the_default_queue_is_always_there() {
    let api = Api::new();
    let expected = json!({
        "name": "default", "paused": false, "timeout": null, "max_retries": null, "retries_delay": null,
        "success_retention": null, "error_retention": null, "backoff": {"type": "fixed"}, "max_running": null,
        "max_running_per_key": null, "keys_running": null, "rate": null, "rate_left": null,
        "jobs": {"delayed": 0, "queued": 0, "running": 0, "success": 0, "error": 0, "cancelled": 0},
        "queued_by_priority": [0, 0, 0], "oldest_queued_at": null,
        "last_minute": {"enqueued": 0, "granted": 0, "finished": 0},
    });
    assert_eq!(queue(&api, "default").await, expected);
    put(&api, "default", r#"{"max_running":5}"#).await;
    api.send("DELETE", "/v1/queue/default", "").await.expect(204);
    assert_eq!(queue(&api, "default").await, expected, "without its settings");
}

#[tokio::test]
async fn a_put_changes_what_it_names_and_makes_the_queue() {
    let api = Api::new();
    let body = json!({
        "paused": true, "timeout": 1, "max_retries": 25, "retries_delay": 0, "success_retention": 60,
        "error_retention": 315_360_000, "backoff": {"type": "exponential", "cap": 600, "jitter": 20},
        "max_running": 7, "max_running_per_key": 3, "rate": {"jobs": 100, "seconds": 1},
    });
    let made = put(&api, "mails", &body.to_string()).await;
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_eq!((&made["name"], queue(&api, "mails").await), (&json!("mails"), made.clone()));

    let changed =
        put(&api, "mails", r#"{"paused":null,"rate":null,"backoff":{"type":"list","delays":[1,5,30]}}"#)
            .await;
    assert_eq!((&changed["paused"], &changed["rate"]), (&json!(false), &json!(null)));
    assert_eq!(changed["backoff"], json!({"type": "list", "delays": [1, 5, 30]}));
    assert_eq!((&changed["timeout"], &changed["max_running"]), (&json!(1), &json!(7)), "as they were");
    assert_eq!(put(&api, "mails", "{}").await, changed);
    assert_eq!(put(&api, "mails", r#"{"backoff":null}"#).await["backoff"], json!({"type": "fixed"}));
}

#[tokio::test]
async fn what_no_queue_can_be_like_is_refused_by_name() {
    let api = Api::new();
    let delays = format!(r#"{{"backoff":{{"type":"list","delays":[{}1]}}}}"#, "1,".repeat(32));
    for (body, fields, says) in [
        (r#"{"max_runing":5}"#, "max_runing", "did you mean max_running? Known here: paused, timeout,"),
        (r#"{"name":"x"}"#, "name", "is unknown"),
        (r#"{"max_running":0}"#, "max_running", "must be 1 to 1000000, not 0"),
        (r#"{"timeout":"5m"}"#, "timeout", "must be a whole number, 1 to 604800, not the string \"5m\""),
        (r#"{"success_retention":59}"#, "success_retention", "must be 60 to 315360000, not 59"),
        (r#"{"paused":1}"#, "paused", "must be a boolean, not 1"),
        (r#"{"rate":{"jobs":0,"seconds":1}}"#, "rate.jobs", "must be 1 to 1000000, not 0"),
        (r#"{"rate":{"jobs":1,"seconds":86401}}"#, "rate.seconds", "must be 1 to 86400, not 86401"),
        (r#"{"rate":{"jobs":1}}"#, "rate.seconds", "is required"),
        (r#"{"rate":{"jobs":1,"per":1}}"#, "rate.per", "known here: jobs, seconds"),
        (
            r#"{"backoff":{"type":"linear"}}"#,
            "backoff.type",
            "must be fixed, exponential or list, not linear",
        ),
        (r#"{"backoff":{"cap":5}}"#, "backoff.type", "is required"),
        (
            r#"{"backoff":"fixed"}"#,
            "backoff",
            r#"must be an object with a type, as in {"type": "fixed"}, not the string "fixed""#,
        ),
        (r#"{"backoff":{"type":"exponential"}}"#, "backoff.cap", "is required"),
        (
            r#"{"backoff":{"type":"exponential","capp":5}}"#,
            "backoff.capp",
            "did you mean cap? Known here: cap, jitter",
        ),
        (r#"{"backoff":{"type":"exponential","cap":0}}"#, "backoff.cap", "must be 1 to 31536000, not 0"),
        (
            r#"{"backoff":{"type":"exponential","cap":5,"jitter":101}}"#,
            "backoff.jitter",
            "must be 0 to 100, not 101",
        ),
        (r#"{"backoff":{"type":"list","delays":[]}}"#, "backoff.delays", "must have 1 to 32 delays, not 0"),
        (&delays, "backoff.delays", "must have 1 to 32 delays, not 33"),
        (
            r#"{"backoff":{"type":"list","delays":[1,31536001]}}"#,
            "backoff.delays[1]",
            "must be 0 to 31536000",
        ),
        ("[]", "body", "must be an object, not a list"),
    ] {
        let refused = api.send("PUT", "/v1/queue/mails", body.to_owned()).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some(fields), "{body}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{body}: {message}");
    }
    for name in ["Mails", ".", "..", "a%20b", "a:1", "*", &"x".repeat(65)] {
        let refused = api.send("PUT", &format!("/v1/queue/{name}"), "{}").await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("name"), "{name}");
    }
    assert_eq!(api.backend.submitted(), 0);
}

#[tokio::test]
async fn a_queue_tells_of_its_jobs() {
    let api = Api::new();
    api.enqueue(r#"{"image":"a","queue":"mails","priority":2}"#).await;
    api.backend.pass_seconds(1);
    api.enqueue(r#"{"image":"a","queue":"mails"}"#).await;
    api.enqueue(r#"{"image":"a","queue":"mails","delay":60}"#).await;
    let seen = queue(&api, "mails").await;
    let jobs = json!({"delayed": 1, "queued": 2, "running": 0, "success": 0, "error": 0, "cancelled": 0});
    assert_eq!((&seen["jobs"], &seen["queued_by_priority"]), (&jobs, &json!([1, 0, 1])));
    assert_eq!(seen["oldest_queued_at"], "2026-01-01T00:00:00.000Z");

    let taken = api.get("/v1/jobs/consume?queue=mails").await.expect(200).json();
    let id = taken["jobs"][0]["id"].as_str().unwrap();
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    api.backend.pass_seconds(20);
    let seen = queue(&api, "mails").await;
    let jobs = json!({"delayed": 1, "queued": 1, "running": 0, "success": 1, "error": 0, "cancelled": 0});
    assert_eq!((&seen["jobs"], &seen["oldest_queued_at"]), (&jobs, &json!("2026-01-01T00:00:01.000Z")));
    assert_eq!(seen["last_minute"], json!({"enqueued": 3, "granted": 1, "finished": 1}));
}

#[tokio::test]
async fn a_queue_tells_how_full_its_limits_are() {
    let api = Api::new();
    put(&api, "mails", r#"{"max_running_per_key":2,"rate":{"jobs":4,"seconds":8}}"#).await;
    let of = |queue: &Value| (queue["rate_left"].clone(), queue["keys_running"].clone());
    let empty = json!({"running": 0, "full": 0, "fullest": []});
    assert_eq!(of(&queue(&api, "mails").await), (json!(4), empty.clone()));

    for key in ["anna", "anna", "anna", "bert"] {
        api.enqueue(&json!({"image": "a", "queue": "mails", "key": key}).to_string()).await;
    }
    let taken = api.get("/v1/jobs/consume?queue=mails&n=9").await.expect(200).json();
    let fullest = json!([{"key": "anna", "running": 2}, {"key": "bert", "running": 1}]);
    let keys = json!({"running": 2, "full": 1, "fullest": fullest});
    assert_eq!(of(&queue(&api, "mails").await), (json!(1), keys.clone()));
    api.backend.pass_seconds(4);
    assert_eq!(of(&queue(&api, "mails").await), (json!(3), keys), "it fills while nothing happens");

    for job in taken["jobs"].as_array().unwrap() {
        api.post(&format!("/v1/job/{}/success", job["id"].as_str().unwrap()), "").await.expect(200);
    }
    api.backend.pass_seconds(4);
    let listed = api.get("/v1/queues?cursor=default").await.expect(200).json()["queues"][0].clone();
    assert_eq!(of(&listed), (json!(4), empty));
    assert_eq!(
        of(&put(&api, "mails", r#"{"max_running_per_key":null,"rate":null}"#).await),
        (json!(null), json!(null))
    );
}

#[tokio::test]
async fn jobs_take_their_queues_defaults_where_they_do_not_say() {
    let api = Api::new();
    put(&api, "mails", r#"{"timeout":9,"max_retries":1,"retries_delay":7}"#).await;
    let jobs = r#"[{"image":"a","queue":"mails"},{"image":"a","queue":"mails","timeout":5,"max_retries":0,"retries_delay":2}]"#;
    let jobs = api.post("/v1/jobs", jobs).await.expect(201).json()["jobs"].clone();
    let of =
        |job: &Value| ["timeout", "max_retries", "retries_delay"].map(|field| job[field].as_u64().unwrap());
    assert_eq!((of(&jobs[0]), of(&jobs[1])), ([9, 1, 7], [5, 0, 2]));
}

#[tokio::test]
async fn pages_of_queues_follow_their_names() {
    let api = Api::new();
    for name in ["c", "a", "b"] {
        put(&api, name, "{}").await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/queues?n=2".to_owned();
    loop {
        let page = api.get(&path).await.expect(200).json();
        let queues = page["queues"].as_array().unwrap();
        seen.extend(queues.iter().map(|queue| queue["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/queues?n=2&cursor={cursor}");
    }
    assert_eq!(seen, ["default", "a", "b", "c"]);
    assert_eq!(api.get("/v1/queues?cursor=A").await.expect(400).fields().as_deref(), Some("cursor"));
}

#[tokio::test]
async fn only_a_queue_without_unfinished_jobs_is_deleted() {
    let api = Api::new();
    put(&api, "mails", r#"{"max_running":1}"#).await;
    let id = api.enqueue(r#"{"image":"a","queue":"mails"}"#).await;
    let refused = api.send("DELETE", "/v1/queue/mails", "").await.expect(409).json();
    let message = "the queue has jobs that have not finished: let them run, or cancel them first";
    assert_eq!(refused["error"]["message"], message);
    api.post(&format!("/v1/job/{id}/cancel"), "").await.expect(200);
    api.send("DELETE", "/v1/queue/mails", "").await.expect(204);
    assert_eq!(queue(&api, "mails").await["max_running"], json!(null), "it is there while it has a job");
    api.send("DELETE", &format!("/v1/job/{id}"), "").await.expect(204);
    let gone = api.get("/v1/queue/mails").await.expect(404).json();
    assert_eq!(gone["error"]["message"], "there is no such queue");
    for name in ["mails", "Mails", "%ff"] {
        api.send("DELETE", &format!("/v1/queue/{name}"), "").await.expect(404);
        api.get(&format!("/v1/queue/{name}")).await.expect(404);
    }
}

#[tokio::test]
async fn that_there_is_no_queue_is_said_only_behind_a_barrier() {
    let api = Api::new();
    api.backend.lag();
    put_elsewhere(&api).await;
    assert_eq!(
        queue(&api, "mails").await["max_running"],
        5,
        "the copy here was stale, the barrier mended it"
    );
    assert_eq!(api.backend.barriers(), 1);
    queue(&api, "mails").await;
    assert_eq!(api.backend.barriers(), 1);
    api.get("/v1/queue/mails?consistency=linearizable").await.expect(200);
    api.get("/v1/queues?consistency=linearizable").await.expect(200);
    assert_eq!(api.backend.barriers(), 3);
    api.backend.fail_with(Unavailable::NotApplied);
    api.get("/v1/queue/other").await.expect(503);
}

/// Its answer, from a copy that lags, is of no interest.
async fn put_elsewhere(api: &Api) {
    api.send("PUT", "/v1/queue/mails", r#"{"max_running":5}"#).await;
}

#[tokio::test]
async fn stats_are_the_sums_of_all_queues() {
    let api = Api::new();
    for job in [
        r#"{"image":"a"}"#,
        r#"{"image":"a","queue":"mails","priority":2}"#,
        r#"{"image":"a","queue":"mails","delay":60}"#,
    ] {
        api.enqueue(job).await;
    }
    let answered = api.get("/v1/stats").await.expect(200);
    assert_eq!(answered.header("quorate-index"), Some("3"));
    let stats = answered.json()["stats"].clone();
    let oldest = queue(&api, "default").await["oldest_queued_at"].clone();
    assert!(oldest.is_string());
    let expected = json!({
        "queues": 2,
        "jobs": {"delayed": 1, "queued": 2, "running": 0, "success": 0, "error": 0, "cancelled": 0},
        "queued_by_priority": [1, 0, 1], "oldest_queued_at": oldest,
        "last_minute": {"enqueued": 0, "granted": 0, "finished": 0},
    });
    assert_eq!(stats, expected);
    api.backend.lag();
    api.get("/v1/stats?consistency=linearizable").await.expect(200);
    assert_eq!(api.backend.barriers(), 1);
}
