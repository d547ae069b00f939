use std::collections::BTreeSet;

use crate::api::Api;

/// The calls of the contract, and those around it. The document is made of the router's routes; this list is the second
/// witness.
const CALLS: [&str; 20] = [
    "DELETE /v1/job/{id}",
    "GET /healthz",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v1/cluster",
    "GET /v1/cluster/settings",
    "GET /v1/image/{id}",
    "GET /v1/images",
    "GET /v1/job/{id}",
    "GET /v1/job/{id}/log",
    "GET /v1/jobs",
    "GET /v1/jobs/consume",
    "POST /v1/job/{id}/cancel",
    "POST /v1/job/{id}/fail",
    "POST /v1/job/{id}/retry",
    "POST /v1/job/{id}/success",
    "POST /v1/job/{id}/touch",
    "POST /v1/jobs",
    "POST /v1/jobs/consume",
    "PUT /v1/cluster/settings",
];

#[tokio::test]
async fn the_document_lists_exactly_the_routes() {
    let api = Api::new();
    let document = api.get("/openapi.json").await.expect(200).json();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            documented.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    assert_eq!(documented, CALLS.map(String::from).into());

    for path in document["paths"].as_object().unwrap().keys() {
        let real = path.replace("{id}", "0198c0de-0000-7000-8000-000000000001");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let answered = api.send(method, &real, "").await;
            let is_routed = answered.status != 405;
            assert_eq!(is_routed, documented.contains(&format!("{method} {path}")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_operation_has_a_name() {
    let document = Api::new().get("/openapi.json").await.expect(200).json();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let mut names = BTreeSet::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()));
            assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{operation}");
        }
    }
    assert_eq!(names.len(), CALLS.len());
}
