use quorate_api::Job;
use serde_json::Value;

use crate::error::ApiError;
use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;
use crate::unknown::unknown;

/// The fields that the jobs of an answer have: all, or those that the client selected. A payload that was not selected is not
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    /// A bit for each of [`Job::FIELDS`].
    bits: u32,
}

impl Default for Fields {
    fn default() -> Fields {
        Fields::ALL
    }
}

impl Fields {
    pub(crate) const ALL: Fields = Fields { bits: (1 << Job::FIELDS.len()) - 1 };

    /// Names with commas between them.
    ///
    /// # Errors
    /// 400: one is no field of a job.
    pub(crate) fn parse(text: &str) -> Result<Fields, ApiError> {
        let mut bits = 0;
        for name in text.split(',') {
            let Some(place) = Job::FIELDS.iter().position(|field| *field == name) else {
                let name = shortened(name, GIVEN_CHARS);
                let message = format!("\"{name}\" {}", unknown(&name, &Job::FIELDS));
                return Err(ApiError::invalid("fields", message));
            };
            bits |= 1 << place;
        }
        Ok(Fields { bits })
    }

    /// True when the payload is among them.
    pub(crate) fn has_payload(self) -> bool {
        self.has("payload")
    }

    /// The job's JSON with these fields.
    pub(crate) fn json(self, job: &Job) -> Vec<u8> {
        if self == Fields::ALL {
            return serde_json::to_vec(job).expect("a job of strings and numbers is JSON");
        }
        let mut job = serde_json::to_value(job).expect("a job of strings and numbers is JSON");
        if let Value::Object(fields) = &mut job {
            fields.retain(|name, _| self.has(name));
        }
        job.to_string().into_bytes()
    }

    fn has(self, name: &str) -> bool {
        Job::FIELDS.iter().position(|field| *field == name).is_some_and(|place| self.bits & (1 << place) != 0)
    }
}
