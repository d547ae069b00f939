//! The gateway as HTTP: its routes with their edge, and the server around them.

use axum::Router;
use tokio::net::TcpListener;

use crate::edge::Edge;
use crate::routes::Routes;
use crate::server::Server;
use crate::{Backend, ConnectionLimits, Gateway, routes};

impl<B: Backend> Gateway<B> {
    /// Serves every route on `listener` until [`crate::GatewayConfig::shutdown`], and then until what was in flight has been
    /// answered, in bounded time.
    pub async fn serve(self, listener: TcpListener, limits: ConnectionLimits) {
        self.serve_routes(routes::all(), listener, limits).await;
    }

    /// Serves, in the same way, only what concerns those who watch this node: `/metrics` and its health.
    pub async fn serve_watchers(self, listener: TcpListener) {
        self.serve_routes(routes::for_watchers(), listener, ConnectionLimits::for_watchers()).await;
    }

    async fn serve_routes(self, routes: Routes<B>, listener: TcpListener, limits: ConnectionLimits) {
        let server = Server {
            router: self.around(routes),
            limits,
            shutdown: self.config().shutdown.clone(),
            memories: self.memories(),
        };
        drop(self);
        server.run(listener).await;
    }

    /// Every route, without a server around it.
    pub fn router(&self) -> Router {
        self.around(routes::all())
    }

    fn around(&self, routes: Routes<B>) -> Router {
        Edge::new(self.node().clone(), self.config().traces, routes.known)
            .around(routes.router.with_state(self.clone()))
    }
}
