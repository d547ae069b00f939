//! The gateway as HTTP: its routes with their edge, and the server around them.

use axum::Router;
use tokio::net::TcpListener;

use crate::edge::Edge;
use crate::server::Server;
use crate::{Backend, ConnectionLimits, Gateway, routes};

impl<B: Backend> Gateway<B> {
    /// Serves every route on `listener` until [`crate::GatewayConfig::shutdown`], and then until what was in flight has been
    /// answered, in bounded time.
    pub async fn serve(self, listener: TcpListener, limits: ConnectionLimits) {
        let server = Server {
            router: self.router(),
            limits,
            shutdown: self.config().shutdown.clone(),
            memories: self.memories(),
        };
        drop(self);
        server.run(listener).await;
    }

    /// Every route, without a server around it.
    pub fn router(&self) -> Router {
        let routes = routes::all::<B>();
        Edge::new(self.node().clone(), routes.known).around(routes.router.with_state(self.clone()))
    }
}
