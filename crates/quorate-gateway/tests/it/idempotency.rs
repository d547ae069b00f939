use std::time::Duration;

use crate::api::{Answered, Api, request};

async fn post(api: &Api, path: &str, key: &str, body: &str) -> Answered {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    api.call(request("POST", path, &headers, body.to_owned())).await
}

/// Whether an answer says that it repeats an earlier one.
fn replayed(answered: &Answered) -> Option<&str> {
    answered.header("idempotent-replayed")
}

#[tokio::test]
async fn an_enqueue_repeated_answers_the_first_one() {
    let api = Api::new();
    let body = r#"[{"image":"a","payload":"p"},{"image":"b"}]"#;
    let first = post(&api, "/v1/jobs", "k", body).await.expect(201).json();
    assert_eq!(post(&api, "/v1/jobs", "k", body).await.expect(201).json(), first, "payloads too");
    post(&api, "/v1/jobs", "k", "[{\"image\":\"c\"}]").await.expect(409);
    post(&api, "/v1/jobs/consume", "k", "").await.expect(409);
    assert_ne!(post(&api, "/v1/jobs", "other", body).await.expect(201).json(), first);
}

#[tokio::test]
async fn a_consume_repeated_answers_what_still_runs_even_when_nothing_is_queued() {
    let api = Api::new();
    api.post("/v1/jobs", r#"[{"image":"a"},{"image":"b"}]"#).await.expect(201);
    let first = post(&api, "/v1/jobs/consume?n=2", "k", "").await.expect(200).json();
    assert_eq!(first["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(post(&api, "/v1/jobs/consume?n=2", "k", "").await.expect(200).json(), first);
    let by_body = post(&api, "/v1/jobs/consume", "k", "{\"n\":2}").await.expect(200).json();
    assert_eq!(by_body, first, "it is the same request, however n comes");
    post(&api, "/v1/jobs/consume?n=1", "k", "").await.expect(409);

    let id = first["jobs"][0]["id"].as_str().unwrap();
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    let rest = post(&api, "/v1/jobs/consume?n=2", "k", "").await.expect(200).json();
    assert_eq!(rest["jobs"].as_array().unwrap()[..], first["jobs"].as_array().unwrap()[1..]);
}

#[tokio::test]
async fn an_answer_that_repeats_an_earlier_one_says_so() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    let retry = format!("/v1/job/{id}/retry");
    let first = post(&api, "/v1/jobs/consume", "c", "").await.expect(200);
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    let new = r#"[{"image":"a"}]"#;
    let firsts = [first, post(&api, "/v1/jobs", "e", new).await, post(&api, &retry, "r", "").await];
    assert_eq!(firsts.each_ref().map(replayed), [None; 3]);

    let again = [
        post(&api, "/v1/jobs/consume", "c", "").await.expect(200),
        post(&api, "/v1/jobs", "e", new).await.expect(201),
        post(&api, &retry, "r", "").await.expect(200),
    ];
    assert_eq!(again.each_ref().map(replayed), [Some("true"); 3]);
    post(&api, &format!("{retry}?anew=true"), "r", "").await.expect(409);
    let other = post(&api, "/v1/jobs", "e", "[{\"image\":\"b\"}]").await.expect(409);
    assert_eq!(replayed(&other), None, "it is no repetition");

    let retried = again[2].json()["job"]["id"].as_str().unwrap().to_owned();
    api.post(&format!("/v1/job/{retried}/cancel"), "").await.expect(200);
    api.send("DELETE", &format!("/v1/job/{retried}"), "").await.expect(204);
    let gone = post(&api, &retry, "r", "").await.expect(404);
    assert_eq!(replayed(&gone), Some("true"), "the new job is gone, not the retried one");
}

/// The clock stands still while there is anything else to do.
#[tokio::test(start_paused = true)]
async fn a_key_whose_jobs_have_ended_is_answered_at_once_whatever_is_queued() {
    let api = Api::new();
    api.post("/v1/jobs", r#"[{"image":"a"},{"image":"b"}]"#).await.expect(201);
    let first = post(&api, "/v1/jobs/consume", "k", "").await.expect(200).json();
    let id = first["jobs"][0]["id"].as_str().unwrap();
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);

    let (submitted, started) = (api.backend.submitted(), tokio::time::Instant::now());
    for path in ["/v1/jobs/consume", "/v1/jobs/consume?wait=60"] {
        let spent = post(&api, path, "k", "").await.expect(200);
        assert_eq!((spent.json()["jobs"].as_array().unwrap().len(), replayed(&spent)), (0, Some("true")));
    }
    api.get("/v1/jobs/consume").await.expect(200);
    let spent = post(&api, "/v1/jobs/consume?wait=60", "k", "").await.expect(200);
    assert_eq!(replayed(&spent), Some("true"), "nothing is queued, and it does not wait either");
    assert_eq!((api.backend.submitted() - submitted, started.elapsed()), (4, Duration::ZERO));
}

/// The clock stands still while there is anything else to do: had the second one learned of it late, it would show that.
#[tokio::test(start_paused = true)]
async fn a_consume_that_waits_ends_when_another_one_under_its_key_takes_a_job() {
    let (api, started) = (Api::new(), tokio::time::Instant::now());
    let consume = "/v1/jobs/consume?wait=60";
    let (first, second, id) =
        tokio::join!(post(&api, consume, "k", ""), post(&api, consume, "k", ""), async {
            api.backend.wait(2).await;
            api.enqueue(r#"{"image":"a"}"#).await
        });
    assert_eq!([&first, &second].map(replayed), [None, Some("true")]);
    assert_eq!([first, second].map(|answer| answer.expect(200).json()["jobs"][0]["id"] == id), [true; 2]);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn an_empty_consume_appends_nothing_even_with_a_key() {
    let api = Api::new();
    let before = api.backend.submitted();
    assert_eq!(
        post(&api, "/v1/jobs/consume", "k", "").await.expect(200).json()["jobs"],
        serde_json::json!([])
    );
    assert_eq!((api.backend.submitted(), api.backend.barriers()), (before, 1));
}

#[tokio::test]
async fn a_retry_repeated_answers_the_same_job() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    api.post(&format!("/v1/job/{id}/success"), "").await.expect(200);
    let path = format!("/v1/job/{id}/retry");
    let first = post(&api, &path, "k", "").await.expect(200).json();
    let new = first["job"]["id"].as_str().unwrap();
    api.post(&format!("/v1/job/{new}/cancel"), "").await.expect(200);
    let again = post(&api, &path, "k", "").await.expect(200).json();
    assert_eq!(
        (again["job"]["id"].as_str(), again["job"]["status"].as_str()),
        (Some(new), Some("cancelled"))
    );
    assert_ne!(post(&api, &path, "k2", "").await.expect(200).json()["job"]["id"], new);
}

#[tokio::test]
async fn keys_have_limits() {
    let api = Api::new();
    let body = r#"[{"image":"a"}]"#;
    post(&api, "/v1/jobs", &"k".repeat(255), body).await.expect(201);
    for bad in ["k".repeat(256), String::new(), "ключ".into(), "a key".into(), "a\tkey".into()] {
        let refused = post(&api, "/v1/jobs", &bad, body).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("Idempotency-Key"), "{bad}");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let refused = api.call(request("POST", "/v1/jobs", &twice, body)).await.expect(400);
    assert_eq!(refused.fields().as_deref(), Some("Idempotency-Key"));
}
