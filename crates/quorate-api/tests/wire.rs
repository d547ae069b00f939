//! The JSON that clients in the field see and send.

use quorate_api::{Error, ErrorWrapper, Job, NewJob, NewJobsWrapper, Reason, Status, WriteOutcome};

fn job() -> Job {
    Job {
        id: "0198c0de-0000-7000-8000-000000000001".into(),
        image: "iron/hello".into(),
        image_id: quorate_api::image_id("iron/hello").to_string(),
        payload: "{\"a\":1}".into(),
        delay: 0,
        timeout: 60,
        priority: 2,
        max_retries: 3,
        retries_delay: 60,
        status: Status::Error,
        reason: Some(Reason::BadExit),
        is_final: Some(true),
        released: false,
        details: None,
        created_at: "2026-01-01T00:00:00.000Z".into(),
        started_at: None,
        completed_at: None,
        retry_of: None,
        retry_id: None,
        queue: "default".into(),
        key: None,
        tags: Vec::new(),
        attempt: 1,
        due: None,
        deadline: None,
        worker: None,
        progress: None,
        unique_key: None,
        unique_until: None,
        unique_for: None,
        duplicate: false,
    }
}

#[test]
fn a_job_on_the_wire() {
    let image_id = quorate_api::image_id("iron/hello");
    let expected = format!(
        r#"{{"id":"0198c0de-0000-7000-8000-000000000001","image":"iron/hello","image_id":"{image_id}","payload":"{{\"a\":1}}","delay":0,"timeout":60,"priority":2,"max_retries":3,"retries_delay":60,"status":"error","reason":"bad_exit","final":true,"created_at":"2026-01-01T00:00:00.000Z","queue":"default","attempt":1}}"#
    );
    let encoded = serde_json::to_string(&job()).unwrap();
    assert_eq!(encoded, expected, "what has not happened is absent, never an empty string");
    assert_eq!(serde_json::from_str::<Job>(&encoded).unwrap(), job());
}

#[test]
fn a_job_of_a_newer_node_is_understood() {
    let encoded =
        serde_json::to_string(&job()).unwrap().replacen('{', r#"{"shard":"s1","started_at":null,"#, 1);
    assert_eq!(serde_json::from_str::<Job>(&encoded).unwrap(), job());
}

#[test]
fn a_job_of_an_older_node_is_in_the_default_queue() {
    let encoded = serde_json::to_string(&job()).unwrap().replace(r#","queue":"default","attempt":1"#, "");
    assert_eq!(serde_json::from_str::<Job>(&encoded).unwrap(), job());
}

#[test]
fn the_words() {
    let words = |value: Vec<Status>| serde_json::to_string(&value).unwrap();
    use Status::{Cancelled, Delayed, Error, Queued, Running, Success};
    assert_eq!(
        words(vec![Delayed, Queued, Running, Success, Error, Cancelled]),
        r#"["delayed","queued","running","success","error","cancelled"]"#
    );
    assert_eq!(
        serde_json::to_string(&[Reason::Timeout, Reason::Killed, Reason::BadExit, Reason::ClientRequest])
            .unwrap(),
        r#"["timeout","killed","bad_exit","client_request"]"#
    );
}

#[test]
fn a_typo_in_a_request_is_named() {
    let refused =
        serde_json::from_str::<NewJobsWrapper>(r#"{"jobs":[{"image":"a","max_retires":1}]}"#).unwrap_err();
    assert!(refused.to_string().contains("max_retires"), "{refused}");
}

#[test]
fn a_new_job_says_only_what_was_set() {
    let job = NewJob { image: "a".into(), delay: Some(5), ..NewJob::default() };
    assert_eq!(serde_json::to_string(&job).unwrap(), r#"{"image":"a","delay":5}"#);
    assert_eq!(serde_json::from_str::<NewJob>(r#"{"image":"a","delay":5,"timeout":null}"#).unwrap(), job);
}

#[test]
fn an_error_on_the_wire() {
    let error = |fields: Option<&str>, outcome| ErrorWrapper {
        error: Error { message: "no".into(), fields: fields.map(Into::into) },
        outcome,
    };
    assert_eq!(
        serde_json::to_string(&error(Some("jobs[1].priority"), None)).unwrap(),
        r#"{"error":{"message":"no","fields":"jobs[1].priority"}}"#
    );
    assert_eq!(
        serde_json::to_string(&error(None, Some(WriteOutcome::NotApplied))).unwrap(),
        r#"{"error":{"message":"no"},"outcome":"not_applied"}"#
    );
}

#[test]
fn every_schema_is_in_the_document() {
    let document = serde_json::to_value(quorate_api::openapi()).unwrap();
    let job = &document["components"]["schemas"]["NewJob"];
    assert_eq!(job["required"], serde_json::json!(["image"]));
    assert_eq!(job["additionalProperties"], serde_json::json!(false));
    assert_eq!(job["properties"]["priority"]["maximum"], 2);
}
