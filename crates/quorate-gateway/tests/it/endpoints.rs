//! Every call, when all is well.

use serde_json::json;

use crate::api::Api;

#[tokio::test]
async fn enqueue_answers_the_jobs_in_the_order_given() {
    let api = Api::new();
    let answered = api
        .post(
            "/v1/jobs",
            r#"{"jobs":[{"image":"a","payload":"{\"x\":1}","priority":2},{"image":"b","delay":5}]}"#,
        )
        .await
        .expect(201);
    assert_eq!(answered.header("quorate-index"), Some("1.0"));
    assert_eq!(answered.header("quorate-node"), Some("quorate"));
    let jobs = answered.json()["jobs"].clone();
    assert_eq!(
        jobs[0],
        json!({
            "id": jobs[0]["id"], "image": "a", "image_id": quorate_api::image_id("a").to_string(),
            "payload": "{\"x\":1}", "delay": 0, "timeout": 60, "priority": 2, "max_retries": 3, "retries_delay": 60,
            "status": "queued", "created_at": "2026-01-01T00:00:00.000Z",
            "queue": "default", "attempt": 1,
        }),
        "defaults, and nothing that has not happened"
    );
    assert_eq!((&jobs[1]["status"], &jobs[1]["delay"]), (&json!("delayed"), &json!(5)));
    assert_eq!(jobs.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_bare_array_and_null_are_understood() {
    let api = Api::new();
    let jobs = api.post("/v1/jobs", "\n [{\"image\":\"a\",\"timeout\":null}]").await.expect(201).json();
    assert_eq!(jobs["jobs"][0]["timeout"], 60);
}

#[tokio::test]
async fn the_life_of_a_job() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a","payload":"p"}"#).await;

    let taken = api.get("/v1/jobs/consume").await.expect(200);
    assert_eq!(taken.header("cache-control"), Some("no-store"));
    assert_eq!(taken.header("quorate-index"), Some("2.0"));
    let job = &taken.json()["jobs"][0];
    assert_eq!((job["id"].as_str(), job["status"].as_str()), (Some(id.as_str()), Some("running")));
    assert_eq!((job["payload"].as_str(), job["started_at"].is_string()), (Some("p"), true));

    let touched = api.post(&format!("/v1/job/{id}/touch"), "").await.expect(204);
    assert_eq!((touched.header("quorate-index"), touched.body.len()), (Some("3.0"), 0));

    let done = api.post(&format!("/v1/job/{id}/success"), r#"{"log":"hello\n"}"#).await.expect(200).json();
    assert_eq!(
        (done["job"]["status"].as_str(), done["job"]["payload"].as_str()),
        (Some("success"), Some("p"))
    );
    assert_eq!(done["job"]["completed_at"], "2026-01-01T00:00:00.000Z");

    let again = api.post(&format!("/v1/job/{id}/success"), r#"{"log":"other"}"#).await.expect(200);
    assert_eq!(again.json()["job"], done["job"], "the same outcome again changes nothing");

    let log = api.get(&format!("/v1/job/{id}/log")).await.expect(200);
    assert_eq!(
        (log.body.as_slice(), log.header("content-type")),
        (&b"hello\n"[..], Some("text/plain; charset=utf-8"))
    );

    let read = api.get(&format!("/v1/job/{id}")).await.expect(200);
    assert_eq!((&read.json()["job"], read.header("quorate-index")), (&done["job"], Some("5")));

    let retry = api.post(&format!("/v1/job/{id}/retry"), "").await.expect(200).json();
    assert_eq!(
        (retry["job"]["retry_of"].as_str(), retry["job"]["payload"].as_str()),
        (Some(id.as_str()), Some("p"))
    );
    assert_ne!(retry["job"]["id"], id.as_str());

    let gone = api.send("DELETE", &format!("/v1/job/{id}"), "").await.expect(204);
    assert_eq!((gone.header("quorate-index"), gone.body.len()), (Some("7.0"), 0));
    api.get(&format!("/v1/job/{id}")).await.expect(404);
}

#[tokio::test]
async fn fail_stores_its_words_and_makes_the_automatic_retry() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","max_retries":1}"#).await;
    let failed = api
        .post(&format!("/v1/job/{id}/fail"), r#"{"reason":"killed","details":"oom","log":"x"}"#)
        .await
        .expect(200)
        .json();
    let job = &failed["job"];
    assert_eq!(
        (job["status"].as_str(), job["reason"].as_str(), job["details"].as_str()),
        (Some("error"), Some("killed"), Some("oom"))
    );
    let retry = api.get(&format!("/v1/job/{}", job["retry_id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(
        (retry["job"]["status"].as_str(), retry["job"]["max_retries"].as_u64()),
        (Some("delayed"), Some(0))
    );
    let now = api.post(&format!("/v1/job/{id}/retry"), "").await.expect(200).json();
    assert_eq!((&now["job"]["id"], &now["job"]["status"]), (&job["retry_id"], &serde_json::json!("queued")));
}

#[tokio::test]
async fn a_retry_has_the_automatic_retries_that_were_left_or_all_anew() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","max_retries":2}"#).await;
    api.post(&format!("/v1/job/{id}/fail"), r#"{"retry":false}"#).await.expect(200);
    let path = format!("/v1/job/{id}/retry");
    let retry = api.post(&path, "").await.expect(200).json()["job"].clone();
    assert_eq!(retry["max_retries"], 0, "as Titan has it");
    api.post(&format!("/v1/job/{}/cancel", retry["id"].as_str().unwrap()), "").await.expect(200);
    let anew = api.post(&format!("{path}?anew=true"), "").await.expect(200).json()["job"].clone();
    assert_eq!((&anew["max_retries"], &anew["attempt"]), (&2.into(), &1.into()));
    assert_eq!(api.post(&format!("{path}?anew=2"), "").await.expect(400).fields().as_deref(), Some("anew"));
}

#[tokio::test]
async fn a_fail_without_a_reason_is_a_bad_exit() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","max_retries":0}"#).await;
    let failed = api.post(&format!("/v1/job/{id}/fail"), "").await.expect(200).json();
    assert_eq!(failed["job"]["reason"], "bad_exit");
    assert_eq!(api.get(&format!("/v1/job/{id}/log")).await.expect(200).body, b"");
}

#[tokio::test]
async fn a_timeout_shows_and_stops_its_worker() {
    let api = Api::new();
    let id = api.running(r#"{"image":"a","timeout":1}"#).await;
    api.backend.pass_seconds(100);
    let job = api.get(&format!("/v1/job/{id}")).await.expect(200).json();
    assert_eq!(
        (job["job"]["status"].as_str(), job["job"]["reason"].as_str()),
        (Some("error"), Some("timeout"))
    );
    let late = api.post(&format!("/v1/job/{id}/success"), "").await.expect(409).json();
    assert!(late["error"]["message"].as_str().unwrap().ends_with("it is error"), "{late}");
}

#[tokio::test]
async fn the_list_pages_newest_first() {
    let api = Api::new();
    let mut ids = Vec::new();
    for image in ["a", "b", "a", "a"] {
        ids.push(api.enqueue(&format!("{{\"image\":\"{image}\"}}")).await);
    }
    ids.reverse();
    let page = |answer: &serde_json::Value| -> Vec<String> {
        answer["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().into()).collect()
    };
    let first = api.get("/v1/jobs?n=3&cursor=&status=&image=").await.expect(200).json();
    assert_eq!(page(&first), ids[..3]);
    let next = api
        .get(&format!("/v1/jobs?n=3&cursor={}", first["cursor"].as_str().unwrap()))
        .await
        .expect(200)
        .json();
    assert_eq!((page(&next), next.get("cursor")), (ids[3..].to_vec(), None));

    let of_a = api.get("/v1/jobs?image=a").await.expect(200).json();
    assert_eq!(page(&of_a), [&ids[0], &ids[1], &ids[3]].map(Clone::clone));
    let mut queued = api.get("/v1/jobs?status=queued").await.expect(200).json();
    assert_eq!(page(&queued), ids);
    api.post(&format!("/v1/job/{}/cancel", ids[0]), "").await.expect(200);
    queued = api.get("/v1/jobs").await.expect(200).json();
    assert_eq!(page(&queued), ids[1..], "without a status, the active ones");
    assert_eq!(page(&api.get("/v1/jobs?status=cancelled").await.json()), ids[..1]);
    for synonym in ["succeeded", "failed", "success", "error", "delayed", "running"] {
        assert_eq!(page(&api.get(&format!("/v1/jobs?status={synonym}")).await.expect(200).json()).len(), 0);
    }
}

#[tokio::test]
async fn of_the_fields_of_jobs_only_those_asked_for_are_answered() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a","payload":"p"}"#).await;
    let one = format!("/v1/job/{id}");
    let all = api.get(&one).await.expect(200).json()["job"].clone();
    for (fields, expected) in [
        ("id", json!({"id": id})),
        ("status,id,status", json!({"id": id, "status": "queued"})),
        ("id,payload,priority", json!({"id": id, "payload": "p", "priority": 0})),
        ("payload", json!({"payload": "p"})),
        // What has not happened is absent, asked for or not.
        ("started_at", json!({})),
        ("", all),
    ] {
        let job = api.get(&format!("{one}?fields={fields}")).await.expect(200).json();
        assert_eq!(job, json!({"job": expected}), "{fields}");
        let jobs = api.get(&format!("/v1/jobs?fields={fields}")).await.expect(200).json();
        assert_eq!(jobs, json!({"jobs": [expected]}), "{fields}");
    }
    for path in [&one[..], "/v1/jobs"] {
        for none in ["pyload", "id,", "id,%20status", "%1b"] {
            let refused = api.get(&format!("{path}?fields={none}")).await.expect(400);
            assert_eq!(refused.fields().as_deref(), Some("fields"), "{none}");
        }
    }
}

#[tokio::test]
async fn payloads_that_are_not_asked_for_are_not_read_and_do_not_shorten_the_page() {
    let api = Api::new();
    let payload = "x".repeat(1 << 20);
    for _ in 0..34 {
        api.enqueue(&format!("{{\"image\":\"a\",\"payload\":\"{payload}\"}}")).await;
    }
    api.backend.fail_payloads();
    api.get("/v1/jobs?n=1").await.expect(503);
    let page = api.get("/v1/jobs?n=100&fields=id,status").await.expect(200);
    assert_eq!((page.json()["jobs"].as_array().unwrap().len(), page.json().get("cursor")), (34, None));
    assert!(page.body.len() < 34 * 100, "{}", page.body.len());
    let id = page.json()["jobs"][0]["id"].as_str().unwrap().to_owned();
    api.get(&format!("/v1/job/{id}")).await.expect(503);
    api.get(&format!("/v1/job/{id}?fields=status")).await.expect(200);
}

#[tokio::test]
async fn a_page_stops_short_at_its_bytes() {
    let api = Api::new();
    let payload = "x".repeat(1 << 20);
    for _ in 0..34 {
        api.enqueue(&format!("{{\"image\":\"a\",\"payload\":\"{payload}\"}}")).await;
    }
    let page = api.get("/v1/jobs?n=100").await.expect(200).json();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 32);
    let next = api
        .get(&format!("/v1/jobs?n=100&cursor={}", page["cursor"].as_str().unwrap()))
        .await
        .expect(200)
        .json();
    assert_eq!((next["jobs"].as_array().unwrap().len(), next.get("cursor")), (2, None));
}

#[tokio::test]
async fn images() {
    let api = Api::new();
    for image in ["a", "b", "c", "a"] {
        api.enqueue(&format!("{{\"image\":\"{image}\"}}")).await;
    }
    let all = api.get("/v1/images").await.expect(200).json();
    assert_eq!(all["images"].as_array().unwrap().len(), 3);
    assert!(all.get("cursor").is_none());
    let two = api.get("/v1/images?n=2").await.expect(200).json();
    let one = api
        .get(&format!("/v1/images?n=2&cursor={}", two["cursor"].as_str().unwrap()))
        .await
        .expect(200)
        .json();
    assert_eq!((two["images"].as_array().unwrap().len(), one["images"].as_array().unwrap().len()), (2, 1));

    let id = quorate_api::image_id("b").to_string();
    let image = api.get(&format!("/v1/image/{id}")).await.expect(200).json();
    assert_eq!(
        image["image"],
        json!({"id": id, "name": "b", "image": "b", "created_at": "2026-01-01T00:00:00.000Z"})
    );
    for none in [quorate_api::image_id("z").to_string(), "alpine".into()] {
        api.get(&format!("/v1/image/{none}")).await.expect(404);
    }
}

#[tokio::test]
async fn settings_are_read_and_replaced() {
    let api = Api::new();
    assert_eq!(api.get("/v1/cluster/settings").await.expect(200).json(), json!({"retention": 604_800}));
    let put = api.send("PUT", "/v1/cluster/settings", r#"{"retention":3600}"#).await.expect(200);
    assert_eq!((put.json(), put.header("quorate-index")), (json!({"retention": 3600}), Some("1.0")));
    assert_eq!(api.get("/v1/cluster/settings").await.expect(200).json(), json!({"retention": 3600}));
}

#[tokio::test]
async fn cluster_and_health() {
    let api = Api::new();
    let cluster = api.get("/v1/cluster").await.expect(200).json();
    assert_eq!((cluster["leader"].as_str(), cluster["quorum"].as_u64()), (Some("n1"), Some(1)));
    assert_eq!(cluster["log_time_offset_ms"], -7);
    assert_eq!((&cluster["feature_level"], &cluster["members"][0]["feature_level"]), (&json!(1), &json!(1)));
    assert_eq!(cluster["members"][0]["id"], "18446744073709551615", "64 bits survive JavaScript");
    let member = &cluster["members"][0];
    assert_eq!((&member["version"], &member["uptime_seconds"]), (&json!("1.2.3"), &json!(90)));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(api.get(path).await.expect(200).json(), json!({"status": "ok"}));
    }
}

#[tokio::test]
async fn the_root_leads_to_what_there_is() {
    let api = Api::new();
    let root = api.get("/").await.expect(200).json();
    assert_eq!((&root["name"], root["version"].is_string()), (&json!("quorate"), true));
    for path in root["paths"].as_object().unwrap().values() {
        api.get(path.as_str().unwrap()).await.expect(200);
    }
}

#[tokio::test]
async fn metrics_are_text_in_the_version_that_prometheus_reads() {
    let api = Api::new();
    let answered = api.get("/metrics").await.expect(200);
    assert_eq!(answered.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answered.body, b"fake 1\n");
}

#[tokio::test]
async fn there_is_no_false_404() {
    let api = Api::new();
    api.backend.lag();
    let answered = api.post("/v1/jobs", r#"[{"image":"a"}]"#).await.expect(201).json();
    let id = answered["jobs"][0]["id"].as_str().unwrap();
    assert_eq!(api.backend.barriers(), 0);
    api.get(&format!("/v1/job/{id}")).await.expect(200);
    assert_eq!(api.backend.barriers(), 1, "it looked, made sure, and looked again");

    api.post(&format!("/v1/job/{id}/cancel"), "").await.expect(200);
    api.get(&format!("/v1/job/{id}/log")).await.expect(200);
    api.post("/v1/jobs", r#"[{"image":"b"}]"#).await.expect(201);
    api.get(&format!("/v1/image/{}", quorate_api::image_id("b"))).await.expect(200);
    assert_eq!(api.backend.barriers(), 3);
}

#[tokio::test]
async fn the_beginning_of_an_id_finds_the_ids_that_begin_so() {
    let api = Api::new();
    let mut all = vec![api.enqueue(r#"{"image":"a"}"#).await, api.enqueue(r#"{"image":"b"}"#).await];
    all.sort();
    api.post(&format!("/v1/job/{}/cancel", all[0]), "").await.expect(200);
    let found = async |query: &str| {
        let answered = api.get(&format!("/v1/jobs/ids?{query}")).await.expect(200);
        answered.json()["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let begin = all[0].get(..8).unwrap();
    let both: Vec<String> = found(&format!("prefix={begin}")).await;
    assert_eq!(both, all, "also one that has finished");
    let one: Vec<String> = found(&format!("prefix={begin}&n=1")).await;
    assert_eq!(one, all[..1]);
    let one: Vec<String> = found(&format!("prefix={}", &all[1].to_uppercase())).await;
    assert_eq!(one, all[1..]);

    // Of a copy that lags behind: what it has, but not that there is none.
    api.backend.lag();
    let before = api.backend.barriers();
    let both: Vec<String> = found(&format!("prefix={begin}&consistency=local")).await;
    assert_eq!((both, api.backend.barriers()), (all, before));
    let none: Vec<String> = found("prefix=ffffffff").await;
    assert_eq!((none.len(), api.backend.barriers()), (0, before + 1));
}

/// Or its reads would go back behind what it had answered before.
#[tokio::test]
async fn a_node_that_was_just_started_makes_sure_first() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    api.backend.lag();
    api.backend.restart();
    api.post(&format!("/v1/job/{id}/cancel"), "").await.expect(200);
    let read = api.get(&format!("/v1/job/{id}")).await.expect(200).json();
    assert_eq!(read["job"]["status"], "cancelled");
    for path in ["/v1/jobs", "/v1/images", "/v1/cluster/settings", &format!("/v1/job/{id}/log")] {
        let before = api.backend.barriers();
        api.get(path).await.expect(200);
        assert_eq!(api.backend.barriers(), before + 1, "{path}");
    }
}

#[tokio::test]
async fn a_linearizable_read_makes_sure_first() {
    let api = Api::new();
    let id = api.enqueue(r#"{"image":"a"}"#).await;
    api.backend.lag();
    api.post(&format!("/v1/job/{id}/cancel"), "").await.expect(200);
    let status = async |path: String| api.get(&path).await.expect(200).json()["job"]["status"].clone();
    assert_eq!(status(format!("/v1/job/{id}")).await, "queued", "the copy here lags behind");
    assert_eq!(status(format!("/v1/job/{id}?consistency=linearizable")).await, "cancelled");
    let ids = api.get("/v1/jobs/ids?prefix=00000000&consistency=linearizable").await.expect(200);
    assert_eq!((api.backend.barriers(), ids.header("quorate-index")), (2, Some("2")));
    for (count, path) in [(3, "/v1/jobs"), (4, "/v1/images"), (5, "/v1/cluster/settings")] {
        api.get(path).await.expect(200);
        assert_eq!(api.backend.barriers(), count - 1, "{path}");
        let read = api.get(&format!("{path}?consistency=linearizable")).await.expect(200);
        assert_eq!((api.backend.barriers(), read.header("quorate-index")), (count, Some("2")), "{path}");
    }
}
