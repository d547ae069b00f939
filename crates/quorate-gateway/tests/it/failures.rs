//! Failures as a worklist: tags, what is final, and what lists can be asked for.

use serde_json::{Value, json};

use crate::api::Api;

/// Jobs of the queue `mails`: the first failed and is retried automatically, the second failed for good, the third was killed, the fourth
/// succeeded and the last runs. Their ids.
async fn some(api: &Api) -> [String; 5] {
    let job = |more: Value| {
        let mut job = json!({"image": "a", "queue": "mails", "max_retries": 0});
        job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        job
    };
    let jobs = json!([
        job(json!({"max_retries": 1})),
        job(json!({"tags": ["batch:7", "red"], "key": "anna"})),
        job(json!({"tags": ["batch:7"], "image": "b"})),
        job(json!({"tags": ["batch:7"]})),
        job(json!({"key": "anna"})),
    ]);
    let enqueued = api.post("/v1/jobs", jobs.to_string()).await.expect(201).json();
    let ids: Vec<String> = enqueued["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["id"].as_str().unwrap().to_owned())
        .collect();
    let ids: [String; 5] = ids.try_into().unwrap();
    let taken = api.get("/v1/jobs/consume?n=5&queue=mails").await.expect(200).json();
    assert_eq!(taken["jobs"].as_array().unwrap().len(), 5);
    for (id, how, body) in [
        (&ids[0], "fail", json!({"details": "exit 1"})),
        (&ids[1], "fail", json!({"details": "exit 1"})),
        (&ids[2], "fail", json!({"reason": "killed", "details": "oom"})),
        (&ids[3], "success", json!({})),
    ] {
        api.post(&format!("/v1/job/{id}/{how}"), body.to_string()).await.expect(200);
    }
    ids
}

/// The places in `ids` of the jobs of a list.
async fn list(api: &Api, ids: &[String], query: &str) -> Vec<usize> {
    let page = api.get(&format!("/v1/jobs?{query}")).await.expect(200).json();
    let place = |job: &Value| ids.iter().position(|id| job["id"] == id.as_str()).unwrap_or(usize::MAX);
    page["jobs"].as_array().unwrap().iter().map(place).collect()
}

#[tokio::test]
async fn a_job_has_its_tags_and_so_has_its_retry() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","tags":["batch:7","red"],"max_retries":0}"#).await;
    let failed = api.post(&format!("/v1/job/{id}/fail"), "").await.expect(200).json();
    assert_eq!(failed["job"]["tags"], json!(["batch:7", "red"]));
    let retry = api.post(&format!("/v1/job/{id}/retry"), "").await.expect(200).json();
    assert_eq!(retry["job"]["tags"], json!(["batch:7", "red"]));
    let selected = api.get(&format!("/v1/job/{id}?fields=tags,final")).await.expect(200).json();
    assert_eq!(selected["job"], json!({"tags": ["batch:7", "red"], "final": false}));
    let plain =
        api.post("/v1/jobs", r#"[{"image":"a","tags":[]},{"image":"a","tags":null}]"#).await.expect(201);
    assert!(plain.json()["jobs"].as_array().unwrap().iter().all(|job| job.get("tags").is_none()));
}

#[tokio::test]
async fn what_is_no_tag_is_refused_by_name() {
    let api = Api::new();
    for tags in [
        json!(["a b"]),
        json!([""]),
        json!(["a", "a"]),
        json!(["a,b"]),
        json!(vec!["x"; 9]),
        json!(["x".repeat(65)]),
    ] {
        let job = json!([{"image": "a"}, {"image": "a", "tags": tags}]);
        let refused = api.post("/v1/jobs", job.to_string()).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("jobs[1].tags"), "{tags}");
    }
}

#[tokio::test]
async fn an_error_is_final_until_a_job_goes_on_from_it() {
    let api = Api::new();
    let ids = some(&api).await;
    let mut seen = Vec::new();
    for id in &ids {
        seen.push(api.get(&format!("/v1/job/{id}")).await.expect(200).json()["job"]["final"].clone());
    }
    assert_eq!(seen, [json!(false), json!(true), json!(true), Value::Null, Value::Null]);
    api.post(&format!("/v1/job/{}/retry", ids[1]), "").await.expect(200);
    assert_eq!(
        api.get(&format!("/v1/job/{}", ids[1])).await.expect(200).json()["job"]["final"],
        json!(false)
    );
    assert_eq!(list(&api, &ids, "final=true").await, [2]);
}

#[tokio::test]
async fn a_list_has_what_all_is_true_of() {
    let api = Api::new();
    let ids = some(&api).await;
    for (query, expected) in [
        ("status=error", vec![2, 1, 0]),
        ("status=error,success", vec![3, 2, 1, 0]),
        ("final=true", vec![2, 1]),
        ("final=false", vec![0]),
        ("reason=killed", vec![2]),
        ("reason=bad_exit&final=true&queue=mails", vec![1]),
        ("final=true&queue=nowhere", vec![]),
        ("final=true&image=b", vec![2]),
        ("status=error&key=anna", vec![1]),
        ("status=error,success&tag=batch:7", vec![3, 2, 1]),
        ("status=error,success&tag=red,batch:7", vec![1]),
        ("status=success&final=true", vec![]),
        ("final=true&order=oldest", vec![1, 2]),
        ("final=true&order=oldest&n=1", vec![1]),
        ("final=true&created_from=2026-01-01T00:00:00Z", vec![2, 1]),
        ("final=true&created_until=2026-01-01T00:00:00Z", vec![]),
        (
            "finished_from=2025-12-31T23:00:00-01:00&finished_until=2026-01-01T00:00:01Z&key=anna&status=error",
            vec![1],
        ),
        ("finished_until=2026-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(list(&api, &ids, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_go_on_in_either_order() {
    let api = Api::new();
    let ids = some(&api).await;
    for (order, expected) in [("newest", [3, 2, 1, 0]), ("oldest", [0, 1, 2, 3])] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = format!("status=error,success&order={order}&n=1&cursor={cursor}");
            found.extend(list(&api, &ids, &query).await);
            let page = api.get(&format!("/v1/jobs?{query}")).await.expect(200).json();
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = next.to_owned();
        }
        assert_eq!(found, expected, "{order}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_the_order_of_its_page() {
    let api = Api::new();
    some(&api).await;
    for (order, other) in [("newest", "oldest"), ("oldest", "newest")] {
        let page = |order: &str, cursor: &str| {
            format!("/v1/jobs?status=error,success&n=1&order={order}&cursor={cursor}")
        };
        let first = api.get(&page(order, "")).await.expect(200).json();
        let cursor = first["cursor"].as_str().unwrap();
        api.get(&page(order, cursor)).await.expect(200);
        let refused = api.get(&page(other, cursor)).await.expect(400);
        assert_eq!(refused.fields().as_deref(), Some("cursor"), "{order}");
    }
}

#[tokio::test]
async fn a_page_that_takes_long_to_find_its_jobs_is_short() {
    let api = Api::new();
    let ids =
        api.post("/v1/jobs", json!(vec![json!({"image": "a"}); 200]).to_string()).await.expect(201).json();
    api.backend.look_at(20_000);
    let page = api.get("/v1/jobs?n=200").await.expect(200).json();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 3 * 64, "50,000 rows are enough for a page");
    let rest = api.get(&format!("/v1/jobs?n=200&cursor={}", page["cursor"].as_str().unwrap())).await.json();
    assert_eq!((&rest["jobs"][7]["id"], rest.get("cursor")), (&ids["jobs"][0]["id"], None));
}
