//! One handler for every operation. Its `#[utoipa::path]` attribute is its route, its method and its description at
//! once, so that the OpenAPI document and the router cannot differ.

mod cluster;
mod consume;
mod health;
mod images;
mod job;
mod jobs;
mod openapi;
mod path_id;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use utoipa::openapi::{HttpMethod, Paths};

use crate::{Backend, Gateway};

/// The routes of the API. (utoipa makes a type `__path_NAME` beside every handler.)
pub(crate) fn all<B: Backend>() -> Routes<B> {
    Routes { router: Router::new(), paths: Paths::new() }
        .add(jobs::__path_enqueue, jobs::enqueue::<B>)
        .add(jobs::__path_list, jobs::list::<B>)
        .add(consume::__path_get, consume::get::<B>)
        .add(consume::__path_post, consume::post::<B>)
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
        .add(openapi::__path_openapi, openapi::openapi::<B>)
}

/// A router with its description.
pub(crate) struct Routes<B> {
    pub(crate) router: Router<Gateway<B>>,
    pub(crate) paths: Paths,
}

impl<B: Backend> Routes<B> {
    fn add<P: utoipa::Path, T: 'static>(
        mut self,
        _description: P,
        handler: impl Handler<T, Gateway<B>>,
    ) -> Routes<B> {
        let methods = P::methods();
        for method in &methods {
            self.router = self.router.route(&P::path(), on(filter(method), handler.clone()));
        }
        let mut operation = P::operation();
        operation.tags = Some(vec![tag(&P::path()).into()]);
        self.paths.add_path_operation(P::path(), methods, operation);
        self
    }
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
