use axum::extract::State;
use axum::http::StatusCode;
use quorate_api::{ErrorWrapper, ImageWrapper, ImagesWrapper};
use quorate_core::ImageId;
use quorate_core::limits::IMAGE_NAME_BYTES;

use crate::answer::{self, Claim};
use crate::error::{Answer, ApiError, Failure};
use crate::openapi::{PageParams, ReadErrors, ReadParams};
use crate::query::Query;
use crate::response;
use crate::routes::path_id::ImagePath;
use crate::{Backend, Gateway, Reads, convert, ids};

/// Lists the images that jobs have named, by id.
#[utoipa::path(
    get,
    path = "/v1/images",
    operation_id = "list_images",
    params(PageParams, ReadParams),
    responses((status = 200, description = "A page of images", body = ImagesWrapper), ReadErrors)
)]
pub(crate) async fn list<B: Backend>(State(gateway): State<Gateway<B>>, query: Query) -> Answer {
    let n = query.page_length()?;
    let after = query.cursor(ids::parse)?.map(ImageId);
    if gateway.must_be_sure(query.linearizable()?) {
        gateway.barrier().await?;
    }
    let index = gateway.applied();
    let mut share = gateway.answers().share();
    Claim::Read.resize(&mut share, n * IMAGE_JSON_BYTES).await?;
    let images = gateway.backend().reads().images(n, after).await?;
    let write = move || {
        // A full page may be the last one; then the next one is empty.
        let cursor = images.last().filter(|_| images.len() >= n).map(|last| last.id.to_string());
        let images = ImagesWrapper { images: images.into_iter().map(convert::image).collect(), cursor };
        response::json(StatusCode::OK, Some(index), &images)
    };
    Ok(answer::held(gateway.heavy().run_on(n * IMAGE_JSON_BYTES, write).await, share))
}

/// An image as JSON, at most: its name stands there twice.
const IMAGE_JSON_BYTES: usize = 200 + 2 * 6 * IMAGE_NAME_BYTES;

/// An image that jobs have named.
#[utoipa::path(
    get,
    path = "/v1/image/{id}",
    operation_id = "get_image",
    params(("id" = String, Path, description = "The image's id, a job's `image_id`"), ReadParams),
    responses(
        (status = 200, description = "The image", body = ImageWrapper),
        (status = 404, description = "There is no such image", body = ErrorWrapper),
        ReadErrors,
    )
)]
pub(crate) async fn get<B: Backend>(
    State(gateway): State<Gateway<B>>,
    ImagePath(id): ImagePath,
    query: Query,
) -> Answer {
    let linearizable = query.linearizable()?;
    let found = |image, index| {
        let image = ImageWrapper { image: convert::image(image) };
        response::json(StatusCode::OK, Some(index), &image)
    };
    if !gateway.must_be_sure(linearizable) {
        let index = gateway.applied();
        if let Some(image) = gateway.backend().reads().image(id).await? {
            return Ok(found(image, index));
        }
    }
    gateway.barrier().await?;
    let index = gateway.applied();
    match gateway.backend().reads().image(id).await? {
        Some(image) => Ok(found(image, index)),
        None => Err(Failure { error: ApiError::NoSuchImage, index: Some(index) }),
    }
}
