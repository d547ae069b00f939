use std::convert::Infallible;
use std::task::{Context, Poll};

use quorate_store::NodeId;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Extensions, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;

use super::connections::Ticket;
use super::unfinished::Bounded;
use super::{Identity, Roster, header};

/// All that one may call who is no member.
const JOIN: &str = "/quorate.peer.v1.Peer/Join";
/// What has long messages: entries, commands, files.
const LONG: [&str; 3] =
    ["/quorate.peer.v1.Peer/Append", "/quorate.peer.v1.Peer/Forward", "/quorate.peer.v1.Peer/Snapshot"];

/// Looks at who calls before anything of the call is read: by its certificate, and in its own name, a member calls what it likes, and
/// anybody else asks to join. Where there are no certificates, everybody is who he says he is.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    pub(crate) long: Bounded<S>,
    /// It takes short messages alone.
    pub(crate) short: Bounded<S>,
    /// The same, for who is no member: he has no part in what members' messages may hold.
    pub(crate) others: S,
    pub(crate) identity: Identity,
    pub(crate) roster: Roster,
}

/// Put into a call's extensions by the gate.
#[derive(Clone, Copy)]
struct Caller(NodeId);

/// Who calls.
pub(crate) fn caller(extensions: &Extensions) -> NodeId {
    extensions.get::<Caller>().expect("every call comes through the gate").0
}

/// The connection that a call came over.
pub(crate) fn ticket(extensions: &Extensions) -> &Ticket {
    extensions.get().expect("every call comes over a connection")
}

impl<S> Gate<S> {
    /// Who calls, and whether it is a member.
    fn look_at(&self, request: &Request<Body>) -> Result<(NodeId, bool), Status> {
        let ticket = ticket(request.extensions());
        let from = header::check(&self.identity, &MetadataMap::from_headers(request.headers().clone()))?;
        if ticket.names().is_none_or(|names| self.roster.admits(from, names)) {
            ticket.is_members(from)?;
            return Ok((from, true));
        }
        ticket.called();
        match request.uri().path() {
            JOIN => Ok((from, false)),
            _ => Err(Status::permission_denied(format!(
                "this node knows no member {from} that has the caller's certificate"
            ))),
        }
    }
}

impl<S: NamedService> NamedService for Gate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    /// Services of gRPC are always ready.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.long.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.look_at(&request) {
            Ok((from, is_member)) => {
                request.extensions_mut().insert(Caller(from));
                match LONG.contains(&request.uri().path()) {
                    _ if !is_member => self.others.call(request),
                    true => self.long.call(request),
                    false => self.short.call(request),
                }
            }
            Err(status) => Box::pin(std::future::ready(Ok(status.into_http()))),
        }
    }
}
