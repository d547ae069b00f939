use crate::{FeatureLevel, Reply, Table};

use super::step::{Step, Stop, check};

/// Raises the cluster's feature level; never lowers it.
pub(super) fn raise<T: Table>(step: &mut Step<'_, T>, level: FeatureLevel) -> Result<Reply, Stop<T::Error>> {
    check(level >= step.table.level(), "level")?;
    step.put_level(level);
    Ok(Reply::Done)
}
