//! What is around every route: what the head of any request must be, what is answered where there is only room for health
//! checks, how long the client waits, which query parameters there are, the node's name and `Allow` in answers, and a panic
//! that ends one request instead of a connection. And by what it is known, and how long it took.
//!
//! One layer for all of it: each costs every request some microseconds.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use quorate_api::WriteOutcome;
use tracing::Instrument;

use crate::access::{Access, Caller, Needs};
use crate::asked::Asked;
use crate::browser::Hosts;
use crate::error::ApiError;
use crate::meant::meant;
use crate::metrics::{Durations, InFlight};
use crate::query::Query;
use crate::rates::Rates;
use crate::routes::{Known, Taken};
use crate::server::OnlyHealth;
use crate::shares::{Share, Shares};
use crate::trace::{Client, Line, RequestId, Traces};
use crate::whose::{Behalf, Whose};
use crate::{browser, head, limits, patience, routes};

/// A browser loads nothing for an answer, and shows it in no other page.
const NO_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";
const QUORATE_NODE: HeaderName = HeaderName::from_static("quorate-node");

/// The edge of a router. A clone is the same edge.
#[derive(Clone)]
pub(crate) struct Edge {
    node: HeaderValue,
    traces: Traces,
    access: Access,
    hosts: Arc<Hosts>,
    shares: Shares,
    /// Of those who ask whether this node is well: whoever has all of his share must not believe that it is not.
    watchers: Shares,
    /// How often the audit log has tries of those who are not known.
    strangers: Arc<Rates>,
    paths: Arc<HashMap<String, Path>>,
    /// Of requests to no route.
    elsewhere: Arc<Durations>,
}

/// What is known of a path.
struct Path {
    /// The value of `Allow`.
    allow: HeaderValue,
    known: Known,
    durations: Durations,
}

impl Edge {
    /// The edge of the node `node`, around these paths, on which one caller has so many requests at most.
    pub(crate) fn new(
        node: HeaderValue,
        traces: Traces,
        access: Access,
        hosts: Hosts,
        paths: HashMap<String, Known>,
        per_caller: usize,
    ) -> Edge {
        let path = |name: &str, known: Known| {
            let methods: Vec<&str> = known.methods().map(Method::as_str).collect();
            let allow =
                HeaderValue::try_from(methods.join(", ")).expect("names of methods are a header value");
            Path { allow, known, durations: Durations::of(name) }
        };
        let paths = paths.into_iter().map(|(name, known)| (name.clone(), path(&name, known))).collect();
        Edge {
            node,
            traces,
            access,
            hosts: Arc::new(hosts),
            shares: Shares::new(per_caller),
            watchers: Shares::new(limits::CHECKS_PER_CALLER),
            strangers: Arc::new(Rates::new(None)),
            paths: Arc::new(paths),
            elsewhere: Arc::new(Durations::of("none")),
        }
    }

    /// The router with its edge.
    pub(crate) fn around(self, router: Router) -> Router {
        let paths = Arc::clone(&self.paths);
        let no_such_route = async move |request: Request| {
            let meant = meant(request.uri().path(), paths.keys().map(String::as_str));
            ApiError::NoSuchRoute { meant: meant.map(str::to_owned) }
        };
        router
            .fallback(no_such_route)
            // `handle` says which methods there are.
            .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
            .layer(middleware::from_fn_with_state(self, Edge::handle))
    }

    async fn handle(State(edge): State<Edge>, request: Request, next: Next) -> Response {
        let (begun, method, _in_flight) = (Instant::now(), request.method().clone(), InFlight::new());
        let route = request.extensions().get::<MatchedPath>().cloned();
        let route = route.as_ref().map(MatchedPath::as_str);
        let path = route.and_then(|route| edge.paths.get(route));
        let id = RequestId::of(request.headers());
        let span = edge.traces.span(&id, route.unwrap_or("none"), &request);
        let caller = edge.access.caller(request.headers());
        let taken = path.and_then(|path| path.known.of(&method));
        let needs = taken.map_or(Needs::Nothing, |taken| taken.needs);
        let audit = needs.is_admins() && edge.audits(caller.as_ref().ok(), &request);
        let line = edge.traces.line(&id, &request, caller.as_ref().ok(), audit);
        let mut response = match edge.share(caller.as_ref().ok(), needs, &request) {
            Ok(share) => {
                let answer = edge.answer(caller, request, next, path).instrument(span.clone());
                let mut response = Asked::answered(line.as_ref().and_then(Line::asked), answer).await;
                // The server keeps it until the client has taken all of the answer.
                share.and_then(|share| response.extensions_mut().insert(Arc::new(share)));
                response
            }
            Err(overloaded) => overloaded.into_response(),
        };
        let took = begun.elapsed();
        span.record("status", response.status().as_u16());
        let durations = path.map_or(&*edge.elsewhere, |path| &path.durations);
        durations.record(&method, response.status(), took);
        if let Some(line) = line {
            line.log(&response, took);
        }
        id.put(response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(QUORATE_NODE, edge.node);
        // No answer is a page, whatever a job wrote into it.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NO_PAGE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Whether the audit log has what only administrators may do: of strangers no more than now and then, as they are many.
    fn audits(&self, caller: Option<&Caller>, request: &Request) -> bool {
        if caller.is_some_and(|caller| caller.name.is_some() || caller.may(Needs::ADMIN).is_ok()) {
            return true;
        }
        let client: Option<&Client> = request.extensions().get();
        let address = client.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client.address.ip());
        self.strangers.pay_at(Whose::at(address), limits::STRANGERS_LINES, 1).is_ok()
    }

    /// What a request takes of its caller's share, whoever that is and whatever it asks for: each holds as much as the others while its
    /// answer is not taken. `None` where it came over no connection.
    fn share(
        &self,
        caller: Option<&Caller>,
        needs: Needs,
        request: &Request,
    ) -> Result<Option<Share>, ApiError> {
        let whose = match caller {
            Some(caller) => caller.behalf(request).map(|behalf| behalf.whose),
            None => request.extensions().get().map(|client: &Client| Whose::at(client.address.ip())),
        };
        let Some(whose) = whose else { return Ok(None) };
        let shares = match routes::is_for_watchers(request.uri().path()) {
            true => &self.watchers,
            false => &self.shares,
        };
        shares.take(whose, needs).map(Some).ok_or(ApiError::CallerOverloaded)
    }

    /// Answers a request, whatever it is.
    async fn answer(
        &self,
        caller: Result<Caller, ApiError>,
        request: Request,
        next: Next,
        path: Option<&Path>,
    ) -> Response {
        let response = match check(&request).and_then(|()| self.hosts.check(&request)) {
            Ok(()) => guarded(self.answer_on(caller, request, next, path)).await,
            Err(error) => closing(error, request.version()),
        };
        match path {
            Some(path) if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
                let takes = path.allow.to_str().unwrap_or_default().to_owned();
                let mut response = ApiError::MethodNotAllowed { takes }.into_response();
                response.headers_mut().insert(header::ALLOW, path.allow.clone());
                response
            }
            _ => response,
        }
    }

    /// Answers a request on this path, if it is one of a route: if its caller may ask that, with its query parsed by the parameters
    /// that the route's description lists, on its caller's behalf, and for as long as its client waits.
    async fn answer_on(
        &self,
        caller: Result<Caller, ApiError>,
        mut request: Request,
        next: Next,
        path: Option<&Path>,
    ) -> Result<Response, ApiError> {
        let Some(Taken { parameters, needs, has_effect, .. }) =
            path.and_then(|path| path.known.of(request.method()))
        else {
            return Ok(next.run(request).await);
        };
        if *has_effect {
            browser::check_effect(request.headers())?;
        }
        let behalf = match *needs {
            Needs::Nothing => None,
            needs @ Needs::OneOf(_) => {
                let caller = caller?;
                caller.may(needs)?;
                if caller.name.is_none() {
                    self.hosts.check_stranger(&request)?;
                }
                caller.behalf(&request)
            }
        };
        let until = patience::until(request.headers())?;
        if let Some(raw) = request.uri().query() {
            let query = Query::parse(raw, parameters)?;
            request.extensions_mut().insert(query);
        }
        Ok(Behalf::answered(behalf, patience::answered(until, next.run(request))).await)
    }
}

async fn guarded(answer: impl Future<Output = Result<Response, ApiError>>) -> Response {
    // Handlers share nothing that a panic could leave half changed: semaphores, and the backend's own affair.
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response.into_response(),
        Err(panic) => {
            let message =
                panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
            tracing::error!(panics = 1, message, "a request panicked");
            ApiError::Internal.into_response()
        }
    }
}

fn check(request: &Request) -> Result<(), ApiError> {
    head::check(request)?;
    if request.extensions().get::<OnlyHealth>().is_some() && !routes::is_for_watchers(request.uri().path()) {
        return Err(ApiError::Unavailable {
            outcome: WriteOutcome::NotApplied,
            message: "this node has no room for more connections or requests",
        });
    }
    Ok(())
}

/// Where the head is not understood, neither is where the request ends: its connection is closed.
fn closing(error: ApiError, version: Version) -> Response {
    let mut response = error.into_response();
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
