//! A backup as it comes.

use futures::StreamExt;
use tower::ServiceExt;

use crate::api::{Api, request};

const PATH: &str = "/v1/cluster/backup";

#[tokio::test]
async fn a_backup_has_all_that_was_acknowledged_before() {
    let api = Api::new();
    api.backend.lag();
    api.post("/v1/jobs", r#"{"jobs":[{"image":"a"}]}"#).await.expect(201);
    let barriers = api.backend.barriers();
    let backup = api.get(PATH).await.expect(200);
    assert_eq!(api.backend.barriers(), barriers + 1);
    assert_eq!(backup.header("quorate-index"), Some("1"));
    let text = String::from_utf8(backup.body).unwrap();
    assert!(text.starts_with("piece 0 at 1\n") && text.ends_with("end"), "{text}");
}

#[tokio::test]
async fn without_a_majority_there_is_none() {
    let api = Api::new();
    api.backend.fail_with(quorate_core::Unavailable::NotApplied);
    api.get(PATH).await.expect(503);
}

#[tokio::test]
async fn one_is_made_at_a_time_and_a_client_that_leaves_makes_room() {
    let api = Api::new();
    let first = api.router.clone().oneshot(request("GET", PATH, &[], "")).await.unwrap();
    assert_eq!(first.status(), 200);
    let refused = api.get(PATH).await.expect(429).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("sends a backup already"), "{refused}");
    drop(first);
    api.get(PATH).await.expect(200);
    api.get(PATH).await.expect(200);
}

#[tokio::test]
async fn one_that_cannot_be_read_to_its_end_does_not_end_well() {
    let api = Api::new();
    api.backend.mislead();
    let answer = api.router.clone().oneshot(request("GET", PATH, &[], "")).await.unwrap();
    assert_eq!(answer.status(), 200);
    let pieces: Vec<_> = answer.into_body().into_data_stream().collect().await;
    assert!(pieces.last().unwrap().is_err(), "the client sees it");
    assert_eq!(pieces.iter().filter(|piece| piece.is_ok()).count(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_it_too_slowly_over_all_of_it_is_cut_off() {
    for (pause, ends_well) in [(1, true), (20, false)] {
        let api = Api::new();
        let answer = api.router.clone().oneshot(request("GET", PATH, &[], "")).await.unwrap();
        let mut pieces = answer.into_body().into_data_stream();
        let mut last = None;
        while let Some(piece) = pieces.next().await {
            last = Some(piece);
            tokio::time::advance(std::time::Duration::from_secs(pause)).await;
        }
        assert_eq!(last.unwrap().is_ok(), ends_well);
    }
}
