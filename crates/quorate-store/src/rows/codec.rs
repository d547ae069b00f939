//! The values of the job table: messages, decoded with damage in mind.

use prost::Message;
use quorate_core::{Image, Job, KeyRecord, LaneMark, Operation, Queue};
use quorate_proto::{Malformed, log::v1};

use crate::StoreError;

/// The name of the job table in errors.
pub(crate) const WHAT: &str = "the job table";

/// The core's value that a message on disk stands for.
pub(crate) fn decode<M, T>(bytes: &[u8]) -> Result<T, StoreError>
where
    M: Message + Default,
    T: TryFrom<M, Error = Malformed>,
{
    let decoded = quorate_proto::decode::<M>(bytes).and_then(T::try_from);
    decoded.map_err(|malformed| StoreError::malformed(WHAT, &malformed))
}

pub(crate) fn encode_job(job: &Job) -> Vec<u8> {
    v1::Job::from(job).encode_to_vec()
}

pub(crate) fn decode_job(bytes: &[u8]) -> Result<Job, StoreError> {
    decode::<v1::Job, Job>(bytes)
}

pub(crate) fn encode_image(image: &Image) -> Vec<u8> {
    v1::Image::from(image).encode_to_vec()
}

pub(crate) fn decode_image(bytes: &[u8]) -> Result<Image, StoreError> {
    decode::<v1::Image, Image>(bytes)
}

pub(crate) fn encode_key(record: &KeyRecord) -> Vec<u8> {
    v1::KeyRecord::from(record).encode_to_vec()
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<KeyRecord, StoreError> {
    decode::<v1::KeyRecord, KeyRecord>(bytes)
}

pub(crate) fn encode_queue(queue: &Queue) -> Vec<u8> {
    v1::Queue::from(queue).encode_to_vec()
}

pub(crate) fn decode_queue(bytes: &[u8]) -> Result<Queue, StoreError> {
    decode::<v1::Queue, Queue>(bytes)
}

pub(crate) fn encode_operation(operation: &Operation) -> Vec<u8> {
    v1::Operation::from(operation).encode_to_vec()
}

pub(crate) fn decode_operation(bytes: &[u8]) -> Result<Operation, StoreError> {
    decode::<v1::Operation, Operation>(bytes)
}

pub(crate) fn encode_mark(mark: LaneMark) -> Vec<u8> {
    v1::LaneMark::from(mark).encode_to_vec()
}

pub(crate) fn decode_mark(bytes: &[u8]) -> Result<LaneMark, StoreError> {
    decode::<v1::LaneMark, LaneMark>(bytes)
}

/// What a well-formed key or value has, or the damage that it is not there.
pub(crate) fn intact<T>(part: Option<T>, of: &'static str) -> Result<T, StoreError> {
    part.ok_or_else(|| StoreError::damaged(WHAT, format!("malformed: {of}")))
}

pub(crate) fn decode_count(bytes: &[u8]) -> Result<u64, StoreError> {
    intact(bytes.try_into().ok().map(u64::from_be_bytes), "a count")
}
