use std::sync::Arc;

use quorate_gateway::tokens::{Entry, Hash, Tokens};
use quorate_gateway::{Access, GatewayConfig, Role, Roles};

use crate::api::{Answered, Api, request};
use crate::openapi::CALLS;

/// What each call needs: the second witness beside the declarations of the routes. Admin may all.
fn needed(call: &str) -> Option<&'static [Role]> {
    use Role::{Read, Run, Submit};
    let any: &[Role] = &[Submit, Run, Read];
    let (method, path) = call.split_once(' ').unwrap();
    match (method, path) {
        (_, "/" | "/healthz" | "/readyz" | "/openapi.json") => None,
        ("GET", "/v1/cluster" | "/v1/job/{id}" | "/v1/job/{id}/log") => Some(any),
        ("GET", "/v1/jobs/consume") => Some(&[Run]),
        ("GET", "/v1/cluster/backup") => Some(&[]),
        ("GET", _) => Some(&[Read]),
        ("POST", "/v1/jobs" | "/v1/job/{id}/cancel" | "/v1/job/{id}/retry") => Some(&[Submit]),
        ("DELETE", "/v1/job/{id}") => Some(&[Submit]),
        ("POST", "/v1/jobs/consume" | "/v1/jobs/finish" | "/v1/worker/{name}/gone") => Some(&[Run]),
        ("POST", "/v1/job/{id}/success" | "/v1/job/{id}/fail" | "/v1/job/{id}/touch") => Some(&[Run]),
        ("POST", "/v1/job/{id}/release" | "/v1/job/{id}/log") => Some(&[Run]),
        // Whatever else changes something.
        _ => Some(&[]),
    }
}

/// Tokens that are called as their role is.
fn tokens() -> Tokens {
    let line = |role: Role| {
        let entry = Entry {
            name: format!("the-{}", role.as_str()),
            roles: Roles::one(role),
            hash: Hash::of(role.as_str().as_bytes()),
            rate: None,
        };
        format!("{entry}\n")
    };
    Tokens::parse(&Role::ALL.map(line).concat()).unwrap()
}

fn guarded(anonymous: Roles) -> (Api, Access) {
    let access = Access { anonymous, ..Access::open() };
    access.tokens.store(Arc::new(tokens()));
    (Api::with(GatewayConfig { access: access.clone(), ..GatewayConfig::default() }), access)
}

async fn ask(api: &Api, call: &str, authorization: Option<&str>) -> Answered {
    let (method, path) = call.split_once(' ').unwrap();
    let path = path.replace("{id}", "0198c0de-0000-7000-8000-000000000001").replace("{name}", "mails");
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(authorization.map(|value| ("authorization", value)));
    api.call(request(method, &path, &headers, "")).await
}

#[tokio::test]
async fn every_route_lets_those_pass_that_have_one_of_its_roles_and_nobody_else() {
    let (api, _) = guarded(Roles::default());
    for call in CALLS {
        let needed = needed(call);
        for role in Role::ALL {
            let answered = ask(&api, call, Some(&format!("Bearer {}", role.as_str()))).await;
            let may = needed.is_none_or(|roles| role == Role::Admin || roles.contains(&role));
            assert_eq!(answered.status != 403, may, "{call} as {role:?}");
            assert_ne!(answered.status, 401, "{call} as {role:?}");
            if !may {
                let message = answered.json()["error"]["message"].as_str().unwrap().to_owned();
                let named = needed.unwrap().iter().chain(&[Role::Admin]).map(|role| role.as_str());
                assert!(named.into_iter().all(|role| message.contains(role)), "{call}: {message}");
                assert!(message.contains(&format!("the-{}", role.as_str())), "{call}: {message}");
            }
        }
        for stranger in [None, Some("Bearer nobody"), Some("Bearer"), Some("Basic YTpi"), Some("")] {
            let answered = ask(&api, call, stranger).await;
            assert_eq!(answered.status == 401, needed.is_some(), "{call} as {stranger:?}");
            if answered.status == 401 {
                assert_eq!(answered.header("www-authenticate"), Some("Bearer realm=\"quorate\""));
            }
        }
    }
}

#[tokio::test]
async fn who_has_no_token_may_what_is_said_and_a_wrong_one_is_worse_than_none() {
    let (api, _) = guarded("submit,read".parse().unwrap());
    assert_eq!(ask(&api, "GET /v1/queues", None).await.status, 200);
    assert_eq!(ask(&api, "GET /v1/jobs/consume", None).await.status, 401);
    assert_eq!(ask(&api, "GET /v1/queues", Some("Bearer nobody")).await.status, 401);
}

#[tokio::test]
async fn a_token_that_is_taken_away_is_refused_from_the_next_request_on() {
    let (api, access) = guarded(Roles::default());
    assert_eq!(ask(&api, "GET /v1/queues", Some("bearer read")).await.status, 200);
    let left: String = tokens_without("read");
    access.tokens.store(Arc::new(Tokens::parse(&left).unwrap()));
    assert_eq!(ask(&api, "GET /v1/queues", Some("Bearer read")).await.status, 401);
    assert_eq!(ask(&api, "GET /v1/queues", Some("Bearer admin")).await.status, 200);
}

fn tokens_without(role: &str) -> String {
    let others = Role::ALL.into_iter().filter(|other| other.as_str() != role);
    let line = |role: Role| format!("{0} {0} {1}\n", role.as_str(), Hash::of(role.as_str().as_bytes()));
    others.map(line).collect()
}

#[tokio::test]
async fn where_there_are_no_tokens_what_clients_send_means_nothing() {
    let api = Api::new();
    for sent in ["Bearer of-iron-io", "Basic YTpi", "x"] {
        assert_eq!(ask(&api, "GET /v1/queues", Some(sent)).await.status, 200, "{sent}");
    }
}

#[tokio::test]
async fn the_document_says_what_each_call_needs() {
    let document = Api::new().get("/openapi.json").await.expect(200).json();
    for call in CALLS {
        let (method, path) = call.split_once(' ').unwrap();
        let operation = &document["paths"][path][method.to_lowercase()];
        let said = operation["description"].as_str().unwrap_or_default();
        match needed(call) {
            None => assert!(operation["responses"]["401"].is_null(), "{call}"),
            Some(roles) => {
                assert!(
                    roles.iter().all(|role| said.contains(&format!("`{}`", role.as_str()))),
                    "{call}: {said}"
                );
                assert!(said.contains("`admin`"), "{call}: {said}");
                assert!(!operation["responses"]["403"].is_null(), "{call}");
            }
        }
    }
}
