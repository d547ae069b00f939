use crate::{Reply, Settings, Table, limits};

use super::step::{Abort, Step, check};

/// Changes the cluster's settings. They hold from the next batch on.
pub(super) fn configure<T: Table>(
    step: &mut Step<'_, T>,
    settings: Settings,
) -> Result<Reply, Abort<T::Error>> {
    check(limits::RETENTION_SECONDS.contains(&settings.retention), "retention")?;
    step.put_settings(settings);
    Ok(Reply::Done)
}
