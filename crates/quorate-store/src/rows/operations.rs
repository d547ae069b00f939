use std::sync::Arc;

use quorate_core::Operations;

use super::codec;
use super::db::{Db, Family};
use super::keys::{self, Prefix};
use crate::StoreError;

/// All work on many jobs that the disk knows of.
pub(crate) fn load(db: &Db) -> Result<Operations, StoreError> {
    let mut operations = Operations::new();
    for row in db.scan(Family::Default, &Prefix::Operation.start(), &Prefix::Operation.end()) {
        let (key, value) = row?;
        let operation = codec::decode_operation(&value)?;
        let is_its_own = keys::by_id(Prefix::Operation, &operation.id.0) == *key;
        codec::intact(is_its_own.then_some(()), "the key of an operation")?;
        operations.insert(operation.id, Arc::new(operation));
    }
    Ok(operations)
}
