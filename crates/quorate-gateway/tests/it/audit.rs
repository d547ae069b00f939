//! What the audit log says of a request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_gateway::tokens::{Entry, Hash, Tokens};
use quorate_gateway::{Access, GatewayConfig};
use tracing::subscriber::DefaultGuard;

use crate::api::{Answered, Api, request};

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Log, DefaultGuard) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    /// The one line that was written since.
    #[track_caller]
    fn line(&self) -> String {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock())).unwrap();
        let audit: Vec<&str> = text.lines().filter(|line| line.contains("quorate::audit")).collect();
        let [line] = audit[..] else { panic!("one line: {text}") };
        line.to_owned()
    }
}

fn with_root() -> Access {
    let access = Access::open();
    let entry =
        Entry { name: "root".into(), roles: "admin".parse().unwrap(), hash: Hash::of(b"root"), rate: None };
    access.tokens.store(Arc::new(Tokens::parse(&entry.to_string()).unwrap()));
    access
}

fn api() -> Api {
    Api::with(GatewayConfig { access: with_root(), ..GatewayConfig::default() })
}

async fn ask(api: &Api, method: &str, path: &str, body: &str) -> Answered {
    let headers = [("content-type", "application/json"), ("authorization", "Bearer root")];
    api.call(request(method, path, &headers, body.to_owned())).await
}

#[tokio::test]
async fn it_says_what_was_asked_for_where_the_path_does_not() {
    let api = api();
    let (log, _hearing) = Log::start();
    for (method, path, body, status, asked) in [
        (
            "POST",
            "/v1/cluster/members",
            r#"{"name":"n4","peer_addr":"n4:7000","replaces":"n2"}"#,
            200,
            r#"asked={"name":"n4","peer_addr":"n4:7000","replaces":"n2"} status=200 index="10.0""#,
        ),
        ("POST", "/v1/cluster/leader", r#"{"name":"n2"}"#, 200, r#"asked={"name":"n2"} status=200"#),
        (
            "PUT",
            "/v1/cluster/settings",
            r#"{"retention":3600}"#,
            200,
            r#"asked={"retention":3600} status=200"#,
        ),
        // What is refused has been tried.
        ("PUT", "/v1/cluster/settings", r#"{"retention":1}"#, 400, r#"asked={"retention":1} status=400"#),
        (
            "PUT",
            "/v1/queue/mails",
            r#"{"paused":true,"timeout":null}"#,
            200,
            r#"asked={"paused":true,"timeout":null} status=200"#,
        ),
        (
            "POST",
            "/v1/jobs/cancel",
            r#"{"filter":{"status":["queued"],"key":"a b"},"dry_run":true}"#,
            200,
            r#"asked={"dry_run":true,"filter":{"key":"a b","status":["queued"]}} status=200"#,
        ),
    ] {
        ask(&api, method, path, body).await.expect(status);
        let line = log.line();
        assert!(line.contains(r#"token="root""#) && line.contains(asked), "{method} {path}: {line}");
    }
    for path in ["/v1/jobs/retry", "/v1/jobs/cancel", "/v1/jobs/delete"] {
        let answered = ask(&api, "POST", path, r#"{"filter":{"key":"k"}}"#).await.json();
        let id = answered["operation"]["id"].as_str().unwrap();
        let (line, asked) = (log.line(), format!(r#"asked={{"filter":{{"key":"k"}},"operation":"{id}"}}"#));
        assert!(line.contains(&asked) && line.contains("index="), "{path}: {line}");
    }
    // What the path says is all that there is.
    ask(&api, "POST", "/v1/cluster/member/n1/drain", "").await.expect(200);
    let line = log.line();
    assert!(line.contains("path=/v1/cluster/member/n1/drain") && !line.contains("asked="), "{line}");
}

#[tokio::test]
async fn no_line_is_long_or_is_two() {
    let api = api();
    let (log, _hearing) = Log::start();
    let long = "x".repeat(10_000);
    let body = serde_json::json!({"name": "n4", "peer_addr": format!("{long}\n\u{1b}[2J\u{202e}{long}")});
    ask(&api, "POST", "/v1/cluster/members", &body.to_string()).await;
    let line = log.line();
    assert!(line.len() < 1_500 && line.contains(r#"asked={"name":"n4","peer_addr":"xxx"#), "{line}");
    let body = serde_json::json!({"name": "n4", "peer_addr": "a\n\u{1b}[2J\u{202e}\" status=200"});
    ask(&api, "POST", "/v1/cluster/members", &body.to_string()).await;
    let line = log.line();
    assert!(line.contains(r#""peer_addr":"a\n\u001b[2J\u202e\" status=200"}"#), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_tries_has_a_line_and_fills_no_log() {
    let api = Api::with(GatewayConfig {
        access: Access { anonymous: "read".parse().unwrap(), ..with_root() },
        ..GatewayConfig::default()
    });
    let (log, _hearing) = Log::start();
    let tries = async |token: &str| {
        let headers = [("content-type", "application/json"), ("authorization", token)];
        let headers = if token.is_empty() { &headers[..1] } else { &headers };
        api.call(request("DELETE", "/v1/queue/mails", headers, "")).await.expect(401);
    };
    for token in ["", "Bearer gone", "Basic eDp5"] {
        for _ in 0..100 {
            tries(token).await;
        }
        let line = log.line();
        assert!(line.contains("path=/v1/queue/mails status=401") && !line.contains("token="), "{line}");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // And hides nobody who is known.
    tries("").await;
    log.line();
    tries("").await;
    ask(&api, "DELETE", "/v1/queue/mails", "").await;
    assert!(log.line().contains(r#"token="root""#));
}
