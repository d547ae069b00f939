use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use quorate_proto::peer::v1::discovery_server::DiscoveryServer;
use quorate_proto::peer::v1::peer_server::PeerServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::transport::Server;

use crate::NodeConfig;
use crate::peer::connections::Connections;
use crate::peer::door::Door;
use crate::peer::{Identity, Roster, Run};

/// What peers hear of a node that opens its data directory: that it is there, and nothing else. It may take long, and who is asked whether
/// a majority is lost for good must not take it for gone.
pub(crate) struct Starting {
    server: JoinHandle<()>,
    ends: DropGuard,
}

impl Starting {
    /// Refuses all calls from now on, until it is dropped.
    pub(crate) fn serve(config: &NodeConfig, listener: Arc<TcpListener>) -> Starting {
        // Who it is, it does not know before the directory is open.
        let identity =
            Identity { node_id: 0, cluster_id: Arc::default(), run: Run::NONE, former: Arc::default() };
        let door = config.tls.as_ref().map(|tls| Door::new(tls, Roster::new(identity, config)));
        let incoming = Connections::new(config.peer_connections, door).incoming(listener);
        let ended = CancellationToken::new();
        // With a signal, connections end with it.
        let server = Server::builder()
            .add_service(Refuse::<PeerServer<()>>(PhantomData))
            .add_service(Refuse::<DiscoveryServer<()>>(PhantomData))
            .serve_with_incoming_shutdown(incoming, std::future::pending());
        let ends = ended.clone().drop_guard();
        let server = tokio::spawn(async move {
            if let Some(Err(error)) = ended.run_until_cancelled(server).await {
                tracing::error!(%error, "nobody hears that this node is starting");
            }
        });
        Starting { server, ends }
    }

    /// The listener is let go of when this returns.
    pub(crate) async fn end(self) {
        drop(self.ends);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the server of a node that starts panicked");
        }
    }
}

/// Refuses all calls of a service.
struct Refuse<S>(PhantomData<fn() -> S>);

impl<S> Clone for Refuse<S> {
    fn clone(&self) -> Self {
        Refuse(PhantomData)
    }
}

impl<S: NamedService> NamedService for Refuse<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Refuse<S> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// As where nobody listens: it may be tried again.
    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::unavailable("it is starting, and says no more yet").into_http()))
    }
}
