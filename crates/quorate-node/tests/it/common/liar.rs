//! Somebody who answers what a test says.

use std::sync::Arc;

use parking_lot::Mutex;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_server::{Discovery, DiscoveryServer};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Says of itself, and of the cluster, what it was made to say.
#[derive(Clone)]
pub struct Liar {
    lie: pb::DiscoverResponse,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Liar {
    /// At this address, without a certificate.
    pub async fn serve(addr: &str, lie: pb::DiscoverResponse) -> Liar {
        let liar = Liar { lie, asked: Arc::default() };
        let listener = TcpListener::bind(addr).await.unwrap();
        let server = Server::builder().add_service(DiscoveryServer::new(liar.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        liar
    }

    /// How often the node of this name has asked.
    pub fn asked_by(&self, name: &str) -> usize {
        self.asked.lock().iter().filter(|asker| *asker == name).count()
    }
}

#[tonic::async_trait]
impl Discovery for Liar {
    async fn discover(
        &self,
        request: Request<pb::DiscoverRequest>,
    ) -> Result<Response<pb::DiscoverResponse>, Status> {
        self.asked.lock().push(request.into_inner().name);
        Ok(Response::new(self.lie.clone()))
    }
}
