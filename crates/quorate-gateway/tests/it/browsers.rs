//! Pages of other sites, in the browsers of people who reach a node.

use std::sync::Arc;

use quorate_gateway::tokens::{Entry, Hash, Tokens};
use quorate_gateway::{Access, ConnectionLimits, GatewayConfig};

use crate::wire::Server;

const CHROME: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
const SITE: &str = "Host: evil.example:8080";
const NODE: &str = "Host: 127.0.0.1:8080";

/// A request with these lines, that takes a job, enqueues one or lists them; its status.
async fn ask(server: &Server, call: &str, lines: &[&str]) -> u16 {
    let body = if call.starts_with("POST") { r#"[{"image":"a"}]"# } else { "" };
    let (lines, length) = (lines.join("\r\n"), body.len());
    server
        .exchange(format!("{call} HTTP/1.1\r\n{lines}\r\nContent-Length: {length}\r\n\r\n{body}"))
        .await
        .status
}

/// Its name was made to mean the node's address, so that to its browser the page and the node are one origin. That is not one to
/// trust, as it has no TLS: browsers say nothing there of whose page asks (Fetch Metadata), and have no service workers.
#[tokio::test]
async fn a_page_whose_name_was_made_to_mean_a_node_gets_nothing() {
    let server = Server::start().await;
    for (what, call, lines) in [
        ("fetch", "GET /v1/jobs", &[SITE, CHROME, "Accept: */*", "Referer: http://evil.example:8080/"][..]),
        // Firefox and Safari let a page say who they are, and leave the page out.
        ("fetch that lies", "GET /v1/jobs", &[SITE, "User-Agent: curl/8.5.0", "Accept: */*"]),
        ("fetch that lies", "GET /v1/jobs/consume", &[SITE, "User-Agent: x", "Accept: */*"]),
        ("fetch that says nothing", "GET /v1/jobs", &[SITE, "Accept: */*"]),
        ("an image", "GET /v1/jobs/consume", &[SITE, CHROME, "Accept: image/avif,image/webp,*/*"]),
        ("a frame", "GET /v1/jobs", &[SITE, CHROME, "Accept: text/html", "Upgrade-Insecure-Requests: 1"]),
        (
            "a form",
            "POST /v1/jobs/consume",
            &[SITE, CHROME, "Origin: http://evil.example:8080", "Content-Type: text/plain"],
        ),
        (
            "fetch that writes and lies",
            "POST /v1/jobs",
            &[SITE, "User-Agent: x", "Origin: http://evil.example:8080", "Content-Type: application/json"],
        ),
        // A request that is sent again on a redirect has this origin.
        ("a form of nobody", "POST /v1/jobs", &[SITE, CHROME, "Origin: null", "Content-Type: text/plain"]),
        (
            "a service worker, if there were one",
            "GET /v1/jobs",
            &[SITE, "User-Agent: x", "Sec-Fetch-Site: same-origin", "Service-Worker: script"],
        ),
        (
            "a socket",
            "GET /v1/jobs",
            &[SITE, CHROME, "Origin: http://evil.example:8080", "Connection: Upgrade", "Upgrade: websocket"],
        ),
        ("a name with its last dot", "GET /v1/jobs", &["Host: evil.example.:8080", "User-Agent: x"]),
    ] {
        assert_eq!(ask(&server, call, lines).await, 421, "{what}: {call} {lines:?}");
    }
    let by_authority = "GET http://evil.example:8080/v1/jobs";
    assert_eq!(ask(&server, by_authority, &[SITE, "User-Agent: x"]).await, 421);
    assert_eq!(server.backend.submitted(), 0);
}

/// It calls the node by its address, as another site: answers it cannot read, as there is no CORS.
#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let server = Server::start().await;
    for (what, call, lines) in [
        ("fetch", "GET /v1/jobs", &[NODE, CHROME, "Origin: https://evil.example"][..]),
        (
            "a form",
            "POST /v1/jobs",
            &[NODE, CHROME, "Origin: https://evil.example", "Content-Type: text/plain"],
        ),
        (
            "an image at an address to trust",
            "GET /v1/jobs/consume",
            &[NODE, CHROME, "Sec-Fetch-Site: cross-site"],
        ),
        (
            "an image elsewhere",
            "GET /v1/jobs/consume",
            &["Host: 10.0.0.1:8080", CHROME, "Accept: image/avif"],
        ),
        ("of another port", "POST /v1/jobs", &[NODE, CHROME, "Origin: http://127.0.0.1:3000"]),
    ] {
        assert_eq!(ask(&server, call, lines).await, 403, "{what}: {call} {lines:?}");
    }
    assert_eq!(server.backend.submitted(), 0);
}

#[tokio::test]
async fn programs_call_a_node_as_people_and_proxies_do() {
    let access = Access::open();
    let line = Entry { name: "a".into(), roles: "read".parse().unwrap(), hash: Hash::of(b"a"), rate: None };
    access.tokens.store(Arc::new(Tokens::parse(&line.to_string()).unwrap()));
    let config = GatewayConfig { access, hosts: vec!["n1.example".into()], ..GatewayConfig::default() };
    let server = Server::with(config, ConnectionLimits::default()).await;
    for host in [
        "localhost:8080",
        "127.0.0.1",
        "[::1]:8080",
        "[::ffff:10.0.0.1]",
        "n1.example",
        "quorate",
        "node-1:8080",
    ] {
        let host = format!("Host: {host}");
        assert_eq!(ask(&server, "GET /v1/jobs", &[&host, "User-Agent: curl/8.5.0"]).await, 200, "{host}");
    }
    // What a page does not have lets in under any name; and health is no secret.
    assert_eq!(ask(&server, "GET /v1/jobs", &[SITE, "Authorization: Bearer a"]).await, 200);
    assert_eq!(ask(&server, "GET /v1/jobs", &[SITE]).await, 421);
    assert_eq!(ask(&server, "GET /healthz", &[SITE]).await, 200);
}
