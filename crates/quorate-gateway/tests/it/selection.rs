//! Which jobs a consumer takes: of which queues, and of which images.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Answered, Api, request};

async fn enqueue(api: &Api, queue: &str, image: &str) -> String {
    api.enqueue(&json!({"image": image, "queue": queue}).to_string()).await
}

fn ids(answered: &Value) -> Vec<String> {
    let jobs = answered["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

async fn consume(api: &Api, query: &str) -> Vec<String> {
    ids(&api.get(&format!("/v1/jobs/consume?{query}")).await.expect(200).json())
}

async fn post(api: &Api, path: &str, key: &str, body: &str) -> Answered {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    api.call(request("POST", path, &headers, body.to_owned())).await
}

#[tokio::test]
async fn a_job_says_where_it_is_whose_and_until_when() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a","queue":"mails","key":"anna","delay":5}"#).await;
    let job = |job: Value| {
        let fields = ["queue", "key", "attempt", "due", "deadline"];
        fields.map(|field| job["job"][field].clone())
    };
    let delayed = job(api.get(&format!("/v1/job/{id}")).await.expect(200).json());
    assert_eq!(
        delayed,
        [json!("mails"), json!("anna"), json!(1), json!("2026-01-01T00:00:05.000Z"), Value::Null]
    );
    api.backend.pass_seconds(5);
    assert_eq!(consume(&api, "queue=mails").await, [id.as_str()]);
    let running = job(api.get(&format!("/v1/job/{id}")).await.expect(200).json());
    assert_eq!((&running[3], &running[4]), (&Value::Null, &json!("2026-01-01T00:01:05.000Z")));

    let failed = api.post(&format!("/v1/job/{id}/fail"), "").await.expect(200).json();
    assert_eq!((&failed["job"]["queue"], &failed["job"]["deadline"]), (&json!("mails"), &Value::Null));
    let retry = failed["job"]["retry_id"].as_str().unwrap();
    let retry = job(api.get(&format!("/v1/job/{retry}")).await.expect(200).json());
    assert_eq!(retry[..3], [json!("mails"), json!("anna"), json!(2)]);
}

#[tokio::test]
async fn a_new_job_names_a_queue_and_a_key_that_can_be() {
    let api = Api::new();
    for (job, fields) in [
        (r#"{"image":"a","queue":"A"}"#, "jobs[0].queue"),
        (r#"{"image":"a","queue":""}"#, "jobs[0].queue"),
        (&format!(r#"{{"image":"a","key":"{}"}}"#, "k".repeat(65)), "jobs[0].key"),
        (r#"{"image":"a","key":""}"#, "jobs[0].key"),
    ] {
        let refused = api.post("/v1/jobs", format!("[{job}]")).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some(fields), "{job}");
    }
    api.enqueue(&format!(r#"{{"image":"a","key":"{}"}}"#, "k".repeat(64))).await;
}

#[tokio::test]
async fn queues_in_order_by_weight_and_all() {
    let api = Api::new();
    let (a, b, other) =
        (enqueue(&api, "a", "x").await, enqueue(&api, "b", "x").await, enqueue(&api, "default", "x").await);
    assert_eq!(consume(&api, "queue=nowhere").await, [""; 0], "as good as an empty one");
    assert_eq!(consume(&api, "n=9").await, [other], "without a queue it is the default one");
    assert_eq!(consume(&api, "queue=b,a&n=9").await, [b, a]);

    let (a, b) = (enqueue(&api, "a", "x").await, enqueue(&api, "b", "x").await);
    let mut taken = consume(&api, "queue=a:1,b:1000&n=9").await;
    taken.sort_unstable();
    assert_eq!(taken, [a, b]);
    let (a, b) = (enqueue(&api, "a", "x").await, enqueue(&api, "b", "x").await);
    let body = api.post("/v1/jobs/consume?n=9", r#"{"queue":"*"}"#).await.expect(200).json();
    let mut taken = ids(&body);
    taken.sort_unstable();
    assert_eq!(taken, [a, b]);
}

#[tokio::test]
async fn only_jobs_of_the_images_that_are_named() {
    let api = Api::new();
    let (x, y, z) = (
        enqueue(&api, "default", "x").await,
        enqueue(&api, "a", "y/y:1").await,
        enqueue(&api, "default", "z").await,
    );
    assert_eq!(consume(&api, "image=y/y:1").await, [""; 0], "that is in another queue");
    assert_eq!(consume(&api, "image=z,x&n=9").await, [x, z]);
    assert_eq!(consume(&api, "queue=*&image=y%2Fy%3A1").await, [y]);
}

#[tokio::test]
async fn what_can_not_be_is_refused_and_takes_nothing() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    enqueue(&api, "a", "x").await;
    let before = api.backend.submitted();
    let finish = json!({"jobs": [{"id": id, "status": "success"}], "take": 1, "queue": "a,b:1"}).to_string();
    let success = format!("/v1/job/{id}/success?take=1&image=a,,b");
    let alone = format!("/v1/job/{id}/fail?queue=a");
    let empty = format!("/v1/job/{id}/success?take=1&image=");
    for (method, path, body, says) in [
        (
            "GET",
            "/v1/jobs/consume?queue=a,b:1",
            "",
            "queue: has weights for some queues only: give one to each",
        ),
        ("POST", "/v1/jobs/consume", r#"{"queue":"a,a"}"#, r#"queue: names "a" twice"#),
        ("POST", "/v1/jobs/consume", r#"{"queue":["a"]}"#, "queue: must be a string, not a list"),
        ("POST", "/v1/jobs/finish", &finish, "queue: has weights for some"),
        ("POST", &success, "", "image: must be names of 1 to 255 bytes with commas between them"),
        ("POST", &alone, "", "queue: says which jobs to take, and how many is missing: add take=1"),
        ("POST", "/v1/jobs/consume", r#"{"image":""}"#, "image: must not be empty: leave it out"),
        ("POST", "/v1/jobs/consume", r#"{"queue":""}"#, "queue: must not be empty: leave it out"),
        ("GET", "/v1/jobs/consume?image=", "", "image: must not be empty: leave it out to take jobs of any"),
        ("GET", "/v1/jobs/consume?queue=", "", "queue: must not be empty: leave it out to take from default"),
        ("GET", "/v1/jobs/consume?worker=", "", "worker: must not be empty: leave it out to have no name"),
        ("POST", &empty, "", "image: must not be empty"),
        ("GET", "/v1/jobs?queue=A", "", r#"queue: "A" is no name of a queue: 1 to 64 of a-z 0-9 . _ -"#),
    ] {
        let refused = api.send(method, path, body.to_owned()).await.expect(400).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(says), "{path} {body}: {message}");
    }
    assert_eq!(api.backend.submitted(), before);
}

#[tokio::test]
async fn who_finishes_takes_from_the_queues_that_it_names() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let (a, b) = (enqueue(&api, "a", "x").await, enqueue(&api, "b", "y").await);
    enqueue(&api, "default", "x").await;
    let taken =
        api.post(&format!("/v1/job/{id}/success?take=9&queue=a,b&image=x"), "").await.expect(200).json();
    assert_eq!(ids(&taken), [a.as_str()]);
    let body = json!({"jobs": [{"id": a, "status": "success"}], "take": 9, "queue": "b"});
    let taken = api.post("/v1/jobs/finish", body.to_string()).await.expect(200).json();
    assert_eq!(ids(&taken), [b]);
}

#[tokio::test]
async fn a_key_stands_for_the_queues_and_images_too() {
    let api = Api::new();
    let (a, b) = (enqueue(&api, "a", "x").await, enqueue(&api, "b", "x").await);
    let first = post(&api, "/v1/jobs/consume?queue=a", "k", "").await.expect(200).json();
    assert_eq!(ids(&first), [a.as_str()]);
    assert_eq!(post(&api, "/v1/jobs/consume", "k", r#"{"queue":"a"}"#).await.expect(200).json(), first);
    for other in ["", "?queue=b", "?queue=a&image=x", "?image=a"] {
        post(&api, &format!("/v1/jobs/consume{other}"), "k", "").await.expect(409);
    }
    let success = format!("/v1/job/{a}/success?take=1&queue=b");
    assert_eq!(ids(&post(&api, &success, "s", "").await.expect(200).json()), [b]);
    post(&api, &success, "s", "").await.expect(200);
    post(&api, &format!("/v1/job/{a}/success?take=1"), "s", "").await.expect(409);
}

/// The clock stands still while there is anything else to do: had a wakeup been missed, it would show 60 seconds.
#[tokio::test(start_paused = true)]
async fn who_waits_wakes_for_what_it_wants() {
    let api = Api::new();
    let started = tokio::time::Instant::now();
    let (of_a, of_y, id) =
        tokio::join!(consume(&api, "queue=a&wait=60"), consume(&api, "queue=*&image=y&wait=60"), async {
            api.backend.wait(2).await;
            enqueue(&api, "b", "x").await;
            let y = enqueue(&api, "b", "y").await;
            assert_eq!(api.backend.submitted(), 2, "the first job woke nobody");
            (enqueue(&api, "a", "x").await, y)
        });
    assert_eq!((of_a, of_y), (vec![id.0], vec![id.1]));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_wakes_nobody_until_it_goes_on() {
    let api = Api::new();
    api.send("PUT", "/v1/queue/a", r#"{"paused":true}"#).await.expect(200);
    let id = enqueue(&api, "a", "x").await;
    let before = api.backend.submitted();
    assert_eq!(consume(&api, "queue=a&wait=1").await, [""; 0]);
    assert_eq!(api.backend.submitted(), before, "nothing went into the log");
    let (taken, _) = tokio::join!(consume(&api, "queue=a&wait=60"), async {
        api.backend.wait(1).await;
        api.send("PUT", "/v1/queue/a", r#"{"paused":false}"#).await.expect(200)
    });
    assert_eq!(taken, [id]);
}

#[tokio::test]
async fn a_list_is_of_one_queue() {
    let api = Api::new();
    let (a, _) = (enqueue(&api, "a", "x").await, enqueue(&api, "default", "x").await);
    let list = async |queue: &str| ids(&api.get(&format!("/v1/jobs?queue={queue}")).await.expect(200).json());
    assert_eq!(list("a").await, [a]);
    assert_eq!(list("nowhere").await, [""; 0]);
    api.get("/v1/jobs?queue=").await.expect(400);
    assert_eq!(ids(&api.get("/v1/jobs").await.expect(200).json()).len(), 2);
    assert_eq!(list("default").await.len(), 1);
}
