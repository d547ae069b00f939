use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use quorate_gateway::{Gateway, GatewayConfig};
use serde_json::Value;
use tower::ServiceExt;

use crate::fake::Fake;

/// A gateway that is called without a socket.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) backend: Fake,
    pub(crate) router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// The body, which is JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    /// `error.fields` of an error.
    #[track_caller]
    pub(crate) fn fields(&self) -> Option<String> {
        let error = &self.json()["error"];
        assert!(error["message"].is_string(), "every error has the wrapper: {error}");
        error["fields"].as_str().map(Into::into)
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Answered {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

impl Api {
    pub(crate) fn new() -> Api {
        Api::with(GatewayConfig::default())
    }

    pub(crate) fn with(config: GatewayConfig) -> Api {
        let backend = Fake::default();
        let router = Gateway::new(backend.clone(), config).router();
        Api { backend, router }
    }

    pub(crate) async fn call(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().into();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(parts.headers[name], value, "every answer keeps browsers from taking it for a page");
        }
        assert!(!parts.headers.contains_key("strict-transport-security"));
        Answered { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send("GET", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answered {
        self.send("POST", path, body).await
    }

    /// A request as JSON.
    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answered {
        self.call(request(method, path, &[("content-type", "application/json")], body)).await
    }

    /// Enqueues a job, and answers its id.
    pub(crate) async fn enqueue(&self, job: &str) -> String {
        let answered = self.post("/v1/jobs", format!("[{job}]")).await.expect(201);
        answered.json()["jobs"][0]["id"].as_str().unwrap().into()
    }

    /// Enqueues a job and takes it, and answers its id.
    pub(crate) async fn running(&self, job: &str) -> String {
        let id = self.enqueue(job).await;
        let taken = self.get("/v1/jobs/consume").await.expect(200).json();
        assert_eq!(taken["jobs"][0]["id"], id.as_str());
        id
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "q");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}
