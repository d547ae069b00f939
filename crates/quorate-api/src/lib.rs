//! The REST vocabulary of the Titan API v1: what goes over the wire as JSON, for the gateway and for clients, and the
//! part of the OpenAPI document that describes it ([`openapi()`]; the gateway adds the operations).
//!
//! Answers tolerate fields that they do not know, so that an old client understands a newer node; requests refuse them,
//! so that a typo is not swallowed.

mod cluster;
mod error;
mod health;
mod image;
mod job;
mod new_job;
mod openapi;
mod requests;
mod settings;

pub use cluster::{Cluster, Disk, Member};
pub use error::{Error, ErrorWrapper, WriteOutcome};
pub use health::Health;
pub use image::{IMAGE_NAMESPACE, Image, ImageWrapper, ImagesWrapper, image_id};
pub use job::{IdsWrapper, Job, JobWrapper, JobsWrapper, Reason, Status};
pub use new_job::{NewJob, NewJobsWrapper};
pub use openapi::openapi;
pub use requests::{CancelRequest, ConsumeRequest, FailRequest, SuccessRequest};
pub use settings::{Settings, SettingsRequest};
