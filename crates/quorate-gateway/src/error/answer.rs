use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quorate_api::{Error, ErrorWrapper};

use super::ApiError;
use super::shape::Shape;
use crate::response::{self, Index};

/// What a handler answers.
pub(crate) type Answer = Result<Response, Failure>;

/// An error, with the place in the log that it stands for where there is one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ApiError,
    pub(crate) index: Option<Index>,
}

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { error: error.into(), index: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        response::set_index(&mut response, self.index);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Shape { status, message, outcome, counted, retry_after } = self.shape();
        if let Some(counted) = counted {
            counted.increment(1);
        }
        let fields =
            if let ApiError::Invalid { fields, .. } = self { Some(fields.into_owned()) } else { None };
        let body = ErrorWrapper { error: Error { message: message.into_owned(), fields }, outcome };
        let mut response = response::json(status, None, &body);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer realm=\"quorate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, retry_after.into());
        }
        response
    }
}
