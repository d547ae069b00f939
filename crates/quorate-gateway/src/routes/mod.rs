//! One handler for every operation. Its `#[utoipa::path]` attribute is its route, its method and its description at
//! once, so that the OpenAPI document and the router cannot differ.

mod cluster;
mod consume;
mod finish;
mod health;
mod images;
mod job;
mod jobs;
mod log;
mod members;
mod metrics;
mod openapi;
mod operations;
mod path_id;
mod queues;
mod root;
mod stats;
mod workers;

use std::collections::HashMap;

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodFilter, on};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{HttpMethod, Paths, RefOr};

use crate::openapi::Document;
use crate::{Backend, Gateway, limits, patience};

/// The routes of the API. (utoipa makes a type `__path_NAME` beside every handler.)
pub(crate) fn all<B: Backend>() -> Routes<B> {
    for_watchers()
        .add(root::__path_get, root::get::<B>)
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
        .add(job::__path_release, job::release::<B>)
        .add(job::__path_retry, job::retry::<B>)
        .add(log::__path_get, log::get::<B>)
        .add(log::__path_append, log::append::<B>)
        .add(operations::__path_retry, operations::retry::<B>)
        .add(operations::__path_cancel, operations::cancel::<B>)
        .add(operations::__path_delete, operations::delete::<B>)
        .add(operations::__path_list, operations::list::<B>)
        .add(operations::__path_get, operations::get::<B>)
        .add(operations::__path_stop, operations::stop::<B>)
        .add(queues::__path_list, queues::list::<B>)
        .add(queues::__path_get, queues::get::<B>)
        .add(queues::__path_put, queues::put::<B>)
        .add(queues::__path_delete, queues::delete::<B>)
        .add(workers::__path_list, workers::list::<B>)
        .add(workers::__path_gone, workers::gone::<B>)
        .add(images::__path_list, images::list::<B>)
        .add(images::__path_get, images::get::<B>)
        .add(cluster::__path_get, cluster::get::<B>)
        .add(cluster::__path_settings, cluster::settings::<B>)
        .add(cluster::__path_configure, cluster::configure::<B>)
        .add(members::__path_add, members::add::<B>)
        .add(members::__path_remove, members::remove::<B>)
        .add(members::__path_drain, members::drain::<B>)
        .add(members::__path_undrain, members::undrain::<B>)
        .add(members::__path_transfer, members::transfer::<B>)
        .add(stats::__path_get, stats::get::<B>)
        .add_document()
}

/// The routes of those who watch a node, instead of using it.
pub(crate) fn for_watchers<B: Backend>() -> Routes<B> {
    Routes { router: Router::new(), paths: Paths::new(), known: HashMap::new() }
        .add(health::__path_healthz, health::healthz::<B>)
        .add(health::__path_readyz, health::readyz::<B>)
        .add(metrics::__path_get, metrics::get::<B>)
}

/// True for these routes: they are answered also where there is room for no other.
pub(crate) fn is_for_watchers(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// A router with its description.
pub(crate) struct Routes<B> {
    pub(crate) router: Router<Gateway<B>>,
    paths: Paths,
    /// By path.
    pub(crate) known: HashMap<String, Known>,
}

/// What a path takes: its methods, with the query parameters of each.
#[derive(Default)]
pub(crate) struct Known(pub(crate) Vec<(Method, Vec<String>)>);

impl Known {
    /// The query parameters of a method; `None` where the path does not take it.
    pub(crate) fn parameters(&self, method: &Method) -> Option<&[String]> {
        let (_, parameters) = self.0.iter().find(|(known, _)| known == method)?;
        Some(parameters)
    }
}

impl<B: Backend> Routes<B> {
    fn add<P: utoipa::Path, T: 'static>(
        mut self,
        _description: P,
        handler: impl Handler<T, Gateway<B>>,
    ) -> Routes<B> {
        let methods = self.describe::<P>();
        for method in &methods {
            self.router = self.router.route(&P::path(), on(filter(method), handler.clone()));
        }
        self
    }

    /// Notes what an operation takes, and gives its methods.
    fn describe<P: utoipa::Path>(&mut self) -> Vec<HttpMethod> {
        let mut operation = P::operation();
        operation.tags = Some(vec![tag(&P::path()).into()]);
        operation.parameters.get_or_insert_default().push(timeout_parameter());
        without_null_body(&mut operation);
        let parameters = query_parameters(&operation);
        let methods = P::methods();
        let names = methods.iter().flat_map(names).map(|method| (method.clone(), parameters.clone()));
        self.known.entry(P::path()).or_default().0.extend(names);
        self.paths.add_path_operation(P::path(), P::methods(), operation);
        methods
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
        self.known.entry(P::path()).or_default().0.retain(|(method, _)| *method != Method::HEAD);
        self
    }

    /// Adds the description of all that was added, and of itself.
    fn add_document(mut self) -> Routes<B> {
        let methods = self.describe::<openapi::__path_openapi>();
        let document = Document::of(self.paths.clone());
        let path = <openapi::__path_openapi as utoipa::Path>::path();
        for method in &methods {
            let document = document.clone();
            self.router =
                self.router.route(&path, on(filter(method), async move || openapi::openapi(&document)));
        }
        self
    }
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

/// What a route of this method answers.
fn names(method: &HttpMethod) -> &'static [Method] {
    match method {
        HttpMethod::Get => &[Method::GET, Method::HEAD],
        HttpMethod::Post => &[Method::POST],
        HttpMethod::Put => &[Method::PUT],
        HttpMethod::Delete => &[Method::DELETE],
        HttpMethod::Options => &[Method::OPTIONS],
        HttpMethod::Head => &[Method::HEAD],
        HttpMethod::Patch => &[Method::PATCH],
        HttpMethod::Trace => &[Method::TRACE],
    }
}
