//! Those who connect to the peer port and want nothing, or too much.

use std::time::Duration;

use crate::common::authority::Authority;
use crate::common::intruder::Intruder;
use crate::common::*;
use bytes::Bytes;
use futures::StreamExt;
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// Of the connections that a node of the tests lets have.
const MOST: usize = 64;

/// Whether the other side has closed it.
async fn is_closed(stream: &mut TcpStream) -> bool {
    // What a server of HTTP/2 says at first, or the end.
    let mut bytes = [0; 1_024];
    let read = async { while stream.read(&mut bytes).await.is_ok_and(|bytes| bytes > 0) {} };
    tokio::time::timeout(Duration::from_millis(1), read).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_which_nothing_is_said_keep_nobody_out_and_do_not_stay() {
    keep_nobody_out(Cluster::tuned(3, |config| config.peer_connections = MOST)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_where_certificates_are_asked_for() {
    let authority = Authority::new();
    let tuned = Cluster::tuned(3, |config| {
        config.peer_connections = MOST;
        authority.certify(config);
    });
    keep_nobody_out(tuned).await;
}

async fn keep_nobody_out(mut cluster: Cluster) {
    cluster.start_all().await;
    let leader = cluster.leader().await;
    let addr = cluster.config(leader).peers[leader].1.clone();
    let mut idle = Vec::new();
    for _ in 0..5 * MOST {
        idle.push(TcpStream::connect(&addr).await.unwrap());
    }
    put(cluster.at(leader), 1).await;
    // One that comes back has to connect anew.
    let other = cluster.follower().await;
    cluster.crash(other).await;
    cluster.start(other).await;
    eventually("it is back", async || cluster.at(other).ready().await).await;
    let mut open = idle.len();
    for stream in &mut idle {
        open -= usize::from(is_closed(stream).await);
    }
    assert!(open <= MOST / 4, "{open} are open");
    eventually("none is open", async || {
        for stream in &mut idle {
            if !is_closed(stream).await {
                return false;
            }
        }
        true
    })
    .await;
    put(cluster.at(other), 2).await;
    cluster.stop_all().await;
}

/// A frame of the longest kind that never ends, and how its call does.
pub(crate) async fn unfinished(mut channel: Channel, intruder: &Intruder, call: &str) -> Status {
    const ANNOUNCED: u32 = 32 << 20;
    let head = Bytes::from([&[0][..], &ANNOUNCED.to_be_bytes()].concat());
    let piece = Bytes::from(vec![0; 1 << 20]);
    let pieces = std::iter::once(head).chain(std::iter::repeat_n(piece, 31));
    let frames = futures::stream::iter(pieces.map(|bytes| Ok::<_, Status>(Frame::data(bytes))));
    let body = http_body_util::StreamBody::new(frames.chain(futures::stream::pending()));
    let mut request = http::Request::new(Body::new(body));
    *request.method_mut() = http::Method::POST;
    *request.headers_mut() = intruder.request(()).metadata().clone().into_headers();
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    *request.uri_mut() = format!("/quorate.peer.v1.Peer/{call}").parse().unwrap();
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.unwrap();
    let answer = channel.call(request).await.unwrap();
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return status;
    }
    let answer = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    let trailers = answer.trailers().cloned().unwrap_or_default();
    Status::from_header_map(&trailers).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_messages_that_do_not_end_hold_is_bounded() {
    let cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let from = cluster.follower().await;
    let intruder = Intruder::new(&cluster, from, leader).await;
    let addr = format!("http://{}", cluster.config(leader).peers[leader].1);
    let calls = (0..6).map(async |_| {
        let channel = Endpoint::from_shared(addr.clone()).unwrap().connect().await.unwrap();
        unfinished(channel, &intruder, "Append").await
    });
    let mut calls: futures::stream::FuturesUnordered<_> = calls.collect();
    // One at most fits into what a caller may have open.
    for _ in 0..5 {
        let refused = tokio::time::timeout(LONG, calls.next()).await.expect("one is refused").unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    }
    put(cluster.at(leader), 1).await;
    // Nor does that one stay, if it did not meet with the others' bytes.
    while let Some(last) = calls.next().await {
        assert!(matches!(last.code(), Code::DeadlineExceeded | Code::ResourceExhausted), "{last}");
    }
    drop(calls);
    put(cluster.at(from), 2).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_has_so_many_streams() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let cluster = Cluster::started(1).await;
    let mut stream = TcpStream::connect(&cluster.config(0).peers[0].1).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // The first frame is the server's settings, each of six bytes (RFC 9113, section 6.5).
    let length = stream.read_u32().await.unwrap() >> 8;
    stream.read_exact(&mut [0; 5]).await.unwrap();
    let mut most = None;
    for _ in 0..length / 6 {
        let (setting, value) = (stream.read_u16().await.unwrap(), stream.read_u32().await.unwrap());
        most = most.or((setting == MAX_CONCURRENT_STREAMS).then_some(value));
    }
    assert_eq!(most, Some(64));
    cluster.stop_all().await;
}
