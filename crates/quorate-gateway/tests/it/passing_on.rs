//! Whoever is woken for a job, and ends without it in whatever way, leaves it to the next one who waits.
//!
//! The clock stands still while there is anything else to do: had a job lain while somebody waited, it would show more than
//! what the test has let pass.

use std::time::Duration;

use quorate_core::Unavailable;
use tokio::time::Instant;
use tower::ServiceExt;

use crate::api::{Answered, Api, request};

const JOB: &str = r#"{"image":"a"}"#;

/// A consume that waits a minute, under a key if one is given.
async fn waits(api: &Api, key: &str) -> Answered {
    asks(api, "/v1/jobs/consume?wait=60", key).await
}

async fn asks(api: &Api, path: &str, key: &str) -> Answered {
    let headers = [("idempotency-key", key)];
    let headers = &headers[..usize::from(!key.is_empty())];
    api.call(request("POST", path, headers, "")).await
}

/// The ids of the jobs that were taken.
fn taken(answered: Answered) -> Vec<String> {
    let answered = answered.expect(200).json();
    let id = |job: &serde_json::Value| job["id"].as_str().unwrap().to_owned();
    answered["jobs"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn when_its_consume_gets_no_answer() {
    let ends = [
        (Unavailable::NotApplied, 503),
        (Unavailable::NotUnderstood, 503),
        (Unavailable::Unknown, 503),
        (Unavailable::Stopping, 503),
        (Unavailable::Overloaded, 429),
        (Unavailable::DiskFull, 507),
    ];
    for (unavailable, status) in ends {
        let (api, started) = (Api::new(), Instant::now());
        let (first, second, job) = tokio::join!(waits(&api, ""), waits(&api, ""), async {
            api.backend.wait(2).await;
            api.backend.fail_a_consume_with(unavailable);
            api.enqueue(JOB).await
        });
        assert_eq!((first.status, taken(second)), (status, vec![job]));
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn when_its_key_was_used_for_another_request() {
    let (api, started) = (Api::new(), Instant::now());
    let (first, second, enqueued) = tokio::join!(waits(&api, "k"), waits(&api, ""), async {
        api.backend.wait(2).await;
        api.call(request("POST", "/v1/jobs", &[("idempotency-key", "k")], format!("[{JOB}]"))).await
    });
    assert_eq!((first.status, taken(second)), (409, taken(Answered { status: 200, ..enqueued })));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn when_its_key_stands_for_another_job() {
    let (api, started) = (Api::new(), Instant::now());
    let (first, second, other, jobs) =
        tokio::join!(waits(&api, "k"), waits(&api, "k"), waits(&api, ""), async {
            api.backend.wait(3).await;
            let first = api.enqueue(JOB).await;
            api.backend.wait(2).await;
            [first, api.enqueue(JOB).await]
        });
    assert_eq!([taken(first), taken(second)], [[jobs[0].clone()], [jobs[0].clone()]]);
    assert_eq!((taken(other), started.elapsed()), (vec![jobs[1].clone()], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn when_its_client_leaves_while_the_consume_is_under_way() {
    let (api, started) = (Api::new(), Instant::now());
    let consume = request("POST", "/v1/jobs/consume?wait=60", &[], "");
    let leaves = tokio::spawn(api.router.clone().oneshot(consume));
    api.backend.wait(1).await;
    api.backend.hold(true);
    let (second, job) = tokio::join!(waits(&api, ""), async {
        api.backend.wait(2).await;
        let job = api.enqueue(JOB).await;
        api.backend.holds().await;
        leaves.abort();
        api.backend.holds().await;
        api.backend.hold(false);
        job
    });
    assert_eq!((taken(second), started.elapsed()), (vec![job], Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn when_the_job_is_gone_before_its_consume() {
    let (api, started) = (Api::new(), Instant::now());
    let (first, second, jobs) = tokio::join!(waits(&api, ""), waits(&api, ""), async {
        api.backend.wait(2).await;
        api.backend.hold(true);
        let gone = api.enqueue(JOB).await;
        api.backend.holds().await;
        api.post(&format!("/v1/job/{gone}/cancel"), "").await.expect(200);
        api.backend.hold(false);
        api.backend.wait(2).await;
        [api.enqueue(JOB).await, api.enqueue(JOB).await]
    });
    let mut both = [taken(first), taken(second)].concat();
    both.sort();
    assert_eq!((both, started.elapsed()), (jobs.into(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn when_its_time_is_over_just_then() {
    let (api, started) = (Api::new(), Instant::now());
    let (first, (second, waited), job) = tokio::join!(
        asks(&api, "/v1/jobs/consume?wait=1", ""),
        async { (waits(&api, "").await, started.elapsed()) },
        async {
            api.backend.wait(2).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            api.enqueue(JOB).await
        },
    );
    let (first, second) = (taken(first), taken(second));
    assert!(second.is_empty() || waited == Duration::from_secs(1), "{waited:?}");
    assert_eq!([first, second].concat(), [job], "one of them has it");
}

#[tokio::test(start_paused = true)]
async fn when_one_takes_the_jobs_of_several() {
    let (api, started) = (Api::new(), Instant::now());
    // Tasks are run in the order in which they are woken.
    let all = ["/v1/jobs/consume?wait=60&n=5", "/v1/jobs/consume?wait=60", "/v1/jobs/consume?wait=60"].map(
        |path| {
            let api = api.clone();
            tokio::spawn(async move { taken(asks(&api, path, "").await) })
        },
    );
    api.backend.wait(3).await;
    api.post("/v1/jobs", format!("[{JOB},{JOB},{JOB}]")).await.expect(201);
    api.backend.wait(2).await;
    let jobs = [api.enqueue(JOB).await, api.enqueue(JOB).await];
    let [greedy, second, third] = all;
    assert_eq!(greedy.await.unwrap().len(), 3);
    assert_eq!([second.await.unwrap(), third.await.unwrap()], jobs.map(|job| vec![job]));
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(api.backend.submitted(), 3 + 3, "nobody asked the log in vain");
}

#[tokio::test(start_paused = true)]
async fn one_job_wakes_one_of_many() {
    let api = Api::new();
    let many = futures::future::join_all((0..50).map(|_| waits(&api, "")));
    let (many, ()) = tokio::join!(many, async {
        api.backend.wait(50).await;
        api.enqueue(JOB).await;
    });
    assert_eq!(many.into_iter().map(|answered| taken(answered).len()).sum::<usize>(), 1);
    assert_eq!(api.backend.submitted(), 1 + 1);
}
