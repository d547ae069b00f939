//! Whatever comes, it is never the server's fault: no 5xx, no panic, and every error has the wrapper. `PROPTEST_CASES` says how many.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::testing::mutate;
use quorate_gateway::tokens::{Hash, entries};

use crate::api::{Api, request};

const CALLS: [&str; 32] = [
    "POST /v1/jobs",
    "GET /v1/jobs",
    "GET /v1/jobs/ids",
    "POST /v1/jobs/consume",
    "GET /v1/jobs/consume",
    "GET /v1/job/ID",
    "GET /v1/job/ID/log",
    "POST /v1/job/ID/cancel",
    "POST /v1/job/ID/success",
    "POST /v1/job/ID/fail",
    "POST /v1/job/ID/touch",
    "POST /v1/job/ID/retry",
    "DELETE /v1/job/ID",
    "GET /v1/images",
    "GET /v1/image/ID",
    "PUT /v1/cluster/settings",
    "GET /v1/queues",
    "GET /v1/queue/ID",
    "PUT /v1/queue/ID",
    "DELETE /v1/queue/ID",
    "POST /v1/jobs/finish",
    "POST /v1/jobs/retry",
    "POST /v1/jobs/cancel",
    "POST /v1/jobs/delete",
    "POST /v1/job/ID/release",
    "POST /v1/job/ID/log",
    "GET /v1/operations",
    "GET /v1/operation/ID",
    "POST /v1/operation/ID/stop",
    "GET /v1/workers",
    "POST /v1/worker/ID/gone",
    "GET /v1/stats",
];

const CONTENT_TYPES: [&str; 8] = [
    "",
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=X",
    "multipart/form-data; boundary=\"",
    "image/png",
];

/// Pieces of what clients send, so that random bodies get past the first byte.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"jobs\":",
    "{\"image\":\"a\"}",
    ",",
    "\"image\":",
    "\"a\"",
    "\"priority\":",
    "1",
    "-1",
    "1e9",
    "\"\\ud83d\"",
    "--X\r\n",
    "--X--\r\n",
    "Content-Disposition: form-data; name=\"log\"\r\n\r\n",
    "\r\n",
    "log=",
    "&",
    "%zz",
    "reason=killed",
    "null",
    "{\"n\":1,\"wait\":0}",
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(select(&PIECES[..]), 0..20).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

/// What clients send: of one kind of body each.
const GOOD: [(&str, &str, &str); 6] = [
    (
        "POST /v1/jobs",
        "application/json",
        r#"{"jobs":[{"image":"a","queue":"q","payload":"p\u00e9","delay":1,"timeout":2,"max_retries":3,"tags":["t"],"unique":{"key":"u"}}]}"#,
    ),
    ("POST /v1/jobs/consume", "application/json", r#"{"n":1,"queues":["q"],"images":["a"],"wait":0}"#),
    (
        "POST /v1/jobs/cancel",
        "application/json",
        r#"{"filter":{"statuses":["queued"],"queue":"q","tags":["t"]},"details":"d"}"#,
    ),
    (
        "PUT /v1/queue/q",
        "application/json",
        r#"{"paused":true,"rate":{"jobs":1,"seconds":2},"backoff":[1,2]}"#,
    ),
    ("POST /v1/job/ID/fail", "application/x-www-form-urlencoded", "reason=timeout&details=a%20b&log=%00"),
    (
        "POST /v1/job/ID/success",
        "multipart/form-data; boundary=X",
        "--X\r\nContent-Disposition: form-data; name=\"log\"\r\n\r\nbytes\r\n--X--\r\n",
    ),
];

fn query() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[0-9]{1,22}".boxed(),
        "[ -~]{0,8}".prop_map(|text| text.replace(['#', ' ', '"', '<', '>', '`', '{', '}'], "%ff")).boxed(),
    ];
    let names = select(vec![
        "n",
        "cursor",
        "status",
        "image",
        "consistency",
        "prefix",
        "x",
        "queue",
        "tag",
        "ids",
        "fields",
        "order",
        "created_after",
        "wait",
        "offset",
        "dry_run",
    ]);
    prop_oneof![Just(String::new()), (names, value).prop_map(|(name, value)| format!("?{name}={value}"))]
}

/// As many as the environment says, or a few.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(2_000),
    }
}

/// Sends it to an API with a job.
fn send(call: &str, content_type: &str, query: &str, body: Vec<u8>, is_running: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let api = Api::new();
        let job = r#"{"image":"a"}"#;
        let id = if is_running { api.running(job).await } else { api.enqueue(job).await };
        let (method, path) = call.split_once(' ').unwrap();
        let uri = format!("{}{query}", path.replace("ID", &id));
        if uri.parse::<axum::http::Uri>().is_err() {
            return;
        }
        let answered = api.call(request(method, &uri, &[("content-type", content_type)], body)).await;
        assert!(answered.status < 500, "{answered:?}");
        if answered.status >= 400 {
            answered.fields();
        }
    });
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn bodies_that_are_nearly_good_are_never_the_servers_fault(
        (call, content_type, body) in select(&GOOD[..]),
        changes in vec(any::<(u32, u8, u8)>(), 0..5),
        query in query(),
    ) {
        let mut body = body.as_bytes().to_vec();
        mutate(&mut body, &changes);
        send(call, content_type, &query, body, true);
    }

    #[test]
    fn random_requests_are_never_the_servers_fault(
        call in select(&CALLS[..]),
        content_type in select(&CONTENT_TYPES[..]),
        query in query(),
        body in body(),
        is_running in any::<bool>(),
    ) {
        send(call, content_type, &query, body, is_running);
    }
    /// The file of those who have tokens.
    #[test]
    fn a_file_of_tokens_is_refused_or_says_what_it_said(
        lines in vec((select(&["a", "b-1", "", "#", "a b"][..]), select(&["run", "read,submit", "root", ""][..]), any::<u8>()), 0..5),
        changes in vec(any::<(u32, u8, u8)>(), 0..3),
    ) {
        let line = |(name, roles, token): (&str, &str, u8)| format!("{name} {roles} {}\n", Hash::of(&[token]));
        let mut file = lines.into_iter().map(line).collect::<String>().into_bytes();
        mutate(&mut file, &changes);
        let file = String::from_utf8_lossy(&file);
        match entries(&file) {
            Err(said) => prop_assert!(said.starts_with("line "), "{}", said),
            Ok(found) => {
                let written: Vec<String> = found.iter().map(ToString::to_string).collect();
                let again: Vec<String> = entries(&written.join("\n")).unwrap().iter().map(ToString::to_string).collect();
                prop_assert_eq!(&again, &written);
                for entry in &found {
                    prop_assert!(file.contains(&entry.name), "{}", entry.name);
                    prop_assert!(file.to_ascii_lowercase().contains(&entry.hash.to_string()), "{}", entry.hash);
                    prop_assert!(!entry.roles.to_string().is_empty(), "a token that may do nothing");
                }
            }
        }
    }
}
