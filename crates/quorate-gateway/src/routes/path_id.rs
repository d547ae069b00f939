use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use quorate_core::{ImageId, JobId};

use crate::error::ApiError;
use crate::ids;

/// The job that a path names. What cannot be an id is the id of no job: 404.
pub(crate) struct JobPath(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<JobPath, ApiError> {
        match id(parts, state).await {
            Some(id) => Ok(JobPath(JobId(id))),
            None => Err(ApiError::NoSuchJob),
        }
    }
}

/// The image that a path names, likewise.
pub(crate) struct ImagePath(pub(crate) ImageId);

impl<S: Send + Sync> FromRequestParts<S> for ImagePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<ImagePath, ApiError> {
        match id(parts, state).await {
            Some(id) => Ok(ImagePath(ImageId(id))),
            None => Err(ApiError::NoSuchImage),
        }
    }
}

async fn id<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<[u8; 16]> {
    let Path(text) = Path::<String>::from_request_parts(parts, state).await.ok()?;
    ids::parse(&text)
}
