//! Unique jobs: another one of the same key is not enqueued.

use serde_json::{Value, json};

use crate::api::Api;

async fn enqueue(api: &Api, body: &str) -> Value {
    api.post("/v1/jobs", body.to_owned()).await.expect(201).json()["jobs"].clone()
}

#[tokio::test]
async fn a_duplicate_is_answered_with_the_job_that_is_there() {
    let api = Api::new();
    let unique = r#"{"image":"a","payload":"first","unique_key":"k"}"#;
    let first = enqueue(&api, &format!("[{unique}]")).await;
    assert_eq!((&first[0]["unique_key"], &first[0]["unique_until"]), (&json!("k"), &json!("finished")));
    assert_eq!((first[0].get("duplicate"), first[0].get("unique_for")), (None, None));

    let other = r#"{"image":"a","payload":"other"}"#;
    let again = r#"{"image":"b","payload":"second","unique_key":"k","unique_for":9}"#;
    let jobs = enqueue(&api, &format!("[{other},{again},{other}]")).await;
    let marks = [0, 1, 2].map(|place| jobs[place].get("duplicate").cloned());
    assert_eq!(marks, [None, Some(json!(true)), None]);
    assert_eq!((&jobs[1]["id"], &jobs[1]["payload"]), (&first[0]["id"], &json!("first")));
    let shown = api.get(&format!("/v1/job/{}", first[0]["id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(shown["job"].get("duplicate"), None);
}

#[tokio::test]
async fn until_it_has_started_or_for_some_time() {
    let api = Api::new();
    let started = r#"[{"image":"a","unique_key":"k","unique_until":"started"}]"#;
    enqueue(&api, started).await;
    api.get("/v1/jobs/consume").await.expect(200);
    assert_eq!(enqueue(&api, started).await[0].get("duplicate"), None);

    let timed = r#"[{"image":"a","unique_key":"t","unique_for":10}]"#;
    let first = enqueue(&api, timed).await;
    assert_eq!((&first[0]["unique_for"], first[0].get("unique_until")), (&json!(10), None));
    api.post(&format!("/v1/job/{}/cancel", first[0]["id"].as_str().unwrap()), "").await.expect(200);
    api.backend.pass_seconds(9);
    assert_eq!(enqueue(&api, timed).await[0]["duplicate"], json!(true));
    api.backend.pass_seconds(1);
    assert_eq!(enqueue(&api, timed).await[0].get("duplicate"), None);
}

#[tokio::test]
async fn what_says_no_such_thing_is_refused_by_name() {
    let api = Api::new();
    let long = format!(r#""unique_key":"{}""#, "k".repeat(256));
    for (given, field, says) in [
        (r#""unique_key":"""#, "unique_key", "must have 1 to 255 bytes, not 0"),
        (&*long, "unique_key", "must have 1 to 255 bytes, not 256"),
        (r#""unique_until":"started""#, "unique_until", "add unique_key"),
        (r#""unique_for":5"#, "unique_for", "add unique_key"),
        (r#""unique_key":"k","unique_for":0"#, "unique_for", "must be 1 to 604800, not 0"),
        (r#""unique_key":"k","unique_for":604801"#, "unique_for", "must be 1 to 604800, not 604801"),
        (
            r#""unique_key":"k","unique_until":"begun""#,
            "unique_until",
            "must be started or finished, not begun",
        ),
        (
            r#""unique_key":"k","unique_for":5,"unique_until":"finished""#,
            "unique_for",
            "stands beside unique_until: give one of them",
        ),
    ] {
        let refused = api.post("/v1/jobs", format!(r#"[{{"image":"a",{given}}}]"#)).await.expect(400);
        assert_eq!(refused.fields(), Some(format!("jobs[0].{field}")), "{given}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{given}: {message}");
    }
    assert_eq!(api.backend.submitted(), 0);
}
