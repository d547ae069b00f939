use crate::{Answered, Batch, Table};

/// stub
pub fn apply<T: Table>(_table: &mut T, _index: u64, _batch: &Batch) -> Result<Vec<Answered>, T::Error> {
    todo!()
}
