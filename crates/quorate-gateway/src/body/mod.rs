//! Request bodies: read within their limits, then understood as leniently as the clients in the field need it.

mod at_most;
mod details;
mod endings;
mod form;
mod json;
mod media_type;
mod multipart;
mod new_jobs;
mod operation;
mod progress;
mod read;
mod slip;
pub(crate) mod urlencoded;

pub(crate) use details::details;
pub(crate) use endings::endings;
pub(crate) use form::{Form, flag, text};
pub(crate) use json::{Object, parse as json};
pub(crate) use media_type::{MediaType, ONLY_JSON};
pub(crate) use new_jobs::new_jobs;
pub(crate) use operation::operation;
pub(crate) use progress::progress;
pub(crate) use read::BodyReader;
