use crate::{FeatureLevel, Reply, Table};

use super::step::{Abort, Step, check};

/// Raises the cluster's feature level; never lowers it.
pub(super) fn raise<T: Table>(step: &mut Step<'_, T>, level: FeatureLevel) -> Result<Reply, Abort<T::Error>> {
    check(level >= step.table.level(), "level")?;
    step.put_level(level);
    Ok(Reply::Done)
}
