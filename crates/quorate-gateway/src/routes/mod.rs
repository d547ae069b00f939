//! One handler for every operation. Its `#[utoipa::path]` attribute is its route, its method and its description at
//! once, so that the OpenAPI document and the router cannot differ.

mod cluster;
mod consume;
mod finish;
mod health;
mod images;
mod job;
mod jobs;
mod openapi;
mod path_id;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{HttpMethod, Paths, RefOr};

use crate::error::ApiError;
use crate::query::Query;
use crate::{Backend, Gateway, limits, patience};

/// The routes of the API. (utoipa makes a type `__path_NAME` beside every handler.)
pub(crate) fn all<B: Backend>() -> Routes<B> {
    Routes { router: Router::new(), paths: Paths::new(), methods: HashMap::new() }
        .add(jobs::__path_enqueue, jobs::enqueue::<B>)
        .add(jobs::__path_list, jobs::list::<B>)
        .add(jobs::__path_ids, jobs::ids::<B>)
        .add_with_effect(consume::__path_get, consume::get::<B>)
        .add(consume::__path_post, consume::post::<B>)
        .add(finish::__path_post, finish::post::<B>)
        .add(job::__path_get, job::get::<B>)
        .add(job::__path_delete, job::delete::<B>)
        .add(job::__path_cancel, job::cancel::<B>)
        .add(job::__path_success, job::success::<B>)
        .add(job::__path_fail, job::fail::<B>)
        .add(job::__path_touch, job::touch::<B>)
        .add(job::__path_retry, job::retry::<B>)
        .add(job::__path_log, job::log::<B>)
        .add(images::__path_list, images::list::<B>)
        .add(images::__path_get, images::get::<B>)
        .add(cluster::__path_get, cluster::get::<B>)
        .add(cluster::__path_settings, cluster::settings::<B>)
        .add(cluster::__path_configure, cluster::configure::<B>)
        .add(health::__path_healthz, health::healthz::<B>)
        .add(health::__path_readyz, health::readyz::<B>)
        .add(openapi::__path_openapi, openapi::openapi)
}

/// True for the routes that health checks ask.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

/// A router with its description.
pub(crate) struct Routes<B> {
    pub(crate) router: Router<Gateway<B>>,
    pub(crate) paths: Paths,
    /// The methods of each path, for `Allow`.
    pub(crate) methods: HashMap<String, Vec<&'static str>>,
}

impl<B: Backend> Routes<B> {
    fn add<P: utoipa::Path, T: 'static>(
        mut self,
        _description: P,
        handler: impl Handler<T, Gateway<B>>,
    ) -> Routes<B> {
        let mut operation = P::operation();
        operation.tags = Some(vec![tag(&P::path()).into()]);
        operation.parameters.get_or_insert_default().push(timeout_parameter());
        without_null_body(&mut operation);
        let known = Arc::new(query_parameters(&operation));
        let methods = P::methods();
        for method in &methods {
            let route = on(filter(method), handler.clone())
                .route_layer(middleware::from_fn_with_state(Arc::clone(&known), parse_query));
            self.router = self.router.route(&P::path(), route);
            self.methods.entry(P::path()).or_default().extend(names(method));
        }
        self.paths.add_path_operation(P::path(), methods, operation);
        self
    }

    /// Adds a GET that has an effect: axum would answer HEAD with what it does.
    fn add_with_effect<P: utoipa::Path, T: 'static>(
        mut self,
        description: P,
        handler: impl Handler<T, Gateway<B>>,
    ) -> Routes<B> {
        self = self.add(description, handler);
        self.router =
            self.router.route(&P::path(), on(MethodFilter::HEAD, async || StatusCode::METHOD_NOT_ALLOWED));
        self.methods.entry(P::path()).or_default().retain(|method| *method != "HEAD");
        self
    }
}

/// Refuses, for every route, the parameters that its description does not list.
async fn parse_query(
    State(known): State<Arc<Vec<String>>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    if let Some(raw) = request.uri().query() {
        let query = Query::parse(raw, &known)?;
        request.extensions_mut().insert(query);
    }
    Ok(next.run(request).await)
}

fn query_parameters(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let of_query = parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
    of_query.map(|parameter| parameter.name.clone()).collect()
}

/// utoipa says by `null` that a body may be missing. No call takes that word for it.
fn without_null_body(operation: &mut Operation) {
    let Some(body) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        match &mut content.schema {
            Some(RefOr::T(Schema::OneOf(one_of))) => {
                one_of.items.retain(|item| !is_null(item));
                if one_of.items.len() == 1 {
                    content.schema = one_of.items.pop();
                }
            }
            Some(RefOr::T(Schema::Object(object))) => {
                if let SchemaType::Array(types) = &mut object.schema_type {
                    types.retain(|one| *one != Type::Null);
                }
            }
            _ => {}
        }
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

/// What every operation takes.
fn timeout_parameter() -> Parameter {
    ParameterBuilder::new()
        .name(patience::QUORATE_TIMEOUT)
        .parameter_in(ParameterIn::Header)
        .description(Some("Seconds that the client waits for the answer: this node waits for a leader no longer, and says what became of the request"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0.0)).maximum(Some(limits::PATIENCE_SECONDS))))
        .build()
}

/// The heading under which the document lists a path: its first word behind the version.
fn tag(path: &str) -> &str {
    match path.strip_prefix("/v1/") {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => "node",
    }
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}

/// As `Allow` names them.
fn names(method: &HttpMethod) -> &'static [&'static str] {
    match method {
        HttpMethod::Get => &["GET", "HEAD"],
        HttpMethod::Post => &["POST"],
        HttpMethod::Put => &["PUT"],
        HttpMethod::Delete => &["DELETE"],
        HttpMethod::Options => &["OPTIONS"],
        HttpMethod::Head => &["HEAD"],
        HttpMethod::Patch => &["PATCH"],
        HttpMethod::Trace => &["TRACE"],
    }
}
