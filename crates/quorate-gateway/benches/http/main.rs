//! What an enqueue costs in the gateway: all of it but the connection, in front of a backend that answers at once.

mod prompt;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http_body_util::BodyExt;
use quorate_gateway::{Gateway, GatewayConfig};
use tower::ServiceExt;

use prompt::Prompt;

fn enqueueing(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let router = Gateway::new(Prompt, GatewayConfig::default()).router();
    let call = async |request: Request<Body>| {
        let Ok(answer) = router.clone().oneshot(request).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.into_body().collect().await.expect("an answer")
    };
    let mut group = criterion.benchmark_group("enqueue");
    for jobs in [1, 32] {
        group.throughput(Throughput::Elements(jobs));
        let body = body(jobs);
        group.bench_function(format!("{jobs} of 256 B"), |bencher| {
            bencher.iter_batched(
                || request(&body),
                |request| runtime.block_on(call(request)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn body(jobs: u64) -> Bytes {
    let job = format!(r#"{{"image":"registry.example/team/image:1","payload":"{}"}}"#, "x".repeat(256));
    let jobs: Vec<_> = (0..jobs).map(|_| job.as_str()).collect();
    format!(r#"{{"jobs":[{}]}}"#, jobs.join(",")).into()
}

fn request(body: &Bytes) -> Request<Body> {
    let request = Request::post("/v1/jobs").header("host", "q").header("content-type", "application/json");
    request.body(body.clone().into()).expect("a request")
}

criterion_group!(benches, enqueueing);
criterion_main!(benches);
