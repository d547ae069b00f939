//! What is refused, and what the refusal names.

use crate::api::{Answered, Api, request};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=X";

async fn send(api: &Api, call: &str, content_type: &str, body: &[u8]) -> Answered {
    let (method, path) = call.split_once(' ').unwrap();
    api.call(request(method, path, &[("content-type", content_type)], body.to_vec())).await
}

#[tokio::test]
async fn bodies() {
    let api = Api::new();
    let success = &format!("POST /v1/job/{}/success", api.running(r#"{"image":"a"}"#).await);
    let fail = &success.replace("success", "fail");
    let cancel = &success.replace("success", "cancel");
    let jobs = "POST /v1/jobs";
    let consume = "POST /v1/jobs/consume";
    let settings = "PUT /v1/cluster/settings";
    let long = format!(r#"[{{"image":"{}"}}]"#, "x".repeat(256));
    let deep = format!("[{}", "[".repeat(100_000));
    let many = format!("[{}{{\"image\":\"a\"}}]", "{\"image\":\"a\"},".repeat(1_000));
    let no_jobs = format!("{{\"jobs\":[{}0]}}", "{},".repeat(1_000_000));
    let details = format!("{{\"details\":\"{}\"}}", "x".repeat(16_385));

    for (call, content_type, body, status, fields) in [
        (jobs, JSON, "", 400, "body"),
        (jobs, JSON, "   ", 400, "body"),
        (jobs, JSON, "{", 400, "body"),
        (jobs, JSON, "nonsense", 400, "body"),
        (jobs, JSON, "\"text\"", 400, "body"),
        (jobs, JSON, "null", 400, "body"),
        (jobs, JSON, "{}", 400, "jobs"),
        (jobs, JSON, "[]", 400, "jobs"),
        (jobs, JSON, "{\"jobs\":[]}", 400, "jobs"),
        (jobs, JSON, "{\"jobs\":{}}", 400, "jobs"),
        (jobs, JSON, "{\"jobs\":null}", 400, "jobs"),
        (jobs, JSON, "{\"jbos\":[]}", 400, "jbos"),
        (jobs, JSON, "[{\"image\":\"a\"}] x", 400, "jobs"),
        (jobs, JSON, "[\"a\"]", 400, "jobs[0]"),
        (jobs, JSON, "[[\"a\"]]", 400, "jobs[0]"),
        (jobs, JSON, "[{}]", 400, "jobs[0].image"),
        (jobs, JSON, "[{\"image\":\"\"}]", 400, "jobs[0].image"),
        (jobs, JSON, "[{\"image\":null}]", 400, "jobs[0].image"),
        (jobs, JSON, "[{\"image\":5}]", 400, "jobs[0].image"),
        (jobs, JSON, &long, 400, "jobs[0].image"),
        (
            jobs,
            JSON,
            "{\"jobs\":[{\"image\":\"a\"},{\"image\":\"b\",\"priority\":3}]}",
            400,
            "jobs[1].priority",
        ),
        (
            jobs,
            JSON,
            "{\"jobs\":[{\"image\":\"a\"},{\"image\":\"b\",\"priority\":\"1\"}]}",
            400,
            "jobs[1].priority",
        ),
        (jobs, JSON, "[{\"image\":\"a\",\"priority\":1.0}]", 400, "jobs[0].priority"),
        (jobs, JSON, "[{\"image\":\"a\",\"priority\":256}]", 400, "jobs[0].priority"),
        (jobs, JSON, "[{\"image\":\"a\",\"priority\":-1}]", 400, "jobs[0].priority"),
        (jobs, JSON, "[{\"image\":\"a\",\"delay\":1e3}]", 400, "jobs[0].delay"),
        (jobs, JSON, "[{\"image\":\"a\",\"delay\":1e400}]", 400, "jobs[0].delay"),
        (jobs, JSON, "[{\"image\":\"a\",\"delay\":31536001}]", 400, "jobs[0].delay"),
        (jobs, JSON, "[{\"image\":\"a\",\"timeout\":0}]", 400, "jobs[0].timeout"),
        (jobs, JSON, "[{\"image\":\"a\",\"timeout\":604801}]", 400, "jobs[0].timeout"),
        (jobs, JSON, "[{\"image\":\"a\",\"timeout\":18446744073709551616}]", 400, "jobs[0].timeout"),
        (jobs, JSON, "[{\"image\":\"a\",\"max_retries\":26}]", 400, "jobs[0].max_retries"),
        (jobs, JSON, "[{\"image\":\"a\",\"max_retires\":1}]", 400, "jobs[0].max_retires"),
        (jobs, JSON, "[{\"image\":\"a\",\"retries_delay\":31536001}]", 400, "jobs[0].retries_delay"),
        (jobs, JSON, "[{\"image\":\"a\",\"payload\":{}}]", 400, "jobs[0].payload"),
        (jobs, JSON, "[{\"image\":\"a\",\"status\":\"queued\"}]", 400, "jobs[0].status"),
        (jobs, JSON, "[{\"image\":\"a\",\"image\":\"b\"}]", 400, "jobs[0].image"),
        (jobs, JSON, "[{\"image\":\"\\ud800\"}]", 400, "jobs[0].image"),
        (jobs, JSON, &deep, 400, "jobs[0]"),
        (jobs, JSON, &many, 400, "jobs"),
        (jobs, JSON, &no_jobs, 400, "jobs"),
        (consume, JSON, "[]", 400, "body"),
        (consume, JSON, "null", 400, "body"),
        (consume, JSON, "{\"n\":0}", 400, "n"),
        (consume, JSON, "{\"n\":1001}", 400, "n"),
        (consume, JSON, "{\"n\":\"1\"}", 400, "n"),
        (consume, JSON, "{\"wait\":61}", 400, "wait"),
        (consume, JSON, "{\"wiat\":1}", 400, "wiat"),
        (cancel, JSON, &details, 400, "details"),
        (cancel, MULTIPART, "no form", 400, "body"),
        (success, JSON, "[]", 400, "body"),
        (success, JSON, "{\"log\":5}", 400, "log"),
        (success, JSON, "{\"reason\":\"killed\"}", 400, "reason"),
        (success, FORM, "lgo=x", 400, "lgo"),
        (success, FORM, "log=x&log=y", 400, "log"),
        (success, MULTIPART, "log=x", 400, "body"),
        (
            success,
            MULTIPART,
            "--X\r\nContent-Disposition: form-data; name=\"log\"\r\n\r\nunfinished",
            400,
            "body",
        ),
        (
            success,
            MULTIPART,
            "--X\r\nContent-Disposition: form-data; name=\"lgo\"\r\n\r\nx\r\n--X--\r\n",
            400,
            "lgo",
        ),
        (fail, FORM, "reason=boredom", 400, "reason"),
        (fail, FORM, "reason=client_request", 400, "reason"),
        (fail, FORM, "reason=%ff", 400, "reason"),
        (fail, FORM, "details=%ff", 400, "details"),
        (fail, JSON, &details, 400, "details"),
        (settings, JSON, "", 400, "body"),
        (settings, JSON, "{}", 400, "retention"),
        (settings, JSON, "[60]", 400, "body"),
        (settings, JSON, "{\"retention\":59}", 400, "retention"),
        (settings, JSON, "{\"retention\":315360001}", 400, "retention"),
        (settings, JSON, "{\"retention\":3600.0}", 400, "retention"),
        (settings, JSON, "{\"retention\":3600,\"max\":1}", 400, "max"),
    ] {
        let answered = send(&api, call, content_type, body.as_bytes()).await;
        let shown = &body[..body.len().min(100)];
        assert_eq!((answered.status, answered.fields().as_deref()), (status, Some(fields)), "{call} {shown}");
    }
    let not_utf8 = b"[{\"image\":\"\xff\"}]";
    assert_eq!(send(&api, jobs, JSON, not_utf8).await.expect(400).fields().as_deref(), Some("jobs[0].image"));
    assert_eq!(send(&api, cancel, JSON, b"\xff").await.expect(400).fields().as_deref(), Some("details"));
    send(&api, success, JSON, b"").await.expect(200);
}

#[tokio::test]
async fn content_types_that_no_call_takes() {
    let api = Api::new();
    let id = "0198c0de-0000-7000-8000-000000000001";
    for (call, content_type) in [
        ("POST /v1/jobs", "text/xml"),
        ("POST /v1/jobs", FORM),
        ("POST /v1/jobs", MULTIPART),
        ("POST /v1/jobs", "text/plain"),
        ("POST /v1/jobs/consume", "text/plain"),
        ("PUT /v1/cluster/settings", FORM),
        (&format!("POST /v1/job/{id}/success"), "text/plain"),
        (&format!("POST /v1/job/{id}/fail"), "image/png"),
    ] {
        send(&api, call, content_type, b"{}").await.expect(415);
    }
    let compressed = [("content-type", JSON), ("content-encoding", "gzip")];
    api.call(request("POST", "/v1/jobs", &compressed, "x")).await.expect(415);
    let twice = [("content-type", JSON), ("content-encoding", "identity"), ("content-encoding", "gzip")];
    api.call(request("POST", "/v1/jobs", &twice, "x")).await.expect(415);
}

#[tokio::test]
async fn queries() {
    let api = Api::new();
    for (path, fields) in [
        ("/v1/jobs?n=0", "n"),
        ("/v1/jobs?n=1001", "n"),
        ("/v1/jobs?n=-1", "n"),
        ("/v1/jobs?n=1.0", "n"),
        ("/v1/jobs?n=1e3", "n"),
        ("/v1/jobs?n=%2B5", "n"),
        ("/v1/jobs?n=99999999999999999999", "n"),
        ("/v1/jobs?n=1&n=2", "n"),
        ("/v1/jobs?cursor=5", "cursor"),
        ("/v1/jobs?cursor=o0000000000000005", "cursor"),
        ("/v1/jobs?status=done", "status"),
        ("/v1/jobs?status=%ff", "status"),
        ("/v1/jobs?status=queued,,running", "status"),
        ("/v1/jobs?final=1", "final"),
        ("/v1/jobs?reason=oom", "reason"),
        ("/v1/jobs?tag=a%20b", "tag"),
        ("/v1/jobs?key=", "key"),
        ("/v1/jobs?queue=", "queue"),
        ("/v1/jobs?tag=", "tag"),
        ("/v1/jobs?tag=1,2,3,4,5,6,7,8,9", "tag"),
        ("/v1/jobs?created_from=2026", "created_from"),
        ("/v1/jobs?finished_until=1767225600", "finished_until"),
        ("/v1/jobs?order=asc", "order"),
        ("/v1/jobs?statsu=queued", "statsu"),
        ("/v1/jobs?consistency=eventual", "consistency"),
        ("/v1/jobs/ids", "prefix"),
        ("/v1/jobs/ids?prefix=", "prefix"),
        ("/v1/jobs/ids?prefix=0198c0d", "prefix"),
        ("/v1/jobs/ids?prefix=xyzxyzxyz", "prefix"),
        ("/v1/jobs/ids?prefix=0198c0de1", "prefix"),
        ("/v1/jobs/ids?prefix=0198c0de&n=0", "n"),
        ("/v1/jobs/consume?n=0", "n"),
        ("/v1/jobs/consume?wait=61", "wait"),
        ("/v1/jobs/consume?wait=0.5", "wait"),
        ("/v1/images?n=0", "n"),
        ("/v1/images?cursor=x", "cursor"),
        ("/v1/cluster/settings?x=1", "x"),
        ("/v1/job/0198c0de-0000-7000-8000-000000000001?x=1", "x"),
    ] {
        assert_eq!(api.get(path).await.expect(400).fields().as_deref(), Some(fields), "{path}");
    }
    assert_eq!(
        api.get(&format!("/v1/jobs?image={}", "x".repeat(9_000))).await.expect(400).fields().as_deref(),
        Some("query")
    );
    assert_eq!(api.backend.submitted(), 0);
}

/// An error quotes no more than some 200 characters of what came, control characters spelled out.
#[tokio::test]
async fn errors_are_short_whatever_they_are_about() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a"}"#).await;
    let success = &format!("POST /v1/job/{id}/success");
    let (plain, escaped, raw) = ("z".repeat(300_000), "\\u0001".repeat(300_000), "\u{1}".repeat(300_000));
    for (call, content_type, body) in [
        ("POST /v1/jobs", JSON, format!("[{{\"{plain}\":1}}]")),
        ("POST /v1/jobs", JSON, format!("[{{\"{escaped}\":1}}]")),
        ("POST /v1/jobs", JSON, format!("{{\"{escaped}`, expected \":1}}")),
        ("POST /v1/jobs", JSON, format!("[{{\"image\":\"a\",\"delay\":\"{plain}\"}}]")),
        ("POST /v1/jobs", JSON, format!("[{{\"image\":\"a\",\"delay\":\"{escaped}\"}}]")),
        ("POST /v1/jobs", JSON, format!("[\"{escaped}\"]")),
        ("POST /v1/jobs/consume", JSON, format!("{{\"{escaped}\":1}}")),
        ("POST /v1/jobs/consume", JSON, format!("{{\"n\":\"{plain}\"}}")),
        ("PUT /v1/cluster/settings", JSON, format!("{{\"{escaped}\":1}}")),
        (success, JSON, format!("{{\"{escaped}\":1}}")),
        (success, FORM, format!("{plain}=1")),
        (success, FORM, format!("{raw}=1")),
        (
            success,
            MULTIPART,
            format!("--X\r\nContent-Disposition: form-data; name=\"{plain}\"\r\n\r\nx\r\n--X--\r\n"),
        ),
        (success, MULTIPART, format!("--X\r\n{plain}: x\r\n\r\nx\r\n--X--\r\n")),
        (&format!("GET /v1/jobs?{}=1", &plain[..4_000]), JSON, String::new()),
        (&format!("GET /v1/jobs?{}=1", "%01".repeat(1_300)), JSON, String::new()),
        (&format!("GET /v1/jobs?status={}", &plain[..4_000]), JSON, String::new()),
        (&format!("GET /v1/job/{}", &plain[..4_000]), JSON, String::new()),
        (success, &plain[..4_000], String::new()),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        let answered = api.call(request(method, path, &[("content-type", content_type)], body)).await;
        let shown = String::from_utf8(answered.body.clone()).unwrap();
        assert!((400..500).contains(&answered.status), "{shown}");
        assert!(shown.len() < 1_000, "{shown}");
        let error = answered.json()["error"].clone();
        let texts = [error["message"].as_str().unwrap(), error["fields"].as_str().unwrap_or_default()];
        assert!(!texts.concat().contains(char::is_control), "{shown}");
        assert!(shown.matches('z').count() <= 200, "{shown}");
    }
}
