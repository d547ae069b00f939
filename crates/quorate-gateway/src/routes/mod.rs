//! One handler for every operation. Its `#[utoipa::path]` attribute is its route, its method and its description at
//! once, so that the OpenAPI document and the router cannot differ.

mod append_log;
mod backup;
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
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HttpMethod, Paths, Ref, RefOr, ResponseBuilder};

use crate::access::Needs;
use crate::openapi::Document;
use crate::{Backend, Gateway, limits, patience};

/// The routes of the API. (utoipa makes a type `__path_NAME` beside every handler.)
pub(crate) fn all<B: Backend>() -> Routes<B> {
    for_watchers()
        .add(Needs::Nothing, root::__path_get, root::get::<B>)
        .add(Needs::SUBMIT, jobs::__path_enqueue, jobs::enqueue::<B>)
        .add(Needs::READ, jobs::__path_list, jobs::list::<B>)
        .add(Needs::READ, jobs::__path_ids, jobs::ids::<B>)
        .add_with_effect(Needs::RUN, consume::__path_get, consume::get::<B>)
        .add(Needs::RUN, consume::__path_post, consume::post::<B>)
        .add(Needs::RUN, finish::__path_post, finish::post::<B>)
        .add(Needs::ANY, job::__path_get, job::get::<B>)
        .add(Needs::SUBMIT, job::__path_delete, job::delete::<B>)
        .add(Needs::SUBMIT, job::__path_cancel, job::cancel::<B>)
        .add(Needs::RUN, job::__path_success, job::success::<B>)
        .add(Needs::RUN, job::__path_fail, job::fail::<B>)
        .add(Needs::RUN, job::__path_touch, job::touch::<B>)
        .add(Needs::RUN, job::__path_release, job::release::<B>)
        .add(Needs::SUBMIT, job::__path_retry, job::retry::<B>)
        .add(Needs::ANY, log::__path_get, log::get::<B>)
        .add(Needs::RUN, append_log::__path_append, append_log::append::<B>)
        .add(Needs::ADMIN, operations::__path_retry, operations::retry::<B>)
        .add(Needs::ADMIN, operations::__path_cancel, operations::cancel::<B>)
        .add(Needs::ADMIN, operations::__path_delete, operations::delete::<B>)
        .add(Needs::READ, operations::__path_list, operations::list::<B>)
        .add(Needs::READ, operations::__path_get, operations::get::<B>)
        .add(Needs::ADMIN, operations::__path_stop, operations::stop::<B>)
        .add(Needs::READ, queues::__path_list, queues::list::<B>)
        .add(Needs::READ, queues::__path_get, queues::get::<B>)
        .add(Needs::ADMIN, queues::__path_put, queues::put::<B>)
        .add(Needs::ADMIN, queues::__path_delete, queues::delete::<B>)
        .add(Needs::READ, workers::__path_list, workers::list::<B>)
        .add(Needs::RUN, workers::__path_gone, workers::gone::<B>)
        .add(Needs::READ, images::__path_list, images::list::<B>)
        .add(Needs::READ, images::__path_get, images::get::<B>)
        .add(Needs::ANY, cluster::__path_get, cluster::get::<B>)
        .add(Needs::ADMIN, backup::__path_get, backup::get::<B>)
        .add(Needs::READ, cluster::__path_settings, cluster::settings::<B>)
        .add(Needs::ADMIN, cluster::__path_configure, cluster::configure::<B>)
        .add(Needs::ADMIN, members::__path_add, members::add::<B>)
        .add(Needs::ADMIN, members::__path_remove, members::remove::<B>)
        .add(Needs::ADMIN, members::__path_drain, members::drain::<B>)
        .add(Needs::ADMIN, members::__path_undrain, members::undrain::<B>)
        .add(Needs::ADMIN, members::__path_transfer, members::transfer::<B>)
        .add(Needs::READ, stats::__path_get, stats::get::<B>)
        .add_document()
}

/// The routes of those who watch a node, instead of using it.
pub(crate) fn for_watchers<B: Backend>() -> Routes<B> {
    Routes { router: Router::new(), paths: Paths::new(), known: HashMap::new() }
        .add(Needs::Nothing, health::__path_healthz, health::healthz::<B>)
        .add(Needs::Nothing, health::__path_readyz, health::readyz::<B>)
        .add(Needs::READ, metrics::__path_get, metrics::get::<B>)
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

/// What a path takes.
#[derive(Default)]
pub(crate) struct Known(Vec<Taken>);

/// A method that a path takes.
pub(crate) struct Taken {
    method: Method,
    /// The names of its query parameters.
    pub(crate) parameters: Vec<String>,
    /// What its callers must be.
    pub(crate) needs: Needs,
    /// It is a GET that changes something.
    pub(crate) has_effect: bool,
}

impl Known {
    /// What is known of a method; `None` where the path does not take it.
    pub(crate) fn of(&self, method: &Method) -> Option<&Taken> {
        self.0.iter().find(|taken| taken.method == *method)
    }

    /// All that the path takes.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.0.iter().map(|taken| &taken.method)
    }
}

impl<B: Backend> Routes<B> {
    fn add<P: utoipa::Path, T: 'static>(
        mut self,
        needs: Needs,
        _description: P,
        handler: impl Handler<T, Gateway<B>>,
    ) -> Routes<B> {
        let methods = self.describe::<P>(needs);
        for method in &methods {
            self.router = self.router.route(&P::path(), on(filter(method), handler.clone()));
        }
        self
    }

    /// Notes what an operation takes, and gives its methods.
    fn describe<P: utoipa::Path>(&mut self, needs: Needs) -> Vec<HttpMethod> {
        let mut operation = P::operation();
        operation.tags = Some(vec![tag(&P::path()).into()]);
        operation.parameters.get_or_insert_default().extend([timeout_parameter(), request_id_parameter()]);
        without_null_body(&mut operation);
        say_what_it_needs(&mut operation, needs);
        let parameters = query_parameters(&operation);
        let methods = P::methods();
        let taken = |method: &Method| Taken {
            method: method.clone(),
            parameters: parameters.clone(),
            needs,
            has_effect: false,
        };
        self.known.entry(P::path()).or_default().0.extend(methods.iter().flat_map(names).map(taken));
        self.paths.add_path_operation(P::path(), P::methods(), operation);
        methods
    }

    /// Adds a GET that has an effect: axum would answer HEAD with what it does.
    fn add_with_effect<P: utoipa::Path, T: 'static>(
        mut self,
        needs: Needs,
        description: P,
        handler: impl Handler<T, Gateway<B>>,
    ) -> Routes<B> {
        self = self.add(needs, description, handler);
        self.router =
            self.router.route(&P::path(), on(MethodFilter::HEAD, async || StatusCode::METHOD_NOT_ALLOWED));
        let taken = &mut self.known.entry(P::path()).or_default().0;
        taken.retain(|taken| taken.method != Method::HEAD);
        taken
            .iter_mut()
            .filter(|taken| taken.method == Method::GET)
            .for_each(|taken| taken.has_effect = true);
        self
    }

    /// Adds the description of all that was added, and of itself.
    fn add_document(mut self) -> Routes<B> {
        let methods = self.describe::<openapi::__path_openapi>(Needs::Nothing);
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

/// The roles, and how one is answered who has none of them.
fn say_what_it_needs(operation: &mut Operation, needs: Needs) {
    let Some(roles) = needs.in_words() else { return };
    let said = operation.description.get_or_insert_default();
    said.push_str(&format!("\n\nWhere the node asks for tokens: of the role {roles}."));
    operation.security = Some(vec![SecurityRequirement::default(), token_requirement()]);
    let refusal = |says: &str| {
        let error = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorWrapper"))).build();
        ResponseBuilder::new().description(says).content("application/json", error).build()
    };
    let responses = &mut operation.responses.responses;
    responses.insert("401".into(), refusal("A token is missing, or this one is not known").into());
    responses.insert("403".into(), refusal("The token has none of the roles that this needs").into());
}

fn token_requirement() -> SecurityRequirement {
    SecurityRequirement::new::<_, _, &str>(quorate_api::TOKEN_SCHEME, [])
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

/// What every operation takes, and answers.
fn request_id_parameter() -> Parameter {
    let of_length = ObjectBuilder::new().schema_type(Type::String).max_length(Some(limits::REQUEST_ID_BYTES));
    ParameterBuilder::new()
        .name("X-Request-Id")
        .parameter_in(ParameterIn::Header)
        .description(Some("What the request is called in its answer, in the access log and in traces; a node draws one where there is none"))
        .schema(Some(of_length))
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
