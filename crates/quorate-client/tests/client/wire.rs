//! What goes over the wire, and what answers become.

use bytes::Bytes;
use quorate_client::api::{JobFilter, NewJob, Progress, QueueRequest, Reason, SettingsRequest, Status};
use quorate_client::{
    Consume, Error, JobFailure, ListImages, ListJobs, ListQueues, ListWorkers, Refused, RefusedKind,
};

use crate::support::{Answer, Cluster, Seen, error, job, jobs, one_job};

fn content_type(seen: &Seen) -> &str {
    seen.headers.get("content-type").map_or("", |value| value.to_str().expect("ASCII"))
}

fn contains(body: &Bytes, text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

fn no_content() -> Answer {
    Answer::Says(204, String::new())
}

#[tokio::test]
async fn enqueue_sends_its_jobs_and_nothing_that_was_not_given() {
    let cluster = Cluster::start(1, [jobs(&["a", "b"])]).await;
    let new = [
        NewJob { image: "one".into(), priority: Some(2), ..Default::default() },
        NewJob { image: "two".into(), payload: Some("\"p\"".into()), ..Default::default() },
    ];
    let answer = cluster.client().enqueue(&new, None).await.expect("an answer");
    assert_eq!(answer.answer.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let seen = cluster.only();
    assert_eq!((seen.line().as_str(), content_type(&seen)), ("POST /v1/jobs", "application/json"));
    assert_eq!(seen.body, r#"{"jobs":[{"image":"one","priority":2},{"image":"two","payload":"\"p\""}]}"#);
}

const QUEUE: &str = r#"{"name":"mails","paused":false,"backoff":{"type":"fixed"},"jobs":{"delayed":0,"queued":7,
    "running":0,"success":0,"error":0,"cancelled":0},"queued_by_priority":[7,0,0],"last_minute":{"enqueued":0,"granted":0,
    "finished":0},"something_newer":1}"#;

#[tokio::test]
async fn each_call_has_its_method_and_path() {
    let script = [
        jobs(&["a"]),
        jobs(&["a"]),
        one_job("a", "running"),
        jobs(&["a"]),
        one_job("a", "running"),
        Answer::Says(200, r#"{"ids":["a1","a2"]}"#.into()),
        Answer::Says(200, "the log".into()),
        one_job("a", "cancelled"),
        one_job("a", "success"),
        no_content(),
        one_job("b", "queued"),
        one_job("b", "queued"),
        no_content(),
        Answer::Says(200, r#"{"images":[],"cursor":"c"}"#.into()),
        Answer::Says(200, r#"{"image":{"id":"x","name":"i","image":"i","created_at":"t"}}"#.into()),
        Answer::Says(200, r#"{"id":"c","node":"n1","term":3,"members":[],"quorum":2,"tolerates":1}"#.into()),
        Answer::Says(200, r#"{"retention":60}"#.into()),
        Answer::Says(200, r#"{"retention":90}"#.into()),
        Answer::Says(200, format!(r#"{{"queues":[{QUEUE}],"cursor":"mails"}}"#)),
        Answer::Says(200, format!(r#"{{"queue":{QUEUE}}}"#)),
        Answer::Says(200, format!(r#"{{"queue":{QUEUE}}}"#)),
        no_content(),
        one_job("a", "running"),
        no_content(),
        one_job("b", "queued"),
        Answer::Says(
            200,
            r#"{"workers":[{"name":"w","holds":3,"jobs":["a"],"heard_at":"t"}],"cursor":"w"}"#.into(),
        ),
        Answer::Says(200, r#"{"left":2,"jobs":[]}"#.into()),
    ];
    let cluster = Cluster::start(1, script).await;
    let client = cluster.client();
    let consume = Consume {
        n: 5,
        wait: 20,
        key: None,
        queue: Some("a:5,b:1".into()),
        images: vec!["x/y:1".into(), "z".into()],
        worker: Some("w 1".into()),
    };
    client.consume(&consume).await.expect("consume");
    let filter = ListJobs {
        n: Some(7),
        cursor: Some("c&d".into()),
        oldest_first: true,
        filter: JobFilter {
            status: vec![Status::Error],
            image: Some("i/j:k".into()),
            queue: Some("mails".into()),
            tags: vec!["a".into(), "b:1".into()],
            ..JobFilter::default()
        },
    };
    client.list(&filter).await.expect("list");
    assert_eq!(client.get("a").await.expect("get").status, Status::Running);
    client.list_without_payloads(&filter).await.expect("list");
    assert_eq!(client.get_without_payload("a").await.expect("get").status, Status::Running);
    assert_eq!(client.ids("a", 3).await.expect("ids"), ["a1", "a2"]);
    assert_eq!(client.log("a").await.expect("log"), "the log");
    client.cancel("a", "").await.expect("cancel");
    client.success("a", Bytes::new()).await.expect("success");
    client.touch("a").await.expect("touch");
    assert_eq!(client.retry("a", None).await.expect("retry").answer.id, "b");
    client.retry_anew("a", None).await.expect("retry");
    client.delete("a").await.expect("delete");
    let images = client.images(&ListImages { n: Some(2), cursor: Some("x".into()) }).await.expect("images");
    assert_eq!(images.cursor.as_deref(), Some("c"));
    assert_eq!(client.image("x").await.expect("image").name, "i");
    assert_eq!(client.cluster().await.expect("cluster").quorum, 2);
    assert_eq!(client.settings().await.expect("settings").retention, 60);
    assert_eq!(
        client.put_settings(&SettingsRequest { retention: 90 }).await.expect("settings").retention,
        90
    );
    let page = client.queues(&ListQueues { n: Some(1), cursor: Some("a".into()) }).await.expect("queues");
    assert_eq!((page.queues[0].name.as_str(), page.cursor.as_deref()), ("mails", Some("mails")));
    assert_eq!(client.queue("mails").await.expect("queue").jobs.queued, 7);
    let settings = QueueRequest { paused: Some(Some(true)), timeout: Some(None), ..QueueRequest::default() };
    assert!(!client.put_queue("mails", &settings).await.expect("queue").paused);
    client.delete_queue("mails").await.expect("delete");
    assert_eq!(client.outcome("a", 9, true).await.expect("outcome").status, Status::Running);
    let progress = Progress { percent: 40, text: "half".into() };
    client.touch_with_progress("a", progress).await.expect("touch");
    assert_eq!(client.release("a", 5).await.expect("release").id, "b");
    let workers =
        client.workers(&ListWorkers { n: Some(2), cursor: Some("a b".into()) }).await.expect("workers");
    assert_eq!((workers.workers[0].holds, workers.cursor.as_deref()), (3, Some("w")));
    assert_eq!(client.worker_gone("a/b").await.expect("gone").left, 2);
    const FIELDS: &str = "fields=id%2Cimage%2Cimage_id%2Cdelay%2Ctimeout%2Cpriority%2Cmax_retries%2Cretries_delay%2C\
                          status%2Creason%2Cfinal%2Creleased%2Cdetails%2Ccreated_at%2Cstarted_at%2Ccompleted_at%2Cretry_of%2Cretry_id%2C\
                          queue%2Ckey%2Ctags%2Cattempt%2Cdue%2Cdeadline%2Cworker%2Cprogress%2Cunique_key%2C\
                          unique_until%2Cunique_for%2Cduplicate";
    let lines: Vec<String> = cluster.seen().iter().map(Seen::line).collect();
    let expected = [
        "POST /v1/jobs/consume?n=5&wait=20&queue=a%3A5%2Cb%3A1&worker=w+1&image=x%2Fy%3A1%2Cz",
        "GET /v1/jobs?n=7&cursor=c%26d&order=oldest&status=error&image=i%2Fj%3Ak&queue=mails&tag=a%2Cb%3A1",
        "GET /v1/job/a",
        &format!(
            "GET /v1/jobs?n=7&cursor=c%26d&order=oldest&status=error&image=i%2Fj%3Ak&queue=mails&tag=a%2Cb%3A1&{FIELDS}"
        ),
        &format!("GET /v1/job/a?{FIELDS}"),
        "GET /v1/jobs/ids?prefix=a&n=3&consistency=linearizable",
        "GET /v1/job/a/log",
        "POST /v1/job/a/cancel",
        "POST /v1/job/a/success",
        "POST /v1/job/a/touch",
        "POST /v1/job/a/retry",
        "POST /v1/job/a/retry?anew=true",
        "DELETE /v1/job/a",
        "GET /v1/images?n=2&cursor=x",
        "GET /v1/image/x",
        "GET /v1/cluster",
        "GET /v1/cluster/settings",
        "PUT /v1/cluster/settings",
        "GET /v1/queues?n=1&cursor=a",
        "GET /v1/queue/mails",
        "PUT /v1/queue/mails",
        "DELETE /v1/queue/mails",
        &format!("GET /v1/job/a?wait=9&chain=true&{FIELDS}"),
        "POST /v1/job/a/touch",
        "POST /v1/job/a/release?delay=5",
        "GET /v1/workers?n=2&cursor=a+b",
        "POST /v1/worker/a%2Fb/gone",
    ];
    assert_eq!(lines, expected);
    assert_eq!(cluster.seen()[20].body, r#"{"paused":true,"timeout":null}"#);
    assert_eq!(cluster.seen()[23].body, r#"{"progress":{"percent":40,"text":"half"}}"#);
}

#[tokio::test]
async fn the_details_of_a_cancel_are_never_taken_for_something_else() {
    for details in ["plain", "\"quoted\"", r#"{"details":"x"}"#, "17"] {
        let cluster = Cluster::start(1, [one_job("a", "cancelled")]).await;
        cluster.client().cancel("a", details).await.expect("cancel");
        let body: serde_json::Value = serde_json::from_slice(&cluster.only().body).expect("JSON");
        assert_eq!(body, serde_json::json!({ "details": details }));
    }
}

#[tokio::test]
async fn a_log_goes_out_byte_for_byte_as_a_file() {
    let log = Bytes::from_static(b"\xff\0 not text\r\n");
    let cluster = Cluster::start(1, [one_job("a", "success"), one_job("a", "error")]).await;
    let client = cluster.client();
    client.success("a", log.clone()).await.expect("success");
    let details = "exit status 3".to_owned();
    client
        .fail("a", JobFailure { reason: Reason::BadExit, details, log: log.clone(), retry: true })
        .await
        .expect("fail");
    let [success, fail] = &cluster.seen()[..] else { panic!("two requests") };
    for seen in [success, fail] {
        assert!(content_type(seen).starts_with("multipart/form-data; boundary="), "{seen:?}");
        assert!(contains(&seen.body, b"name=\"log\"; filename=\"log.txt\""), "{seen:?}");
        assert!(contains(&seen.body, &log), "{seen:?}");
    }
    assert_eq!(fail.line(), "POST /v1/job/a/fail");
    assert!(contains(&fail.body, b"name=\"reason\"\r\n\r\nbad_exit\r\n"), "{fail:?}");
    assert!(contains(&fail.body, b"name=\"details\"\r\n\r\nexit status 3\r\n"), "{fail:?}");
}

#[tokio::test]
async fn what_ends_a_job_can_take_others() {
    let taken =
        Answer::Says(200, format!(r#"{{"job":{},"jobs":[{}]}}"#, job("a", "error"), job("b", "running")));
    let cluster = Cluster::start(1, [taken.clone(), taken]).await;
    let client = cluster.client();
    let log = Bytes::from_static(b"\xff");
    let take = Consume { wait: 2, key: Some("k".into()), queue: Some("*".into()), ..Consume::default() };
    client.success_and_take("a", log.clone(), &take).await.expect("success");
    let failure =
        JobFailure { reason: Reason::Killed, details: "why".into(), log: log.clone(), retry: false };
    let finished = client.fail_and_take("a", failure, &take).await.expect("fail").answer;
    assert_eq!((finished.job.status, finished.jobs.expect("it took").len()), (Status::Error, 1));
    let [success, fail] = &cluster.seen()[..] else { panic!("two requests") };
    assert_eq!(success.line(), "POST /v1/job/a/success?take=1&wait=2&queue=*");
    assert_eq!(fail.line(), "POST /v1/job/a/fail?take=1&wait=2&queue=*");
    assert!([success, fail].iter().all(|seen| seen.key() == "k" && contains(&seen.body, &log)), "{fail:?}");
    assert!(contains(&fail.body, b"name=\"reason\"\r\n\r\nkilled\r\n"), "{fail:?}");
    assert!(contains(&fail.body, b"name=\"retry\"\r\n\r\nfalse\r\n"), "{fail:?}");
}

#[tokio::test]
async fn a_piece_of_a_log_says_where_it_belongs() {
    let cluster = Cluster::start(1, [Answer::Says(204, String::new())]).await;
    cluster.client().append_log("a", 7, Bytes::from_static(b"\xff\n")).await.expect("appended");
    let seen = cluster.only();
    assert_eq!((seen.line(), &seen.body[..]), ("POST /v1/job/a/log?offset=7".into(), &b"\xff\n"[..]));
    assert_eq!(content_type(&seen), "application/octet-stream");
}

#[tokio::test]
async fn a_refusal_is_not_repeated_and_says_what_it_is() {
    let kinds = [
        (400, RefusedKind::Invalid),
        (403, RefusedKind::Unauthorized),
        (404, RefusedKind::NotFound),
        (405, RefusedKind::Invalid),
        (409, RefusedKind::Conflict),
        (413, RefusedKind::TooLarge),
        (415, RefusedKind::Invalid),
    ];
    for (status, kind) in kinds {
        let body = r#"{"error":{"message":"no","fields":"jobs[1].priority"}}"#;
        let cluster = Cluster::start(2, [Answer::Says(status, body.into())]).await;
        let result = cluster.client().enqueue(&[], None).await;
        let fields = Some("jobs[1].priority".to_owned());
        assert_eq!(result.as_ref().unwrap_err().to_string(), "no", "the words of the cluster name the field");
        assert_eq!(result, Err(Error::Refused(Refused { kind, status, message: "no".into(), fields })));
        cluster.only();
    }
}

#[tokio::test]
async fn a_full_disk_and_a_request_that_never_arrived_are_tried_elsewhere() {
    for status in [507, 408] {
        let cluster = Cluster::start(2, [error(status, "no"), jobs(&["a"])]).await;
        cluster.client().enqueue(&[], None).await.expect("the second node takes it");
    }
}

#[tokio::test]
async fn what_is_not_this_api_is_said_to_be_so() {
    let html = "<html>hello</html>";
    for (status, body) in [(200, html), (302, html), (404, html), (200, "[5]")] {
        let cluster = Cluster::start(2, [Answer::Says(status, body.into())]).await;
        let result = cluster.client().get("a").await;
        assert!(matches!(result, Err(Error::Protocol(_))), "{status}: {result:?}");
        if status == 200 {
            let said = result.unwrap_err().to_string();
            assert!(said.starts_with("unexpected answer: not the JSON that this call"), "{said}");
        }
        cluster.only();
    }
}
