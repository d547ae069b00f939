//! What a refusal says: what is wrong, what was given, what to do. No Rust words.

use crate::api::{Answered, Api, request};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[track_caller]
fn message(answered: &Answered) -> String {
    answered.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn of_bodies() {
    let api = Api::new();
    let success = &format!("POST /v1/job/{}/success", api.running(r#"{"image":"a"}"#).await);
    let fail = &success.replace("success", "fail");
    let jobs = "POST /v1/jobs";
    let consume = "POST /v1/jobs/consume";
    let settings = "PUT /v1/cluster/settings";
    let long = format!("{}b", "a".repeat(1_000));
    let long_name = format!(r#"[{{"image":"a","{long}":1}}]"#);
    let long_value = format!(r#"[{{"image":"a","delay":"{long}"}}]"#);
    for (call, content_type, body, expected) in [
        (jobs, JSON, "", r#"body: is empty; send {"jobs": [{"image": "…"}]}"#),
        (
            jobs,
            JSON,
            r#"{"image":"a"}"#,
            r#"image: stands outside of a job; wrap it: {"jobs": [{"image": "…"}]}"#,
        ),
        (
            jobs,
            JSON,
            r#"{"payload":"a"}"#,
            r#"payload: stands outside of a job; wrap it: {"jobs": [{"image": "…"}]}"#,
        ),
        (jobs, JSON, "{}", r#"jobs: is required: {"jobs": [{"image": "…"}]}"#),
        (jobs, JSON, r#"{"job":{"image":"a"}}"#, "job: is unknown; did you mean jobs? Known here: jobs"),
        (jobs, JSON, "5", r#"body: must be an object, not 5; send {"jobs": [{"image": "…"}]}"#),
        (jobs, JSON, "null", r#"body: must be an object, not null; send {"jobs": [{"image": "…"}]}"#),
        (
            jobs,
            JSON,
            r#"{"jobs":{"image":"a"}}"#,
            r#"jobs: must be a list of at most 1000, not an object; put it into a list: {"jobs": [{"image": "…"}]}"#,
        ),
        (
            jobs,
            JSON,
            r#"["a"]"#,
            r#"jobs[0]: must be an object, not the string "a"; a job is one: {"image": "…"}"#,
        ),
        (jobs, JSON, r#"[{"image":"a","tags":"a"}]"#, r#"jobs[0].tags: must be a list, not the string "a""#),
        (jobs, JSON, r#"[["a"]]"#, r#"jobs[0]: must be an object, not a list; a job is one: {"image": "…"}"#),
        (jobs, JSON, "[{}]", "jobs[0].image: is required and must have 1 to 255 bytes"),
        (jobs, JSON, r#"[{"image":5}]"#, "jobs[0].image: must be a string, not 5"),
        (
            jobs,
            JSON,
            r#"[{"image":"a","payload":{"x":1}}]"#,
            r#"jobs[0].payload: must be a string, not an object; JSON goes into a payload as a string: "{\"key\": 1}""#,
        ),
        (
            jobs,
            JSON,
            r#"[{"image":"a","delay":"5"}]"#,
            r#"jobs[0].delay: must be a whole number, 0 to 31536000, not the string "5"; leave the quotes out"#,
        ),
        (
            jobs,
            JSON,
            r#"[{"image":"a","delay":5.5}]"#,
            "jobs[0].delay: must be a whole number, 0 to 31536000, not 5.5",
        ),
        (
            jobs,
            JSON,
            r#"[{"image":"a","timeout":-1}]"#,
            "jobs[0].timeout: must be a whole number, 1 to 604800, not -1",
        ),
        (jobs, JSON, r#"[{"image":"a","timeout":0}]"#, "jobs[0].timeout: must be 1 to 604800, not 0"),
        (
            jobs,
            JSON,
            r#"[{"image":"a","priority":true}]"#,
            "jobs[0].priority: must be a whole number, 0 to 2, not true",
        ),
        (
            jobs,
            JSON,
            r#"[{"image":"a","priority":7}]"#,
            "jobs[0].priority: must be 0, 1 or 2; 2 is served first",
        ),
        (
            jobs,
            JSON,
            r#"[{"image":"a","max_retires":1}]"#,
            "jobs[0].max_retires: is unknown; did you mean max_retries? Known here: image, queue, key, tags, payload, delay, timeout, \
             priority, max_retries, retries_delay, unique_key, unique_until, unique_for",
        ),
        (
            jobs,
            JSON,
            &long_name,
            "jobs[0].aaaaaaaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab: is unknown; known here: image, queue, \
             key, tags, payload, delay, timeout, priority, max_retries, retries_delay, unique_key, unique_until, unique_for",
        ),
        (
            jobs,
            JSON,
            "[{\"image\":\"a\",\"\\u001b[2J`, expected `delay`\":1}]",
            "jobs[0].\\u001b[2J`, expected `delay`: is unknown; known here: image, queue, key, tags, payload, delay, timeout, priority, \
             max_retries, retries_delay, unique_key, unique_until, unique_for",
        ),
        (
            jobs,
            JSON,
            &long_value,
            "jobs[0].delay: must be a whole number, 0 to 31536000, not the string \
             \"aaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaab\"",
        ),
        (jobs, JSON, r#"[{"image":"a","image":"b"}]"#, "jobs[0].image: is given twice"),
        (
            jobs,
            JSON,
            "{\"jobs\":",
            "jobs: is not valid JSON: it ends where a value should stand (line 1, column 8)",
        ),
        (
            jobs,
            JSON,
            "[{\"image\":\"a\",}]",
            "jobs[0]: is not valid JSON: nothing follows a comma (line 1, column 15)",
        ),
        (
            jobs,
            JSON,
            "[{'image':1}]",
            "jobs[0]: is not valid JSON: a name should stand in double quotes (line 1, column 3)",
        ),
        (jobs, JSON, "image=a", "body: is not valid JSON: here a value should stand (line 1, column 1)"),
        (
            jobs,
            FORM,
            r#"{"jobs":[{"image":"a"}]}"#,
            "this call takes application/json, and Content-Type must say so (curl: -H 'Content-Type: application/json')",
        ),
        (consume, JSON, "[]", "body: must be an object, not a list"),
        (
            consume,
            JSON,
            r#"{"n":"5"}"#,
            "n: must be a whole number, 1 to 1000, not the string \"5\"; leave the quotes out",
        ),
        (consume, JSON, r#"{"n":0}"#, "n: must be 1 to 1000, not 0"),
        (settings, JSON, "{}", "retention: is required"),
        (
            settings,
            JSON,
            r#"{"retention":"7d"}"#,
            "retention: must be a whole number, 60 to 315360000, not the string \"7d\"",
        ),
        (success, FORM, "all is well", "all is well: is unknown; known here: log"),
        (
            success,
            FORM,
            r#"{"log":"x"}"#,
            "body: is JSON, but the Content-Type says otherwise; send Content-Type: application/json",
        ),
        (fail, FORM, "reason=boredom", "reason: must be timeout, killed or bad_exit, not boredom"),
        (
            fail,
            FORM,
            "detail=x",
            "detail: is unknown; did you mean details? Known here: reason, details, log, retry",
        ),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        let answered =
            api.call(request(method, path, &[("content-type", content_type)], body.to_owned())).await;
        assert_eq!(message(&answered), expected, "{call} {}", &body[..body.len().min(100)]);
    }
}

#[tokio::test]
async fn of_too_many_jobs() {
    let body = format!("[{}{{\"image\":\"a\"}}]", "{\"image\":\"a\"},".repeat(1_000));
    let refused = Api::new().post("/v1/jobs", body).await.expect(400);
    assert_eq!(message(&refused), "jobs: has more than 1000; send the others in another request");
}

#[tokio::test]
async fn of_paths_and_queries() {
    let api = Api::new();
    let id = "0198c0de-0000-7000-8000-000000000001";
    for (call, expected) in [
        ("POST /v1/job", "there is no such route; did you mean /v1/jobs?".to_owned()),
        ("GET /jobs", "there is no such route; did you mean /v1/jobs?".to_owned()),
        (&format!("GET /v1/jobs/{id}"), "there is no such route; did you mean /v1/job/{id}?".to_owned()),
        ("GET /v1/queues/mails", "there is no such route; did you mean /v1/queue/{name}?".to_owned()),
        ("GET /favicon.ico", "there is no such route; GET /openapi.json has all of them".to_owned()),
        ("PUT /v1/jobs", "this route takes POST, GET, HEAD only".to_owned()),
        (&format!("GET /v1/job/{id}/cancel"), "this route takes POST only".to_owned()),
        ("GET /v1/jobs?n=many", "n: must be a whole number, 1 to 1000, not many".to_owned()),
        ("GET /v1/jobs?n=0", "n: must be 1 to 1000, not 0".to_owned()),
        (
            "GET /v1/jobs?statsu=error",
            "statsu: is unknown; did you mean status? Known here: n, cursor, status, final, reason, image, queue, key, tag, created_from, created_until, finished_from, finished_until, order, fields, consistency".into(),
        ),
        ("GET /v1/cluster?x=1", "x: is unknown: nothing is taken here".to_owned()),
        (
            "GET /v1/jobs?status=done",
            "status: must be delayed, queued, running, success, error or cancelled, or several with commas between them, not done".into(),
        ),
        (
            "GET /v1/jobs?fields=id,pyload",
            format!(
                "fields: \"pyload\" is unknown; did you mean payload? Known here: {}",
                quorate_api::Job::FIELDS.join(", ")
            ),
        ),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        assert_eq!(message(&api.send(method, path, "").await), expected, "{call}");
    }
}

/// The example of a job names its fields by hand.
#[test]
fn a_new_job_has_the_fields_that_are_said() {
    let schema = serde_json::to_value(quorate_api::openapi()).unwrap();
    let properties = schema["components"]["schemas"]["NewJob"]["properties"].as_object().unwrap();
    let mut fields = quorate_api::NewJob::FIELDS;
    fields.sort_unstable();
    assert_eq!(properties.keys().collect::<Vec<_>>(), fields.iter().collect::<Vec<_>>());
}

/// A retry of what went on by itself, which somebody has retried since: what is said to be done can be done.
#[tokio::test]
async fn of_a_retry_of_what_others_went_on_from() {
    let api = Api::new();
    let of = |answered: Answered, field: &str| answered.json()["job"][field].as_str().unwrap().to_owned();
    let job = async |id: &str| api.get(&format!("/v1/job/{id}")).await.expect(200);
    let first = api.running(r#"{"image":"a","max_retries":1,"retries_delay":0}"#).await;
    api.post(&format!("/v1/job/{first}/fail"), "").await.expect(200);
    let second = of(job(&first).await, "retry_id");
    api.post(&format!("/v1/job/{second}/cancel"), "").await.expect(200);
    let third = of(api.post(&format!("/v1/job/{second}/retry"), "").await.expect(200), "id");
    let refused = api.post(&format!("/v1/job/{first}/retry"), "").await.expect(409);
    let says = "what went on from it by itself has ended, and may have been retried since: the last job is";
    assert_eq!(message(&refused), format!("{says} {third}, and it is queued"));
    api.post(&format!("/v1/job/{third}/cancel"), "").await.expect(200);
    let refused = api.post(&format!("/v1/job/{first}/retry"), "").await.expect(409);
    assert_eq!(message(&refused), format!("{says} {third}: retry that one"));
    let fourth = of(api.post(&format!("/v1/job/{third}/retry"), "").await.expect(200), "id");
    api.post("/v1/jobs/consume", r#"{"n":1}"#).await.expect(200);
    api.post(&format!("/v1/job/{fourth}/success"), "").await.expect(200);
    let refused = api.post(&format!("/v1/job/{first}/retry"), "").await.expect(409);
    assert_eq!(message(&refused), format!("{says} {fourth}, and it has succeeded"));
}
