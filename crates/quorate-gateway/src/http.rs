//! The gateway as HTTP: its routes with their edge, and the server around them.

use axum::Router;
use tokio::net::TcpListener;

use crate::access::Access;
use crate::browser::Hosts;
use crate::edge::Edge;
use crate::routes::Routes;
use crate::server::{Door, Server};
use crate::{Backend, ConnectionLimits, Gateway, limits, routes};

impl<B: Backend> Gateway<B> {
    /// Serves every route on `listener` until [`crate::GatewayConfig::shutdown`], and then until what was in flight has been
    /// answered, in bounded time.
    pub async fn serve(self, listener: TcpListener, limits: ConnectionLimits) {
        let (access, clients) = (self.config().access.clone(), self.config().tls_clients.clone());
        let door = self.config().tls.clone().map(|tls| Door::new(tls, clients));
        self.serve_routes(routes::all(), access, listener, limits, door).await;
    }

    /// Serves, in the same way, only what concerns those who watch this node, and to whoever reaches it: `/metrics` and its health.
    /// Never over TLS.
    pub async fn serve_watchers(self, listener: TcpListener) {
        let (access, limits) = (Access::open(), ConnectionLimits::for_watchers());
        self.serve_routes(routes::for_watchers(), access, listener, limits, None).await;
    }

    async fn serve_routes(
        self,
        routes: Routes<B>,
        access: Access,
        listener: TcpListener,
        limits: ConnectionLimits,
        door: Option<Door>,
    ) {
        let server = Server {
            router: self.around(routes, access, limits.caller_requests),
            limits,
            door,
            shutdown: self.config().shutdown.clone(),
            memories: self.memories(),
        };
        drop(self);
        server.run(listener).await;
    }

    /// Every route, without a server around it.
    pub fn router(&self) -> Router {
        let access = self.config().access.clone();
        self.around(routes::all(), access, limits::REQUESTS_PER_CALLER)
    }

    fn around(&self, routes: Routes<B>, access: Access, per_caller: usize) -> Router {
        let hosts = Hosts::new(&self.config().hosts);
        Edge::new(self.node().clone(), self.config().traces, access, hosts, routes.known, per_caller)
            .around(routes.router.with_state(self.clone()))
    }
}
