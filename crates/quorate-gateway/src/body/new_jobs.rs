use std::fmt;
use std::marker::PhantomData;

use quorate_api::NewJob;
use quorate_core::limits::JOBS_PER_REQUEST;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::body::{Object, json};
use crate::error::ApiError;

/// The jobs of `POST /v1/jobs`: `{"jobs": […]}` or a bare array.
///
/// # Errors
/// 400: malformed, empty, or more than [`JOBS_PER_REQUEST`].
pub(crate) fn new_jobs(bytes: &[u8]) -> Result<Vec<Object<NewJob>>, ApiError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let AtMost(jobs) = match first {
        None => return Err(ApiError::invalid("body", r#"is empty; send {"jobs": [{"image": "…"}]}"#)),
        Some(b'[') => json(bytes, "jobs")?,
        Some(_) => {
            let Object(Wrapper { jobs }) = json(bytes, "").map_err(with_example)?;
            jobs
        }
    };
    if jobs.is_empty() {
        return Err(ApiError::invalid("jobs", "is empty"));
    }
    Ok(jobs)
}

/// Shows what the whole body should look like where it is something else.
fn with_example(error: ApiError) -> ApiError {
    let ApiError::Invalid { fields, message } = error else { return error };
    let message = match &*fields {
        field if NewJob::FIELDS.contains(&field) => {
            r#"stands outside of a job; wrap it: {"jobs": [{"image": "…"}]}"#.into()
        }
        "jobs" if message == "is required" => r#"is required: {"jobs": [{"image": "…"}]}"#.into(),
        "body" if message.starts_with("must be") => {
            format!(r#"{message}; send {{"jobs": [{{"image": "…"}}]}}"#).into()
        }
        _ => message,
    };
    ApiError::Invalid { fields, message }
}

/// [`quorate_api::NewJobsWrapper`], bounded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapper {
    jobs: AtMost<Object<NewJob>>,
}

/// A list that stops being read when it is too long: a body of 8 MiB has room for four million empty objects.
struct AtMost<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for AtMost<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AtMost<T>, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = AtMost<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {JOBS_PER_REQUEST}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AtMost<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == JOBS_PER_REQUEST {
                        return Err(Error::invalid_length(items.len() + 1, &self));
                    }
                    items.push(item);
                }
                Ok(AtMost(items))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}
