//! Several nodes: one that works is kept, one that does not is left.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use quorate_client::{Client, ClientConfig, Consume, Error, RefusedKind};

use crate::support::{Answer, Cluster, error, job, jobs, one_job, unavailable};

/// Where nobody listens.
async fn dead_node() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

#[tokio::test]
async fn a_dead_node_is_passed_over_and_not_asked_again() {
    for _ in 0..10 {
        let cluster = Cluster::start(1, [one_job("a", "queued"), one_job("a", "queued")]).await;
        let mut config = cluster.config();
        config.nodes.push(dead_node().await);
        let client = Client::new(config).expect("a good configuration");
        assert_eq!(client.get("a").await.expect("the living node answers").id, "a");
        assert_eq!(client.get("a").await.expect("the living node answers").id, "a");
    }
}

#[tokio::test]
async fn nobody_there_is_said_of_every_node() {
    let nodes = [dead_node().await, dead_node().await];
    for (wait_for_nodes, deadline) in [(true, Duration::from_secs(2)), (false, Duration::MAX / 4)] {
        let config = ClientConfig { wait_for_nodes, deadline, ..ClientConfig::new(nodes.clone()) };
        let client = Client::new(config).expect("a good configuration");
        let result = client.enqueue(&[], None).await;
        let Err(Error::Unreachable(said)) = result else { panic!("{result:?}") };
        assert!(nodes.iter().all(|node| said.contains(node)), "{said}");
        assert_eq!(said.matches("refused").count(), 1, "{said}");
    }
}

#[tokio::test]
async fn what_a_node_says_is_not_lost_behind_those_that_are_dead() {
    for _ in 0..6 {
        let cluster = Cluster::start(1, (0..100).map(|_| unavailable("not_applied"))).await;
        let mut config = ClientConfig { deadline: Duration::from_millis(300), ..cluster.config() };
        let dead = dead_node().await;
        config.nodes.push(dead.clone());
        let result = Client::new(config).expect("a good configuration").enqueue(&[], None).await;
        let Err(Error::Unavailable(said)) = result else { panic!("{result:?}") };
        assert!(said.starts_with(&format!("{}: 503", cluster.urls[0])), "{said}");
        assert!(said.contains(&format!("; {dead}: ")), "{said}");
    }
}

/// A packet may have been lost: nothing is known of a node that does not even refuse.
#[tokio::test]
async fn a_node_that_says_nothing_is_tried_until_the_deadline() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(0).expect("it listens");
    let addr = listener.local_addr().expect("it is bound");
    // The one that is waiting leaves no room for others.
    let _waiting = tokio::net::TcpStream::connect(addr).await.expect("there is room for one");
    let mut config = ClientConfig::new([addr.to_string()]);
    (config.wait_for_nodes, config.deadline) = (false, Duration::from_secs(600));
    config.connect_timeout = Duration::from_millis(10);
    let client = Client::new(config).expect("a good configuration");
    let given_up = tokio::time::timeout(Duration::from_millis(500), client.get("a")).await;
    assert!(given_up.is_err(), "{given_up:?}");
}

#[tokio::test]
async fn a_node_that_was_there_is_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut config = ClientConfig::new([listener.local_addr().expect("it is bound").to_string()]);
    (config.wait_for_nodes, config.deadline) = (false, Duration::from_secs(600));
    let client = Client::new(config).expect("a good configuration");
    let answers_once = async {
        let (mut stream, _) = listener.accept().await.expect("the client");
        let read = stream.read(&mut [0; 4_096]).await.expect("its request");
        assert!(read > 0);
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"\"}}";
        stream.write_all(answer).await.expect("its answer is taken");
        drop(listener);
    };
    let (refused, ()) = tokio::join!(client.get("a"), answers_once);
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let given_up = tokio::time::timeout(Duration::from_millis(500), client.get("a")).await;
    assert!(given_up.is_err(), "{given_up:?}");
}

#[tokio::test]
async fn a_client_stays_with_a_node_that_works() {
    let cluster = Cluster::start(3, (0..20).map(|_| one_job("a", "queued"))).await;
    let client = cluster.client();
    for _ in 0..20 {
        client.get("a").await.expect("an answer");
    }
    let nodes: std::collections::BTreeSet<usize> = cluster.seen().iter().map(|seen| seen.node).collect();
    assert_eq!(nodes.len(), 1);
}

#[tokio::test]
async fn a_leaderless_node_is_left_at_once_for_the_next() {
    let leaderless = Answer::SaysRetryAfter(
        503,
        3_600,
        r#"{"error":{"message":"no leader"},"outcome":"not_applied"}"#.into(),
    );
    let cluster = Cluster::start(2, [leaderless, jobs(&["a"]), jobs(&["b"])]).await;
    let client = cluster.client();
    // The hour that the first node asks for is about itself.
    client.enqueue(&[], None).await.expect("the second node takes it");
    client.enqueue(&[], None).await.expect("the second node takes it");
    let nodes: Vec<usize> = cluster.seen().iter().map(|seen| seen.node).collect();
    assert_ne!(nodes[0], nodes[1]);
    assert_eq!(nodes[1], nodes[2], "the client went back to the leaderless node");
}

#[tokio::test]
async fn a_slow_node_is_left_for_the_next() {
    let cluster = Cluster::start(2, [Answer::Hangs, one_job("a", "queued"), one_job("a", "queued")]).await;
    let config = ClientConfig { attempt_timeout: Duration::from_secs(1), ..cluster.config() };
    let client = Client::new(config).expect("a good configuration");
    client.get("a").await.expect("the second node answers");
    client.get("a").await.expect("the second node answers");
    let nodes: Vec<usize> = cluster.seen().iter().map(|seen| seen.node).collect();
    assert_ne!(nodes[0], nodes[1]);
    assert_eq!(nodes[1], nodes[2], "the client went back to the slow node");
}

#[tokio::test]
async fn a_caller_in_a_hurry_gets_to_the_next_node_too() {
    let cluster = Cluster::start(2, [Answer::Hangs, one_job("a", "queued")]).await;
    let client = cluster.client().within(Duration::from_secs(3));
    client.get("a").await.expect("the second node answers");
    assert_eq!(cluster.seen().len(), 2);
}

#[tokio::test]
async fn a_whole_cluster_without_a_leader_is_asked_again_later() {
    let cluster =
        Cluster::start(2, [unavailable("not_applied"), unavailable("not_applied"), jobs(&["a"])]).await;
    let taken = cluster.client().enqueue(&[], None).await.expect("there is a leader in the second round");
    assert_eq!(taken.answer[0].id, "a");
    assert_eq!(cluster.seen().len(), 3);
}

#[tokio::test]
async fn a_busy_cluster_is_left_alone_for_as_long_as_it_asks() {
    let busy = Answer::SaysRetryAfter(429, 1, r#"{"error":{"message":"too much"}}"#.into());
    let cluster = Cluster::start(2, [busy, jobs(&["a"])]).await;
    let start = Instant::now();
    cluster.client().enqueue(&[], None).await.expect("it is taken in the end");
    assert!(start.elapsed() >= Duration::from_secs(1), "it was asked again too early");
    assert_eq!(cluster.seen().len(), 2);
}

#[tokio::test]
async fn the_deadline_ends_it_with_what_is_known() {
    for (outcome, unknown) in [("not_applied", false), ("unknown", true)] {
        let cluster = Cluster::start(1, (0..1_000).map(|_| unavailable(outcome))).await;
        let config = ClientConfig { deadline: Duration::from_secs(1), ..cluster.config() };
        let result = Client::new(config).expect("a good configuration").enqueue(&[], None).await;
        match result {
            Err(Error::Unknown(_)) => assert!(unknown),
            Err(Error::Unavailable(_)) => assert!(!unknown),
            other => panic!("{other:?}"),
        }
        assert!(cluster.seen().len() > 1, "it was not tried again");
    }
}

/// A node that waits for a leader says in the end that nothing was done. That must arrive before the client gives up,
/// however long the node would wait by itself, at the first attempt and at the last.
#[tokio::test]
async fn that_nothing_was_done_arrives_before_the_client_gives_up() {
    for seconds in [1, 60] {
        let leaderless = Answer::FindsNoLeader(Duration::from_secs(seconds));
        let cluster = Cluster::start(1, vec![leaderless; 100]).await;
        let config = ClientConfig {
            attempt_timeout: Duration::from_secs(1),
            deadline: Duration::from_secs(4),
            ..cluster.config()
        };
        let result = Client::new(config).expect("a good configuration").enqueue(&[], None).await;
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
        assert!(cluster.seen().len() > 1, "it was not tried again");
    }
}

#[tokio::test]
async fn by_default_a_node_may_wait_for_a_leader_as_long_as_it_does_by_default() {
    let cluster = Cluster::start(1, [jobs(&["a"]), jobs(&["a"])]).await;
    let client = cluster.client();
    client.enqueue(&[], None).await.expect("an answer");
    client.consume(&Consume { wait: 60, ..Default::default() }).await.expect("an answer");
    let seen = cluster.seen();
    let patience = seen.iter().map(|seen| seen.headers["quorate-timeout"].to_str().expect("ASCII"));
    let patience: Vec<f64> = patience.map(|text| text.parse().expect("seconds")).collect();
    assert!(patience[0] > 5.0 && patience[1] >= 65.0, "{patience:?}");
}

#[tokio::test]
async fn a_longer_pause_than_the_deadline_is_not_waited_for() {
    let busy = Answer::SaysRetryAfter(429, 3_600, r#"{"error":{"message":"too much"}}"#.into());
    let cluster = Cluster::start(1, [busy]).await;
    let result = cluster.client().enqueue(&[], None).await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn a_read_leaves_nothing_in_doubt() {
    let cluster = Cluster::start(1, (0..1_000).map(|_| error(500, "a panic"))).await;
    let config = ClientConfig { deadline: Duration::from_millis(200), ..cluster.config() };
    let result = Client::new(config).expect("a good configuration").get("a").await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn a_held_consume_is_not_a_slow_node() {
    // The node answers after the time that it gets without `wait`.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let attempt_timeout = Duration::from_millis(100);
    let handler = move || async move {
        tokio::time::sleep(attempt_timeout * 3).await;
        format!(r#"{{"jobs":[{}]}}"#, job("a", "running"))
    };
    let serve = axum::serve(listener, axum::Router::new().fallback(handler));
    tokio::spawn(async move { serve.await.expect("the fake node serves") });
    let config = ClientConfig { attempt_timeout, ..ClientConfig::new([url]) };
    let client = Client::new(config).expect("a good configuration");
    let consume = quorate_client::Consume { wait: 60, ..Default::default() };
    assert_eq!(client.consume(&consume).await.expect("a job").answer.len(), 1);
}

/// Nodes hear of a new token one after the other.
#[tokio::test]
async fn a_token_that_one_node_does_not_know_yet_is_shown_to_the_next() {
    let unknown = || error(401, "this token is not known here");
    let cluster = Cluster::start(3, [unknown(), jobs(&["a"]), jobs(&["b"])]).await;
    let client = cluster.client();
    client.enqueue(&[], None).await.expect("the second node knows it");
    client.enqueue(&[], None).await.expect("the second node knows it");
    let nodes: Vec<usize> = cluster.seen().iter().map(|seen| seen.node).collect();
    assert_ne!(nodes[0], nodes[1]);
    assert_eq!(nodes[1], nodes[2], "the client went back to the node that does not know it");
}

#[tokio::test]
async fn a_token_that_no_node_knows_is_final() {
    let unknown = || error(401, "this token is not known here");
    let cluster = Cluster::start(2, [unknown(), unknown()]).await;
    let mut config = cluster.config();
    config.nodes.push(dead_node().await);
    let result = Client::new(config).expect("a good configuration").enqueue(&[], None).await;
    let Err(Error::Refused(refused)) = &result else { panic!("{result:?}") };
    assert_eq!((refused.status, refused.kind), (401, RefusedKind::Unauthorized));
    assert_eq!(cluster.seen().len(), 2, "each node that is there was to be asked once");

    // What a node without a leader would say of the token is not known yet.
    let cluster = Cluster::start(2, [unknown(), unavailable("not_applied"), unknown(), jobs(&["a"])]).await;
    cluster.client().enqueue(&[], None).await.expect("the second node knows it");
}
