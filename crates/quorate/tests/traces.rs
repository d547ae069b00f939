//! What a node tells of single requests: their ids, a line in its log, spans at a collector.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{QUORATE, Started, free_ports, quorate, serve, url, wait_until, wait_until_ready};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A span, as far as it is looked at here.
#[derive(Clone, Debug)]
struct Span {
    node: String,
    name: String,
    trace: String,
    id: String,
    parent: String,
    attributes: Vec<(String, String)>,
    events: Vec<String>,
}

/// Takes spans on a port of its own.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    fn start() -> (Collector, String) {
        let (collector, (bound, port)) = (Collector::default(), std::sync::mpsc::channel());
        let taking = collector.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap().port()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let taking = taking.clone();
                    let service = hyper::service::service_fn(move |request| taking.clone().take(request));
                    tokio::spawn(
                        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service),
                    );
                }
            });
        });
        let endpoint = url(port.recv().unwrap());
        (collector, endpoint)
    }

    /// One gRPC call: a message is five bytes behind its beginning.
    async fn take(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let export = ExportTraceServiceRequest::decode(&body[5..]).unwrap();
        for of_node in export.resource_spans {
            let resource = attributes(&of_node.resource.unwrap().attributes);
            let node = resource.into_iter().find(|(key, _)| key == "service.instance.id").unwrap().1;
            let spans = of_node.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().unwrap().extend(spans.map(|span| Span {
                node: node.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: attributes(&span.attributes),
                events: span.events.into_iter().map(|event| event.name).collect(),
            }));
        }
        let done = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        let empty = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async { Some(Ok(done)) });
        Ok(Response::builder().header("content-type", "application/grpc").body(empty).unwrap())
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

fn attributes(list: &[KeyValue]) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let of = |one: &KeyValue| Some((one.key.clone(), text(one.value.as_ref()?.value.as_ref()?)));
    list.iter().filter_map(of).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a request with these lines in its head, and says the answer's.
fn ask(port: u16, line: &str, head: &str, body: &str) -> String {
    let mut node = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(
        node,
        "{line} HTTP/1.1\r\nHost: n\r\nConnection: close\r\nContent-Type: application/json\r\n{head}\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    node.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().0.to_owned()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// One of the nodes on these ports, with these arguments besides; it logs into a file of its name.
fn start(dir: &Path, ports: &[u16], node: usize, besides: &[&str]) -> Started {
    let log = File::create(dir.join(format!("n{node}.log"))).unwrap();
    let mut command = Command::new(QUORATE);
    Started(command.args(serve(dir, ports, node)).args(besides).stderr(log).spawn().unwrap())
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("n0.log")).unwrap()
}

const JOB: &str = r#"{"jobs":[{"image":"a","payload":"x"}]}"#;

#[test]
fn a_request_is_one_trace_from_the_node_that_took_it_through_the_leader() {
    let dir = tempfile::tempdir().unwrap();
    let (collector, endpoint) = Collector::start();
    let first = free_ports(3);
    let ports = [first, first + 1, first + 2];
    // Only what a client wants to have traced.
    let besides = ["--otlp-endpoint", &endpoint, "--otlp-ratio", "0"];
    let mut nodes: Vec<Started> = (0..3).map(|node| start(dir.path(), &ports, node, &besides)).collect();
    ports.into_iter().for_each(wait_until_ready);
    let leader = || {
        let status = quorate(&["cluster", "status", "--json", "--nodes", &url(first)]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        status["leader"].as_str().unwrap().to_owned()
    };
    // Not the one that leads: it is sent from there to the leader.
    let leads = leader();
    let follower = (0..3).find(|node| format!("n{node}") != leads).unwrap();
    let head = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\nX-Request-Id: order-7\r\n");
    let answer = ask(ports[follower], "POST /v1/jobs", &head, JOB);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(header(&answer, "x-request-id"), Some("order-7"));
    ask(ports[follower], "POST /v1/jobs", "", JOB);

    nodes.iter().for_each(|node| node.signal(Signal::SIGTERM));
    nodes.iter_mut().for_each(|node| assert_eq!(node.ended("it ends"), Some(0)));
    let spans = collector.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).cloned();
    let (request, command) = (named("request").unwrap(), named("command").unwrap());
    let taken_by = format!("n{follower}");
    assert_eq!((&request.node, &request.parent[..]), (&taken_by, PARENT), "{spans:#?}");
    for (key, value) in [("id", "order-7"), ("method", "POST"), ("route", "/v1/jobs")] {
        assert!(request.attributes.contains(&(key.to_owned(), value.to_owned())), "{key}: {request:?}");
    }
    assert_eq!((&command.node, &command.parent), (&taken_by, &request.id), "{spans:#?}");
    assert!(command.events.iter().any(|event| event == "applied"), "{command:?}");
    // Where another node came to lead in this moment, it was proposed there.
    let proposed = named("propose").unwrap();
    assert_eq!(proposed.parent, command.id, "{spans:#?}");
    assert_ne!(proposed.node, taken_by);
    assert!(spans.iter().all(|span| span.trace == TRACE), "the others are not sampled: {spans:#?}");
}

#[test]
fn a_collector_that_is_away_costs_the_traces_and_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(2);
    let away = url(port + 1);
    let mut node = start(dir.path(), &[port], 0, &["--otlp-endpoint", &away]);
    wait_until_ready(port);
    for _ in 0..3 {
        assert!(ask(port, "POST /v1/jobs", "", JOB).starts_with("HTTP/1.1 201"));
    }
    let says = "traces cannot be sent, and are lost until they can";
    wait_until("it says so", || log(dir.path()).contains(says));
    ask(port, "POST /v1/jobs", "", JOB);
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("it ends"), Some(0));
    assert_eq!(log(dir.path()).matches(says).count(), 1, "{}", log(dir.path()));
}

#[test]
fn every_request_has_an_id_and_a_line_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_ports(1);
    let mut node = start(dir.path(), &[port], 0, &["--access-log"]);
    wait_until_ready(port);
    let answer = ask(port, "POST /v1/jobs", "X-Request-Id: a b\r\n", JOB);
    let drawn = header(&answer, "x-request-id").unwrap();
    assert_eq!(drawn.len(), 36, "{answer}");
    let missing = ask(port, "GET /v1/nothing?x=%0a", "X-Request-Id: mine\r\n", "");
    assert_eq!(header(&missing, "x-request-id"), Some("mine"));
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended("it ends"), Some(0));
    let log = log(dir.path());
    let line = |id: &str| {
        let with = format!("id={id} ");
        log.lines().find(|line| line.contains(&with)).unwrap_or_else(|| panic!("{id}: {log}")).to_owned()
    };
    assert!(line(drawn).contains("quorate::access: request"), "{}", line(drawn));
    for part in ["client=127.0.0.1:", "method=POST", "path=/v1/jobs ", "status=201", "took_ms="] {
        assert!(line(drawn).contains(part), "{part}: {}", line(drawn));
    }
    assert!(line("mine").contains("path=/v1/nothing?x=%0a status=404"), "{}", line("mine"));
}

#[test]
fn a_collector_that_cannot_be_one_is_refused() {
    for (given, says) in [
        ("https://host:4317", "is not http://HOST:PORT"),
        ("host:4317", "is not http://HOST:PORT"),
        ("http://host:4317/v1/traces", "is not http://HOST:PORT"),
    ] {
        let output = quorate(&["serve", "--otlp-endpoint", given]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("otlp-endpoint") && said.contains(says), "{said}");
    }
}
