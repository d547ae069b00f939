//! What the published Ruby and JavaScript clients put on the wire, byte for byte.

use crate::api::Answered;
use crate::wire::Server;

/// A server with one job, that runs where asked for.
async fn with_job(is_running: bool) -> (Server, String) {
    let server = Server::start().await;
    let body = r#"{"jobs":[{"image":"iron/hello","payload":"{\"a\":1}","max_retries":0}]}"#;
    let posted = server.exchange(ruby("POST", "/v1/jobs", "application/json", body)).await.expect(201);
    let id = posted.json()["jobs"][0]["id"].as_str().unwrap().to_owned();
    if is_running {
        let taken =
            server.exchange(ruby("GET", "/v1/jobs/consume?n=1", "application/json", "")).await.expect(200);
        assert_eq!(taken.json()["jobs"][0]["id"], id.as_str());
    }
    (server, id)
}

/// As the Ruby client writes it (libcurl): a Content-Type with every method, also without a body.
fn ruby(method: &str, path: &str, content_type: &str, body: &str) -> String {
    let length = match method {
        "POST" => format!("Content-Length: {}\r\n", body.len()),
        _ => String::new(),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Swagger-Codegen/0.2.15/ruby\r\n\
         Accept: application/json\r\nContent-Type: {content_type}\r\nExpect:\r\n{length}\r\n{body}"
    )
}

async fn log_of(server: &Server, id: &str) -> Answered {
    server.exchange(ruby("GET", &format!("/v1/job/{id}/log"), "application/json", "")).await.expect(200)
}

#[tokio::test]
async fn ruby_says_json_without_a_body() {
    let (server, id) = with_job(true).await;
    for (method, path, status) in [
        ("GET", "/v1/jobs".to_owned(), 200),
        ("GET", "/v1/jobs?n=10".to_owned(), 200),
        ("GET", format!("/v1/job/{id}"), 200),
        ("POST", format!("/v1/job/{id}/touch"), 204),
        ("POST", format!("/v1/job/{id}/cancel"), 200),
        ("POST", format!("/v1/job/{id}/retry"), 200),
        ("DELETE", format!("/v1/job/{id}"), 204),
    ] {
        let answered = server.exchange(ruby(method, &path, "application/json", "")).await.expect(status);
        if status == 200 {
            // Ruby raises unless the type is JSON, and on any status word but the six.
            assert_eq!(answered.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn cancel_sends_bare_text_as_json() {
    for (body, details) in [
        ("no longer needed", Some("no longer needed")),
        ("\"quoted\"", Some("quoted")),
        ("{\"details\":\"in an object\"}", Some("in an object")),
        ("42", Some("42")),
        ("", None),
    ] {
        let (server, id) = with_job(false).await;
        let path = format!("/v1/job/{id}/cancel");
        let job = server.exchange(ruby("POST", &path, "application/json", body)).await.expect(200).json();
        assert_eq!(job["job"]["status"], "cancelled");
        assert_eq!(job["job"]["reason"], "client_request");
        assert_eq!(job["job"]["details"].as_str(), details, "{body}");
    }
}

/// `curl -d TEXT` says that the text is a form.
#[tokio::test]
async fn cancel_takes_what_curl_sends() {
    for (body, details) in [
        ("no longer needed", Some("no longer needed")),
        ("50% & more = enough", Some("50% & more = enough")),
        ("details=as+a+form", Some("as a form")),
        ("{\"details\":\"in an object\"}", Some("in an object")),
        ("", None),
    ] {
        let (server, id) = with_job(false).await;
        let request =
            ruby("POST", &format!("/v1/job/{id}/cancel"), "application/x-www-form-urlencoded", body);
        let job = server.exchange(request).await.expect(200).json();
        assert_eq!(
            (&job["job"]["status"], job["job"]["details"].as_str()),
            (&"cancelled".into(), details),
            "{body}"
        );
    }
}

/// A call that takes no body does not look at what comes with it.
#[tokio::test]
async fn touch_and_retry_take_what_curl_sends() {
    let (server, id) = with_job(true).await;
    let form = "application/x-www-form-urlencoded";
    for (path, body, status) in
        [("touch", "still here", 204), ("success", "log=all+is+well", 200), ("retry", "again", 200)]
    {
        server.exchange(ruby("POST", &format!("/v1/job/{id}/{path}"), form, body)).await.expect(status);
    }
    assert_eq!(log_of(&server, &id).await.body, b"all is well");
}

#[tokio::test]
async fn success_with_a_file_from_ruby() {
    let (server, id) = with_job(true).await;
    let boundary = "------------------------d74496d66958873e";
    for part_type in ["text/plain", "application/octet-stream"] {
        let body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"log\"; filename=\"job.log\"\r\n\
             Content-Type: {part_type}\r\n\r\nline 1\nline 2\n\r\n--{boundary}--\r\n"
        );
        let path = format!("/v1/job/{id}/success");
        let request = ruby("POST", &path, &format!("multipart/form-data; boundary={boundary}"), &body);
        let job = server.exchange(request).await.expect(200).json();
        assert_eq!(job["job"]["status"], "success", "not `succeeded`");
    }
    let log = log_of(&server, &id).await;
    assert_eq!(
        (log.body.as_slice(), log.header("content-type")),
        (&b"line 1\nline 2\n"[..], Some("text/plain; charset=utf-8"))
    );
}

#[tokio::test]
async fn success_with_a_string_from_ruby_is_urlencoded_under_multipart_without_a_boundary() {
    let (server, id) = with_job(true).await;
    let path = format!("/v1/job/{id}/success");
    server.exchange(ruby("POST", &path, "multipart/form-data", "log=plain%20text")).await.expect(200);
    assert_eq!(log_of(&server, &id).await.body, b"plain text");
}

#[tokio::test]
async fn fail_with_a_string_from_ruby() {
    let (server, id) = with_job(true).await;
    let body = "reason=bad_exit&details=exit%20status%201%0Aat%20once&log=plain%20text";
    let path = format!("/v1/job/{id}/fail");
    let job = server.exchange(ruby("POST", &path, "multipart/form-data", body)).await.expect(200).json();
    assert_eq!(job["job"]["status"], "error", "not `failed`");
    assert_eq!(job["job"]["reason"], "bad_exit");
    assert_eq!(job["job"]["details"], "exit status 1\nat once");
    assert_eq!(log_of(&server, &id).await.body, b"plain text");
}

#[tokio::test]
async fn fail_from_javascript_has_no_filename() {
    let (server, id) = with_job(true).await;
    let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
    let part = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body =
        [part("reason", "killed"), part("details", "out of memory"), part("log", "ein Stück\n")].concat();
    let request = format!(
        "POST /v1/job/{id}/fail HTTP/1.1\r\nHost: localhost:8080\r\nAccept-Encoding: gzip, deflate\r\n\
         User-Agent: node-superagent/1.7.1\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n\
         Accept: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n\
         {:x}\r\n--{boundary}--\r\n\r\n0\r\n\r\n",
        body.len(),
        boundary.len() + 6
    );
    let job = server.exchange(request).await.expect(200).json();
    assert_eq!(job["job"]["reason"], "killed");
    assert_eq!(job["job"]["details"], "out of memory");
    assert_eq!(log_of(&server, &id).await.body, "ein Stück\n".as_bytes());
}

#[tokio::test]
async fn a_log_stays_what_it_is_byte_for_byte() {
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n--X\r\n").collect();
    let (server, id) = with_job(true).await;
    let mut body = b"--Y\r\nContent-Disposition: form-data; name=\"log\"\r\n\r\n".to_vec();
    body.extend_from_slice(&bytes);
    body.extend_from_slice(b"\r\n--Y--\r\n");
    let path = format!("/v1/job/{id}/success");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: q\r\nContent-Type: multipart/form-data; boundary=Y\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    server.exchange([head.as_bytes(), &body].concat()).await.expect(200);
    assert_eq!(log_of(&server, &id).await.body, bytes);

    let (server, id) = with_job(true).await;
    let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let path = format!("/v1/job/{id}/success");
    server
        .exchange(ruby("POST", &path, "application/x-www-form-urlencoded", &format!("log={encoded}")))
        .await
        .expect(200);
    assert_eq!(log_of(&server, &id).await.body, bytes);
}

#[tokio::test]
async fn a_missing_log_is_an_empty_log() {
    for (content_type, body) in [
        ("multipart/form-data", ""),
        ("multipart/form-data; boundary=X", ""),
        ("multipart/form-data; boundary=X", "--X--\r\n"),
        ("application/json", ""),
        ("application/json", "{}"),
        ("application/json", "{\"log\":null}"),
        ("application/x-www-form-urlencoded", ""),
        ("application/x-www-form-urlencoded", "log="),
    ] {
        let (server, id) = with_job(true).await;
        let path = format!("/v1/job/{id}/success");
        server.exchange(ruby("POST", &path, content_type, body)).await.expect(200);
        assert_eq!(log_of(&server, &id).await.body, b"", "{content_type} {body}");
    }
}

#[tokio::test]
async fn synonyms_go_in_but_never_out() {
    let (server, id) = with_job(true).await;
    let path = format!("/v1/job/{id}/success");
    server.exchange(ruby("POST", &path, "multipart/form-data", "log=x")).await.expect(200);
    let listed =
        server.exchange(ruby("GET", "/v1/jobs?status=succeeded", "application/json", "")).await.expect(200);
    assert_eq!(listed.json()["jobs"][0]["status"], "success");
}
